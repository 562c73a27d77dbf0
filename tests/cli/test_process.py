"""Real processes: exit codes, streams, signals, terminals, and what is imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from tests.cli.processes import lines, on_terminal, run, started, unmeasured

from evs_snap.cli import _COMMANDS
from evs_snap.render.text import width

pytestmark = pytest.mark.processes

HEAVY = ("httpx", "pydantic", "rich", "yaml", "sqlite3", "concurrent.futures")
WRITING = ("evs_snap.runs.waves", "evs_snap.runs.locks", "evs_snap.runs.submit", "filelock")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
FULL = Path("/dev/full")


def _imported(code: str) -> set[str]:
    """Return which of the heavy modules, and of ours, a fresh interpreter has after this code."""
    wanted = f"m in {(*HEAVY, 'filelock')!r} or m.startswith('evs_snap.')"
    asking = f"import sys\n{code}\nprint(*(m for m in sys.modules if {wanted}))"
    done = subprocess.run(
        [sys.executable, "-c", asking], capture_output=True, text=True, timeout=20, check=True,
        env=unmeasured(),
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--sandbox volumes", 0),
        ("--sandbox create --volume data-01 --no-wait", 0),
        ("--sandbox create --volume broken-01", 1),
        ("frobnicate", 2),
        ("volumes", 2),
        ("", 0),
        ("--sandbox create --volume data-01 --volume full-01 --no-wait", 3),
        ("--sandbox volumes --volume nobody", 5),
        ("--sandbox create --volume full-01", 6),
    ],
)
def test_exit_codes_leave_the_process_and_no_traceback_does(line: str, code: int) -> None:
    done = run(*line.split())
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert _imported("import evs_snap") == {"evs_snap.api", "evs_snap.api.version"}
    assert not _imported("import evs_snap.cli") & set(HEAVY)


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [("--help", set()), ("-V", set()), ("create -h", {"create"}), ("volumes -h", {"volumes"})],
)
def test_help_costs_click_and_its_own_command_alone(arguments: str, loaded: set[str]) -> None:
    seen = _imported(f"from evs_snap.cli import run\nrun({arguments.split()!r})")
    commands = {f"evs_snap.cli.{name}" for name in _COMMANDS}
    assert seen & {*HEAVY, *commands} == {f"evs_snap.cli.{name}" for name in loaded}


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        ("volumes -f json", ("rich", "yaml", *WRITING)),
        ("volumes -f csv", ("rich", "yaml", *WRITING)),
        ("snapshots -f value -c ID", ("rich", "yaml", *WRITING)),
        ("snapshots -f yaml", ("rich", *WRITING)),
        ("check --all --max-age 1d", ("rich", "yaml", *WRITING)),
        ("create data-01 --no-wait -f json", ("rich", "yaml")),
    ],
)
def test_a_command_loads_nothing_that_its_format_does_not_need(
    arguments: str, needless: tuple[str, ...]
) -> None:
    line = ["--sandbox", *arguments.split()]
    assert not _imported(f"from evs_snap.cli import run\nrun({line!r})") & set(needless)


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "LANG": ""}],
    ids=str,
)
def test_the_locale_c_and_an_ascii_stream_are_no_reason_to_fail(env: dict[str, str]) -> None:
    done = run("--sandbox", "volumes", env=env)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 11
    shown = run("--sandbox", "volumes", "-f", "json", env=env).stdout
    assert len(json.loads(shown)) == 10
    assert shown.isascii() == ("PYTHONIOENCODING" in env), "Python writes UTF-8 in the locale C"


def test_no_colour_and_no_control_codes_reach_a_pipe() -> None:
    done = run("--sandbox", "create", "--volume", "full-01", env={"TERM": "xterm-256color"})
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_what_was_made_is_told_where_the_result_cannot_be_written() -> None:
    """found: nobody was told the ID of what was made."""
    with FULL.open("wb") as full:
        done = run("--sandbox", "create", "data-01", "--no-wait", stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    made = run("--sandbox", "snapshots", "data-01", "-f", "value", "-c", "ID").stdout.strip()
    assert made in done.stderr


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("command", ["volumes", "snapshots", "create data-01 --dry-run", "doctor"])
def test_lines_fit_the_terminal(command: str, columns: int) -> None:
    code, shown = on_terminal("--sandbox", *command.split(), columns=columns)
    assert code == 0
    assert all(width(line) <= columns for line in lines(shown)), shown


def test_a_terminal_of_80_columns_says_whose_a_snapshot_is() -> None:
    """found: `snapshots` on 80 columns dropped Volume: an unnamed one belonged to nobody."""
    _, shown = on_terminal("--sandbox", "snapshots")
    header = next(line for line in lines(shown) if line.startswith("ID"))
    assert {"ID", "Name", "Volume", "Status", "Created", "Policy"} <= set(header.split())
    ids = run("--sandbox", "snapshots", "-f", "value", "-c", "ID").stdout.split()
    assert {line.split()[0] for line in lines(shown)} >= {id_[:8] for id_ in ids}


def test_a_wide_terminal_shows_every_column() -> None:
    _, shown = on_terminal("--sandbox", "volumes", columns=200)
    assert "no room for" not in shown
    header = next(line for line in lines(shown) if line.startswith("ID"))
    assert header.split() == [
        "ID", "Name", "Status", "Size", "Type", "AZ", "Attached", "Snapshots", "Newest",
    ]  # fmt: skip


def test_columns_asked_for_are_all_shown_however_narrow_the_terminal() -> None:
    _, shown = on_terminal("--sandbox", "volumes", "-cID", "-cName", "-cAZ", "-cType", columns=60)
    assert "no room for" not in shown
    header = next(line for line in lines(shown) if line.startswith("ID"))
    assert header.split() == ["ID", "Name", "AZ", "Type"]


def test_a_dumb_terminal_gets_no_control_codes_at_all() -> None:
    code, shown = on_terminal("--sandbox", "volumes", env={"TERM": "dumb"})
    assert code == 0
    assert "\x1b" not in shown


def test_the_sandbox_is_served_until_terminated() -> None:
    with started("sandbox", "serve", "--port", "0") as server:
        assert server.stdout is not None
        exports = dict(
            re.findall(r"^export (OS_\w+)=(.*)$", "".join(_first(server.stdout, 7)), re.MULTILINE)
        )
        assert exports["OS_AUTH_URL"].startswith("http://127.0.0.1:")
        done = run("volumes", "-f", "value", "-c", "Name", env=exports)
        assert done.returncode == 0, done.stderr
        assert "data-01" in done.stdout
        made = run("create", "data-01", "--no-wait", "-f", "value", "-c", "ID", env=exports).stdout
        held = run("--sandbox", "snapshots", "data-01", "-f", "value", "-c", "ID").stdout
        assert held == made, "it is the one that --sandbox uses"
        server.terminate()
        assert server.wait(timeout=20) in {0, 143}


def test_two_processes_may_use_the_sandbox_at_once() -> None:
    line = "--sandbox create --volume {} --no-wait -f value -c ID"
    with (
        started(*line.format("data-01").split()) as one,
        started(*line.format("data-02").split()) as two,
    ):
        ids = {process.communicate(timeout=20)[0].strip() for process in (one, two)}
    assert all(UUID.fullmatch(id_) for id_ in ids)
    listed = run("--sandbox", "snapshots", "-f", "value", "-c", "ID").stdout.split()
    assert ids <= set(listed)


def _first(stream: IO[str], count: int) -> list[str]:
    return [stream.readline() for _ in range(count)]
