"""What every step of a run works with, and the reads that steps share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_snap.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot
    from evs_snap.clock import Clock, Stop
    from evs_snap.runs.locks import DiskLocks
    from evs_snap.runs.report import Item

DELETE_TIMEOUT = 300.0
"""Seconds until a deletion that was not seen done counts as failed."""


def no_progress(_sentence: str) -> None:
    """Tell nobody."""


def confirm_all(_items: Sequence[Item]) -> bool:
    """Agree to every deletion."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a step works with, taken whole by each.

    ``progress`` is given a sentence whenever there is news. ``confirm`` is given what would
    be deleted, and says whether to go on. ``parallel`` is how many disks are worked on at a
    time. ``timeout`` is how many seconds to wait for new snapshots, None for not at all.
    With ``dry_run`` the plan is the result.
    """

    client: EvsClient
    locks: DiskLocks
    progress: Callable[[str], None] = no_progress
    confirm: Callable[[Sequence[Item]], bool] = confirm_all
    parallel: int = 4
    timeout: float | None = None
    dry_run: bool = False

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self.client.clock

    @property
    def stop(self) -> Stop:
        """The request to stop that ends the clock's pauses."""
        return self.client.clock.stop

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """Return a snapshot as it is now, or None where there is none."""
        try:
            return self.client.snapshot(snapshot_id)
        except NotFoundError:
            return None

    def snapshots_of(self, volume_id: str) -> dict[str, Snapshot]:
        """Return a disk's snapshots by ID, as the list has them now."""
        return {row.id: row for row in self.client.snapshots(volume_id=volume_id)}
