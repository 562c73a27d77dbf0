"""Deletions, one after the other: read again, still ours, asked for, and seen gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evs_snap.api.models import STAMP_KEY
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
from evs_snap.plan.retention import DELETABLE, newer_usable
from evs_snap.runs.report import Action, Item, failed, spared
from evs_snap.runs.wait import PASSING, pauses
from evs_snap.runs.work import DELETE_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.plan.plan import Removal
    from evs_snap.runs.work import Work


_STUCK = "Only the cloud's support can clear it; it may hold a slot until then."


def delete(work: Work, snapshot: Snapshot, *, foreign: bool = False) -> None:
    """Delete a snapshot and see it gone; one gone already is done.

    What is read just before decides: it must be on the same disk, under the same
    policy, and in a status that EVS deletes from. ``foreign`` allows one that does not
    carry our stamp, never a backup service's. Raises what keeps it from being seen gone.
    """
    found = work.snapshot(snapshot.id)
    if found is None:
        return
    _require_unchanged(snapshot, found, foreign=foreign)
    if found.status != "deleting":
        _ask(work, found)
    _see_gone(work, snapshot.id)


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
    key = before.metadata.get(STAMP_KEY)
    same = (found.volume_id, found.policy) == (before.volume_id, before.policy)
    if (
        not same
        or found.metadata.get(STAMP_KEY) != key
        or (found.is_usable and not before.is_usable)
    ):
        raise NotOursError(f"snapshot {before.id} is no longer what it was a moment ago")
    if found.status == "error_deleting":
        raise SnapshotFailedError(
            f"snapshot {found.id} is stuck in 'error_deleting'",
            hint=_STUCK,
        )
    if found.status not in DELETABLE and found.status != "deleting":
        raise SnapshotFailedError(
            f"snapshot {found.id} is {found.status!r}: EVS deletes only snapshots that are "
            "available or in error",
            hint="Wait until it is, and try again.",
        )


def _ask(work: Work, snapshot: Snapshot) -> None:
    try:
        work.client.delete_snapshot(snapshot.id)
    except NotFoundError:
        return
    except (ServiceError, AnswerLostError, BadAnswerError):
        # A DELETE whose answer was lost may be carried out, and a repeated one is refused
        # while it is.
        found = work.snapshot(snapshot.id)
        if found is not None and found.status != "deleting":
            raise


def _see_gone(work: Work, snapshot_id: str) -> None:
    deadline = work.clock.monotonic() + DELETE_TIMEOUT
    looking = replace(work, client=work.client.until(deadline))
    trouble: EvsSnapError | None = None
    for pause in pauses():
        try:
            found = looking.snapshot(snapshot_id)
        except PASSING as error:
            trouble = error
        else:
            trouble = None
            if found is None:
                return
            # No other error: it may be the status from before, read from a replica.
            if found.status == "error_deleting":
                raise SnapshotFailedError(
                    f"deleting snapshot {snapshot_id} ended in 'error_deleting'",
                    hint=_STUCK,
                )
        left = deadline - work.clock.monotonic()
        if left <= 0 or work.stop.asked:
            break
        work.clock.sleep(min(left, pause))
    seen = f"; the last look failed: {trouble.message}" if trouble else ""
    raise WaitTimeoutError(
        f"snapshot {snapshot_id} is being deleted, but was not seen gone within "
        f"{DELETE_TIMEOUT:.0f} s{seen}",
        hint="`evs-snap snapshots` shows whether it is; until then it may hold a slot.",
    )


def delete_all(
    work: Work,
    volume: Volume,
    removals: Sequence[Removal],
    *,
    stays: Callable[[dict[str, Snapshot], Removal], str | None] = lambda _rows, _removal: None,
) -> tuple[Item, ...]:
    """Delete one after the other, each seen gone; after a failure or a stop, no more.

    Before each, the disk's snapshots are read again. ``stays`` is given them by ID, and says
    why a snapshot must not be deleted now, or None. A usable one is deleted only if a newer
    usable one is among them that is not to be deleted itself.
    """
    items: list[Item] = []
    going = {removal.snapshot.id for removal in removals}
    for removal in removals:
        if work.stop.asked or any(item.error for item in items):
            items.append(spared(volume, removal, why="not begun"))
            continue
        item = Item(Action.DELETED, volume, removal.snapshot, removal.reasons)
        work.progress(f"deleting {removal.snapshot.name or removal.snapshot.id}")
        try:
            rows = work.snapshots_of(volume.id)
            why = stays(rows, removal)
            if why is not None:
                items.append(spared(volume, removal, why=why))
                continue
            _require_newer(work, rows, removal.snapshot, besides=going)
        except EvsSnapError as error:
            items.append(failed(item, error))
        else:
            items.append(delete_item(work, item))
    return tuple(items)


def _require_newer(
    work: Work, rows: dict[str, Snapshot], snapshot: Snapshot, *, besides: Collection[str]
) -> None:
    found = rows.get(snapshot.id, snapshot)
    if not found.is_usable:
        return
    now = work.client.service_now
    while newer := newer_usable(rows.values(), than=found, now=now, besides=besides):
        seen = work.snapshot(newer.id)  # a list may show for a while what is gone
        if seen is not None and seen.is_usable:
            return
        del rows[newer.id]
    raise SnapshotFailedError(
        f"snapshot {found.id} was not deleted, as no newer usable one was seen to stay",
        hint="Somebody else changes this disk's snapshots; try again.",
    )


def delete_item(work: Work, item: Item, *, foreign: bool = False) -> Item:
    """Delete the item's snapshot; return the item, or how it failed."""
    assert item.snapshot is not None  # noqa: S101 - for the type checker
    try:
        delete(work, item.snapshot, foreign=foreign)
    except EvsSnapError as error:
        return failed(item, error)
    return replace(item, snapshot=item.snapshot.model_copy(update={"status": "deleted"}))
