"""Tables: lines that fit, IDs that can be told apart, colours that say what the words say."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, NOW, snapshot, volume

from evs_snap.errors import LimitError
from evs_snap.plan.slots import Usage
from evs_snap.render.columns import chosen, item_columns, snapshot_columns, volume_columns
from evs_snap.render.tables import comma_separated, fitted, plain, values
from evs_snap.render.text import printable, width
from evs_snap.runs.record import Action, Item

ID = "5072a9e5-66eb-42a2-9120-e78b6dbedc9f"
ALMOST_ID = "5072a9e5-66eb-42a2-9120-e78b6dbedc9e"
OTHER_ID = "1abc0000-0000-4000-8000-000000000000"
COLUMNS = chosen(volume_columns(NOW), ())
NAMES = st.one_of(
    st.text(st.characters(), max_size=40),  # lone surrogates among them
    st.text(st.sampled_from("\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u200b\u202e[]/ a中"), max_size=20),
)


def row(name: str | None, *, id_: str = ID, used: int = 0) -> Usage:
    fields = {"size": 40, "volume_type": "SSD", "availability_zone": "eu-de-01"}
    disk = volume(id_, name=name, servers=(OTHER_ID,), **fields)
    return Usage(disk, limit=7, used=used, newest=NOW - 3 * HOUR if used else None)


def item(name: str, action: Action = Action.CREATED, *reasons: str, **fields: object) -> Item:
    """Return what became of one disk; that it was made, unless told."""
    made = snapshot(ID, name=f"{name}-20261123T021700Z", volume_id=OTHER_ID)
    usual = {"volume": volume(OTHER_ID, name=name), "snapshot": made, "reasons": reasons}
    return Item(action, **(usual | fields))  # type: ignore[arg-type]


def is_safe(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


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
    text = re.sub(r"\x1b\[[0-9;]*m", "", table)
    assert is_safe(text)
    assert all(width(line) <= room for line in text.splitlines())
    assert ID[:8] in text
    assert ("\x1b" in table) == colour
    assert not left_out or fit


FULL = LimitError("the disk holds 7 of 7 snapshots; nothing was sent", brief="full: 7 of 7")
RUN = [
    item("data-01", Action.CREATED, "slot 4 of 7", "kept as last 1, daily 2026-11-23"),
    item("data-01", Action.DELETED, "kept by no rule"),
    item("shared-name-of-the-house", Action.KEPT, "last 2", "daily 2026-11-22", "oldest weekly"),
    item("full-01", Action.REFUSED, FULL.message, error=FULL, snapshot=None),
]


def test_a_run_takes_a_line_a_row_and_its_status_has_room_at_90_columns() -> None:
    """found: `create --all` took 45 lines of 80 columns for ten disks, and cut names in two."""
    columns = item_columns("rotate", on_terminal=True)
    table, left_out = fitted(RUN, columns, room=90, colour=False, fit=True)
    assert left_out == []
    assert (
        table
        == """\
Volume                    Action   ID        Reason                              Status
data-01                   created  5072a9e5  slot 4 of 7; kept as last 1, daily  available
data-01                   deleted  5072a9e5  kept by no rule                     available
shared-name-of-the-house  kept     5072a9e5  last 2; daily; oldest weekly        available
full-01                   refused            full: 7 of 7
"""
    )
    narrow, left_out = fitted(RUN, columns, room=80, colour=False, fit=True)
    assert left_out == []
    assert narrow == re.sub(r" +(available|Status)$", "", table, flags=re.MULTILINE)


def test_programs_are_told_all_of_a_reason_and_people_a_few_words() -> None:
    reason = chosen(item_columns("create"), ["Reason"])
    assert values(RUN[-1:], reason) == FULL.message + "\n"
    assert plain(RUN[-1:], reason) == "Reason\nfull: 7 of 7\n"


def test_ids_shorten_and_ages_stand_for_times_before_a_column_is_lost() -> None:
    """found: `snapshots` on 80 columns dropped Volume and Policy for the sake of whole IDs."""
    rows = [snapshot(ID, name="data-01-20261123T021700Z", volume_id=OTHER_ID, size=40)]
    columns = chosen(snapshot_columns({OTHER_ID: "data-01"}, now=NOW + DAY), ())
    table, left_out = fitted(rows, columns, room=80, colour=False, fit=True)
    assert table == (
        "ID        Name                      Volume   Status     Size  Created  Policy\n"
        "5072a9e5  data-01-20261123T021700Z  data-01  available    40  1d ago   default\n"
    )
    assert left_out == []
    wide, _ = fitted(rows, columns, room=200, colour=False, fit=True)
    assert wide == plain(rows, columns)


def test_short_ids_are_long_enough_to_tell_them_apart() -> None:
    rows = [row("a"), row("b", id_=ALMOST_ID)]
    table, _ = fitted(rows, COLUMNS, room=110, colour=False, fit=True)
    _, first, second = (line.split()[0] for line in table.splitlines())
    assert (first, second) == (ID, ALMOST_ID)


def test_the_server_of_an_attached_disk_stays_in_one_line_of_140() -> None:
    """found: `volumes` on 140 columns folded the server's ID over two lines."""
    rows = [row("data-01-of-the-warehouse")]
    table, left_out = fitted(rows, COLUMNS, room=140, colour=False, fit=True)
    assert left_out == []
    assert len(table.splitlines()) == 2


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("name", ["error", "x error", "full"])
def test_colour_is_for_words_of_ours_and_never_for_a_name(name: str, *, colour: bool) -> None:
    table = plain([row(name, used=7)], COLUMNS, colour=colour)
    assert f"m{name}\x1b" not in table
    assert ("\x1b[32mavailable\x1b[0m" in table) == colour
    assert ("\x1b[31m7/7 full\x1b[0m" in table) == colour
    assert "7/7\t" in values([row(name, used=7)], COLUMNS), "programs get the figures alone"


def test_a_row_without_a_value_is_an_empty_line() -> None:
    """found: `-f value -c Name` left out the disks without a name, so that lines lost their row."""
    name = [c for c in COLUMNS if c.title == "Name"]
    assert values([row("a"), row(None), row("b")], name) == "a\n\nb\n"
    assert values([], name) == ""
    assert plain([], name) == "Name\n"
