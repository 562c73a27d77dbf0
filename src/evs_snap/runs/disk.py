"""How far one disk has come in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evs_snap.errors import InterruptedRunError
from evs_snap.plan.plan import DiskPlan
from evs_snap.runs.record import Action, Item, failed
from evs_snap.services.interface import Snapshot


@dataclass(slots=True)
class DiskRun:
    """How far a disk has come.

    ``seen`` are its snapshots by ID before the run; no other is deleted. ``made`` is its new
    snapshot, ``posts``, ``sent`` and ``waited`` what that took. ``before`` and ``after``
    are the deletions around it. ``left`` are the IDs of snapshots that could not be deleted.
    ``is_over`` says that nothing more is to be deleted, ``why`` then for what reason.
    ``asked_at`` is the moment of the last deletion asked for. ``doubt`` is why the snapshot that
    was made may not be consistent, where something was to be held.
    """

    plan: DiskPlan
    seen: Mapping[str, Snapshot]
    made: Item | None = None
    posts: int = 0
    sent: int = 0
    waited: float = 0.0
    before: list[Item] = field(default_factory=list)
    after: list[Item] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    is_over: bool = False
    why: str = "not begun"
    asked_at: float | None = None
    doubt: str | None = None

    @property
    def volume_id(self) -> str:
        """The disk's ID."""
        return self.plan.volume.id

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that this run made or took, where all is well with it."""
        return self.made.snapshot if self.made and self.made.error is None else None

    @property
    def created(self) -> Snapshot | None:
        """The snapshot that this run made, where all is well with it."""
        return self.snapshot if self.made and self.made.action is Action.CREATED else None

    @property
    def deletions(self) -> list[Item]:
        """All deletions that were tried."""
        return [*self.before, *self.after]

    @property
    def items(self) -> list[Item]:
        """All outcomes, in the order of the steps."""
        return [*self.before, *([self.made] if self.made else []), *self.after]

    def end(self, why: str) -> None:
        """Delete nothing more."""
        if not self.is_over:
            self.is_over, self.why = True, why


def not_begun(plan: DiskPlan) -> Item:
    """Return the disk as not begun, because the run was stopped."""
    error = InterruptedRunError("not begun: the run was stopped")
    return failed(Item(Action.FAILED, plan.volume), error)
