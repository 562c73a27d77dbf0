"""Volumes and snapshots read from the file, as they are at the call's moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults
from evs_snap.sandbox.moments import GONE, Lifecycle, read_time, write_time

if TYPE_CHECKING:
    import sqlite3

    from evs_snap.sandbox.call import Call

_BACKUP_NAMES = ("autobk_snapshot_", "manualbk_snapshot_")
_BACKUP_KEY = "__system__enableActive"


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk that is there."""

    id: str
    name: str | None
    description: str | None
    status: str
    size: int
    volume_type: str
    availability_zone: str
    bootable: str
    server_id: str | None
    metadata: dict[str, str]
    created_at: str
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is there."""

    id: str
    volume_id: str
    name: str | None
    description: str | None
    status: str
    size: int
    metadata: dict[str, str]
    created_at: str
    updated_at: str | None


def volumes(call: Call) -> list[Volume]:
    """Return all volumes that are not gone."""
    rows = call.db.execute("SELECT * FROM volumes")
    found = (_volume(row, call=call) for row in rows)
    return [volume for volume in found if volume.status != GONE]


def volume(call: Call, *, item: object) -> Volume:
    """Return one volume, or refuse with a 404."""
    row = call.db.execute("SELECT * FROM volumes WHERE id = ?", (item,)).fetchone()
    found = _volume(row, call=call) if row else None
    if found is None or found.status == GONE:
        raise faults.not_found("Volume", item=item)
    return found


def snapshots(call: Call) -> list[Snapshot]:
    """Return all snapshots that are not gone."""
    rows = call.db.execute("SELECT * FROM snapshots")
    found = (_snapshot(row, call=call) for row in rows)
    return [snapshot for snapshot in found if snapshot.status != GONE]


def snapshots_of(call: Call, *, volume_id: str) -> list[Snapshot]:
    """Return the snapshots of one volume that are not gone."""
    rows = call.db.execute("SELECT * FROM snapshots WHERE volume_id = ?", (volume_id,))
    found = (_snapshot(row, call=call) for row in rows)
    return [snapshot for snapshot in found if snapshot.status != GONE]


def snapshot(call: Call, *, item: object) -> Snapshot:
    """Return one snapshot, or refuse with a 404."""
    row = call.db.execute("SELECT * FROM snapshots WHERE id = ?", (item,)).fetchone()
    found = _snapshot(row, call=call) if row else None
    if found is None or found.status == GONE:
        raise faults.not_found("Snapshot", item=item)
    return found


def bury(call: Call) -> None:
    """Remove what is gone, so that a writer may count what the tables hold."""
    settled = call.now - timedelta(seconds=call.rules.delete_settle)
    for statement in (
        "DELETE FROM volumes WHERE delete_fate = ? AND deleted_at <= ?",
        "DELETE FROM snapshots WHERE delete_fate = ? AND deleted_at <= ?",
    ):
        call.db.execute(statement, (GONE, write_time(settled)))


def is_backup(name: str | None, *, metadata: dict[str, str]) -> bool:
    """Tell whether a backup service made it: such ones take none of the seven slots."""
    return (name or "").startswith(_BACKUP_NAMES) or _BACKUP_KEY in metadata


def _volume(row: sqlite3.Row, *, call: Call) -> Volume:
    status, created_at, updated_at = _present(row, call=call)
    return Volume(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        status=status,
        size=row["size"],
        volume_type=row["volume_type"],
        availability_zone=row["availability_zone"],
        bootable=row["bootable"],
        server_id=row["server_id"],
        metadata=json.loads(row["metadata"]),
        created_at=created_at,
        updated_at=updated_at,
    )


def _snapshot(row: sqlite3.Row, *, call: Call) -> Snapshot:
    status, created_at, updated_at = _present(row, call=call)
    return Snapshot(
        id=row["id"],
        volume_id=row["volume_id"],
        name=row["name"],
        description=row["description"],
        status=status,
        size=row["size"],
        metadata=json.loads(row["metadata"]),
        created_at=created_at,
        updated_at=updated_at,
    )


def _present(row: sqlite3.Row, *, call: Call) -> tuple[str, str, str | None]:
    updated, deleted = row["updated_at"], row["deleted_at"]
    lifecycle = Lifecycle(
        created_at=read_time(row["created_at"]),
        updated_at=read_time(updated) if updated else None,
        deleted_at=read_time(deleted) if deleted else None,
        fate=row["fate"],
        delete_fate=row["delete_fate"],
    )
    changed = lifecycle.changed_at(call.now, rules=call.rules)
    return (
        lifecycle.status(call.now, rules=call.rules),
        row["created_at"],
        write_time(changed) if changed else None,
    )
