"""Disks and snapshots for tests: the usual one, changed by keyword."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from evs_snap.services.interface import STAMP_BUCKET, STAMP_KEY, STAMP_POLICY, Snapshot, Volume
from evs_snap.services.legacy import LegacySnapshot

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
"""A Monday, in week 48. Tests that need a moment begin at this one."""

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))


def volume(id_: str = "v", *, servers: tuple[str, ...] = (), **fields: Any) -> Volume:
    """Return a free disk, ``data-01``; ``servers`` are the IDs it is attached to."""
    attachments = [{"server_id": server} for server in servers]
    usual = {"name": "data-01", "status": "available", "attachments": attachments}
    return Volume.model_validate({"id": id_, **usual, **fields})


def snapshot(
    id_: str = "s",
    *,
    made: datetime | timedelta | str | None = NOW,
    policy: str | None = "default",
    bucket: str | None = None,
    **fields: Any,
) -> Snapshot:
    """Return a usable snapshot of disk ``v``, made by evs-snap.

    ``made`` is a moment, an ISO text in UTC, a time before NOW, or None for a date that
    cannot be read. ``policy`` None means that somebody else made it.
    """
    if isinstance(made, timedelta):
        made = NOW - made
    elif isinstance(made, str):
        made = datetime.fromisoformat(made).replace(tzinfo=UTC)
    stamp = {} if policy is None else {STAMP_KEY: f"key-{id_}", STAMP_POLICY: policy}
    if bucket is not None:
        stamp[STAMP_BUCKET] = bucket
    usual = {"volume_id": "v", "status": "available", "created_at": made, "metadata": stamp}
    return LegacySnapshot.model_validate({"id": id_, **usual, **fields})
