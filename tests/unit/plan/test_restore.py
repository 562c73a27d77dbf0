"""What a snapshot may be brought back to, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.factories import DAY, HOUR, NOW, snapshot, volume

from evs_snap.errors import (
    AmbiguousError,
    ConfigurationError,
    EvsSnapError,
    LimitError,
    NotOursError,
    SelectionError,
    VolumeStateError,
)
from evs_snap.plan.restoration import NewVolume, Rollback, plan_new_volume, plan_rollback

STAMPED = {"evs_snap_key": "another run's"}


def new_volume(**changes: Any) -> Any:
    usual: dict[str, Any] = {
        "snapshot": snapshot(size=40),
        "source": volume(size=40),
        "name": "copy",
        "size": None,
        "properties": {},
        "volumes": [volume(size=40)],
        "key": "key",
    }
    wish = {**usual, **changes}
    return plan_new_volume(wish.pop("snapshot"), wish.pop("source"), **wish)


def rollback(**changes: Any) -> Rollback:
    usual: dict[str, Any] = {
        "snapshot": snapshot(size=40),
        "volume": volume(size=40),
        "snapshots": [snapshot(size=40)],
        "newest_only": False,
        "safety": True,
        "limit": 7,
        "now": NOW,
        "new_id": lambda: "key",
    }
    wish = {**usual, **changes}
    return plan_rollback(wish.pop("snapshot"), wish.pop("volume"), wish.pop("snapshots"), **wish)


def refusal(plan: Rollback) -> EvsSnapError:
    assert plan.safety is not None
    assert plan.safety.refusal is not None
    return plan.safety.refusal


def test_a_new_disk_has_the_snapshots_size_and_carries_its_key() -> None:
    new = new_volume(properties={"owner": "me"})
    assert isinstance(new, NewVolume)
    assert (new.size, new.key) == (40, "key")
    assert new.metadata == {"owner": "me", "evs_snap_key": "key"}


def test_a_snapshot_that_tells_no_size_has_its_disks() -> None:
    assert new_volume(snapshot=snapshot()).size == 40


def test_a_new_disk_may_be_larger_and_not_smaller() -> None:
    assert new_volume(size=41).size == 41
    with pytest.raises(ConfigurationError, match="40 GiB"):
        new_volume(size=39)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\x1b[0m"])
def test_a_name_that_no_disk_may_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="--as"):
        new_volume(name=name)


def test_reserved_metadata_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="reserved"):
        new_volume(properties={"__system__encrypted": "1"})


def test_a_name_that_another_disk_has_is_refused_with_its_id() -> None:
    with pytest.raises(AmbiguousError) as caught:
        new_volume(volumes=[volume("other", name="copy", size=1)])
    assert caught.value.details == ("other  1 GiB  available",)


@pytest.mark.parametrize("status", ["available", "creating"])
def test_the_disk_that_an_earlier_run_made_in_the_same_way_is_taken(status: str) -> None:
    made = volume("made", name="copy", snapshot_id="s", metadata=STAMPED, status=status)
    assert new_volume(volumes=[volume(), made]) == made


@pytest.mark.parametrize(
    "fields",
    [
        {"snapshot_id": "another", "metadata": STAMPED},
        {"snapshot_id": "s", "metadata": {}},
        {"snapshot_id": None, "metadata": STAMPED},
    ],
)
def test_a_disk_of_that_name_made_otherwise_is_not_taken_for_it(fields: dict[str, Any]) -> None:
    with pytest.raises(AmbiguousError):
        new_volume(volumes=[volume("made", name="copy", **fields)])


def test_of_two_that_were_made_none_is_taken() -> None:
    made = [volume(i, name="copy", snapshot_id="s", metadata=STAMPED) for i in ("a", "b")]
    with pytest.raises(AmbiguousError):
        new_volume(volumes=made)


@pytest.mark.parametrize("status", ["in-use", "error", "deleting", "attaching"])
def test_one_made_earlier_that_cannot_be_had_is_not_handed_out(status: str) -> None:
    made = volume("made", name="copy", snapshot_id="s", metadata=STAMPED, status=status)
    with pytest.raises(VolumeStateError, match=status):
        new_volume(volumes=[made])


@pytest.mark.parametrize("plan", [new_volume, rollback])
@pytest.mark.parametrize("status", ["creating", "error", "deleting", "rollbacking", "unknown"])
def test_a_snapshot_that_is_not_available_is_refused(plan: Any, status: str) -> None:
    with pytest.raises(VolumeStateError, match=status):
        plan(snapshot=snapshot(status=status))


@pytest.mark.parametrize("plan", [new_volume, rollback])
def test_a_backup_services_snapshot_is_refused(plan: Any) -> None:
    with pytest.raises(NotOursError, match="backup service"):
        plan(snapshot=snapshot(name="autobk_snapshot_1"))


@pytest.mark.parametrize("plan", [new_volume, rollback])
def test_a_snapshot_of_another_disk_is_refused(plan: Any) -> None:
    with pytest.raises(SelectionError):
        plan(snapshot=snapshot(volume_id="another"))


def test_a_rollback_takes_a_safety_snapshot_under_a_label_of_its_own() -> None:
    plan = rollback(snapshot=snapshot(policy=None), volume=volume(size=100))
    assert plan.safety is not None
    new = plan.safety.new
    assert new is not None
    assert new.name == "data-01-before-restore-20261123T021700Z"
    assert new.metadata == {"evs_snap_key": "key", "evs_snap_policy": "before-restore"}


def test_without_a_wish_for_one_there_is_no_safety_snapshot() -> None:
    assert rollback(safety=False).safety is None


def test_an_attached_disk_is_refused_with_the_way_to_detach_it() -> None:
    for attached in (volume(servers=("s1", "s2"), status="in-use"), volume(servers=("s1", "s2"))):
        with pytest.raises(VolumeStateError) as caught:
            rollback(volume=attached)
        assert caught.value.details == (
            "openstack server remove volume s1 v",
            "openstack server remove volume s2 v",
        )


@pytest.mark.parametrize("status", ["in-use", "creating", "error", "rollbacking", "maintenance"])
def test_a_disk_in_any_other_status_is_refused(status: str) -> None:
    with pytest.raises(VolumeStateError, match=status):
        rollback(volume=volume(status=status))


def test_a_full_disk_has_no_safety_snapshot_and_says_how_to_go_on() -> None:
    held = [snapshot(f"s{n}", size=40) for n in range(7)]
    error = refusal(rollback(snapshots=held))
    assert isinstance(error, LimitError)
    assert "--no-safety-snapshot" in (error.hint or "")
    assert len(error.details) == 8


def test_a_disk_in_error_rollbacking_is_rolled_back_without_one() -> None:
    """EVS's own remedy for that status is to roll back again; snapshots it takes none."""
    error = refusal(rollback(volume=volume(status="error_rollbacking")))
    assert isinstance(error, VolumeStateError)
    assert rollback(volume=volume(status="error_rollbacking"), safety=False).safety is None


def test_a_plain_cinder_gets_no_safety_snapshot_as_that_would_be_newer() -> None:
    error = refusal(rollback(newest_only=True))
    assert isinstance(error, ConfigurationError)
    assert "newest" in error.message


def test_a_plain_cinder_is_not_asked_for_any_but_the_newest() -> None:
    rows = [snapshot(size=40, made=DAY), snapshot("s2", made=HOUR), snapshot("s0", made=2 * DAY)]
    with pytest.raises(VolumeStateError) as caught:
        rollback(snapshot=rows[0], snapshots=rows, newest_only=True)
    assert [line.split()[0] for line in caught.value.details] == ["s2"]
    assert "--as" in (caught.value.hint or "")
    assert rollback(snapshot=rows[0], snapshots=rows).snapshot == rows[0], "EVS takes any"


def test_a_plain_cinder_is_not_asked_where_the_disk_has_grown() -> None:
    with pytest.raises(VolumeStateError, match="41 GiB"):
        rollback(volume=volume(size=41), newest_only=True)
    assert rollback(volume=volume(size=41)).volume.size == 41
