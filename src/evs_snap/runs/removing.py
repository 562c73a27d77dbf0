"""A plan's deletions, one after the other, and what becomes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evs_snap.errors import EvsSnapError, SnapshotFailedError
from evs_snap.runs.delete import delete
from evs_snap.runs.report import Action, Item
from evs_snap.runs.work import DELETE_TIMEOUT, read, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.plan.plan import DiskPlan, Removal
    from evs_snap.runs.work import Crew


def delete_all(
    crew: Crew, plan: DiskPlan, removals: Sequence[Removal], *, made: Item | None = None
) -> tuple[Item, ...]:
    """Delete one after the other, each seen gone; after a failure or a stop, no more."""
    items: list[Item] = []
    good = made.snapshot if made else None
    first_usable = next((r for r in removals if r.snapshot.is_usable), None)
    for removal in removals:
        if crew.stop.asked or any(item.error for item in items):
            items.append(spared(plan.volume, removal, why="not begun"))
            continue
        item = Item(Action.DELETED, plan.volume, removal.snapshot, removal.reasons)
        crew.tell(f"deleting {removal.snapshot.name or removal.snapshot.id}")
        try:
            if removal is first_usable:
                _require_good_one(crew, plan, removals, good=good)
        except EvsSnapError as error:
            items.append(failed(item, error))
        else:
            items.append(delete_one(crew, item))
    return tuple(items)


def _require_good_one(
    crew: Crew, plan: DiskPlan, removals: Sequence[Removal], *, good: Snapshot | None
) -> None:
    """See that the newest of those that stay can be used still: the plan may be long past."""
    if good is None:
        told = [*(v.snapshot for v in plan.keep), *(r.snapshot for r in plan.prune)]
        good = _newest(told, removals) or _newest(rows_of(crew, plan.volume).values(), removals)
    found = read(crew, good.id) if good else None
    if found is None or not found.is_usable:
        seen = f"snapshot {good.id} is {found.status if found else 'gone'}" if good else "none is"
        raise SnapshotFailedError(
            f"nothing was deleted, as no usable snapshot was sure to stay: {seen}",
            hint="Somebody else changes this disk's snapshots; try again.",
        )


def delete_one(crew: Crew, item: Item, *, foreign: bool = False) -> Item:
    """Delete the item's snapshot; return the item, or how it failed."""
    assert item.snapshot is not None  # noqa: S101 - for the type checker
    try:
        delete(
            crew.client,
            item.snapshot,
            clock=crew.clock,
            stop=crew.stop,
            timeout=DELETE_TIMEOUT,
            foreign=foreign,
        )
    except EvsSnapError as error:
        return failed(item, error)
    return replace(item, snapshot=item.snapshot.model_copy(update={"status": "deleted"}))


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


def _newest(rows: Iterable[Snapshot], removals: Sequence[Removal]) -> Snapshot | None:
    """Return the newest usable one that is not to be removed."""
    doomed = {removal.snapshot.id for removal in removals}
    staying = [s for s in rows if s.is_usable and not s.is_system and s.id not in doomed]
    return max(staying, key=lambda s: (str(s.created_at), s.id), default=None)
