"""One POST that leaves at most one snapshot, however the network fails.

An answer that never came is settled by looking for the key that went out with the
request, never by sending again blindly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from evs_snap.errors import AnswerLostError, BadAnswerError, EvsSnapError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evs_snap.plan.creation import NewSnapshot
    from evs_snap.runs.work import Work
    from evs_snap.services.interface import Snapshot, Volume

R = TypeVar("R")

LOOKS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each look: a new snapshot may enter the lists only after a while."""

POSTS = 3
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Submitted:
    """The snapshot, how many POSTs were begun for it, and how many may have arrived.

    After more than one there may be two snapshots under the same key. ``answered_at`` is the
    moment of ``clock.monotonic`` at which the service accepted it, None where no answer said so.
    """

    snapshot: Snapshot
    posts: int
    sent: int
    answered_at: float | None = None


def post(work: Work, new: NewSnapshot) -> Submitted | EvsSnapError:
    """Ask for the snapshot, once; return what came of it."""
    try:
        created = work.client.create_snapshot(
            new.volume,
            name=new.name,
            description=new.description,
            properties=new.properties,
            stamp=new.stamp,
        )
    except EvsSnapError as error:
        return error
    if created.snapshot.id in new.known:
        mixed_up = another_one(created.snapshot, name=new.name)
        mixed_up.sent = created.sent
        return mixed_up
    return Submitted(created.snapshot, 1, created.sent, work.clock.monotonic())


def submit(
    work: Work, new: NewSnapshot, *, begun: Submitted | EvsSnapError | None = None
) -> Submitted:
    """Create the snapshot, or find out that it was created.

    ``begun`` is what came of the first POST, where that was sent already. Raises what kept it
    from being created; where it could not even be found out whether it was, an AnswerLostError
    that says so.
    """
    sent = 0
    for posts in range(1, POSTS + 1):
        outcome = begun if begun is not None and posts == 1 else post(work, new)
        sent += outcome.sent
        if not isinstance(outcome, EvsSnapError):
            return replace(outcome, posts=posts, sent=sent)
        unknown = is_unknown(outcome)
        if posts == 1 and sent <= 1 and not unknown:
            raise outcome
        # A request that was sent twice may be refused the second time just because it was
        # carried out the first time: it took the last slot, or is still at work on the disk.
        found = _look(work, new, lost=outcome)
        if found is not None:
            return Submitted(found, posts, sent)
        if work.stop.asked:
            raise _unsettled(outcome, new, why="the run was stopped") from outcome
        if posts == POSTS or not unknown:
            raise outcome
    raise AssertionError("unreachable")


def another_one(made: Snapshot | Volume, *, name: str | None) -> BadAnswerError:
    """Return what to say where the service named ``made`` when another one was meant."""
    return BadAnswerError(
        f"the service gave {made.id} as the ID of {name!r}, and that is another one",
        hint="A proxy or the service mixes up answers: report it to the cloud's support.",
    )


def is_unknown(error: EvsSnapError) -> bool:
    """Whether the service may have acted although it did not say so."""
    if isinstance(error, ServiceError):
        return (error.status or 0) >= _SERVER_FAULT
    return isinstance(error, AnswerLostError | BadAnswerError)


def look_for(
    work: Work,
    rows: Callable[[], Iterable[R]],
    is_ours: Callable[[R], bool],
    *,
    pauses: Sequence[float] = LOOKS,
) -> R | None:
    """Return the row of this attempt, or None where there is none after all.

    ``rows`` lists what there is now, ``pauses`` are the seconds before each look. Raises what
    the last look met: that one must succeed, as it decides.
    """
    for number, pause in enumerate(pauses, start=1):
        work.clock.sleep(pause)
        try:
            found = next((row for row in rows() if is_ours(row)), None)
        except EvsSnapError:
            if number == len(pauses):
                raise
            continue
        if found is not None:
            return found
    return None


def _look(work: Work, new: NewSnapshot, *, lost: EvsSnapError) -> Snapshot | None:
    try:
        return look_for(
            work, lambda: work.client.snapshots(volume_id=new.volume.id), new.is_made_as
        )
    except EvsSnapError as error:
        raise _unsettled(lost, new, why=error.message) from error


def _unsettled(lost: EvsSnapError, new: NewSnapshot, *, why: str) -> AnswerLostError:
    return AnswerLostError(
        f"{lost.message}; and whether the snapshot exists could not be found out: {why}",
        hint=f"Look for {new.name!r} with `evs-snap snapshots` before creating it again; "
        "with --once-per a new run looks by itself.",
    )
