"""What a snapshot may be brought back to, and what is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.factories import DAY, HOUR, NOW, snapshot, volume

from evs_snap.errors import (
    AmbiguousError,
    ConfigurationError,
    LimitError,
    NotOursError,
    SelectionError,
    VolumeStateError,
)
from evs_snap.plan.request import Request
from evs_snap.plan.restoration import NewVolume, Rollback, plan_new_volume, plan_rollback

if TYPE_CHECKING:
    from evs_snap.services.interface import Snapshot, Volume

SNAPSHOT, DISK = snapshot(size=40), volume(size=40)
AS_NEW = Request(command="restore", snapshots=("s",), as_name="copy")
IN_PLACE = Request(command="restore", snapshots=("s",), in_place=True)
STAMPED = {"evs_snap_key": "another run's"}


def new_volume(
    row: Snapshot = SNAPSHOT, disk: Volume = DISK, *others: Volume, **words: Any
) -> NewVolume | Volume:
    request = replace(AS_NEW, **words)
    return plan_new_volume(row, disk, request, volumes=[DISK, *others], key="key")


def rollback(
    row: Snapshot = SNAPSHOT,
    disk: Volume = DISK,
    *rows: Snapshot,
    newest_only: bool = False,
    **words: Any,
) -> Rollback:
    return plan_rollback(
        row,
        disk,
        rows or [row],
        replace(IN_PLACE, **words),
        newest_only=newest_only,
        now=NOW,
        new_id=lambda: "key",
    )


@pytest.mark.parametrize(
    ("row", "size", "is_asked_for"),
    [(SNAPSHOT, None, 40), (snapshot(), None, 40), (SNAPSHOT, 41, 41)],
)
def test_a_new_disk_has_the_snapshots_size_or_a_larger_one_and_carries_its_key(
    row: Snapshot, size: int | None, is_asked_for: int
) -> None:
    new = new_volume(row, size=size, properties={"owner": "me"})
    assert isinstance(new, NewVolume)
    assert (new.size, new.key) == (is_asked_for, "key")
    assert new.metadata == {"owner": "me", "evs_snap_key": "key"}


def test_a_smaller_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="40 GiB"):
        new_volume(size=39)


def copy(id_: str = "made", **fields: Any) -> Volume:
    """Return what an earlier run made in the same way."""
    usual = {"name": "copy", "snapshot_id": "s", "metadata": STAMPED, "size": 40}
    return volume(id_, **{**usual, **fields})


@pytest.mark.parametrize("status", ["available", "creating"])
def test_the_disk_that_an_earlier_run_made_in_the_same_way_is_taken(status: str) -> None:
    made = copy(status=status)
    assert new_volume(SNAPSHOT, DISK, made) == made


@pytest.mark.parametrize(
    "others",
    [
        [copy(snapshot_id="another")],
        [copy(metadata={})],
        [copy(snapshot_id=None)],
        [copy(size=100)],
        [copy("a"), copy("b")],
    ],
)
def test_another_disk_of_that_name_is_refused_with_its_id(others: list[Volume]) -> None:
    """found: a disk of another size than the one asked for was handed out."""
    with pytest.raises(AmbiguousError) as caught:
        new_volume(SNAPSHOT, DISK, *others)
    assert caught.value.details == tuple(f"{v.id}  {v.size} GiB  available" for v in others)


@pytest.mark.parametrize("status", ["in-use", "error", "deleting", "attaching"])
def test_one_made_earlier_that_cannot_be_had_is_not_handed_out(status: str) -> None:
    with pytest.raises(VolumeStateError, match=status):
        new_volume(SNAPSHOT, DISK, copy(status=status))


@pytest.mark.parametrize("plan", [new_volume, rollback])
@pytest.mark.parametrize(
    ("row", "kind", "told"),
    [
        *(
            (snapshot(status=status), VolumeStateError, status)
            for status in ("creating", "error", "deleting", "rollbacking", "unknown")
        ),
        (snapshot(name="autobk_snapshot_1"), NotOursError, "backup service"),
        (snapshot(volume_id="another"), SelectionError, "not of disk"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_refused(
    plan: Any, row: Snapshot, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        plan(row)


def test_a_rollback_takes_a_safety_snapshot_under_a_label_of_its_own() -> None:
    plan = rollback(snapshot(policy=None), volume(size=100))
    assert plan.safety is not None
    assert plan.safety.new is not None
    assert plan.safety.new.name == "data-01-before-restore-20261123T021700Z"
    assert plan.safety.new.stamp.policy == "before-restore"
    assert rollback(safety_snapshot=False).safety is None


def test_an_attached_disk_is_refused_with_the_way_to_detach_it() -> None:
    for attached in (volume(servers=("s1", "s2"), status="in-use"), volume(servers=("s1", "s2"))):
        with pytest.raises(VolumeStateError) as caught:
            rollback(SNAPSHOT, attached)
        assert caught.value.details == (
            "openstack server remove volume s1 v",
            "openstack server remove volume s2 v",
        )


@pytest.mark.parametrize("status", ["in-use", "creating", "error", "rollbacking", "maintenance"])
def test_a_disk_in_any_other_status_is_refused(status: str) -> None:
    with pytest.raises(VolumeStateError, match=status):
        rollback(SNAPSHOT, volume(status=status))


FULL = [snapshot(f"s{n}", size=40) for n in range(7)]


@pytest.mark.parametrize(
    ("plan", "kind", "told"),
    [
        (rollback(SNAPSHOT, DISK, *FULL), LimitError, "holds 7 of 7"),
        # EVS's own remedy for that status is to roll back again; snapshots it takes none.
        (rollback(SNAPSHOT, volume(status="error_rollbacking")), VolumeStateError, "rollbacking"),
        # On a plain Cinder that snapshot would be the newest one.
        (rollback(newest_only=True), ConfigurationError, "newest"),
    ],
)
def test_where_no_safety_snapshot_can_be_taken_it_is_told_how_to_go_on(
    plan: Rollback, kind: type[Exception], told: str
) -> None:
    assert plan.safety is not None
    assert isinstance(plan.safety.refusal, kind)
    assert told in plan.safety.refusal.message
    assert "--no-safety-snapshot" in (plan.safety.refusal.hint or "")


def test_a_plain_cinder_is_asked_for_the_newest_alone_and_the_same_size() -> None:
    rows = [snapshot(size=40, made=DAY), snapshot("s2", made=HOUR), snapshot("s0", made=2 * DAY)]
    with pytest.raises(VolumeStateError) as caught:
        rollback(rows[0], DISK, *rows, newest_only=True)
    assert [line.split()[0] for line in caught.value.details] == ["s2"]
    assert "--as" in (caught.value.hint or "")
    assert rollback(rows[0], DISK, *rows).snapshot == rows[0], "EVS takes any"
    with pytest.raises(VolumeStateError, match="41 GiB"):
        rollback(SNAPSHOT, volume(size=41), newest_only=True)
    assert rollback(SNAPSHOT, volume(size=41)).volume.size == 41
