"""Streams that are full, closed or gone: the exit code still says what became of the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not Path("/dev/full").exists(), reason="only Linux has a device that is always full"
    ),
]


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `evs-snap` is this program."""
    program = f"{sys.executable} -m evs_snap"
    return subprocess.run(
        ["sh", "-c", line.replace("evs-snap", program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("evs-snap --sandbox volumes 2> /dev/full", 0),
        ("evs-snap -vv --sandbox create data-01 --no-wait 2> /dev/full", 0),
        ("evs-snap -vv --sandbox create data-01 --no-wait 2>&-", 0),
        ("evs-snap --sandbox create full-01 2> /dev/full", 6),
        ("evs-snap --sandbox create nobody 2>&-", 5),
        ("evs-snap frobnicate 2> /dev/full", 2),
        ("evs-snap --sandbox check data-01 --max-age 1d 2>&-", 2),
    ],
)
def test_a_stderr_that_takes_nothing_changes_no_exit_code(line: str, code: int) -> None:
    """found: a full stderr turned codes into 120."""
    assert shell(line).returncode == code


@pytest.mark.parametrize("stdout", ["> /dev/full", ">&-"])
def test_a_check_that_cannot_write_is_unknown(stdout: str) -> None:
    """found: `check` that could not write ended with 1, which monitoring takes for WARNING."""
    done = shell(f"evs-snap --sandbox check --all --max-age 1d {stdout}")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stdout", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("line", ["volumes -f csv", "volumes -f yaml", "-h", "-V", "snapshots"])
def test_a_result_that_is_lost_is_a_failure_that_is_told(line: str, stdout: str) -> None:
    done = shell(f"evs-snap --sandbox {line} {stdout}")
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


def test_with_stdin_closed_and_a_question_due_it_asks_for_a_yes() -> None:
    """found: with stdin closed, `delete` without -y ended in a traceback."""
    done = shell("evs-snap --sandbox delete 9d1b20c9 <&-")
    assert done.returncode == 2
    assert "add -y" in done.stderr


def test_closed_streams_do_not_lend_their_numbers_to_files() -> None:
    """found: with stderr closed, its number went to the next file opened: say, to a database."""
    done = shell(
        "evs-snap --sandbox create data-01 --no-wait <&- 2>&- && evs-snap --sandbox volumes"
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    said = shell("evs-snap --sandbox volumes -f json | exec true").stderr
    assert not [word for word in ("error", "Traceback", "Exception ignored") if word in said]


def test_bytes_that_are_no_text_are_a_usage_error() -> None:
    """found: a name that is no UTF-8 was called a bad answer of the service."""
    done = shell("evs-snap --sandbox create data-01 --name $(printf 'x\\377') --no-wait")
    assert done.returncode == 2
