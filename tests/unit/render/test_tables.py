"""Tables: lines that fit, IDs that can be told apart, colours that say what the words say."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import DAY, NOW, snapshot, volume

from evs_snap.plan.slots import Usage
from evs_snap.render.columns import Column, item_columns, snapshot_columns, volume_columns
from evs_snap.render.tables import comma_separated, fitted, plain, values
from evs_snap.render.text import printable, width
from evs_snap.runs.record import Action, Item

ID = "5072a9e5-66eb-42a2-9120-e78b6dbedc9f"
ALMOST_ID = "5072a9e5-66eb-42a2-9120-e78b6dbedc9e"
OTHER_ID = "1abc0000-0000-4000-8000-000000000000"
COLUMNS = volume_columns(NOW)
NAMES = st.one_of(
    st.text(st.characters(), max_size=40),  # lone surrogates among them
    st.text(st.sampled_from("\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u200b\u202e[]/ a中"), max_size=20),
)


def row(name: str | None, *, id_: str = ID, used: int = 0) -> Usage:
    disk = volume(
        id_,
        name=name,
        servers=(OTHER_ID,),
        size=40,
        volume_type="SSD",
        availability_zone="eu-de-01",
    )
    return Usage(disk, limit=7, used=used)


def is_safe(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@given(name=NAMES)
def test_whatever_the_name_every_format_is_safe(name: str) -> None:
    table = plain([row(name)], COLUMNS)
    assert is_safe(table)
    assert table.count("\n") == 2
    value = values([row(name)], COLUMNS)
    assert is_safe(value.replace("\t", ""))
    assert value.count("\t") == len(COLUMNS) - 1
    _, line = csv.reader(io.StringIO(comma_separated([row(name)], COLUMNS)))
    assert line[1] == printable(name)


@given(name=NAMES, colour=st.booleans(), fit=st.booleans(), room=st.integers(60, 120))
def test_whatever_the_name_a_terminal_gets_lines_that_fit(
    *, name: str, colour: bool, fit: bool, room: int
) -> None:
    columns = COLUMNS if fit else COLUMNS[:2]
    table, left_out = fitted([row(name)], columns, room=room, colour=colour, fit=fit)
    text = uncoloured(table)
    assert is_safe(text)
    assert all(width(line) <= room for line in text.splitlines())
    assert ID[:8] in text
    assert ("\x1b" in table) == colour
    assert not left_out or fit


@pytest.mark.parametrize(("room", "shown"), [(200, ID), (80, ID[:8])])
def test_ids_are_shortened_before_a_column_is_lost(room: int, shown: str) -> None:
    """found: `snapshots` on 80 columns dropped Volume and Policy for the sake of whole IDs."""
    rows = [snapshot(ID, name="data-01-20261123T021700Z", volume_id=OTHER_ID, size=40)]
    columns = snapshot_columns({OTHER_ID: "data-01"}, now=NOW + DAY)
    table, left_out = fitted(rows, columns, room=room, colour=False, fit=True)
    header, line = table.splitlines()
    assert line.split()[0] == shown
    for title in ("Name", "Volume", "Status", "Created", "Policy"):
        assert title in header
    assert set(left_out) <= {"Size"}


def test_what_an_action_did_keeps_its_name_and_status_on_80_columns() -> None:
    """found: `create` on 80 columns dropped Name and Status."""
    made = snapshot(ID, name="data-01-20261123T021700Z", volume_id=OTHER_ID)
    item = Item(Action.CREATED, volume(OTHER_ID), made, ("slot 4 of 7", "kept as last 1"))
    _, left_out = fitted([item], item_columns("create"), room=80, colour=False, fit=True)
    assert left_out == []


def test_short_ids_are_long_enough_to_tell_them_apart() -> None:
    table, _ = fitted(
        [row("a"), row("b", id_=ALMOST_ID)], COLUMNS, room=110, colour=False, fit=True
    )
    _, first, second = (line.split()[0] for line in table.splitlines())
    assert (first, second) == (ID, ALMOST_ID)


def test_the_server_of_an_attached_disk_stays_in_one_line_of_140() -> None:
    """found: `volumes` on 140 columns folded the server's ID over two lines."""
    table, left_out = fitted(
        [row("data-01-of-the-warehouse")], COLUMNS, room=140, colour=False, fit=True
    )
    assert left_out == []
    assert len(table.splitlines()) == 2


def test_a_full_disk_stands_out_by_word_and_by_colour() -> None:
    table, _ = fitted([row("data-01", used=7)], COLUMNS, room=200, colour=True, fit=True)
    assert "\x1b[31m7/7 full\x1b[0m" in table
    assert "7/7\t" in values([row("data-01", used=7)], COLUMNS), "programs get what they got"


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("name", ["error", "x error", "full"])
def test_a_name_is_never_coloured_as_if_it_were_a_status(name: str, *, colour: bool) -> None:
    table = plain([row(name)], COLUMNS, colour=colour)
    assert f"m{name}\x1b" not in table
    assert ("\x1b[32mavailable\x1b[0m" in table) == colour


def test_a_row_without_a_value_is_an_empty_line() -> None:
    """found: `-f value -c Name` left out the disks without a name, so that lines lost their row."""
    name = [c for c in COLUMNS if c.title == "Name"]
    assert values([row("a"), row(None), row("b")], name) == "a\n\nb\n"


def test_of_no_rows_there_is_a_header_and_no_value() -> None:
    none: list[Column[Usage]] = COLUMNS[:2]
    assert plain([], none) == "ID  Name\n"
    assert values([], none) == ""
