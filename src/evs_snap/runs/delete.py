"""One deletion, proved: re-read, still ours, asked for, and seen gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    MissingError,
    NotOursError,
    ServiceError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.retention import DELETABLE
from evs_snap.runs.wait import PASSING, pauses

if TYPE_CHECKING:
    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot
    from evs_snap.clock import Clock
    from evs_snap.stop import Stop


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
    except MissingError:
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
    except MissingError:
        return
    except (ServiceError, AnswerLostError, BadAnswerError):
        # A DELETE whose answer was lost may be carried out, and a repeated one is refused
        # while it is.
        try:
            if client.snapshot(snapshot.id).status == "deleting":
                return
        except MissingError:
            return
        raise


def _see_gone(client: EvsClient, id_: str, *, clock: Clock, stop: Stop, timeout: float) -> None:
    deadline = clock.monotonic() + timeout
    trouble: EvsSnapError | None = None
    for pause in pauses():
        try:
            status = client.snapshot(id_).status
        except MissingError:
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
