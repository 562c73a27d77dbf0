"""What a run did: one record that alone decides exit code, table and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from evs_snap.errors import EvsSnapError
from evs_snap.plan.plan import DiskPlan, Removal
from evs_snap.plan.slots import Usage, usage
from evs_snap.services.interface import Snapshot, Volume

PARTIAL = 3


class Action(StrEnum):
    """What became of one disk or snapshot."""

    CREATED = "created"
    REUSED = "reused"
    DELETED = "deleted"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"
    WOULD_CREATE = "would-create"
    WOULD_DELETE = "would-delete"
    WOULD_RESTORE = "would-restore"
    RESTORED = "restored"
    READY = "ready"
    PINNED = "pinned"
    UNPINNED = "unpinned"


CHANGING = frozenset(
    {Action.CREATED, Action.DELETED, Action.RESTORED, Action.PINNED, Action.UNPINNED}
)
"""The actions that leave the cloud other than it was."""


@dataclass(frozen=True, slots=True)
class Item:
    """One outcome. ``volume`` is None for a snapshot whose disk was not read.

    ``name`` is that of a snapshot which is only planned. ``answered_at`` is the moment (seconds
    of a monotonic clock) at which the service accepted a new one.
    """

    action: Action
    volume: Volume | None = None
    snapshot: Snapshot | None = None
    reasons: tuple[str, ...] = ()
    request_id: str | None = None
    error: EvsSnapError | None = None
    name: str | None = None
    answered_at: float | None = None

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
    where it was interrupted. ``remark`` says why there was nothing to do. ``usages`` are the
    disks' slots after the run.
    """

    command: str
    items: tuple[Item, ...] = ()
    error: EvsSnapError | None = None
    signal_code: int | None = None
    dry_run: bool = field(default=False)
    remark: str = ""
    usages: tuple[Usage, ...] = ()

    @property
    def exit_code(self) -> int:
        """One cause for all items gives its code; different causes, or some done, give 3."""
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
    def changed(self) -> bool:
        """Whether anything was changed, or may have been: by a step that failed."""
        return (
            self.command != "wait"
            and not self.dry_run
            and any(
                item.action in CHANGING or (item.action is Action.FAILED and item.snapshot)
                for item in self.items
            )
        )

    @property
    def spread_ms(self) -> int | None:
        """Milliseconds between the first and the last answer that accepted a new snapshot.

        None where fewer than two were accepted. It is no more than that: the snapshots of a run
        are as far apart at the most as the service lets them be.
        """
        moments = [item.answered_at for item in self.items if item.answered_at is not None]
        return round((max(moments) - min(moments)) * 1000) if len(moments) > 1 else None

    @property
    def summary(self) -> dict[str, int]:
        """How many there are of each action."""
        counts: dict[str, int] = {}
        for item in self.items:
            counts[str(item.action)] = counts.get(str(item.action), 0) + 1
        return counts


def usages_after(
    items: Iterable[Item],
    volumes: Sequence[Volume],
    before: Mapping[str, Sequence[Snapshot]],
    *,
    limit: int,
) -> tuple[Usage, ...]:
    """Return each disk's slots after the run; ``before`` are its snapshots by the disk's ID."""
    held = {volume.id: {s.id: s for s in before.get(volume.id, ())} for volume in volumes}
    for item in items:
        snapshot = item.snapshot
        if snapshot is not None and snapshot.volume_id in held:
            of_disk = held[snapshot.volume_id]
            of_disk[snapshot.id] = snapshot
            if item.action is Action.DELETED:
                del of_disk[snapshot.id]
    return tuple(usage(v, tuple(held[v.id].values()), limit=limit) for v in volumes)


def planned(plan: DiskPlan) -> list[Item]:
    """Return what carrying the plan out would come to."""
    if plan.refusal is not None:
        return [refused(plan)]
    items = [_would_delete(plan.volume, r) for r in plan.free_slots]
    if plan.reuse is not None:
        items.append(Item(Action.REUSED, plan.volume, plan.reuse, plan.reasons))
    if plan.new is not None:
        made = Item(Action.WOULD_CREATE, plan.volume, reasons=plan.reasons, name=plan.new.name)
        items.append(made)
    items += [_would_delete(plan.volume, r) for r in plan.prune]
    return items + kept(plan)


def failed(item: Item, error: EvsSnapError) -> Item:
    """Return the item as failed, for that reason."""
    return replace(
        item,
        action=Action.FAILED,
        reasons=(*item.reasons, error.message),
        request_id=getattr(error, "request_id", None),
        error=error,
    )


def spared(volume: Volume, removal: Removal, *, why: str) -> Item:
    """Return what becomes of a removal that is not carried out."""
    return Item(Action.KEPT, volume, removal.snapshot, (*removal.reasons, f"but kept: {why}"))


def _would_delete(volume: Volume, removal: Removal) -> Item:
    return Item(Action.WOULD_DELETE, volume, removal.snapshot, removal.reasons)


def kept(plan: DiskPlan) -> list[Item]:
    """Return what stays, each with the rules that keep it."""
    return [Item(Action.KEPT, plan.volume, v.snapshot, v.reasons) for v in plan.keep]


def refused(plan: DiskPlan) -> Item:
    """Return the disk as refused: nothing is sent."""
    return Item(Action.REFUSED, plan.volume, reasons=plan.reasons, error=plan.refusal)


def declined(item: Item) -> Item:
    """Return the deletion as refused: somebody was asked, and did not agree."""
    error = EvsSnapError("not confirmed; nothing was deleted")
    return replace(item, action=Action.REFUSED, reasons=(error.message,), error=error)
