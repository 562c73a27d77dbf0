"""Whether a disk has a slot left, who holds them, and what may go to make room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evs_snap.api.models import Snapshot
from evs_snap.plan.retention import Keep, judge
from evs_snap.plan.slots import given_up, holders, limit_error, replaceable

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
DAY = timedelta(days=1)


def ours(id_: str, days: int | None, *, status: str = "available", name: str = "x") -> Snapshot:
    return Snapshot(
        id=id_,
        name=name,
        volume_id="v",
        status=status,
        metadata={"evs_snap_key": "k"},
        created_at=None if days is None else NOW - days * DAY,
    )


def foreign(id_: str, days: int, *, status: str = "available") -> Snapshot:
    made = NOW - days * DAY
    return Snapshot(id=id_, volume_id="v", status=status, created_at=made)


def giving_way(*snapshots: Snapshot, wanted: str = "") -> str | None:
    row = replaceable(snapshots, policy="default", wanted=frozenset(wanted.split()))
    return row.id if row else None


@pytest.mark.parametrize(
    "status", ["available", "creating", "deleting", "error", "error_deleting", "unknown"]
)
def test_a_snapshot_in_any_status_holds_a_slot(status: str) -> None:
    rows = [ours("o", 1, status=status), foreign("f", 1, status=status)]
    assert holders(rows) == rows


def test_the_backup_services_snapshots_hold_none() -> None:
    rows = [
        ours("a", 1, name="autobk_snapshot_1"),
        ours("m", 1, name="manualbk_snapshot_1"),
        Snapshot(id="s", metadata={"__system__enableActive": "true"}),
    ]
    assert holders(rows) == []


def test_what_is_given_up_is_told_in_the_order_in_which_it_goes() -> None:
    rows = [
        ours("two", 2),
        ours("bad", 1, status="error"),
        ours("three", 3),
        ours("zero", 0),
        ours("undated", None, status="error"),
        ours("busy", 9, status="creating"),
    ]
    verdicts = given_up(judge(rows, Keep(last=1), now=NOW))
    assert [v.snapshot.id for v in verdicts] == ["undated", "bad", "three", "two"]


def test_the_oldest_gives_way_and_the_newest_never() -> None:
    assert giving_way(ours("new", 1), ours("old", 3), ours("mid", 2)) == "old"
    assert giving_way(ours("only", 1)) is None
    assert giving_way() is None


def test_what_the_rules_want_does_not_give_way() -> None:
    rows = (ours("new", 1), ours("old", 3), ours("mid", 2))
    assert giving_way(*rows, wanted="old") == "mid"
    assert giving_way(*rows, wanted="old mid") is None
    assert giving_way(*rows, wanted="old mid new") is None


def test_of_two_made_in_the_same_second_one_gives_way() -> None:
    assert giving_way(ours("b", 1), ours("a", 1)) == "a"


@pytest.mark.parametrize(
    ("other", "gives_way"),
    [
        (foreign("f", 0), True),
        (foreign("f", 9), False),
        (foreign("f", 0, status="error"), False),
        (foreign("f", 0, status="creating"), False),
        (ours("backup", 0, name="autobk_snapshot_x"), False),
        (ours("undated", None), False),
    ],
)
def test_a_newer_usable_one_must_stay(other: Snapshot, *, gives_way: bool) -> None:
    assert giving_way(ours("own", 1), other) == ("own" if gives_way else None)


def test_one_in_error_gives_way_first_even_as_the_only_one() -> None:
    assert giving_way(ours("new", 1), ours("old", 3), ours("bad", 0, status="error")) == "bad"
    assert giving_way(ours("bad", 0, status="error")) == "bad"


@pytest.mark.parametrize("status", ["creating", "deleting", "error_deleting", "odd"])
def test_what_evs_does_not_delete_does_not_give_way(status: str) -> None:
    assert giving_way(ours("new", 1), ours("old", 3, status=status)) is None


def test_others_never_give_way() -> None:
    hourly = {"evs_snap_key": "k", "evs_snap_policy": "hourly"}
    rows = (
        ours("new", 1),
        foreign("f", 9),
        foreign("bad", 9, status="error"),
        ours("p", 9).model_copy(update={"metadata": hourly}),
        ours("backup", 9, name="manualbk_snapshot_x"),
    )
    assert giving_way(*rows) is None


def test_the_refusal_names_who_holds_the_slots_oldest_first() -> None:
    error = limit_error(
        [ours("o1", 1), foreign("f", 3), ours("o2", 2, status="error"), ours("o3", None)], limit=3
    )
    assert error.message == "the disk holds 4 of 3 snapshots; nothing was sent"
    assert error.details[0] == (
        "3 made by evs-snap (policy default), 1 by others, 1 of them in error:"
    )
    assert [line.split()[0] for line in error.details[1:]] == ["o3", "f", "o2", "o1"]
    assert error.details[2].split()[:4] == ["f", "2026-11-20", "available", "others'"]
    assert error.details[1].split()[:4] == ["o3", "unknown", "available", "ours"]


def test_the_refusal_leaves_out_shares_of_nothing() -> None:
    assert limit_error([foreign("f", 1)], limit=1).details[0] == "1 by others:"
    assert limit_error([ours("o", 1)], limit=1).details[0] == (
        "1 made by evs-snap (policy default):"
    )
