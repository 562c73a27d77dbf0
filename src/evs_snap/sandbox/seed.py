"""What a new pretend cloud holds: disks that are awkward to handle, read from seed.json.

``days`` there is the age. ``{utc}`` and ``{date}`` in a snapshot's name stand for when it was
made. The snapshots of a disk that is ``gone`` have outlived it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evs_snap.sandbox.records import GONE, Snapshot, Volume, create_tables, save, write_time
from evs_snap.sandbox.rules import STANDARD_REGION

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime


def fill(db: sqlite3.Connection, *, now: datetime) -> None:
    """Put the disks and their snapshots into an empty file."""
    create_tables(db)
    text = Path(__file__).with_name("seed.json").read_text(encoding="utf-8")
    for region, disks in json.loads(text).items():
        for disk in disks:
            snapshots = disk.pop("snapshots", [])
            where = {"region": region, "availability_zone": f"{region}a"}
            volume = Volume(**{**where, **_dated(disk, now=now)})
            if volume.status != GONE:
                save(db, volume)
            kind = "standard" if region == STANDARD_REGION else "flash"
            of_disk = {
                "region": region,
                "availability_zone": volume.availability_zone,
                "volume_id": volume.id,
                "size": volume.size,
                "category": kind,
            }
            for snapshot in snapshots:
                save(db, Snapshot(**{**of_disk, **_dated(snapshot, now=now)}))


def _dated(row: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the row with times in place of its age."""
    made = now - timedelta(days=row.pop("days"))
    at, name = write_time(made), row["name"]
    if name:
        row["name"] = name.format(utc=f"{made:%Y%m%dT%H%M%SZ}", date=f"{made:%Y-%m-%d}")
    return {**row, "created_at": at, "changed_at": at}
