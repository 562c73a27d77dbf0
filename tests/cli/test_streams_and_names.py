"""Tests that fail today, each for a bug reported; move to tests/cli when mended."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import Run


@pytest.mark.parametrize("form", ["table", "json", "value"])
def test_an_unknown_column_is_refused_before_anything_is_sent(
    run: Run, requests: Callable[[str], list[str]], form: str
) -> None:
    refused = run(f"-v --sandbox create --volume data-01 -c Bogus -f {form}", exit_code=2)
    assert not [line for line in requests(refused.stderr) if line.startswith("POST")]


def test_a_snapshot_that_ended_in_error_is_shown_so(run: Run, pretend: Pretend) -> None:
    pretend.disk("this-will-fail")
    (item,) = run("--sandbox create --volume this-will-fail -f json", exit_code=1).json["items"]
    assert item["snapshot"]["status"] == "error"


def test_variables_are_named_like_the_options(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVS_SNAP_CREATE_NAME", "from-the-environment")
    monkeypatch.setenv("EVS_SNAP_CREATE_VOLUME", "data-01")
    record = run("--sandbox create --no-wait -f json").json
    assert record["items"][0]["snapshot"]["name"] == "from-the-environment"


def test_a_closed_stdout_is_no_traceback() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m evs_snap --sandbox volumes >&-', sys.executable],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m evs_snap --sandbox volumes -f json | exec true', sys.executable],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "error" not in done.stderr


def test_bytes_that_are_no_utf8_are_not_a_bad_answer_of_the_service() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "evs_snap",
            "--sandbox",
            "create",
            "--volume",
            "data-01",
            "--name",
            b"x\xff",
            "--no-wait",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
