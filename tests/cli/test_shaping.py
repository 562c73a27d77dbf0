"""How results are written: -f, -c, -q, -v, said before or after the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run


@pytest.mark.parametrize(
    "options", ["-f value -c name", "-q -f csv", "-v -f json", "-c ID -c Name"]
)
def test_shaping_options_mean_the_same_before_and_after_the_command(run: Run, options: str) -> None:
    before = run(f"--sandbox {options} volumes")
    after = run(f"--sandbox volumes {options}")
    assert before.stdout == after.stdout
    assert before.stderr.count("GET") == after.stderr.count("GET")


def test_the_word_nearer_the_command_counts(run: Run) -> None:
    assert run("--sandbox -f csv volumes -f json -c Name").json


def test_values_have_no_header_and_are_separated_by_tabs(run: Run) -> None:
    lines = run("--sandbox volumes -f value -c ID -c Status").stdout.splitlines()
    assert len(lines) == 10
    assert all(len(line.split("\t")) == 2 for line in lines)


def test_columns_come_in_the_order_asked_whatever_their_case(run: Run) -> None:
    shown = run("--sandbox volumes --volume data-01 -f csv -c STATUS -c name -c iD").stdout
    header, row = shown.splitlines()
    assert header == "Status,Name,ID"
    assert row.startswith("available,data-01,")


def test_a_column_asked_for_twice_comes_twice(run: Run) -> None:
    shown = run("--sandbox volumes --volume data-01 -f value -c name -c Name").stdout
    assert shown == "data-01\tdata-01\n"


@pytest.mark.parametrize("command", ["volumes", "snapshots"])
def test_an_unknown_column_is_an_error_that_names_those_there_are(run: Run, command: str) -> None:
    refused = run(f"--sandbox {command} -c colour", exit_code=2)
    assert refused.stdout == ""
    assert "'colour'" in refused.stderr
    assert "Status" in refused.stderr


@pytest.mark.parametrize("form", ["table", "json", "value"])
def test_an_unknown_column_is_refused_before_anything_is_sent(
    run: Run, requests: Callable[[str], list[str]], form: str
) -> None:
    refused = run(f"-v --sandbox create --volume data-01 -c Bogus -f {form}", exit_code=2)
    assert not [line for line in requests(refused.stderr) if line.startswith("POST")]


def test_a_table_off_a_terminal_is_plain_aligned_text(run: Run) -> None:
    header, *rows = run("--sandbox volumes").stdout.splitlines()
    assert len(rows) == 10
    at = header.index("Status")
    ascii_rows = [row for row in rows if row.isascii()]
    assert all(row[at - 1] == " " and row[at] != " " for row in ascii_rows)
    assert not any(line.endswith(" ") for line in rows)
    assert "\x1b" not in "".join(rows)


def test_colour_asked_for_does_not_get_into_data(run: Run) -> None:
    for form in ("json", "csv", "value"):
        assert "\x1b" not in run(f"--color always --sandbox volumes -f {form}").stdout


def test_stdout_is_the_result_and_nothing_else(run: Run) -> None:
    shown = run("-v --sandbox volumes -f json")
    assert isinstance(json.loads(shown.stdout), list)
    assert "sandbox" in shown.stderr
    assert "GET" in shown.stderr


def test_quiet_leaves_stderr_empty_but_for_errors(run: Run) -> None:
    assert run("-q --sandbox volumes").stderr == ""
    assert run("-q --sandbox create --volume data-01").stderr == ""
    assert "error:" in run("-q --sandbox create --volume full-01", exit_code=6).stderr


def test_the_sandbox_says_once_that_it_is_one(run: Run) -> None:
    assert run("--sandbox create --volume data-01").stderr.count("sandbox") == 1


def test_one_v_tells_each_request_and_two_tell_headers_and_bodies(
    run: Run, requests: Callable[[str], list[str]]
) -> None:
    once = run("-v --sandbox create --volume data-01 --no-wait").stderr
    assert [line.split("?")[0] for line in requests(once)] == [
        "GET volumes/detail",
        "GET snapshots/detail",
        "POST snapshots",
    ]
    assert "evs_snap_key" not in once
    assert "evs_snap_key" in run("-vv --sandbox create --volume data-01 --no-wait").stderr
    assert "evs_snap_key" in run("-v --sandbox create --volume data-01 --no-wait -v").stderr


def test_actions_on_failure_are_one_json_document_too(run: Run) -> None:
    failed = run("--sandbox create --volume nobody -f json", exit_code=5)
    assert failed.json["schema"] == "evs-snap/1"
    assert failed.json["exit_code"] == 5
    assert failed.json["items"] == []
    assert "'nobody'" in failed.json["error"]["message"]
    assert "'nobody'" in failed.stderr
