"""What bringing a snapshot back may rely on, held to the sandbox and to a real Cinder alike."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.factories import made_past

from evs_snap import restore
from evs_snap.errors import NotFoundError, ServiceError

if TYPE_CHECKING:
    from tests.conftest import Cloud

    from evs_snap.services.interface import Snapshot

NOWHERE = "11111111-2222-4333-8444-555555555555"


def _snapshot(cloud: Cloud, volume_id: str, name: str = "contract-one") -> Snapshot:
    made_id = made_past(cloud.client, volume_id, name)
    cloud.until(lambda: cloud.client.snapshot(made_id).is_usable)
    return cloud.client.snapshot(made_id)


def test_a_disk_from_a_snapshot_goes_from_creating_to_available(cloud: Cloud) -> None:
    source = cloud.client.volume(cloud.volume("contract"))
    snapshot = _snapshot(cloud, source.id)
    key = str(uuid4())
    made = cloud.client.create_volume(
        size=2,
        name="contract-copy",
        snapshot_id=snapshot.id,
        availability_zone=source.availability_zone,
        volume_type=source.volume_type,
        metadata={"evs_snap_key": key},
    )
    cloud.made.insert(0, made.id)
    assert (made.status, made.snapshot_id, made.size) == ("creating", snapshot.id, 2)
    cloud.until(lambda: cloud.client.volume(made.id).status == "available")
    assert cloud.client.volume(made.id).metadata["evs_snap_key"] == key
    (listed,) = [v for v in cloud.client.volumes() if v.metadata.get("evs_snap_key") == key]
    assert (listed.id, listed.snapshot_id) == (made.id, snapshot.id)


def test_a_disk_smaller_than_its_snapshot_is_refused(cloud: Cloud) -> None:
    answer = cloud.post("volumes", {"volume": {"size": 2, "name": "contract"}})
    volume_id = answer["volume"]["id"]
    cloud.made.append(volume_id)
    cloud.until(lambda: cloud.client.volume(volume_id).status == "available")
    snapshot = _snapshot(cloud, volume_id)
    with pytest.raises(ServiceError) as caught:
        cloud.client.create_volume(size=1, snapshot_id=snapshot.id)
    assert caught.value.status == 400


def test_a_disk_from_a_snapshot_that_is_not_there_is_refused(cloud: Cloud) -> None:
    with pytest.raises(NotFoundError):
        cloud.client.create_volume(size=1, snapshot_id=NOWHERE)


def test_restored_as_a_new_disk_it_is_one_however_often_it_is_asked_for(cloud: Cloud) -> None:
    snapshot = _snapshot(cloud, cloud.volume("contract"))
    name = f"contract-{uuid4()}"
    first, again = (restore(cloud.client, snapshot.id, as_name=name) for _ in range(2))
    (made,) = cloud.client.volumes(name=name)
    cloud.made.insert(0, made.id)
    assert [record.exit_code for record in (first, again)] == [0, 0]
    assert [record.summary for record in (first, again)] == [{"restored": 1}, {"reused": 1}]


def test_restored_in_place_the_disk_is_available_again(cloud: Cloud) -> None:
    """EVS rolls back by a path of its own, Cinder reverts; the sandbox does as EVS does."""
    snapshot = _snapshot(cloud, cloud.volume("contract"))
    record = restore(cloud.client, snapshot.id, in_place=True, safety_snapshot=False)
    (item,) = record.items
    assert record.exit_code == 0
    assert item.volume is not None
    assert cloud.client.volume(item.volume.id).status == "available"
    assert cloud.client.snapshot(snapshot.id).is_usable


def test_cinder_reverts_to_no_other_than_the_newest_snapshot(cloud: Cloud) -> None:
    """The reason why evs-snap takes no safety snapshot there."""
    volume_id = cloud.volume("contract")
    older = _snapshot(cloud, volume_id)
    assert cloud.client.service.rolls_back_to_any(older.id) is (cloud.name == "sandbox")
    if cloud.name == "sandbox":
        return
    _snapshot(cloud, volume_id, name="contract-two")
    with pytest.raises(ServiceError) as caught:
        cloud.client.service.roll_back(volume_id, snapshot_id=older.id)
    assert caught.value.status == 400
    refused = restore(cloud.client, older.id, in_place=True, safety_snapshot=False)
    assert refused.exit_code == 1
    assert refused.items[0].action == "refused"
