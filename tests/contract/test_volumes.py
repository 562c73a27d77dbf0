"""What may be relied on when disks are made and deleted, at the sandbox and a real Cinder alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.factories import made_past

from evs_snap.errors import NotFoundError, ServiceError

if TYPE_CHECKING:
    from tests.conftest import Cloud

    from evs_snap.services.interface import Snapshot

NOWHERE = "11111111-2222-4333-8444-555555555555"


def _post(cloud: Cloud, **fields: object) -> Any:
    """Ask for a disk, and have it removed at the end."""
    answer = cloud.client.project.send("POST", "volumes", body={"volume": fields})
    made = answer.json()["volume"]
    cloud.made.append(made["id"])
    return made


def _snapshot(cloud: Cloud, volume_id: str) -> Snapshot:
    """Make a snapshot that is available."""
    made_id = made_past(cloud.client, volume_id, "source")
    cloud.until(lambda: cloud.client.snapshot(made_id).is_usable)
    return cloud.client.snapshot(made_id)


def _shown(cloud: Cloud, volume_id: str) -> Any:
    answer = cloud.client.project.send("GET", f"volumes/{volume_id}")
    return answer.json()["volume"]


def test_a_disk_is_made_from_a_snapshot(cloud: Cloud) -> None:
    source = cloud.client.volume(cloud.volume("contract"))
    snapshot = _snapshot(cloud, source.id)
    made = _post(
        cloud,
        snapshot_id=snapshot.id,
        size=2,
        availability_zone=source.availability_zone,
        volume_type=source.volume_type,
        name="restored",
        metadata={"evs_snap_key": "k"},
    )
    assert made["status"] == "creating"
    cloud.until(lambda: _shown(cloud, made["id"])["status"] == "available")
    shown = _shown(cloud, made["id"])
    assert (shown["name"], shown["size"], shown["snapshot_id"]) == ("restored", 2, snapshot.id)
    assert shown["metadata"]["evs_snap_key"] == "k"
    assert shown["volume_type"] == source.volume_type
    assert shown["availability_zone"] == source.availability_zone


def test_a_disk_from_a_snapshot_needs_no_zone_and_no_type(cloud: Cloud) -> None:
    """What openstackclient sends."""
    source = cloud.client.volume(cloud.volume("contract"))
    made = _post(cloud, snapshot_id=_snapshot(cloud, source.id).id, size=1)
    cloud.until(lambda: _shown(cloud, made["id"])["status"] == "available")
    shown = _shown(cloud, made["id"])
    assert shown["volume_type"] == source.volume_type
    assert shown["availability_zone"] == source.availability_zone


def test_a_disk_from_no_snapshot_is_missing(cloud: Cloud) -> None:
    with pytest.raises(NotFoundError):
        _post(cloud, snapshot_id=NOWHERE, size=1)


def test_a_disk_smaller_than_the_snapshot_is_refused(cloud: Cloud) -> None:
    source = _post(cloud, size=2)["id"]
    cloud.until(lambda: _shown(cloud, source)["status"] == "available")
    with pytest.raises(ServiceError) as caught:
        _post(cloud, snapshot_id=_snapshot(cloud, source).id, size=1)
    assert caught.value.status == 400
    assert "smaller than the snapshot size 2GB" in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [{"size": 0}, {"size": "x"}, {"size": True}, {}, {"size": 1, "name": "n" * 256}],
    ids=["none", "word", "flag", "no size", "long name"],
)
def test_a_disk_that_cannot_be_made_is_refused(cloud: Cloud, fields: dict[str, object]) -> None:
    with pytest.raises(ServiceError) as caught:
        _post(cloud, **fields)
    assert caught.value.status == 400


def test_an_unknown_type_or_zone_is_refused(cloud: Cloud) -> None:
    for fields, status in (({"volume_type": "nope"}, 404), ({"availability_zone": "nope"}, 400)):
        with pytest.raises(ServiceError) as caught:
            _post(cloud, size=1, **fields)
        assert caught.value.status == status


def test_a_disk_with_snapshots_is_not_deleted(cloud: Cloud) -> None:
    volume_id = cloud.volume("contract")
    snapshot = _snapshot(cloud, volume_id)
    with pytest.raises(ServiceError) as caught:
        cloud.client.project.send("DELETE", f"volumes/{volume_id}")
    assert caught.value.status == 400
    assert "have snapshots" in caught.value.message
    assert cloud.client.snapshot(snapshot.id).is_usable


def test_a_disk_is_deleted_and_then_gone(cloud: Cloud) -> None:
    volume_id = cloud.volume("contract")
    cloud.client.project.send("DELETE", f"volumes/{volume_id}")

    def gone() -> bool:
        try:
            cloud.client.volume(volume_id)
        except NotFoundError:
            return True
        return False

    cloud.until(gone)
    cloud.made.remove(volume_id)


def test_all_disks_are_listed_however_the_service_cuts_its_pages(cloud: Cloud) -> None:
    mine = cloud.volume("contract")
    listed = [v.id for v in cloud.client.volumes()]
    assert len(listed) == len(set(listed))
    assert mine in listed
    assert sorted(v.id for v in cloud.client.volume_summaries()) == sorted(listed)


def test_a_disk_is_found_by_its_exact_name_and_names_need_not_be_unique(cloud: Cloud) -> None:
    name = f"contract {uuid4()} größe&=%"
    duplicates = {cloud.volume(name), cloud.volume(name)}
    cloud.volume(f"{name}-2")
    assert {v.id for v in cloud.client.volumes(name=name)} == duplicates
    assert {v.id for v in cloud.client.volume_summaries(name=name)} == duplicates
    assert cloud.client.volumes(name=f"{name}-3") == []


@pytest.mark.parametrize("strange", [NOWHERE, "not-an-id", "..", "größe", "a/b", "\U0001f600"])
def test_what_is_no_disks_id_is_missing(cloud: Cloud, strange: str) -> None:
    with pytest.raises(ServiceError):
        cloud.client.volume(strange)
