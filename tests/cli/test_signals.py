"""Ctrl-C, SIGTERM and SIGHUP: ended in order, told in a report, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.processes import lines, on_terminal, started, unmeasured

from evs_snap.cli.signals import StoppedError, handle_signals
from evs_snap.clock import Stop

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Run

pytestmark = pytest.mark.processes

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SIGNALS = pytest.mark.parametrize("number", CODES, ids=lambda number: signal.Signals(number).name)

# A signal at an exact point: this finder of modules sends it when one is looked for.
_AMID_AN_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Finder())
sys.argv = ["evs-snap", *{arguments!r}]
from evs_snap.__main__ import main
main()
"""


def amid_an_import(module: str, number: int, line: str) -> subprocess.CompletedProcess[str]:
    code = _AMID_AN_IMPORT.format(module=module, number=int(number), arguments=line.split())
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False,
        env=unmeasured(),
    )  # fmt: skip


@SIGNALS
@pytest.mark.parametrize(
    "module",
    ["evs_snap.cli", "click", "evs_snap.cli.volumes", "httpx", "pydantic",
     "evs_snap.services.interface", "sqlite3", "concurrent.futures"],
)  # fmt: skip
def test_a_signal_while_modules_load_ends_without_a_traceback(module: str, number: int) -> None:
    """found: Ctrl-C while modules load gave a traceback now and then."""
    done = amid_an_import(module, number, "--sandbox volumes")
    assert done.returncode == CODES[signal.Signals(number)], done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing was changed" in done.stderr
    assert done.stdout == ""


@SIGNALS
def test_a_run_that_is_stopped_early_has_its_document_on_stdout(number: int) -> None:
    """found: `-f json` printed nothing when the run was stopped before it had a plan."""
    done = amid_an_import("httpx", number, "--sandbox create data-01 -f json")
    record = json.loads(done.stdout)
    assert record["exit_code"] == done.returncode == CODES[signal.Signals(number)]
    assert record["items"] == []
    assert "nothing was changed" in record["error"]["message"]


@SIGNALS
def test_what_was_made_is_reported_whatever_the_signal(number: int) -> None:
    """found: SIGHUP ended the run without a report."""
    with started("-v", "--sandbox", "create", "data-01", "-f", "json") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            if "POST" in line and "/snapshots" in line:
                break
        process.send_signal(number)
        record = json.loads(process.stdout.read())
        said = process.stderr.read()
        assert process.wait(timeout=20) == record["exit_code"] == CODES[signal.Signals(number)]
    (item,) = record["items"]
    assert item["snapshot"]["status"] == "creating"
    assert "Traceback" not in said
    assert "POST" not in said, "nothing new is begun"


def test_a_terminal_that_goes_away_is_no_reason_to_lose_the_code() -> None:
    """found: SIGHUP ended the run without a report, and a lost terminal with a traceback."""
    code, shown = on_terminal("--sandbox", "create", "data-01", hang_up_at=b"waiting for")
    assert code == 129
    assert "Traceback" not in shown


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    line = [sys.executable, "-m", "evs_snap", "--sandbox", "create", "data-01", "-v"]
    with subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509 - as nohup
    ) as process:
        assert process.stderr is not None
        for told in process.stderr:
            if "POST" in told and "/snapshots" in told:
                break
        os.kill(process.pid, signal.SIGHUP)
        process.stderr.read()
        assert process.wait(timeout=20) == 0


def test_after_ctrl_c_equal_hints_are_told_once_and_none_is_to_wait_longer() -> None:
    """found: Ctrl-C with ten disks gave the same hint ten times, to use a longer --timeout."""
    disks = ["data-01", "data-02", "db-data"]
    with started("-v", "--sandbox", "create", *disks) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "POST" in line and "/snapshots" in line:
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(timeout=20) == 130
    assert said.count("hint: It goes on being made") <= 1
    assert "--timeout" not in said


@SIGNALS
def test_a_signal_while_a_class_is_made_is_still_a_signal(number: int) -> None:
    """found: Ctrl-C while modules load gave a traceback now and then."""

    class Descriptor:
        def __set_name__(self, _owner: type, _name: str) -> None:
            signal.raise_signal(number)

    def load() -> None:
        type("Model", (), {"field": Descriptor()})

    with pytest.raises(StoppedError) as stopped, handle_signals(Stop()):
        load()
    assert stopped.value.code == CODES[signal.Signals(number)]


def test_handlers_are_put_back(run: Run) -> None:
    """found: nothing noticed that signal handlers were not put back."""
    before = {number: signal.getsignal(number) for number in CODES}
    run("--sandbox create data-01")
    run("--sandbox create nobody", exit_code=5)
    assert {number: signal.getsignal(number) for number in CODES} == before


@SIGNALS
def test_inside_a_run_they_are_ours(run: Run, fake: FakeClock, number: int) -> None:
    before = signal.getsignal(number)
    seen = []
    fake.clock.stop.begin()
    asleep = fake.sleep

    def sleep(seconds: float) -> None:
        seen.append(signal.getsignal(number) is not before)
        asleep(seconds)

    fake.sleep = sleep  # type: ignore[method-assign]  # to look on
    run("--sandbox create data-01")
    assert seen
    assert all(seen)


@pytest.mark.parametrize(
    ("line", "question"),
    [
        (f"delete {OURS}", "Delete 1 snapshot? [y/N]"),
        ("prune data-02 --keep-last 1", "Delete 1 snapshot? [y/N]"),
        (f"restore {OURS} --in-place", "Type the disk's name (data-02) to roll it back:"),
    ],
)
@pytest.mark.parametrize("typed", [b"\x04", b"n\n"], ids=["end of input", "no"])
def test_a_question_that_is_declined_ends_with_1(line: str, question: str, typed: bytes) -> None:
    """found: `delete` and `prune` ended with 0; the end of the input counted as Ctrl-C."""
    code, shown = on_terminal("--sandbox", *line.split(), typed=typed)
    assert code == 1
    text = " ".join("\n".join(lines(shown)).split())
    assert question in text
    assert "not confirmed" in text
