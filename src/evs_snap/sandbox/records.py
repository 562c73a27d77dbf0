"""Disks and snapshots as they are in the file, and what passing time makes of them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

from evs_snap.sandbox import faults

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

GONE = "gone"
"""A next status that is never shown: the record is there no more."""

_JSON = ("metadata", "tags")
_BACKUP_NAMES = ("autobk_snapshot_", "manualbk_snapshot_")
_BACKUP_KEY = "__system__enableActive"


@dataclass(frozen=True, kw_only=True)
class _Record:
    """Its fields are the table's columns; times are texts as Cinder writes them."""

    table: ClassVar[str]
    noun: ClassVar[str]

    id: str
    name: str | None = None
    description: str | None = None
    size: int
    """In GiB."""

    metadata: dict[str, str]
    created_at: str
    status: str
    changed_at: str | None = None
    """When it got its status; None while it is being made for the first time."""

    next_status: str | None = None
    next_at: str | None = None
    """From then on ``next_status`` holds."""


@dataclass(frozen=True, kw_only=True)
class Volume(_Record):
    """A disk."""

    table = "volumes"
    noun = "Volume"

    volume_type: str
    availability_zone: str
    bootable: str = "false"
    server_id: str | None = None
    snapshot_id: str | None = None
    """The snapshot from which it was made."""

    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Snapshot(_Record):
    """A snapshot."""

    table = "snapshots"
    noun = "Snapshot"

    volume_id: str

    @property
    def is_backup(self) -> bool:
        """Whether a backup service made it: such ones take none of the seven slots."""
        return (self.name or "").startswith(_BACKUP_NAMES) or _BACKUP_KEY in self.metadata


R = TypeVar("R", Volume, Snapshot)


def write_time(moment: datetime) -> str:
    """Write a time as Cinder does: UTC, microseconds, no zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def create_tables(db: sqlite3.Connection) -> None:
    """Create the tables in an empty file."""
    for kind in (Volume, Snapshot):
        columns = ", ".join(f.name for f in fields(kind))
        db.execute(f"CREATE TABLE {kind.table} ({columns}, PRIMARY KEY (id))")
    db.execute("CREATE INDEX snapshots_of_volume ON snapshots (volume_id)")


def all_of(call: Call, kind: type[R]) -> list[R]:
    """Return all records that are not gone."""
    return _present(call, kind, call.db.execute(f"SELECT * FROM {kind.table}"))  # noqa: S608 - ours


def snapshots_of(call: Call, *, volume_id: str) -> list[Snapshot]:
    """Return the snapshots of one disk that are not gone."""
    statement = "SELECT * FROM snapshots WHERE volume_id = ?"
    return _present(call, Snapshot, call.db.execute(statement, (volume_id,)))


def one(call: Call, kind: type[R], *, item: object) -> R:
    """Return one record, or refuse with a 404."""
    statement = f"SELECT * FROM {kind.table} WHERE id = ?"  # noqa: S608 - ours
    found = _present(call, kind, call.db.execute(statement, (item,)))
    if not found:
        raise faults.not_found(kind.noun, item=item)
    return found[0]


def begin(call: Call, record: R, *, status: str, then: str, seconds: float) -> R:
    """Give a record a status for some seconds, and the one that holds from then on."""
    begun = replace(
        record,
        status=status,
        changed_at=None if status == "creating" else write_time(call.now),
        next_status=then,
        next_at=write_time(call.now + timedelta(seconds=seconds)),
    )
    save(call.db, begun)
    return _at(begun, now=write_time(call.now))


def save(db: sqlite3.Connection, record: Volume | Snapshot) -> None:
    """Write a record into its table, in place of an older one."""
    row = {f.name: getattr(record, f.name) for f in fields(record)}
    row |= {name: json.dumps(row[name]) for name in _JSON if name in row}
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    statement = f"INSERT OR REPLACE INTO {record.table} ({columns}) VALUES ({values})"  # noqa: S608 - ours
    db.execute(statement, row)


def remove_gone(call: Call) -> None:
    """Remove what is gone, so that a writer may count what the tables hold."""
    for table in (Volume.table, Snapshot.table):
        statement = f"DELETE FROM {table} WHERE next_status = ? AND next_at <= ?"  # noqa: S608 - ours
        call.db.execute(statement, (GONE, write_time(call.now)))


def _present(call: Call, kind: type[R], rows: sqlite3.Cursor) -> list[R]:
    now = write_time(call.now)
    found = (_at(_read(kind, row), now=now) for row in rows)
    return [record for record in found if record.status != GONE]


def _at(record: R, *, now: str) -> R:
    """Return the record as it is at a moment. Times of one form sort as texts."""
    if record.next_status is None or record.next_at is None or now < record.next_at:
        return record
    return replace(
        record,
        status=record.next_status,
        changed_at=record.next_at,
        next_status=None,
        next_at=None,
    )


def _read(kind: type[R], row: sqlite3.Row) -> R:
    """Read a row; one that somebody else wrote may hold anything."""
    try:
        given = {f.name: row[f.name] for f in fields(kind)}
        given |= {name: json.loads(given[name]) for name in _JSON if name in given}
        for name, value in given.items():
            _check(name, value)
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise sqlite3.DataError(f"odd row in table {kind.table}: {error}") from error
    return kind(**given)


def _check(name: str, value: object) -> None:
    if name in _JSON:
        fits = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    elif name == "size":
        fits = isinstance(value, int)
    elif value is None:
        fits = name not in {"id", "volume_id", "status", "created_at"}
    else:
        fits = isinstance(value, str)
    if not fits:
        raise ValueError(f"{name} is {value!r}")
    if name.endswith("_at") and value is not None:
        datetime.fromisoformat(str(value))
