"""Legacy snapshots, which EVS calls ``flash``: listed, shown, made, deleted, rolled back to.

Cinder's paths show these alone. The region of standard snapshots makes no new ones:
https://support.huaweicloud.com/intl/en-us/usermanual-evs/evs_01_0098.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import bodies, faults, pages, quotas, records
from evs_snap.sandbox.call import Response, accepted, ok
from evs_snap.sandbox.records import GONE, Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

DELETABLE = ("available", "error")
_FIELDS = ("volume_id", "name", "description", "force", "metadata")


def list_(call: Call) -> Response:
    """GET /snapshots and /snapshots/detail: the latter with project and progress."""
    rows = [s for s in records.all_of(call, Snapshot) if not s.is_standard]
    page = pages.page(call, rows, kind=Snapshot)
    show = _detail if call.is_detail else _summary
    return ok(snapshots=[show(snapshot) for snapshot in page.records], **page.links)


def show(call: Call) -> Response:
    """GET /snapshots/{item}: one snapshot."""
    return ok(snapshot=_detail(_one(call)))


def create(call: Call) -> Response:
    """POST /snapshots: begin a snapshot; how it will end is settled here."""
    given = bodies.fields(call.request, key="snapshot", allowed=_FIELDS)
    if call.has_standard:
        raise faults.bad_request("Legacy snapshots cannot be created in this region.")
    volume = records.one(call, Volume, item=bodies.text(given, name="volume_id"))
    asked = Snapshot(
        id=str(uuid4()),
        region=call.region,
        volume_id=volume.id,
        name=bodies.text(given, name="name"),
        description=bodies.text(given, name="description"),
        size=volume.size,
        availability_zone=volume.availability_zone,
        metadata=bodies.metadata(given),
        created_at=records.write_time(call.now),
    )
    check_source(volume, force=bodies.flag(given, name="force"))
    quotas.check_gigabytes(call, size=volume.size)
    quotas.check_snapshots(call, volume_id=volume.id, backup=asked.is_backup)
    then = "error" if call.rules.fail_word in (volume.name or "") else "available"
    created = records.begin(call, asked, status="creating", then=then, seconds=call.rules.settle)
    return accepted(snapshot=_summary(created))


def delete(call: Call) -> Response:
    """DELETE /snapshots/{item}: begin its end."""
    snapshot = _one(call)
    if snapshot.status not in DELETABLE:
        raise faults.bad_request(
            "Invalid snapshot: Snapshot status must be available or error and must "
            "not be part of a group."
        )
    begin_deletion(call, snapshot)
    return accepted()


def add_metadata(call: Call) -> Response:
    """POST /snapshots/{item}/metadata: add to its metadata, or replace entries of it."""
    snapshot = _one(call)
    body = bodies.parse(call.request)
    added = bodies.metadata(body if isinstance(body, dict) else {})
    metadata = {**snapshot.metadata, **added}
    records.save(call.db, replace(snapshot, metadata=metadata))
    return ok(metadata=metadata)


def roll_back(call: Call) -> Response:
    """POST /cloudsnapshots/{item}/rollback: give a disk the content of its snapshot again.

    https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2020.html
    """
    try:
        snapshot = _one(call)
    except faults.FaultError as fault:
        raise fault.in_evs_words() from None
    return accepted(rollback={"volume_id": begin_rollback(call, snapshot).id})


def begin_deletion(call: Call, snapshot: Snapshot) -> bool:
    """Begin the end of a snapshot; return whether it will come to a good one."""
    fails = call.rules.fail_word in (snapshot.name or "")
    then, seconds = "error_deleting" if fails else GONE, call.rules.delete_settle
    records.begin(call, snapshot, status="deleting", then=then, seconds=seconds)
    return not fails


def begin_rollback(call: Call, snapshot: Snapshot) -> Volume:
    """Begin the rollback that the body asks for, or refuse it; return the disk."""
    given = bodies.fields(call.request, key="rollback", allowed=("volume_id", "name"))
    if snapshot.is_backup:
        raise faults.evs("EVS.2045", message="A backup service's snapshot cannot be used.")
    if bodies.text(given, name="volume_id") != snapshot.volume_id:
        message = f"The snapshot is not one of disk {given.get('volume_id')}."
        raise faults.evs("EVS.2045", message=message)
    volume = records.one(call, Volume, item=snapshot.volume_id)
    if snapshot.status != "available":
        raise faults.snapshot_not_available(snapshot.status)
    if volume.status not in {"available", "error_rollbacking"}:
        raise faults.evs(
            "EVS.5400",
            message=f"Invalid volume: Volume {volume.id} status must be available or "
            f"error_rollbacking, but current status is: {volume.status}.",
        )
    fails = call.rules.fail_word in (snapshot.name or "")
    then, seconds = "error_rollbacking" if fails else "available", call.rules.settle
    records.begin(call, snapshot, status="rollbacking", then="available", seconds=seconds)
    return records.begin(call, volume, status="rollbacking", then=then, seconds=seconds)


def check_source(volume: Volume, *, force: bool) -> None:
    """Refuse a disk of which no snapshot can be taken; ``force`` takes one that is in use."""
    if volume.status == "error":
        raise faults.bad_request(
            "Invalid volume: The snapshot cannot be created when the volume is in error status."
        )
    if volume.status != "available" and not (force and volume.status == "in-use"):
        raise faults.bad_request(
            f"Invalid volume: Volume {volume.id} status must be available, but "
            f"current status is: {volume.status}."
        )


def _one(call: Call) -> Snapshot:
    snapshot = records.one(call, Snapshot, item=call.item)
    if snapshot.is_standard:
        raise faults.not_found(Snapshot.noun, item=call.item)
    return snapshot


def _summary(snapshot: Snapshot) -> pages.Row:
    return {
        "id": snapshot.id,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.changed_at,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
    }


def _detail(snapshot: Snapshot) -> pages.Row:
    undone = snapshot.status in {"creating", "error"}
    return _summary(snapshot) | {
        "os-extended-snapshot-attributes:project_id": ACCOUNT.project_id,
        "os-extended-snapshot-attributes:progress": "0%" if undone else "100%",
    }
