"""Which snapshots hold a disk's slots, and which may be deleted to free one."""

from __future__ import annotations

from functools import partial

import pytest
from tests.factories import DAY, MINUTE, NOW, snapshot, volume

from evs_snap.plan.slots import Usage, limit_error, replaceable, usage
from evs_snap.services.interface import Snapshot

foreign = partial(snapshot, policy=None)
NEW, MID, OLD = (snapshot(n, made=d * DAY) for n, d in (("new", 1), ("mid", 2), ("old", 3)))
BAD = snapshot("bad", made=0 * DAY, status="error")
AUTO, MANUAL = (snapshot(n, made=9 * DAY, name=f"{n}bk_snapshot_1") for n in ("auto", "manual"))


def test_all_but_the_backup_services_hold_a_slot_and_theirs_is_never_the_newest() -> None:
    """found: a backup's date was shown as a disk's newest, though it holds no slot."""
    others = [foreign(s, status=s) for s in ("creating", "deleting", "error_deleting", "unknown")]
    backups = [snapshot(name="autobk_snapshot_1"), snapshot(name="manualbk_snapshot_1")]
    flagged = snapshot(metadata={"__system__enableActive": "true"})
    seen = usage(volume(), [OLD, MID, BAD, *others, *backups, flagged], limit=7)
    assert seen == Usage(volume(), 7, 7, newest=MID.created_at, newest_own=MID.created_at)
    assert usage(volume(), [], limit=7).newest is None


@pytest.mark.parametrize(
    ("rows", "besides", "replaced"),
    [
        ([NEW, OLD, MID], "", "old"),
        ([NEW], "", None),
        ([], "", None),
        ([NEW, OLD, MID], "old", "mid"),
        ([NEW, OLD, MID], "old mid", None),
        ([NEW, OLD, MID], "old mid new", None),
        ([snapshot("b", made=DAY), snapshot("a", made=DAY)], "", "a"),
        # One in error goes first, even as the only one.
        ([NEW, OLD, BAD], "", "bad"),
        ([BAD], "", "bad"),
        # What the service does not delete, and what is not ours, does not go.
        *(
            ([NEW, snapshot("o", made=3 * DAY, status=status)], "", None)
            for status in ("creating", "deleting", "error_deleting", "odd")
        ),
        ([NEW, foreign("f", made=9 * DAY), MANUAL], "", None),
        ([NEW, foreign("f", status="error"), snapshot("p", made=9 * DAY, policy="x")], "", None),
        # A newer usable one, anybody's, must stay on the disk.
        ([MID, foreign("f", made=0 * DAY)], "", "mid"),
        ([MID, foreign("f", made=9 * DAY)], "", None),
        ([MID, foreign("f", made=0 * DAY, status="error")], "", None),
        ([MID, foreign("f", made=0 * DAY, status="creating")], "", None),
        ([MID, snapshot("backup", name="autobk_snapshot_x")], "", None),
        ([MID, snapshot("undated", made=None)], "", None),
        ([MID, foreign("future", made=-16 * MINUTE)], "", None),
        ([MID, foreign("ahead", made=-14 * MINUTE)], "", "mid"),
    ],
)
def test_our_oldest_is_replaced_where_a_newer_usable_one_stays(
    rows: list[Snapshot], besides: str, replaced: str | None
) -> None:
    """found: a stranger's, dated in the future, was taken for the newer one that stays."""
    row = replaceable(rows, policy="default", besides=frozenset(besides.split()), now=NOW)
    assert (row and row.id) == replaced


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
    assert limit_error([foreign("f", made=DAY)], limit=1).details[0] == "1 by others:"
