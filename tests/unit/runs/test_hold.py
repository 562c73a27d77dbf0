"""The protocol of a hold: READY, the lifeline, the end; every way a command can break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from evs_snap.clock import system_clock
from evs_snap.errors import HoldError, InterruptedRunError
from evs_snap.runs.holds.command import Hold, Release, hold

pytestmark = pytest.mark.processes

PATIENCE = 0.3


class Said(list[str]):
    """The lines that a command wrote; the first one is its process ID."""

    def is_over(self) -> bool:
        """Whether the command and all its children have ended, though PID 1 may not know it."""
        for _ in range(40):
            if not any(
                _is_alive(stat, group=self[0]) for stat in Path("/proc").glob("[0-9]*/stat")
            ):
                return True
            time.sleep(0.05)  # noqa: TID251 - the kernel's time
        return False


def _is_alive(stat: Path, *, group: str) -> bool:
    with suppress(OSError):
        state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        return its_group == group and state != "Z"
    return False


def held(command: str, said: Said, *, seconds: float = 20.0) -> Release:
    """Hold, and release at once."""
    wanted = Hold(f"echo $$ >&2; {command}", seconds, patience=PATIENCE)
    with hold(wanted, clock=system_clock(), environ=os.environ, note=said.append) as holding:
        return holding.release()


BY = "the hold did not end by itself; {} ended it"
SENT = [
    f"it goes on {PATIENCE} s after its stdin ended: {name} is sent"
    for name in ("SIGTERM", "SIGKILL")
]


@pytest.mark.parametrize(
    ("command", "trouble", "told"),
    [
        ("echo READY; cat", None, []),
        ("echo one; echo two >&2; echo ' READY '; cat >&2; echo three", None, ["three"]),
        ("echo READY; cat; kill -9 $$", "the hold ended with signal 9", []),
        ("echo READY; exec sleep 60", BY.format("SIGTERM"), SENT[:1]),
        ("echo READY; sleep 60 & wait", BY.format("SIGTERM"), SENT[:1]),
        ("trap '' TERM; echo READY; while :; do sleep 0.1; done", BY.format("SIGKILL"), SENT),
        ("(trap '' TERM; sleep 60) & echo READY; exec sleep 60", BY.format("SIGKILL"), SENT),
    ],
)
def test_how_a_hold_ends_is_told_and_nothing_of_it_is_left(
    command: str, trouble: str | None, told: list[str]
) -> None:
    said = Said()
    release = held(command, said)
    assert release.trouble == trouble
    assert 0.0 < release.seconds < 5.0
    assert said[len(said) - len(told) :] == told
    assert "READY" not in said
    assert said.is_over()


def test_of_a_hold_that_talks_without_end_a_part_is_told() -> None:
    """found: it filled a log with a gigabyte in sixteen seconds."""
    said = Said()
    held("yes & echo READY; cat; kill $!", said)
    assert sum(map(len, said)) < 100_000
    assert "(more of this is not shown)" in said
    assert said.is_over()


LATE = f"the hold was not ready within {PATIENCE} s"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sleep 60; echo READY; cat", LATE),
        ("echo ready; echo READY or not; printf READY; cat", LATE),
        ("echo READY >&2; cat", LATE),
        ("trap '' TERM; while :; do sleep 0.1; done", LATE),
        ("kill -9 $$", "the hold ended before it was ready, with signal 9"),
        ("sleep 0.1 & exit 0", "the hold ended before it was ready, with code 0"),
        ("echo READY; exit 3", "the hold ended right after READY, with code 3"),
    ],
)
def test_what_is_not_ready_in_time_is_refused_and_ended(command: str, message: str) -> None:
    said = Said()
    with pytest.raises(HoldError) as refused:
        held(command, said, seconds=PATIENCE if message == LATE else 20.0)
    assert refused.value.message == message
    assert refused.value.exit_code == 8
    assert said.is_over()


@pytest.mark.parametrize("command", ["cat\0", "true " * 100_000])
def test_a_command_that_cannot_be_started_is_refused(command: str) -> None:
    with pytest.raises(HoldError, match="the hold cannot be started"):
        held(command, Said())


def test_a_hold_that_ends_before_it_is_released_has_let_go_too_early() -> None:
    said = Said()
    wanted = Hold("echo $$; echo READY; sleep 0.2", 20, patience=PATIENCE)
    with hold(wanted, clock=system_clock(), environ=os.environ, note=said.append) as holding:
        assert said.is_over()
        assert holding.release().trouble == "the hold ended too early, with code 0"


def test_a_signal_ends_the_wait_for_ready() -> None:
    clock, said = system_clock(), Said()
    clock.stop.ask(143)
    wanted = Hold("echo $$; cat", 60, patience=PATIENCE)
    with (
        pytest.raises(InterruptedRunError),
        hold(wanted, clock=clock, environ=os.environ, note=said.append),
    ):
        pytest.fail("it was never ready")
    assert said.is_over()


HOLDER = """
import os, subprocess
from evs_snap.clock import system_clock
from evs_snap.runs.holds.command import Hold, hold
wanted = Hold("echo $$; echo READY; cat", 60)
with hold(wanted, clock=system_clock(), environ=os.environ, note=print):
    other = subprocess.Popen(["sleep", "60"])
    print(other.pid, "is held", flush=True)
    other.wait()
"""


def test_a_killed_run_lets_go_though_other_children_live_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-c", HOLDER], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        said = Said([run.stdout.readline()])
        other = int(run.stdout.readline().split()[0])
        run.kill()
        try:
            assert said.is_over()
            os.kill(other, 0)
        finally:
            with suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
