"""The pretend disks: listed, shown, made, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import bodies, faults, pages, quotas, records
from evs_snap.sandbox.call import Response, accepted, ok
from evs_snap.sandbox.records import GONE, Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

MAX_MICROVERSION = 50
"""3.50 is what OTC serves: EVS API reference, API version description."""

TYPES = ("SSD", "SAS", "ESSD")

_FIELDS = (
    *("name", "description", "size", "volume_type", "availability_zone", "metadata"),
    "snapshot_id",
)
_NOT_FROM_SNAPSHOT = ("__system__encrypted", "__system__cmkid", "hw:passthrough")
_DELETABLE = ("available", "error")


def version(call: Call) -> Response:
    """GET /volume/v3: which versions and microversions there are."""
    described = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": f"3.{MAX_MICROVERSION}",
        "min_version": "3.0",
        "updated": "2023-08-31T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.request.origin}/volume/v3/"}],
        "media-types": [],
    }
    return ok(versions=[described])


def list_(call: Call) -> Response:
    """GET /volumes and /volumes/detail: IDs, names and links; or everything about each."""
    page = pages.page(call, records.all_of(call, Volume), kind=Volume)
    show = _detail if call.is_detail else _summary
    return ok(volumes=[show(volume, call=call) for volume in page.records], **page.links)


def list_native(call: Call) -> Response:
    """GET /cloudvolumes/detail: the vendors' own list of the same disks, with tags.

    https://docs.otc.t-systems.com/elastic-volume-service/api-ref/apis_recommended/
    """
    # With EVS too, the links name Cinder's path.
    volumes = records.all_of(call, Volume)
    page = pages.page(call, volumes, kind=Volume, path="/volumes/detail")
    rows = [_detail(volume, call=call) | {"tags": volume.tags} for volume in page.records]
    return ok(count=page.count, volumes=rows, **page.links)


def show(call: Call) -> Response:
    """GET /volumes/{item}: one disk."""
    return ok(volume=_detail(records.one(call, Volume, item=call.item), call=call))


def create(call: Call) -> Response:
    """POST /volumes: an empty disk, or one from a snapshot; how it will end is settled here."""
    given = bodies.fields(call.request, key="volume", allowed=_FIELDS)
    snapshot, source = _origin(call, snapshot_id=bodies.text(given, name="snapshot_id"))
    zones = (f"{call.region}a", f"{call.region}b")
    zone = bodies.text(given, name="availability_zone")
    if zone not in (None, *zones):
        raise faults.bad_request(f"Availability zone '{zone}' is invalid.")
    volume_type = bodies.text(given, name="volume_type")
    if volume_type not in (None, *TYPES):
        raise faults.not_found("Volume type with name", item=volume_type)
    if snapshot and not source and not volume_type:
        raise faults.bad_request("volume_type is required: the snapshot's disk is gone.")
    asked = Volume(
        id=str(uuid4()),
        region=call.region,
        name=bodies.text(given, name="name"),
        description=bodies.text(given, name="description"),
        size=bodies.whole_number(given, name="size"),
        metadata=bodies.metadata(given),
        volume_type=volume_type or (source.volume_type if source else TYPES[0]),
        availability_zone=zone or (snapshot.availability_zone if snapshot else zones[0]),
        bootable=source.bootable if source else "false",
        snapshot_id=snapshot.id if snapshot else None,
        created_at=records.write_time(call.now),
    )
    if snapshot:
        _check_origin(asked, snapshot=snapshot, source=source)
    quotas.check_gigabytes(call, size=asked.size)
    fails = snapshot is not None and call.rules.fail_word in (snapshot.name or "")
    then = "error" if fails else "available"
    created = records.begin(call, asked, status="creating", then=then, seconds=call.rules.settle)
    return accepted(volume=_detail(created, call=call))


def delete(call: Call) -> Response:
    """DELETE /volumes/{item}: only a free disk without legacy snapshots."""
    volume = records.one(call, Volume, item=call.item)
    siblings = records.snapshots_of(call, volume_id=volume.id)
    if volume.status not in _DELETABLE or not all(s.is_standard for s in siblings):
        raise faults.bad_request(
            "Invalid volume: Volume status must be available or error or "
            "error_restoring or error_extending or error_managing and must not be "
            "migrating, attached, belong to a group, have snapshots, awaiting a "
            "transfer, or be disassociated from snapshots after volume transfer."
        )
    seconds = call.rules.delete_settle
    records.begin(call, volume, status="deleting", then=GONE, seconds=seconds)
    return accepted()


def _origin(call: Call, *, snapshot_id: str | None) -> tuple[Snapshot | None, Volume | None]:
    """Return the snapshot from which a disk is to be made, and its disk, if that still exists."""
    if snapshot_id is None:
        return None, None
    snapshot = records.one(call, Snapshot, item=snapshot_id)
    sources = {volume.id: volume for volume in records.all_of(call, Volume)}
    return snapshot, sources.get(snapshot.volume_id)


def _check_origin(asked: Volume, *, snapshot: Snapshot, source: Volume | None) -> None:
    """Refuse a disk that cannot be made from the snapshot: API reference, creating EVS disks."""
    if snapshot.status != "available":
        raise faults.snapshot_not_available(snapshot.status)
    if asked.size < snapshot.size:
        raise faults.bad_request(
            f"Invalid input received: Volume size {asked.size}GB cannot be smaller than "
            f"the snapshot size {snapshot.size}GB. They must be >= original snapshot size."
        )
    zone = snapshot.availability_zone
    if asked.availability_zone != zone:
        message = f"The availability zone is not that of the snapshot: {zone}."
        raise faults.evs("EVS.2054", message=message)
    if source and asked.volume_type != source.volume_type:
        message = (
            f"Target volumeType[{asked.volume_type}] is not matched with snapshot[{snapshot.id}]."
        )
        raise faults.evs("EVS.2096", message=message)
    for key in _NOT_FROM_SNAPSHOT:
        if key in asked.metadata:
            raise faults.evs("EVS.1043", message=f"Metadata {key} cannot go with a snapshot.")


def _summary(volume: Volume, *, call: Call) -> pages.Row:
    links = [{"rel": "self", "href": f"{call.base}/volumes/{volume.id}"}]
    return {"id": volume.id, "name": volume.name, "links": links}


def _detail(volume: Volume, *, call: Call) -> pages.Row:
    attachment = {
        "id": volume.id,
        "attachment_id": (volume.server_id or "")[::-1].replace("-", "")[:32],
        "volume_id": volume.id,
        "server_id": volume.server_id,
        "host_name": None,
        "device": "/dev/vdb",
        "attached_at": volume.created_at,
    }
    return _summary(volume, call=call) | {
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.availability_zone,
        "created_at": volume.created_at,
        "updated_at": volume.changed_at,
        "description": volume.description,
        "volume_type": volume.volume_type,
        "snapshot_id": volume.snapshot_id,
        "source_volid": None,
        "metadata": volume.metadata,
        "user_id": ACCOUNT.user_id,
        "bootable": volume.bootable,
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": False,
        "attachments": [attachment] if volume.server_id else [],
        "os-vol-tenant-attr:tenant_id": ACCOUNT.project_id,
    }
