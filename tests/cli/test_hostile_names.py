"""Names come from strangers: nothing in them may reach a terminal but printable text."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api.models import Volume
from evs_snap.errors import EvsSnapError
from evs_snap.plan.slots import Usage
from evs_snap.render.columns import volume_columns
from evs_snap.render.documents import error_document, to_json, volume_document
from evs_snap.render.tables import comma_separated, on_terminal, plain, values
from evs_snap.render.text import fold, printable, width

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
MOMENT = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
names = st.one_of(
    st.text(st.characters(), max_size=40),  # lone surrogates among them
    st.text(
        st.sampled_from("\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u200b\u202e\ud800[]/ a中"), max_size=20
    ),
)


def _is_safe(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def _row(name: str | None) -> Usage:
    return Usage(Volume(id="5072a9e5-66eb-42a2-9120-e78b6dbedc9f", name=name), limit=7, used=0)


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
        assert shown.stdout.isascii()
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


def test_a_null_name_is_empty_text_and_null_in_json(run: Run, pretend: Pretend) -> None:
    disk = pretend.disk(None)
    assert run(f"--sandbox volumes --volume {disk} -f csv -c ID -c Name").stdout == (
        f"ID,Name\n{disk},\n"
    )
    (row,) = run(f"--sandbox volumes --volume {disk} -f json").json
    assert row["name"] is None


@given(name=names)
def test_whatever_the_name_every_format_is_safe_and_json_is_true(name: str) -> None:
    row = _row(name)
    columns = volume_columns(MOMENT)
    assert _is_safe(plain([row], columns))
    assert plain([row], columns).count("\n") == 2
    value = values([row], columns)
    assert _is_safe(value.replace("\t", ""))
    assert value.count("\t") == len(columns) - 1
    _, line = csv.reader(io.StringIO(comma_separated([row], columns)))
    assert line[1] == printable(name)
    document = to_json([volume_document(row)])
    assert document.isascii()
    stored = json.loads(document)[0]["name"]
    # A pair of surrogates is one character, in JSON as in UTF-16.
    assert stored.encode("utf-16", "surrogatepass") == name.encode("utf-16", "surrogatepass")


@given(name=names, colour=st.booleans(), fit=st.booleans())
def test_whatever_the_name_a_terminal_gets_lines_that_fit_and_all_of_the_id(
    *, name: str, colour: bool, fit: bool
) -> None:
    out = io.StringIO()
    row = _row(name)
    columns = volume_columns(MOMENT) if fit else volume_columns(MOMENT)[:2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        on_terminal([row], columns, out=out, colour=colour, fit=fit)
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert _is_safe(text)
    assert all(width(line) <= 80 for line in text.splitlines())
    assert row.volume.id in text
    assert ("\x1b" in out.getvalue()) == colour


@given(text=st.text(st.characters()).map(printable), size=st.integers(2, 30))
def test_folding_keeps_within_the_size_and_loses_blanks_only(text: str, size: int) -> None:
    lines = fold(text, size)
    assert all(width(line) <= size for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(text=st.text(st.characters()))
def test_what_is_printable_stays_as_it_is_and_the_rest_becomes_ascii(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@given(message=names, hint=names)
def test_errors_keep_their_words_in_json(message: str, hint: str) -> None:
    document = error_document(EvsSnapError(message, hint=hint))
    assert document is not None
    assert (document["message"], document["hint"]) == (message, hint)
    assert to_json(document).isascii()
