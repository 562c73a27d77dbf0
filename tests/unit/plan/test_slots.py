"""Which snapshots hold a disk's slots, and which may be deleted to free one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.factories import DAY, MINUTE, NOW, snapshot, volume

from evs_snap.plan.retention import Keep, judge
from evs_snap.plan.slots import Usage, given_up, holders, limit_error, replaceable, usage

if TYPE_CHECKING:
    from evs_snap.services.interface import Snapshot

foreign = partial(snapshot, policy=None)
NEW, MID, OLD = (snapshot(n, made=d * DAY) for n, d in (("new", 1), ("mid", 2), ("old", 3)))
BAD = snapshot("bad", made=0 * DAY, status="error")


def replaced(*snapshots: Snapshot, besides: str = "") -> str | None:
    row = replaceable(snapshots, policy="default", besides=frozenset(besides.split()), now=NOW)
    return row.id if row else None


@pytest.mark.parametrize(
    "status", ["available", "creating", "deleting", "error", "error_deleting", "unknown"]
)
def test_a_snapshot_in_any_status_holds_a_slot(status: str) -> None:
    rows = [snapshot("o", made=DAY, status=status), foreign("f", made=DAY, status=status)]
    assert holders(rows) == rows


def test_the_backup_services_snapshots_hold_none() -> None:
    rows = [
        snapshot("a", made=DAY, name="autobk_snapshot_1"),
        snapshot("m", made=DAY, name="manualbk_snapshot_1"),
        snapshot(metadata={"__system__enableActive": "true"}),
    ]
    assert holders(rows) == []


def test_the_newest_usable_one_is_never_a_backup_services() -> None:
    """found: a backup's date was shown as a disk's newest, though it holds no slot."""
    rows = [OLD, MID, BAD, snapshot("backup", name="autobk_snapshot_1")]
    seen = usage(volume(), rows, limit=7)
    assert seen == Usage(volume(), 7, 3, newest=MID.created_at, newest_own=MID.created_at)
    assert usage(volume(), [], limit=7).newest is None


def test_what_is_given_up_is_told_in_the_order_in_which_it_goes() -> None:
    rows = [
        snapshot("two", made=2 * DAY),
        snapshot("bad", made=DAY, status="error"),
        snapshot("three", made=3 * DAY),
        snapshot("zero", made=0 * DAY),
        snapshot("undated", made=None, status="error"),
        snapshot("busy", made=9 * DAY, status="creating"),
    ]
    verdicts = given_up(judge(rows, Keep(last=1), now=NOW))
    assert [v.snapshot.id for v in verdicts] == ["undated", "bad", "three", "two"]


def test_the_oldest_is_replaced_and_the_newest_never() -> None:
    assert replaced(NEW, OLD, MID) == "old"
    assert replaced(NEW) is None
    assert replaced() is None


def test_what_the_rules_keep_is_not_replaced() -> None:
    assert replaced(NEW, OLD, MID, besides="old") == "mid"
    assert replaced(NEW, OLD, MID, besides="old mid") is None
    assert replaced(NEW, OLD, MID, besides="old mid new") is None


def test_of_two_made_in_the_same_second_one_is_replaced() -> None:
    assert replaced(snapshot("b", made=DAY), snapshot("a", made=DAY)) == "a"


@pytest.mark.parametrize(
    ("other", "is_replaced"),
    [
        (foreign("f", made=0 * DAY), True),
        (foreign("f", made=9 * DAY), False),
        (foreign("f", made=0 * DAY, status="error"), False),
        (foreign("f", made=0 * DAY, status="creating"), False),
        (snapshot("backup", made=0 * DAY, name="autobk_snapshot_x"), False),
        (snapshot("undated", made=None), False),
        (foreign("future", made=-16 * MINUTE), False),
        (foreign("ahead", made=-14 * MINUTE), True),
    ],
)
def test_a_newer_usable_one_must_stay(other: Snapshot, *, is_replaced: bool) -> None:
    """found: a stranger's, dated in the future, was taken for the newer one that stays."""
    assert replaced(snapshot("own", made=DAY), other) == ("own" if is_replaced else None)


def test_one_in_error_is_replaced_first_even_as_the_only_one() -> None:
    assert replaced(NEW, OLD, BAD) == "bad"
    assert replaced(BAD) == "bad"


@pytest.mark.parametrize("status", ["creating", "deleting", "error_deleting", "odd"])
def test_what_evs_does_not_delete_is_not_replaced(status: str) -> None:
    assert replaced(NEW, snapshot("old", made=3 * DAY, status=status)) is None


def test_others_are_never_replaced() -> None:
    rows = (
        NEW,
        foreign("f", made=9 * DAY),
        foreign("bad", made=9 * DAY, status="error"),
        snapshot("p", made=9 * DAY, policy="hourly"),
        snapshot("backup", made=9 * DAY, name="manualbk_snapshot_x"),
    )
    assert replaced(*rows) is None


def test_the_refusal_names_who_holds_the_slots_oldest_first() -> None:
    error = limit_error(
        [
            snapshot("o1", made=DAY),
            foreign("f", made=3 * DAY),
            snapshot("o2", made=2 * DAY, status="error"),
            snapshot("o3", made=None),
        ],
        limit=3,
    )
    assert error.message == "the disk holds 4 of 3 snapshots; nothing was sent"
    assert error.details[0] == (
        "3 made by evs-snap (policy default), 1 by others, 1 of them in error:"
    )
    assert [line.split()[0] for line in error.details[1:]] == ["o3", "f", "o2", "o1"]
    assert error.details[2].split()[:4] == ["f", "2026-11-20", "available", "others'"]
    assert error.details[1].split()[:4] == ["o3", "unknown", "available", "ours"]


def test_the_refusal_leaves_out_shares_of_nothing() -> None:
    assert limit_error([foreign("f", made=DAY)], limit=1).details[0] == "1 by others:"
    assert limit_error([snapshot("o", made=DAY)], limit=1).details[0] == (
        "1 made by evs-snap (policy default):"
    )
