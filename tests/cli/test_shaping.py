"""How results are written, to the blank: the scenarios do not tell blanks and tabs apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run


@pytest.mark.parametrize(
    "options", ["-f value -c name", "-q -f csv", "-v -f json", "-c ID -c Name"]
)
def test_shaping_options_mean_the_same_before_and_after_the_command(run: Run, options: str) -> None:
    before = run(f"--sandbox {options} volumes")
    after = run(f"--sandbox volumes {options}")
    assert before.stdout == after.stdout
    assert before.stderr.count("GET") == after.stderr.count("GET")


def test_values_have_no_header_and_are_separated_by_tabs(run: Run) -> None:
    lines = run("--sandbox volumes -f value -c ID -c Status").stdout.splitlines()
    assert len(lines) == 10
    assert all(len(line.split("\t")) == 2 for line in lines)


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


def test_the_sandbox_says_once_that_it_is_one(run: Run) -> None:
    assert run("--sandbox create --volume data-01").stderr.count("sandbox") == 1
