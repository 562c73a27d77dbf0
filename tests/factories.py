"""Disks and snapshots for tests: the usual one, changed by keyword."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from evs_snap.plan.request import Request
from evs_snap.plan.selection import Selection
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Stamp, Volume
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
    consistency: str | None = None,
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
    labels = {} if policy is None else Stamp(f"key-{id_}", policy, bucket, consistency).labels()
    usual = {"volume_id": "v", "status": "available", "created_at": made, "metadata": labels}
    return LegacySnapshot.model_validate({"id": id_, **usual, **fields})


def request(*, replace: bool = False, command: str | None = None, **words: Any) -> Request:
    """Return what asks for snapshots of all disks under ``default``; with ``keep`` a rotation."""
    return Request(
        command=cast("Any", command or ("rotate" if words.get("keep") else "create")),
        selection=Selection(everything=True),
        on_limit="replace" if replace else "fail",
        **words,
    )


def made_past(client: EvsClient, volume_id: str, name: str, stamp: Stamp | None = None) -> str:
    """Ask for a snapshot past all decisions of ours; return its ID."""
    return client.create_snapshot(client.volume(volume_id), name=name, stamp=stamp).snapshot.id
