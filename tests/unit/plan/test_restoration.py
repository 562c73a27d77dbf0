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
OLDER, NEWER = snapshot("s0", size=40, made=2 * DAY), snapshot("s2", size=40, made=-HOUR)


FULL = [snapshot(f"o{number}") for number in range(6)]


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
    return plan_rollback(row, disk, [row, *rows], replace(IN_PLACE, **words),
                         newest_only=newest_only, now=NOW, new_id=lambda: "key")  # fmt: skip


def copy(id_: str = "made", **fields: Any) -> Volume:
    """Return what an earlier run made in the same way."""
    stamp = {"evs_snap_key": "another run's"}
    usual: dict[str, Any] = {"name": "copy", "snapshot_id": "s", "metadata": stamp, "size": 40}
    return volume(id_, **(usual | fields))


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


ATTACHED = ("s1", "s2")
DETACH = ["openstack server remove volume s1 v", "openstack server remove volume s2 v"]


@pytest.mark.parametrize(
    ("disk", "rows", "plain", "details"),
    [
        # Attached, it is told how to detach it.
        (volume(status="in-use", servers=ATTACHED), [], False, DETACH),
        (volume(servers=ATTACHED), [], False, DETACH),
        *((volume(status=status), [], False, [status])
          for status in ("in-use", "creating", "error", "rollbacking", "maintenance")),
        # A plain Cinder reverts to the newest alone, on a disk of the same size.
        (DISK, [OLDER, NEWER], True, ["s2 "]),
        (volume(size=41), [], True, ["41 GiB"]),
    ],
)  # fmt: skip
def test_a_disk_that_cannot_be_rolled_back_is_refused(
    disk: Volume, rows: list[Snapshot], details: list[str], *, plain: bool
) -> None:
    with pytest.raises(VolumeStateError) as caught:
        rollback(SNAPSHOT, disk, *rows, newest_only=plain, safety_snapshot=False)
    told = (caught.value.message, *caught.value.details)
    assert all(detail in "\n".join(told) for detail in details)
    assert "s0" not in "\n".join(told)


@pytest.mark.parametrize("status", ["in-use", "error", "deleting", "attaching"])
def test_one_made_earlier_that_cannot_be_had_is_not_handed_out(status: str) -> None:
    with pytest.raises(VolumeStateError, match=status):
        new_volume(SNAPSHOT, DISK, copy(status=status))


def test_a_rollback_takes_a_safety_snapshot_under_a_label_of_its_own() -> None:
    plan = rollback(snapshot(policy=None), volume(size=100), NEWER)
    assert plan.safety is not None
    assert plan.safety.new is not None
    assert plan.safety.new.name == "data-01-before-restore-20261123T021700Z"
    assert plan.safety.new.stamp.policy == "before-restore"
    assert rollback(safety_snapshot=False).safety is None


@pytest.mark.parametrize(
    ("plan", "kind", "told"),
    [
        (rollback(SNAPSHOT, DISK, *FULL), LimitError, "full: 7 of 7"),
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
