"""Names come from strangers: nothing in them may reach a terminal but printable text."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import Terminal

from evs_snap.render.text import printable

if TYPE_CHECKING:
    from tests.cli.conftest import Pretend
    from tests.conftest import Run

NAMES = {
    "escape codes": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "C1 codes": "\x9b31m and \x85x",
    "markup": "[red]x[/red] [link=http://x]y[/link] [/]",
    "newlines": "one\ntwo\r\nthree\u2028four",
    "tabs": "one\ttwo",
    "right to left": "\u202egnp.exe",
    "isolates": "\u2066x\u2069",
    "zero width": "a\u200bb\ufeffc",
    "wide": "中" * 255,
    "combining": "e\u0301\u0302\u0303",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "backspaces": "good\b\b\b\bevil",
    "a formula": '=cmd("x")',
    "quotes": "a,b\"c'd",
    "an option": "--exclude",
    "braces": "{volume} %n {0.__class__}",
    "a backslash": "\\x1b[31m",
}


def _is_safe(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.fixture(name="nasty", params=list(NAMES.values()), ids=list(NAMES))
def _nasty(request: pytest.FixtureRequest, pretend: Pretend) -> str:
    """Make a disk of such a name, with a snapshot of the same one; return the name."""
    name: str = request.param
    pretend.snapshot(pretend.disk(name), name)
    return name


def test_lists_show_printable_text_and_a_row_a_line(run: Run, nasty: str) -> None:
    for command, rows in (("volumes", 11), ("snapshots", 12)):
        table = run(f"--sandbox {command}").stdout
        assert _is_safe(table)
        assert len(table.splitlines()) == rows + 1
        value = run(f"--sandbox {command} -f value").stdout
        assert _is_safe(value.replace("\t", ""))
        assert len(value.splitlines()) == rows
        written = run(f"--sandbox {command} -f csv").stdout
        assert _is_safe(written)
        parsed = list(csv.reader(io.StringIO(written)))
        assert len(parsed) == rows + 1
        assert printable(nasty) in {line[1] for line in parsed}


def test_json_keeps_the_true_name(run: Run, nasty: str) -> None:
    for command in ("volumes", "snapshots"):
        shown = run(f"--sandbox {command} -f json")
        assert _is_safe(shown.stdout)
        assert nasty in {row["name"] for row in shown.json}


def test_actions_and_their_errors_show_printable_text(run: Run, nasty: str) -> None:
    disk = shlex.quote(nasty)
    made = run(f"--sandbox create --volume={disk}")
    assert _is_safe(made.stdout + made.stderr)
    assert len(made.stdout.splitlines()) == 2
    full = run(f"--sandbox create --volume={disk} --limit 1", exit_code=6)
    assert _is_safe(full.stdout + full.stderr)
    duplicates = run(f"--sandbox snapshots --volume={shlex.quote(nasty + '?')}", exit_code=5)
    assert _is_safe(duplicates.stdout + duplicates.stderr)


def test_csv_is_exact(run: Run, pretend: Pretend) -> None:
    """A cell that a spreadsheet takes for a formula stays as it is: programs read CSV, too."""
    disk = pretend.disk("=1+1,@x")
    written = run(f"--sandbox volumes {disk} -f csv -c Name").stdout
    assert list(csv.reader(io.StringIO(written))) == [["Name"], ["=1+1,@x"]]


def test_the_trace_shows_printable_text(run: Run, nasty: str) -> None:
    told = run(f"-v --sandbox create --volume={shlex.quote(nasty)} --dry-run")
    assert _is_safe(told.stderr)


def test_a_new_snapshots_name_has_only_printable_characters(run: Run, nasty: str) -> None:
    record = run(f"--sandbox create --volume={shlex.quote(nasty)} -f json").json
    (item,) = record["items"]
    assert item["volume"]["name"] == nasty
    assert item["snapshot"]["name"].isprintable()
    assert len(item["snapshot"]["name"]) <= 64
    assert item["snapshot"]["name"].endswith("Z")


def test_a_question_cannot_move_the_cursor(
    run: Run, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = pretend.snapshot(pretend.disk("\x1b[7mred"), "\x1b[2Js")
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    asked = run(f"--sandbox restore {snapshot} --in-place", exit_code=1).stderr
    assert "\\x1b[7mred" in asked
    assert "\x1b[7m" not in asked
    assert "\x1b[2J" not in asked


def test_the_line_of_a_check_stays_one(run: Run, pretend: Pretend) -> None:
    pretend.disk("a\nEVS-SNAP OK\x1b[2J|disks=9")
    line = run("--sandbox check --match 'a*OK*' --max-age 1d", exit_code=2).stdout
    assert line.removesuffix("\n").isprintable()
    assert line.count("|") == 1


def test_what_others_store_is_told_as_it_is_whatever_its_key(run: Run, pretend: Pretend) -> None:
    """found: a disk's metadata called "hint" was rewritten as a hint of ours is."""
    said = {"hint": "`evs-snap volumes`"}
    pretend.disk("odd", metadata=said)
    assert run("--sandbox volumes odd -f json").json[0]["metadata"] == said
