"""What a new pretend cloud holds: the disks that make a tool stumble."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from evs_snap.sandbox.records import Snapshot, Volume, create_tables, save, write_time

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

_DAY = 24
_SERVER = "bac71b9b-8ac9-4e51-87dc-020ed0a84a55"
_PROD = {"env": "prod"}
_DAILY = {"backup": "daily"}
_BACKUP = {"__system__enableActive": "true"}


def _owned(key: str) -> dict[str, str]:
    return {"evs_snap_key": key, "evs_snap_policy": "default"}


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """{utc} in a name is the time it was made, {date} the day."""

    id: str
    name: str | None
    age: float
    """In hours, as for disks."""

    metadata: dict[str, str] = field(default_factory=dict)
    fate: str = "available"


@dataclass(frozen=True, slots=True)
class _Disk:
    id: str
    name: str | None
    age: float
    size: int
    kind: str = "SSD"
    zone: str = "sandbox-1a"
    fate: str = "available"
    bootable: str = "false"
    server_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    snapshots: tuple[_Snapshot, ...] = ()


_DISKS = (
    _Disk("5072a9e5-66eb-42a2-9120-e78b6dbedc9f", "data-01", 9.2 * _DAY, 40),
    _Disk(
        "9b787ef7-0898-4f7e-93ac-1be5073c6ce1",
        "data-02",
        9 * _DAY,
        100,
        kind="SAS",
        metadata=_PROD,
        tags=_DAILY,
        snapshots=(
            _Snapshot(
                "9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad",
                "data-02-{utc}",
                2.1 * _DAY,
                _owned("0d1950cd-df75-4996-8d7b-e42bcdce1248"),
            ),
            _Snapshot(
                "4414fdb8-62a0-447c-b759-5d14075cb92a",
                "data-02-{utc}",
                1.1 * _DAY,
                _owned("65ace60a-9cb4-4244-9f45-56ced323a972"),
            ),
        ),
    ),
    _Disk(
        "d3ccffbd-9b81-4fd6-b435-155628e25c60",
        "db-data",
        8.5 * _DAY,
        200,
        kind="ESSD",
        fate="in-use",
        server_id=_SERVER,
        metadata=_PROD,
        tags={**_DAILY, "team": "db"},
        snapshots=(
            _Snapshot("168d5cca-cd43-4c46-a1a9-13a554a8bff7", "before-upgrade", 3.3 * _DAY),
        ),
    ),
    _Disk("29a245fe-4b95-43f6-9624-c25c6d9b6ee2", "shared-name", 8 * _DAY, 10),
    _Disk(
        "a2c4ebd6-d4c1-4ef5-89db-f51b0dc05bed",
        "shared-name",
        7.5 * _DAY,
        20,
        kind="SAS",
        zone="sandbox-1b",
    ),
    _Disk(
        "35935834-49e6-427d-9fa0-c9b0258a0743",
        "broken-01",
        7 * _DAY,
        10,
        zone="sandbox-1b",
        fate="error",
    ),
    _Disk(
        "ebd98647-d105-4fb1-a288-fa67de1d6ff8",
        "full-01",
        6.6 * _DAY,
        50,
        zone="sandbox-1b",
        metadata=_PROD,
        snapshots=(
            _Snapshot("5efed21e-cdb8-4935-8cbb-bf8d85e5636e", "golden", 6.4 * _DAY),
            _Snapshot(
                "d20b7e20-12ba-43b5-aebd-3f9923afa4c7",
                "terraform-full-01",
                5.9 * _DAY,
                {"managed-by": "terraform"},
            ),
            _Snapshot("29a2daac-de20-44a7-961a-84f56e4aaf0d", None, 5.2 * _DAY),
            _Snapshot(
                "4d415380-669c-4a13-a621-fe399009184a",
                "full-01-{utc}",
                4.1 * _DAY,
                _owned("ecb3fdb7-39a3-4d68-b3df-fe4da0078c7a"),
            ),
            _Snapshot(
                "dc78f824-054b-4598-8d6a-c4292a1aeb71",
                "vor dem Umzug",
                3.7 * _DAY,
                fate="error",
            ),
            _Snapshot(
                "400a727f-8f1e-4dc9-adbf-15b11f761157",
                "cron-{date}",
                2.6 * _DAY,
                {"maker": "cron.sh"},
            ),
            _Snapshot(
                "32021162-2e99-461a-805c-74dc05b1e6c0",
                "full-01-{utc}",
                0.9 * _DAY,
                _owned("1da6104c-7f2e-4df4-aa8a-fef574a5c15c"),
            ),
        ),
    ),
    _Disk(
        "3943152f-1540-4e77-99f7-aed158dcc953",
        None,
        5 * _DAY,
        15,
        kind="SAS",
        bootable="true",
    ),
    _Disk("627a2d92-00d3-4b1a-a004-68789d84b7c5", "数据盘-größe", 4 * _DAY, 60),
    _Disk(
        "05b4d4dc-9424-4d04-a1fd-2729e64f4f6e",
        "backed-up",
        3 * _DAY,
        80,
        kind="ESSD",
        zone="sandbox-1b",
        snapshots=(
            _Snapshot(
                "c8f3cae2-9fc0-4e74-8cc3-89b20e2c3dcc",
                "autobk_snapshot_vbs_{utc}",
                1.4 * _DAY,
                _BACKUP,
            ),
            _Snapshot("d6c25438-cd0a-4b02-9ab6-d90c61745763", "by-hand-{date}", 1.3 * _DAY),
        ),
    ),
)


def fill(db: sqlite3.Connection, *, now: datetime) -> None:
    """Put the disks and their snapshots into an empty file."""
    create_tables(db)
    for disk in _DISKS:
        made_at = write_time(now - timedelta(hours=disk.age))
        volume = Volume(
            id=disk.id,
            name=disk.name,
            size=disk.size,
            volume_type=disk.kind,
            availability_zone=disk.zone,
            bootable=disk.bootable,
            server_id=disk.server_id,
            metadata=disk.metadata,
            tags=disk.tags,
            created_at=made_at,
            changed_at=made_at,
            status=disk.fate,
        )
        save(db, volume)
        for snapshot in disk.snapshots:
            save(db, _snapshot(snapshot, volume=volume, now=now))


def _snapshot(snapshot: _Snapshot, *, volume: Volume, now: datetime) -> Snapshot:
    made = now - timedelta(hours=snapshot.age)
    times = {"utc": f"{made:%Y%m%dT%H%M%SZ}", "date": f"{made:%Y-%m-%d}"}
    return Snapshot(
        id=snapshot.id,
        volume_id=volume.id,
        name=snapshot.name and snapshot.name.format(**times),
        size=volume.size,
        metadata=snapshot.metadata,
        created_at=write_time(made),
        changed_at=write_time(made),
        status=snapshot.fate,
    )
