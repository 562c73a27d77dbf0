"""Disks, snapshots, groups and jobs in the file, and what passing time makes of them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from evs_snap.sandbox import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.sandbox.call import Call

GONE = "gone"
"""A next status that is never shown: from then on there is no such record."""

_BACKUP_NAMES = ("autobk_snapshot_", "manualbk_snapshot_")
_BACKUP_KEY = "__system__enableActive"


@dataclass(frozen=True, kw_only=True)
class _Record:
    """Its fields are the table's columns; times are texts as Cinder writes them."""

    table: ClassVar[str]
    noun: ClassVar[str]

    id: str
    region: str
    created_at: str
    status: str = "available"
    changed_at: str | None = None
    """When it got its status; None while it is being made for the first time."""

    next_status: str | None = None
    next_at: str | None = None
    """From then on ``next_status`` holds."""


@dataclass(frozen=True, kw_only=True)
class _Named(_Record):
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Volume(_Named):
    """A disk."""

    table = "volumes"
    noun = "Volume"

    size: int
    """In GiB."""

    volume_type: str = "SSD"
    availability_zone: str = "sandbox-1a"
    metadata: dict[str, str] = field(default_factory=dict)
    bootable: str = "false"
    server_id: str | None = None
    snapshot_id: str | None = None
    """The snapshot from which it was made."""


@dataclass(frozen=True, kw_only=True)
class Snapshot(_Named):
    """A snapshot: legacy (``flash``) or standard."""

    table = "snapshots"
    noun = "Snapshot"

    volume_id: str
    size: int
    """In GiB, that of the disk."""

    availability_zone: str
    metadata: dict[str, str] = field(default_factory=dict)
    category: str = "flash"
    snapshot_type: str = "user"
    incremental: bool = True
    instant_access: bool = False
    enterprise_project_id: str = "0"
    group_id: str | None = None
    retention_at: str | None = None
    """When the service deletes it by itself."""

    @property
    def is_backup(self) -> bool:
        """Whether a backup service made it: such ones take none of the seven slots."""
        return (self.name or "").startswith(_BACKUP_NAMES) or _BACKUP_KEY in self.metadata

    @property
    def is_standard(self) -> bool:
        """Whether it outlives its disk, and only the v5 paths show it."""
        return self.category == "standard"


@dataclass(frozen=True, kw_only=True)
class Group(_Named):
    """Snapshots of several disks at one instant."""

    table = "snapshot_groups"
    noun = "Snapshot group"

    server_id: str | None = None
    enterprise_project_id: str = "0"


@dataclass(frozen=True, kw_only=True)
class Job(_Record):
    """What a v5 call set going."""

    table = "jobs"
    noun = "Job"

    job_type: str


_KINDS = (Volume, Snapshot, Group, Job)
R = TypeVar("R", bound=_Record)


def write_time(moment: datetime) -> str:
    """Write a time as Cinder does: UTC, microseconds, no zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def create_tables(db: sqlite3.Connection) -> None:
    """Create the tables in an empty file."""
    for kind in _KINDS:
        columns = ", ".join(f.name for f in fields(kind))
        db.execute(f"CREATE TABLE {kind.table} ({columns}, PRIMARY KEY (id))")
    db.execute("CREATE INDEX snapshots_of_volume ON snapshots (volume_id)")


def all_of(call: Call, kind: type[R]) -> list[R]:
    """Return all records of the region that are not gone."""
    return _select(call, kind, "region", call.region)


def snapshots_of(call: Call, *, volume_id: str) -> list[Snapshot]:
    """Return the snapshots of one disk that are not gone."""
    return _select(call, Snapshot, "volume_id", volume_id)


def one(call: Call, kind: type[R], *, item: object) -> R:
    """Return one record of the region, or refuse with a 404."""
    found = [record for record in _select(call, kind, "id", item) if record.region == call.region]
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
    return type(record)(**_at(dict(vars(begun)), now=write_time(call.now)))


def save(db: sqlite3.Connection, record: _Record) -> None:
    """Write a record into its table, in place of an older one."""
    row = {f.name: getattr(record, f.name) for f in fields(record)}
    row = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in row.items()}
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    statement = f"INSERT OR REPLACE INTO {record.table} ({columns}) VALUES ({values})"  # noqa: S608 - ours
    db.execute(statement, row)


def remove_gone(call: Call) -> None:
    """Remove what is gone, so that the file does not grow for ever."""
    for kind in (Volume, Snapshot, Group):
        statement = f"DELETE FROM {kind.table} WHERE next_status = ? AND next_at <= ?"  # noqa: S608 - ours
        call.db.execute(statement, (GONE, write_time(call.now)))


def _select(call: Call, kind: type[R], column: str, value: object) -> list[R]:
    statement = f"SELECT * FROM {kind.table} WHERE {column} = ?"  # noqa: S608 - ours
    now = write_time(call.now)
    found = [_read(kind, row, now=now) for row in call.db.execute(statement, (value,))]
    return [record for record in found if record.status != GONE]


def _at(values: dict[str, Any], *, now: str) -> dict[str, Any]:
    """Return a record's values as they are at a moment. Times of one form sort as texts."""
    if (values.get("retention_at") or "~") <= now:
        values["status"] = GONE
    elif values["next_status"] is not None and (values["next_at"] or "~") <= now:
        values.update(
            status=values["next_status"], changed_at=values["next_at"],
            next_status=None, next_at=None,
        )  # fmt: skip
    return values


def _read(kind: type[R], row: sqlite3.Row, *, now: str) -> R:
    """Read a row; one that somebody else wrote may hold anything."""
    try:
        values = {name: read(row[name]) for name, read in _READERS[kind]}
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise sqlite3.DataError(f"odd row in table {kind.table}: {error}") from error
    return kind(**_at(values, now=now))


def _text(stored: object) -> str:
    if not isinstance(stored, str):
        raise ValueError(f"{stored!r} is no text")  # noqa: TRY004 - told as other odd rows
    return stored


def _time(stored: object) -> str:
    datetime.fromisoformat(_text(stored))
    return str(stored)


def _number(stored: object) -> int:
    if not isinstance(stored, int):
        raise ValueError(f"{stored!r} is no number")  # noqa: TRY004 - as above
    return stored


def _flag(stored: object) -> bool:
    if stored not in {0, 1}:
        raise ValueError(f"{stored!r} is neither 0 nor 1")
    return bool(stored)


def _texts(stored: object) -> dict[str, str]:
    value = json.loads(_text(stored))
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"{stored!r} is no object of texts")
    return value


def _reader(name: str, kind: str) -> Callable[[object], object]:
    """Return what checks a column's value, by its type as the record declares it."""
    if kind.startswith("dict"):
        return _texts
    if kind in {"int", "bool"}:
        return _number if kind == "int" else _flag
    read = _time if name.endswith("_at") else _text
    if kind.endswith("None"):
        return lambda stored: None if stored is None else read(stored)
    return read


_READERS: dict[type[_Record], list[tuple[str, Callable[[object], object]]]] = {
    kind: [(f.name, _reader(f.name, str(f.type))) for f in fields(kind)] for kind in _KINDS
}
