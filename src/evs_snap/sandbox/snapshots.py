"""The pretend snapshots: listed, shown, made, deleted."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import bodies, faults, listing, quotas, records
from evs_snap.sandbox.records import GONE, Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

_FIELDS = ("volume_id", "name", "description", "force", "metadata")
_DELETABLE = ("available", "error")


def list_summaries(call: Call) -> Response:
    """GET /snapshots: nearly everything, too."""
    page = listing.page(call, Snapshot, path="/snapshots")
    rows = [_summary(snapshot) for snapshot in page.records]
    return Response(HTTPStatus.OK, {"snapshots": rows, **page.links})


def list_details(call: Call) -> Response:
    """GET /snapshots/detail: with project and progress."""
    page = listing.page(call, Snapshot, path="/snapshots/detail")
    rows = [_detail(snapshot) for snapshot in page.records]
    return Response(HTTPStatus.OK, {"snapshots": rows, **page.links})


def show(call: Call) -> Response:
    """GET /snapshots/{item}: one snapshot."""
    snapshot = records.one(call, Snapshot, item=call.item)
    return Response(HTTPStatus.OK, {"snapshot": _detail(snapshot)})


def create(call: Call) -> Response:
    """POST /snapshots: begin a snapshot; how it will end is settled here."""
    given = bodies.fields(call.request, key="snapshot", allowed=_FIELDS)
    volume = records.one(call, Volume, item=bodies.text(given, name="volume_id"))
    asked = Snapshot(
        id=str(uuid4()),
        volume_id=volume.id,
        name=bodies.text(given, name="name"),
        description=bodies.text(given, name="description"),
        size=volume.size,
        metadata=bodies.metadata(given),
        created_at=records.write_time(call.now),
        status="creating",
    )
    _check_status(volume, force=bodies.flag(given, name="force"))
    quotas.check_gigabytes(call, size=volume.size)
    quotas.check_snapshots(call, volume_id=volume.id, backup=asked.is_backup)
    fails = call.rules.fail_word in (volume.name or "")
    then = "error" if fails else "available"
    created = records.begin(call, asked, status="creating", then=then, seconds=call.rules.settle)
    return Response(HTTPStatus.ACCEPTED, {"snapshot": _summary(created)})


def delete(call: Call) -> Response:
    """DELETE /snapshots/{item}: begin its end."""
    snapshot = records.one(call, Snapshot, item=call.item)
    if snapshot.status not in _DELETABLE:
        raise faults.bad_request(
            "Invalid snapshot: Snapshot status must be available or error and must "
            "not be part of a group."
        )
    fails = call.rules.fail_word in (snapshot.name or "")
    then = "error_deleting" if fails else GONE
    records.begin(call, snapshot, status="deleting", then=then, seconds=call.rules.delete_settle)
    return Response(HTTPStatus.ACCEPTED)


def add_metadata(call: Call) -> Response:
    """POST /snapshots/{item}/metadata: add to its metadata, or replace entries of it."""
    snapshot = records.one(call, Snapshot, item=call.item)
    body = bodies.parse(call.request)
    added = bodies.metadata(body if isinstance(body, dict) else {})
    metadata = {**snapshot.metadata, **added}
    records.save(call.db, replace(snapshot, metadata=metadata))
    return Response(HTTPStatus.OK, {"metadata": metadata})


def roll_back(call: Call) -> Response:
    """POST /cloudsnapshots/{item}/rollback: give a disk the content of its snapshot again.

    https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2020.html
    """
    given = bodies.fields(call.request, key="rollback", allowed=("volume_id", "name"))
    snapshot = _to_roll_back(call)
    volume = records.one(call, Volume, item=snapshot.volume_id)
    if bodies.text(given, name="volume_id") != volume.id:
        message = f"The snapshot is not one of disk {given.get('volume_id')}."
        raise faults.evs("EVS.2045", message=message)
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
    records.begin(call, volume, status="rollbacking", then=then, seconds=seconds)
    records.begin(call, snapshot, status="rollbacking", then="available", seconds=seconds)
    return Response(HTTPStatus.ACCEPTED, {"rollback": {"volume_id": volume.id}})


def _to_roll_back(call: Call) -> Snapshot:
    try:
        snapshot = records.one(call, Snapshot, item=call.item)
    except faults.FaultError as fault:
        message = f"Snapshot {call.item} could not be found."
        raise faults.evs("EVS.5404", message=message, status=HTTPStatus.NOT_FOUND) from fault
    if snapshot.is_backup:
        raise faults.evs("EVS.2045", message="A backup service's snapshot cannot be used.")
    return snapshot


def _check_status(volume: Volume, *, force: bool) -> None:
    if volume.status == "error":
        raise faults.bad_request(
            "Invalid volume: The snapshot cannot be created when the volume is in error status."
        )
    if volume.status != "available" and not (force and volume.status == "in-use"):
        raise faults.bad_request(
            f"Invalid volume: Volume {volume.id} status must be available, but "
            f"current status is: {volume.status}."
        )


def _summary(snapshot: Snapshot) -> dict[str, object]:
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


def _detail(snapshot: Snapshot) -> dict[str, object]:
    undone = snapshot.status in {"creating", "error"}
    return _summary(snapshot) | {
        "os-extended-snapshot-attributes:project_id": ACCOUNT.project_id,
        "os-extended-snapshot-attributes:progress": "0%" if undone else "100%",
    }
