"""The pretend disks: listed, shown, made, deleted."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import faults, paging, quotas, records, validation
from evs_snap.sandbox.call import Route
from evs_snap.sandbox.moments import write_time
from evs_snap.sandbox.rules import ACCOUNT
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.records import Volume

ZONES = ("sandbox-1a", "sandbox-1b")

_MAX_TEXT = 255
FILTERS = ("name", "status", "availability_zone", "size", "bootable")
_SORT_KEYS = {
    key: key for key in ("id", "name", "status", "size", "bootable", "availability_zone")
} | {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "display_name": "name",
}
_DELETABLE = ("available", "error")
_SOURCES = ("snapshot_id", "source_volid", "imageRef", "backup_id")


def list_summaries(call: Call) -> Response:
    """GET /volumes: IDs, names and links."""
    found = page(records.volumes(call), call=call)
    rows = [summary(volume, call=call) for volume in found]
    return _list(rows, found=found, call=call, path="/volumes")


def list_details(call: Call) -> Response:
    """GET /volumes/detail: everything about each."""
    found = page(records.volumes(call), call=call)
    rows = [detail(volume, call=call) for volume in found]
    return _list(rows, found=found, call=call, path="/volumes/detail")


def show(call: Call) -> Response:
    """GET /volumes/{item}: one disk."""
    volume = records.volume(call, item=call.item)
    document = {"volume": detail(volume, call=call)}
    return Response(HTTPStatus.OK, document)


def create(call: Call) -> Response:
    """POST /volumes: an empty disk."""
    given = validation.fields(call.request, key="volume")
    for source in _SOURCES:
        if given.get(source) is not None:
            raise faults.bad_request(f"the sandbox does not speak volume {source}")
    name = _text(given, name="name")
    description = _text(given, name="description")
    metadata = validation.metadata(given.get("metadata"))
    size = _size(given)
    zone = _choice(given, name="availability_zone", default=ZONES[0])
    if zone not in ZONES:
        raise faults.bad_request(f"Availability zone '{zone}' is invalid.")
    volume_type = _choice(given, name="volume_type", default=quotas.VOLUME_TYPES[0])
    if volume_type not in quotas.VOLUME_TYPES:
        raise faults.not_found("Volume type with name", item=volume_type)
    quotas.check_gigabytes(call, size=size)
    volume_id = str(uuid4())
    call.db.execute(
        "INSERT INTO volumes (id, name, description, fate, size, volume_type, "
        "availability_zone, metadata, created_at) "
        "VALUES (?, ?, ?, 'available', ?, ?, ?, ?, ?)",
        (
            volume_id,
            name,
            description,
            size,
            volume_type,
            zone,
            json.dumps(metadata),
            write_time(call.now),
        ),
    )
    created = records.volume(call, item=volume_id)
    fields = detail(created, call=call)
    del fields["os-vol-tenant-attr:tenant_id"]
    return Response(HTTPStatus.ACCEPTED, {"volume": fields})


def delete(call: Call) -> Response:
    """DELETE /volumes/{item}: only a free disk without snapshots."""
    volume = records.volume(call, item=call.item)
    if volume.status not in _DELETABLE or records.snapshots_of(call, volume_id=volume.id):
        raise faults.bad_request(
            "Invalid volume: Volume status must be available or error or "
            "error_restoring or error_extending or error_managing and must not be "
            "migrating, attached, belong to a group, have snapshots, awaiting a "
            "transfer, or be disassociated from snapshots after volume transfer."
        )
    call.db.execute(
        "UPDATE volumes SET deleted_at = ? WHERE id = ?",
        (write_time(call.now), volume.id),
    )
    return Response(HTTPStatus.ACCEPTED)


ROUTES = (
    Route("GET", "/volumes", list_summaries),
    Route("POST", "/volumes", create),
    Route("GET", "/volumes/detail", list_details),
    Route("GET", "/volumes/{item}", show),
    Route("DELETE", "/volumes/{item}", delete),
)


def page(found: list[Volume], *, call: Call, filters: Sequence[str] = FILTERS) -> list[Volume]:
    """Return the page of disks that the query asks for."""
    return paging.page(
        found,
        call=call,
        kind="Volume",
        filters=filters,
        sort_keys=_SORT_KEYS,
    )


def _list(rows: list[dict[str, object]], *, found: list[Volume], call: Call, path: str) -> Response:
    links = paging.links(found, call=call, path=path)
    document = {"volumes": rows, **({"volumes_links": links} if links else {})}
    return Response(HTTPStatus.OK, document)


def summary(volume: Volume, *, call: Call) -> dict[str, object]:
    """Show a disk in short."""
    tail = f"{ACCOUNT.project_id}/volumes/{volume.id}"
    links = [
        {"rel": "self", "href": f"{call.service_url}/{call.place.version}/{tail}"},
        {"rel": "bookmark", "href": f"{call.service_url}/{tail}"},
    ]
    return {"id": volume.id, "name": volume.name, "links": links}


def detail(volume: Volume, *, call: Call) -> dict[str, object]:
    """Show all of a disk."""
    return {
        "id": volume.id,
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.availability_zone,
        "created_at": volume.created_at,
        "updated_at": volume.updated_at,
        "name": volume.name,
        "description": volume.description,
        "volume_type": volume.volume_type,
        "snapshot_id": None,
        "source_volid": None,
        "metadata": volume.metadata,
        "links": summary(volume, call=call)["links"],
        "user_id": ACCOUNT.user_id,
        "bootable": volume.bootable,
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": False,
        "attachments": _attachments(volume),
        "os-vol-tenant-attr:tenant_id": ACCOUNT.project_id,
    }


def _attachments(volume: Volume) -> list[dict[str, object]]:
    if volume.server_id is None:
        return []
    attachment: dict[str, object] = {
        "id": volume.id,
        "attachment_id": volume.server_id[::-1].replace("-", "")[:32],
        "volume_id": volume.id,
        "server_id": volume.server_id,
        "host_name": None,
        "device": "/dev/vdb",
        "attached_at": volume.created_at,
    }
    return [attachment]


def _text(given: dict[str, object], *, name: str) -> str | None:
    value = given.get(name)
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise faults.bad_request(
            f"Invalid input received: {name} has {len(value)} characters, more than {_MAX_TEXT}."
        )
    return validation.text(value, name=name)


def _choice(given: dict[str, object], *, name: str, default: str) -> str:
    return validation.text(given.get(name), name=name) or default


def _size(given: dict[str, object]) -> int:
    value = given.get("size")
    if value is None:
        raise faults.bad_request(
            "The server could not comply with the request since it is either "
            "malformed or otherwise incorrect."
        )
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value):
        raise validation.invalid(
            "size", value=value, problem=f"{value!r} does not match '^[0-9]+$'"
        )
    if isinstance(value, bool) or not isinstance(value, int | str):
        problem = f"{value!r} is not of type 'integer', 'string'"
        raise validation.invalid("size", value=value, problem=problem)
    if int(value) < 1:
        problem = f"{value!r} is less than the minimum of 1"
        raise validation.invalid("size", value=value, problem=problem)
    return int(value)
