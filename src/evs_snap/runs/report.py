"""What a run did: one record that alone decides exit code, table and JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.errors import EvsSnapError

SCHEMA = "evs-snap/1"
PARTIAL = 3


class Action(StrEnum):
    """What became of one disk or snapshot."""

    CREATED = "created"
    REUSED = "reused"
    DELETED = "deleted"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Item:
    """One outcome. ``volume`` is None for a snapshot whose disk was not read."""

    action: Action
    volume: Volume | None = None
    snapshot: Snapshot | None = None
    reasons: tuple[str, ...] = ()
    request_id: str | None = None
    error: EvsSnapError | None = None

    @property
    def label(self) -> str:
        """What to call it in a message."""
        if self.volume is not None:
            return self.volume.name or self.volume.id
        return self.snapshot.id if self.snapshot else ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All outcomes of one run, in the order asked.

    ``error`` is what ended the run before it had a plan; ``signal_code`` is 130 or 143
    where it was interrupted.
    """

    command: str
    items: tuple[Item, ...] = ()
    error: EvsSnapError | None = None
    signal_code: int | None = None
    dry_run: bool = field(default=False)

    @property
    def exit_code(self) -> int:
        """One cause for all gives its code, a mixture 3 (design: exit codes)."""
        if self.signal_code is not None:
            return self.signal_code
        if self.error is not None:
            return self.error.exit_code
        failures = {item.error.exit_code for item in self.items if item.error}
        if not failures:
            return 0
        done = any(item.error is None and item.action is not Action.KEPT for item in self.items)
        return PARTIAL if done or len(failures) > 1 else failures.pop()

    @property
    def summary(self) -> dict[str, int]:
        """How many there are of each action."""
        counts: dict[str, int] = {}
        for item in self.items:
            counts[item.action] = counts.get(item.action, 0) + 1
        return counts
