"""The pretend snapshots: listed, shown, made, renamed, deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import faults, paging, quotas, records, validation
from evs_snap.sandbox.call import Route
from evs_snap.sandbox.moments import GONE, write_time
from evs_snap.sandbox.rules import ACCOUNT
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.records import Snapshot

_CREATE_FIELDS = ("volume_id", "name", "description", "force", "metadata")
_UPDATE_FIELDS = ("name", "description")
FILTERS = ("name", "status", "volume_id")
# No name and no size: Cinder knows them only from microversion 3.30 on.
_SORT_KEYS = {key: key for key in ("id", "status", "volume_id", "created_at", "updated_at")} | {
    "display_name": "name",
    "volume_size": "size",
}
_DELETABLE = ("available", "error")


def list_summaries(call: Call) -> Response:
    """GET /snapshots: nearly everything, too."""
    found = page(records.snapshots(call), call=call)
    rows = [_summary(snapshot) for snapshot in found]
    return _list(rows, found=found, call=call, path="/snapshots")


def list_details(call: Call) -> Response:
    """GET /snapshots/detail: with project and progress."""
    found = page(records.snapshots(call), call=call)
    rows = [detail(snapshot) for snapshot in found]
    return _list(rows, found=found, call=call, path="/snapshots/detail")


def show(call: Call) -> Response:
    """GET /snapshots/{item}: one snapshot."""
    document = {"snapshot": detail(records.snapshot(call, item=call.item))}
    return Response(HTTPStatus.OK, document)


def create(call: Call) -> Response:
    """POST /snapshots: begin a snapshot."""
    return Response(HTTPStatus.ACCEPTED, {"snapshot": _summary(begin(call))})


def begin(call: Call) -> Snapshot:
    """Make the snapshot that the body asks for; how it will end is settled here."""
    given = validation.fields(call.request, key="snapshot", allowed=_CREATE_FIELDS)
    wanted = validation.require(given, key="snapshot", name="volume_id")
    name = validation.text(given.get("name"), name="name")
    description = validation.text(given.get("description"), name="description")
    force = validation.flag(given.get("force", False), name="force")
    metadata = validation.metadata(given.get("metadata"))
    volume = records.volume(call, item=validation.identifier(wanted, name="volume_id"))
    _check_status(volume, force=force)
    quotas.check_gigabytes(call, size=volume.size)
    backup = records.is_backup(name, metadata=metadata)
    quotas.check_snapshots(call, volume_id=volume.id, backup=backup)
    fails = call.rules.fail_word in (volume.name or "")
    snapshot_id = str(uuid4())
    call.db.execute(
        "INSERT INTO snapshots (id, volume_id, name, description, fate, size, "
        "metadata, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            snapshot_id,
            volume.id,
            name,
            description,
            "error" if fails else "available",
            volume.size,
            json.dumps(metadata),
            write_time(call.now),
        ),
    )
    return records.snapshot(call, item=snapshot_id)


def update(call: Call) -> Response:
    """PUT /snapshots/{item}: new name or description.

    The answer has the updated_at from before, as Cinder's has.
    """
    given = validation.fields(call.request, key="snapshot", allowed=_UPDATE_FIELDS)
    validation.require_any(given, key="snapshot")
    before = records.snapshot(call, item=call.item)
    snapshot = replace(
        before,
        name=validation.text(given.get("name", before.name), name="name"),
        description=validation.text(
            given.get("description", before.description), name="description"
        ),
    )
    call.db.execute(
        "UPDATE snapshots SET name = ?, description = ?, updated_at = ? WHERE id = ?",
        (snapshot.name, snapshot.description, write_time(call.now), snapshot.id),
    )
    return Response(HTTPStatus.OK, {"snapshot": _summary(snapshot)})


def delete(call: Call) -> Response:
    """DELETE /snapshots/{item}: begin its end."""
    snapshot = records.snapshot(call, item=call.item)
    if snapshot.status not in _DELETABLE:
        raise faults.bad_request(
            "Invalid snapshot: Snapshot status must be available or error and must "
            "not be part of a group."
        )
    fails = call.rules.fail_word in (snapshot.name or "")
    call.db.execute(
        "UPDATE snapshots SET deleted_at = ?, delete_fate = ? WHERE id = ?",
        (write_time(call.now), "error_deleting" if fails else GONE, snapshot.id),
    )
    return Response(HTTPStatus.ACCEPTED)


def show_metadata(call: Call) -> Response:
    """GET /snapshots/{item}/metadata."""
    metadata = records.snapshot(call, item=call.item).metadata
    return Response(HTTPStatus.OK, {"metadata": metadata})


def add_metadata(call: Call) -> Response:
    """POST /snapshots/{item}/metadata: add or overwrite keys, and keep the others."""
    given = validation.document(call.request, key="metadata")
    new = validation.metadata(given, nullable=False)
    snapshot = records.snapshot(call, item=call.item)
    metadata = snapshot.metadata | new
    call.db.execute(
        "UPDATE snapshots SET metadata = ? WHERE id = ?",
        (json.dumps(metadata), snapshot.id),
    )
    return Response(HTTPStatus.OK, {"metadata": metadata})


ROUTES = (
    Route("GET", "/snapshots", list_summaries),
    Route("POST", "/snapshots", create),
    Route("GET", "/snapshots/detail", list_details),
    Route("GET", "/snapshots/{item}", show),
    Route("PUT", "/snapshots/{item}", update),
    Route("DELETE", "/snapshots/{item}", delete),
    Route("GET", "/snapshots/{item}/metadata", show_metadata),
    Route("POST", "/snapshots/{item}/metadata", add_metadata),
)


def _check_status(volume: records.Volume, *, force: bool) -> None:
    if volume.status == "error":
        raise faults.bad_request(
            "Invalid volume: The snapshot cannot be created when the volume is in error status."
        )
    allowed = ("available", "in-use") if force else ("available",)
    if volume.status not in allowed:
        raise faults.bad_request(
            f"Invalid volume: Volume {volume.id} status must be available, but "
            f"current status is: {volume.status}."
        )


def page(found: list[Snapshot], *, call: Call, filters: Sequence[str] = FILTERS) -> list[Snapshot]:
    """Return the page of snapshots that the query asks for."""
    return paging.page(
        found,
        call=call,
        kind="Snapshot",
        filters=filters,
        sort_keys=_SORT_KEYS,
    )


def _list(
    rows: list[dict[str, object]], *, found: list[Snapshot], call: Call, path: str
) -> Response:
    links = paging.links(found, call=call, path=path)
    document = {"snapshots": rows, **({"snapshots_links": links} if links else {})}
    return Response(HTTPStatus.OK, document)


def _summary(snapshot: Snapshot) -> dict[str, object]:
    return {
        "id": snapshot.id,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.updated_at,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
    }


def detail(snapshot: Snapshot) -> dict[str, object]:
    """Show all of a snapshot."""
    undone = snapshot.status in {"creating", "error"}
    return _summary(snapshot) | {
        "os-extended-snapshot-attributes:project_id": ACCOUNT.project_id,
        "os-extended-snapshot-attributes:progress": "0%" if undone else "100%",
    }
