"""One POST that leaves at most one snapshot, however the network fails.

An answer that never came is settled by looking for the key that went out with the
request, never by sending again blindly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_snap.errors import AnswerLostError, BadAnswerError, EvsSnapError, ServiceError

if TYPE_CHECKING:
    from evs_snap.api.models import Snapshot
    from evs_snap.plan.request import NewSnapshot
    from evs_snap.runs.work import Work

LOOKS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each look: a new snapshot may enter the lists only after a while."""

POSTS = 3
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Submitted:
    """The snapshot, and how many POSTs it took: after more than one there may be a duplicate."""

    snapshot: Snapshot
    posts: int


def submit(work: Work, new: NewSnapshot) -> Submitted:
    """Create the snapshot, or find out that it was created.

    Raises what kept it from being created; where it could not even be found out whether
    it was, an AnswerLostError that says so.
    """
    posts = 0
    while True:
        posts += 1
        try:
            snapshot = work.client.create_snapshot(
                new.volume.id,
                name=new.name,
                description=new.description,
                metadata=new.metadata,
                force=new.force,
            )
        except EvsSnapError as error:
            unknown = _is_unknown(error)
            if posts == 1 and not unknown:
                raise
            # A later POST may be refused just because an earlier one was carried out after
            # all: it took the last slot, or is still at work on the disk.
            found = _look(work, new, lost=error)
            if found is not None:
                return Submitted(found, posts)
            if work.stop.asked:
                raise _unsettled(error, new, why="the run was stopped") from error
            if posts >= POSTS or not unknown:
                raise
        else:
            return Submitted(snapshot, posts)


def _is_unknown(error: EvsSnapError) -> bool:
    """Whether the service may have acted although it did not say so."""
    if isinstance(error, ServiceError):
        return (error.status or 0) >= _SERVER_FAULT
    return isinstance(error, AnswerLostError | BadAnswerError)


def _look(work: Work, new: NewSnapshot, *, lost: EvsSnapError) -> Snapshot | None:
    """Return the snapshot of this attempt, or None where it does not exist after all.

    Only the last look must succeed: that one decides whether to send again.
    """
    for number, pause in enumerate(LOOKS, start=1):
        work.clock.sleep(pause)
        try:
            rows = work.client.snapshots(volume_id=new.volume.id)
        except EvsSnapError as error:
            if number == len(LOOKS):
                raise _unsettled(lost, new, why=error.message) from error
            continue
        found = next(filter(new.is_made_as, rows), None)
        if found is not None:
            return found
    return None


def _unsettled(lost: EvsSnapError, new: NewSnapshot, *, why: str) -> AnswerLostError:
    return AnswerLostError(
        f"{lost.message}; and whether the snapshot exists could not be found out: {why}",
        hint=f"Look for {new.name!r} with `evs-snap snapshots` before creating it again; "
        "with --once-per a new run looks by itself.",
    )
