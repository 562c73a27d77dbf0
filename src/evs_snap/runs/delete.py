"""One deletion, proved: re-read, still ours, asked for, and seen gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    NotOursError,
    ServiceError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.retention import DELETABLE
from evs_snap.runs.report import Action, Item
from evs_snap.runs.wait import PASSING, pauses
from evs_snap.runs.work import DELETE_TIMEOUT, read, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.clock import Clock, Stop
    from evs_snap.plan.plan import DiskPlan, Removal
    from evs_snap.runs.work import Work


def delete(
    client: EvsClient,
    snapshot: Snapshot,
    *,
    clock: Clock,
    stop: Stop,
    timeout: float,
    foreign: bool = False,
) -> None:
    """Delete a snapshot and see it gone; one gone already is done.

    What is read just before decides: it must be on the same disk, under the same
    policy, and in a status that EVS deletes from. ``foreign`` allows one that does not
    carry our stamp, never a backup service's. ``timeout`` is in seconds.
    """
    try:
        found = client.snapshot(snapshot.id)
    except NotFoundError:
        return
    _require_unchanged(snapshot, found, foreign=foreign)
    if found.status != "deleting":
        _ask(client, found)
    _see_gone(client, snapshot.id, clock=clock, stop=stop, timeout=timeout)


def require_ours(snapshot: Snapshot, *, foreign: bool = False) -> None:
    """Raise NotOursError for a backup service's snapshot, and for an unstamped one."""
    if snapshot.is_system:
        raise NotOursError(
            f"snapshot {snapshot.id} belongs to a backup service: its next backup builds on it",
            hint="Delete the backup in CBR instead; it takes its snapshot along.",
        )
    if snapshot.policy is None and not foreign:
        raise NotOursError(
            f"snapshot {snapshot.id} was not made by evs-snap",
            hint="If you are sure, `evs-snap delete --foreign` deletes it all the same.",
        )


def _require_unchanged(before: Snapshot, found: Snapshot, *, foreign: bool) -> None:
    require_ours(found, foreign=foreign)
    if (found.volume_id, found.policy) != (before.volume_id, before.policy):
        raise NotOursError(f"snapshot {before.id} is no longer what it was a moment ago")
    if found.status == "error_deleting":
        raise SnapshotFailedError(
            f"snapshot {found.id} is stuck in 'error_deleting'",
            hint="Only the cloud's support can clear it; it may hold a slot until then.",
        )
    if found.status not in DELETABLE and found.status != "deleting":
        raise SnapshotFailedError(
            f"snapshot {found.id} is {found.status!r}: EVS deletes only snapshots that are "
            "available or in error",
            hint="Wait until it is, and try again.",
        )


def _ask(client: EvsClient, snapshot: Snapshot) -> None:
    try:
        client.delete_snapshot(snapshot.id)
    except NotFoundError:
        return
    except (ServiceError, AnswerLostError, BadAnswerError):
        # A DELETE whose answer was lost may be carried out, and a repeated one is refused
        # while it is.
        try:
            if client.snapshot(snapshot.id).status == "deleting":
                return
        except NotFoundError:
            return
        raise


def _see_gone(client: EvsClient, id_: str, *, clock: Clock, stop: Stop, timeout: float) -> None:
    deadline = clock.monotonic() + timeout
    trouble: EvsSnapError | None = None
    for pause in pauses():
        try:
            status = client.snapshot(id_).status
        except NotFoundError:
            return
        except PASSING as error:
            trouble = error
        else:
            trouble = None
            # No other error: it may be the status from before, read from a replica.
            if status == "error_deleting":
                raise SnapshotFailedError(
                    f"deleting snapshot {id_} ended in {status!r}",
                    hint="Only the cloud's support can clear it; it may hold a slot until then.",
                )
        left = deadline - clock.monotonic()
        if left <= 0 or stop.asked:
            break
        clock.sleep(min(left, pause))
    seen = f"; the last look failed: {trouble.message}" if trouble else ""
    raise WaitTimeoutError(
        f"snapshot {id_} is being deleted, but was not seen gone within {timeout:.0f} s{seen}",
        hint="`evs-snap snapshots` shows whether it is; until then it may hold a slot.",
    )


def delete_all(
    work: Work, plan: DiskPlan, removals: Sequence[Removal], *, made: Item | None = None
) -> tuple[Item, ...]:
    """Delete one after the other, each seen gone; after a failure or a stop, no more."""
    items: list[Item] = []
    good = made.snapshot if made else None
    first_usable = next((r for r in removals if r.snapshot.is_usable), None)
    for removal in removals:
        if work.stop.asked or any(item.error for item in items):
            items.append(spared(plan.volume, removal, why="not begun"))
            continue
        item = Item(Action.DELETED, plan.volume, removal.snapshot, removal.reasons)
        work.tell(f"deleting {removal.snapshot.name or removal.snapshot.id}")
        try:
            if removal is first_usable:
                _require_good_one(work, plan, removals, good=good)
        except EvsSnapError as error:
            items.append(failed(item, error))
        else:
            items.append(delete_one(work, item))
    return tuple(items)


def _require_good_one(
    work: Work, plan: DiskPlan, removals: Sequence[Removal], *, good: Snapshot | None
) -> None:
    """See that the newest of those that stay can be used still: the plan may be long past."""
    if good is None:
        told = [*(v.snapshot for v in plan.keep), *(r.snapshot for r in plan.prune)]
        good = _newest(told, removals) or _newest(rows_of(work, plan.volume).values(), removals)
    found = read(work, good.id) if good else None
    if found is None or not found.is_usable:
        seen = f"snapshot {good.id} is {found.status if found else 'gone'}" if good else "none is"
        raise SnapshotFailedError(
            f"nothing was deleted, as no usable snapshot was sure to stay: {seen}",
            hint="Somebody else changes this disk's snapshots; try again.",
        )


def delete_one(work: Work, item: Item, *, foreign: bool = False) -> Item:
    """Delete the item's snapshot; return the item, or how it failed."""
    assert item.snapshot is not None  # noqa: S101 - for the type checker
    try:
        delete(
            work.client,
            item.snapshot,
            clock=work.clock,
            stop=work.stop,
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
