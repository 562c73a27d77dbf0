"""One POST that leaves at most one snapshot, or one set, however the network fails.

An answer that never came is settled by looking for the key that went out with the
request, never by sending again blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from evs_snap.clock import in_words
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    BusyError,
    EvsSnapError,
    InterruptedRunError,
    ServiceError,
    WaitTimeoutError,
)
from evs_snap.plan.creation import NewSnapshot
from evs_snap.runs.work import PASSING, Work
from evs_snap.services.interface import Snapshot, SnapshotSet, Volume

R = TypeVar("R")
M = TypeVar("M", Snapshot, SnapshotSet)

LOOKS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each look: a new snapshot may enter the lists only after a while."""

POSTS = 3
_TURN = 10.0
"""Seconds between requests for a disk of which another snapshot is being made."""

_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Submitted(Generic[M]):
    """What was made, how many POSTs were begun for it, and how many may have arrived.

    After more than one there may be two of it under the same key. POSTs that were refused
    because the disk was busy do not count; ``waited`` are the seconds until it was not.
    ``answered_at`` is the moment of ``clock.monotonic`` at which the service accepted it, None
    where no answer said so.
    """

    made: M
    posts: int
    sent: int
    answered_at: float | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[M]):
    """What is to be made once: how it is asked for, and how it is known again.

    ``name`` is its own, ``label`` that of the disk or disks. ``post`` asks once, ``rows`` lists
    what there is. ``is_ours`` is the proof that a row is this attempt's; ``has_key`` is a proof
    even where no POST was accepted: another run may give the same name at the same second.
    ``is_for_same_period`` says that a row of another run stands for it.
    """

    name: str
    label: str
    post: Callable[[], Submitted[M] | EvsSnapError]
    rows: Callable[[], Iterable[M]]
    is_ours: Callable[[M], bool]
    has_key: Callable[[M], bool]
    is_for_same_period: Callable[[M], bool]


def of_snapshot(work: Work, new: NewSnapshot) -> Attempt[Snapshot]:
    """Return the attempt to make one snapshot of a disk."""
    return Attempt(
        name=new.name,
        label=new.volume.name or new.volume.id,
        post=lambda: post(work, new),
        rows=lambda: work.client.snapshots(volume_id=new.volume.id),
        is_ours=new.is_made_as,
        has_key=lambda row: row.key == new.stamp.key,
        is_for_same_period=new.is_for_same_period,
    )


def post(work: Work, new: NewSnapshot) -> Submitted[Snapshot] | EvsSnapError:
    """Ask for the snapshot, once; return what came of it."""
    try:
        created = work.client.create_snapshot(
            new.volume,
            name=new.name,
            description=new.description,
            properties=new.properties,
            stamp=new.stamp,
            expire_after=new.expire_after,
        )
    except EvsSnapError as error:
        return error
    if created.snapshot.id in new.known:
        mixed_up = another_one(created.snapshot, name=new.name)
        mixed_up.sent = created.sent
        return mixed_up
    return Submitted(created.snapshot, 1, created.sent, work.clock.monotonic())


def submit(
    work: Work, attempt: Attempt[M], *, begun: Submitted[M] | EvsSnapError | None = None
) -> Submitted[M]:
    """Make it, or find out that it was made.

    ``begun`` is what came of the first POST, where that was sent already. While another snapshot
    of the disk is being made, it is sent again, for ``timeout`` of the request at most. Raises
    what kept it from being made; where it could not even be found out whether it was, an
    AnswerLostError that says so.
    """
    sent = posts = 0
    began = work.clock.monotonic()
    waited = 0.0
    while True:
        outcome = begun if begun is not None and posts == 0 else attempt.post()
        sent += outcome.sent
        if isinstance(outcome, BusyError) and begun is None:
            sent -= 1  # that one made nothing
            found = _await_turn(work, attempt, outcome, began=began, may_exist=sent > 0)
            waited = work.clock.monotonic() - began
            if found is not None:
                return Submitted(found, max(posts, 1), sent, waited)
            continue
        posts += 1
        if not isinstance(outcome, EvsSnapError):
            return replace(outcome, posts=posts, sent=sent, waited=waited)
        unknown = is_unknown(outcome)
        if posts == 1 and sent <= 1 and not unknown:
            raise outcome
        # A request that was sent twice may be refused the second time just because it was
        # carried out the first time: it took the last slot, or is still at work on the disk.
        found = _look(work, attempt, lost=outcome)
        if found is not None:
            return Submitted(found, posts, sent, waited)
        if work.stop.asked:
            raise _unsettled(outcome, attempt, why="the run was stopped") from outcome
        if posts == POSTS or not unknown:
            raise outcome


def _await_turn(
    work: Work, attempt: Attempt[M], busy: BusyError, *, began: float, may_exist: bool
) -> M | None:
    """Wait until it may be asked for again; return it where it is there already.

    ``may_exist`` says that an earlier POST may have been carried out. Only then its name counts
    as a proof: another run may give the same one at the same second. Raises ``busy`` where
    another run has made the snapshot of the same period, WaitTimeoutError when the time is up.
    """
    timeout = work.request.timeout
    while True:
        passed = work.clock.monotonic() - began
        if work.stop.asked or passed >= timeout:
            if may_exist:
                raise _unsettled(busy, attempt, why="the disk was still busy")
            if work.stop.asked:
                raise InterruptedRunError("not begun: the run was stopped")
            raise WaitTimeoutError(
                f"another snapshot of the disk was still being made after {in_words(passed)}; "
                "nothing was made",
                hint="Find out who makes it: a policy, the console or another run. A longer "
                "--timeout waits longer.",
            )
        work.progress(
            f"{attempt.label}: another snapshot of it is being made; waiting to ask again, "
            f"{in_words(passed)} of {in_words(timeout)}"
        )
        work.clock.sleep(min(_TURN, timeout - passed))
        try:
            rows = list(attempt.rows())
        except PASSING:
            continue  # not sent again unseen
        for row in rows:
            if attempt.has_key(row) or (may_exist and attempt.is_ours(row)):
                return row
        if any(map(attempt.is_for_same_period, rows)):
            raise busy
        if not work.stop.asked:
            return None


def another_one(made: Snapshot | SnapshotSet | Volume, *, name: str | None) -> BadAnswerError:
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


def _look(work: Work, attempt: Attempt[M], *, lost: EvsSnapError) -> M | None:
    try:
        return look_for(work, attempt.rows, attempt.is_ours)
    except EvsSnapError as error:
        raise _unsettled(lost, attempt, why=error.message) from error


def _unsettled(lost: EvsSnapError, attempt: Attempt[M], *, why: str) -> AnswerLostError:
    return AnswerLostError(
        f"{lost.message}; and whether the snapshot exists could not be found out: {why}",
        hint=f"Look for {attempt.name!r} with `evs-snap snapshots` before creating it again; "
        "with --once-per a new run looks by itself.",
    )
