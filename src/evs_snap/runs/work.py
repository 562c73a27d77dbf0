"""What every step of a run works with, and the reads that steps share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_snap.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.clock import Clock, Stop

DELETE_TIMEOUT = 300.0
"""Seconds until a deletion not seen done counts as failed (evs-api.md, section 7)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What it takes to act: ``tell`` is given a sentence whenever there is news.

    ``timeout`` is how many seconds to wait for new snapshots, None for not at all.
    """

    client: EvsClient
    clock: Clock
    stop: Stop
    tell: Callable[[str], None]
    parallel: int = 4
    timeout: float | None = None


def rows_of(work: Work, volume: Volume) -> dict[str, Snapshot]:
    """Return a disk's snapshots by ID, as the list has them."""
    return {row.id: row for row in work.client.snapshots(volume_id=volume.id)}


def read(work: Work, id_: str) -> Snapshot | None:
    """Return a snapshot as it is now, or None where there is none."""
    try:
        return work.client.snapshot(id_)
    except NotFoundError:
        return None
