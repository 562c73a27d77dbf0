"""`evs-snap show`: all about one disk or snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from tests.cli.processes import lines, on_terminal

if TYPE_CHECKING:
    from tests.conftest import Run

OURS = "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"
"""A snapshot of data-02 that carries our stamp."""


def test_a_disk_is_shown_with_its_fields_and_its_snapshots_the_newest_first(run: Run) -> None:
    told = run("--sandbox show full-01").stdout
    fields, history = told.split("\n\n")
    known = dict(line.partition("  ")[::2] for line in fields.splitlines())
    assert known["Snapshots"].strip() == "7/7"
    assert known["Metadata"].strip() == "env=prod"
    header, *rows = history.splitlines()
    assert header.split() == ["Created", "ID", "Name", "Status", "Policy"]
    assert len(rows) == 7
    assert rows == sorted(rows, reverse=True)


def test_the_rules_given_say_why_each_snapshot_would_stay(run: Run) -> None:
    (shown,) = run("--sandbox show data-02 --keep-last 1 -f json").json
    assert [(row["keep"], row["reasons"]) for row in shown["timeline"]] == [
        (True, ["last 1"]),
        (False, ["kept by no rule"]),
    ]
    (other,) = run("--sandbox show data-02 --keep-last 1 --policy weekly -f json").json
    assert {row["keep"] for row in other["timeline"]} == {None}


def test_documents_are_complete_whatever_is_shown(run: Run) -> None:
    line = f"--sandbox show data-02 {OURS[:8]}"
    disk, snapshot = run(f"{line} -f json").json
    assert (disk["object"], disk["snapshots"]) == ("volume", {"count": 2, "limit": 7})
    assert (snapshot["object"], snapshot["id"]) == ("snapshot", OURS)
    assert snapshot["volume"]["name"] == snapshot["volume_name"] == "data-02"
    assert yaml.safe_load(run(f"{line} -f yaml").stdout) == [disk, snapshot]


def test_fields_can_be_chosen(run: Run) -> None:
    assert run("--sandbox show data-02 -f value -c Size -c Status").stdout == "100\navailable\n"
    assert run(f"--sandbox show {OURS} -f json -c policy").json == [{"policy": "default"}]
    assert "no column" in run("--sandbox show data-02 -c Colour", exit_code=2).stderr


@pytest.mark.parametrize("wanted", ["nothing-like-it", "0" * 8 + "-0000-4000-8000-" + "0" * 12])
def test_what_nothing_is_called_is_not_found(run: Run, wanted: str) -> None:
    assert "no disk and no snapshot" in run(f"--sandbox show {wanted}", exit_code=5).stderr


@pytest.mark.parametrize(
    ("columns", "env", "drawn"),
    [(80, {"NO_COLOR": "1"}, "○"), (140, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                           "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}, ".")],
)  # fmt: skip
def test_a_terminal_gets_a_line_of_time(columns: int, env: dict[str, str], drawn: str) -> None:
    _, shown = on_terminal("--sandbox", "show", "full-01", columns=columns, env=env)
    found = lines(shown)
    axis = next(number for number, line in enumerate(found) if line.endswith("now"))
    line, legend = found[axis - 1], found[axis + 1]
    assert len(line) == 62
    assert line.count(drawn) == 5
    assert legend.endswith(f"default 2   {drawn} others' 5")
    assert max(map(len, found)) <= columns
