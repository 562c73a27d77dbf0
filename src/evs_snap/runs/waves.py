"""A plan carried out in waves: one step of each disk at a time, disks side by side.

Between two waves the disks' snapshots are read once for all of them. One disk's failure never
stops another's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from math import inf
from typing import TYPE_CHECKING

from evs_snap.clock import in_words
from evs_snap.errors import (
    EvsSnapError,
    HoldError,
    InterruptedRunError,
    NotConsistentError,
    PermissionDeniedError,
    QuotaError,
    SignInError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.plan import judged_again, plan_disk
from evs_snap.runs.deletion import ask, require_deletable, require_newer, see_gone
from evs_snap.runs.duplicates import DUPLICATE_GRACE, DUPLICATE_TIMEOUT, keep_one
from evs_snap.runs.gather import Readings
from evs_snap.runs.holds.command import Hold, hold, surroundings
from evs_snap.runs.record import Action, Item, failed, kept, refused, spared
from evs_snap.runs.submit import another_one, post, submit
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import PASSING
from evs_snap.services.interface import APP_CONSISTENT, STAMP_CONSISTENCY

if TYPE_CHECKING:
    from evs_snap.plan.creation import NewSnapshot
    from evs_snap.plan.plan import DiskPlan, Removal
    from evs_snap.runs.work import Work
    from evs_snap.services.interface import Created, Snapshot

_ENDING = (*PASSING, SignInError, PermissionDeniedError, WaitTimeoutError, InterruptedRunError)
"""What ends a disk's deletions; any other refusal costs the one snapshot that it is about."""

_HELD_PAUSE = 0.5
"""Seconds between looks while something is held."""

_MARK_PAUSES = (0.0, 1.0, 2.0)
"""Seconds before each attempt to write the word on a snapshot."""


@dataclass(slots=True)
class DiskRun:
    """How far a disk has come.

    ``seen`` are its snapshots by ID before the run; no other is deleted. ``made`` is its new
    snapshot, ``posts`` and ``sent`` what that took. ``before`` and ``after``
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
    before: list[Item] = field(default_factory=list)
    after: list[Item] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    is_over: bool = False
    why: str = "not begun"
    asked_at: float = -inf
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


def carry_out(work: Work, plans: Sequence[DiskPlan]) -> list[Item]:
    """Carry plans out; return what became of each step."""
    work.stop.begin()
    work.progress(f"working on {len(plans)} disk{'s' if len(plans) > 1 else ''}")
    runs = [DiskRun(plan, plan.seen) for plan in plans]
    readings = Readings(work.client)
    _free_slots(work, runs, readings)
    due = [run for run in runs if run.made is None]
    timeout = work.request.timeout
    if work.request.hold is not None and any(run.plan.new and not run.is_over for run in due):
        timeout -= _submit_held(work, due, command=work.request.hold)
    _submit_all(work, [run for run in due if run.made is None])
    if work.request.wait:
        _see_usable(work, runs, timeout=max(0.0, timeout))
    _leave_one_of_each(work, runs, readings)
    for run in runs:
        if run.made and run.created and run.doubt:
            run.made = failed(run.made, _not_consistent(run.created, why=run.doubt))
    _prune(work, runs, readings)
    return [item for run in runs for item in run.items]


# -- before the new snapshot -------------------------------------------------------------------


def _free_slots(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    for run in runs:
        if run.plan.refusal is not None:
            run.made = refused(run.plan)
    full = [run for run in runs if run.plan.free_slots]

    def choose(run: DiskRun, rows: Mapping[str, Snapshot]) -> Removal | None:
        """Plan the disk again by what is there now: a slot may be free meanwhile."""
        run.plan = plan_disk(
            run.plan.volume,
            list(rows.values()),
            work.request,
            now=work.client.service_now,
            new_id=work.clock.new_id,
            besides=run.left,
        )
        return next(iter(run.plan.free_slots), None)

    _delete_in_waves(work, full, readings, choose, into=lambda run: run.before)
    for run in full:
        if run.is_over and run.made is None:
            errors = [item.error for item in run.before if item.error]
            run.made = None if errors else _not_begun(run.plan)
            continue
        if run.plan.refusal is not None:
            run.made = refused(run.plan)
        freed = tuple(
            f"in place of {item.snapshot.id}"
            for item in run.before
            if item.snapshot and item.action is Action.DELETED
        )
        run.plan = replace(run.plan, reasons=(*run.plan.reasons, *freed))


def _not_begun(plan: DiskPlan) -> Item:
    error = InterruptedRunError("not begun: the run was stopped")
    return failed(Item(Action.FAILED, plan.volume), error)


# -- the new snapshot --------------------------------------------------------------------------


def _submit_all(work: Work, runs: Sequence[DiskRun]) -> None:
    """Ask for the snapshots, or take those that are there already."""

    def step(run: DiskRun) -> None:
        plan = run.plan
        if plan.reuse is not None:
            run.made = Item(Action.REUSED, plan.volume, plan.reuse, plan.reasons)
        elif plan.new is not None and not run.is_over:
            if work.stop.asked:
                run.made = _not_begun(plan)
            else:
                _submit(work, run, plan.new)

    work.side_by_side(step, runs)


def _submit_held(work: Work, runs: Sequence[DiskRun], *, command: str) -> float:
    """Ask for the new snapshots while the command holds, and see them usable while it does.

    Returns how many seconds were waited for them.

    They are asked for as ``crash``. The word becomes ``app`` once it is known that the command
    held until they were usable. It is never written before: this process may die.
    """
    request = work.request
    new = [(run, run.plan.new) for run in runs if run.plan.new and not run.is_over]
    about: dict[str, list[str]] = {
        "command": [request.command],
        "policy": [request.policy],
        "volumes": [run.volume_id for run, _ in new],
        "volume_names": [run.plan.volume.name or "" for run, _ in new],
    }
    environ = surroundings(os.environ, about, seconds=request.hold_for)
    wanted = Hold(command, request.hold_for)
    work.progress("waiting for the hold")

    def step(pair: tuple[DiskRun, NewSnapshot]) -> Created | EvsSnapError:
        if work.stop.asked:
            return InterruptedRunError("not begun: the run was stopped")
        return post(in_time, pair[1])

    try:
        with hold(wanted, clock=work.clock, environ=environ, note=work.note) as held:
            in_time = replace(work, client=work.client.until(held.until))
            begun = work.side_by_side(step, new)
            made = [outcome.snapshot for outcome in begun if not isinstance(outcome, EvsSnapError)]
            since = work.clock.monotonic()
            timeout = min(max(0.0, held.until - since), request.timeout)
            seen = await_usable(work, made, timeout=timeout, every=repeat(_HELD_PAUSE))
            waited = work.clock.monotonic() - since
            release = held.release()
    except (HoldError, InterruptedRunError) as error:
        for run, _ in new:
            item = Item(Action.REFUSED, run.plan.volume, reasons=(error.message,), error=error)
            run.made = item if isinstance(error, HoldError) else _not_begun(run.plan)
        return 0.0

    def settle(outcome: tuple[tuple[DiskRun, NewSnapshot], Created | EvsSnapError]) -> None:
        (run, draft), result = outcome
        if isinstance(result, InterruptedRunError):
            run.made = _not_begun(run.plan)
            return
        _submit(work, run, draft, begun=result)
        if run.made is None or run.created is None:
            return
        usable = seen.get(run.created.id)
        item = replace(run.made, reasons=(*run.made.reasons, f"held for {release.seconds:.1f} s"))
        goes_on = isinstance(usable, WaitTimeoutError) and waited < request.timeout
        run.made = item if goes_on else awaited(item, seen)
        if release.trouble is not None:
            run.doubt = release.trouble
        elif usable is None or isinstance(usable, EvsSnapError):
            run.doubt = (
                f"it was not usable within {in_words(request.hold_for)}, the time of the hold"
            )
        else:
            _mark_consistent(work, run)

    work.side_by_side(settle, zip(new, begun, strict=True))
    return waited


def _mark_consistent(work: Work, run: DiskRun) -> None:
    """Write the word ``app`` on the disk's new snapshot."""
    made, item = run.created, run.made
    if made is None or item is None:
        return
    label = {STAMP_CONSISTENCY: APP_CONSISTENT}
    for pause in _MARK_PAUSES:
        work.clock.sleep(pause)
        try:
            work.client.label_snapshot(made.id, label)
        except PASSING as error:
            run.doubt = f"it was held, but that could not be written on it: {error.message}"
        except EvsSnapError as refusal:
            # The cloud's rule, which no later run will get past: no reason to fail each night.
            reason = f"held, but this cloud lets nobody mark it: {refusal.message}"
            run.made, run.doubt = replace(item, reasons=(*item.reasons, reason)), None
            return
        else:
            marked = made.model_copy(update={"labels": {**made.labels, **label}})
            run.made, run.doubt = replace(item, snapshot=marked), None
            return


def _not_consistent(made: Snapshot, *, why: str) -> NotConsistentError:
    return NotConsistentError(
        f"snapshot {made.id} is only as a crash would leave the disk: {why}",
        hint="It stays, and is marked `crash`.",
    )


def _submit(
    work: Work, run: DiskRun, new: NewSnapshot, *, begun: Created | EvsSnapError | None = None
) -> None:
    item = Item(Action.CREATED, new.volume, reasons=run.plan.reasons)
    try:
        done = submit(work, new, begun=begun)
    except EvsSnapError as error:
        other = _of_another_run(work, new) if isinstance(error, QuotaError) else None
        run.made = other or failed(item, error)
        return
    if done.snapshot.key != new.stamp.key:
        reason = "the service dropped our stamp: no rule will ever delete it"
        item = replace(item, reasons=(*item.reasons, reason))
    item = replace(item, snapshot=done.snapshot)
    if done.snapshot.is_broken:  # found so, after a lost answer
        ended = f"snapshot {done.snapshot.id} ended in status {done.snapshot.status!r}"
        item = failed(item, SnapshotFailedError(ended, hint="Delete it, and try again."))
    run.made, run.posts, run.sent = item, done.posts, done.sent


def _of_another_run(work: Work, new: NewSnapshot) -> Item | None:
    """Return the same period's snapshot, where another machine took the last slot for it."""
    try:
        rows = work.client.snapshots(volume_id=new.volume.id)
    except EvsSnapError:
        return None
    found = min(filter(new.is_for_same_period, rows), key=lambda s: s.age_key, default=None)
    if found is None:
        return None
    return Item(Action.REUSED, new.volume, found, ("another run made it at the same time",))


def _see_usable(work: Work, runs: Iterable[DiskRun], *, timeout: float) -> None:
    """See the snapshots usable, all in one watch."""
    waiting = [
        (run, run.made, snapshot)
        for run in runs
        if run.made is not None and (snapshot := run.snapshot) is not None
    ]
    if not waiting:
        return
    results = await_usable(work, [snapshot for _, _, snapshot in waiting], timeout=timeout)
    for run, made, _ in waiting:
        run.made = awaited(made, results)


def awaited(item: Item, results: Mapping[str, Snapshot | EvsSnapError]) -> Item:
    """Return the item with what became of its snapshot; ``results`` are by ID."""
    if item.snapshot is None:
        return item
    result = results.get(item.snapshot.id)
    if not isinstance(result, EvsSnapError):
        seen = result or item.snapshot
        keys = {row.stamp.key for row in (item.snapshot, seen) if row.stamp}
        if seen.volume_id != item.snapshot.volume_id or len(keys) > 1:
            error = another_one(seen, name=item.snapshot.name)
            return failed(replace(item, snapshot=None), error)
        return replace(item, snapshot=seen)
    done = failed(item, result)
    if isinstance(result, WaitTimeoutError | SnapshotFailedError) and result.seen:
        seen = item.snapshot.model_copy(update={"status": result.seen})
        done = replace(done, snapshot=seen)
    return done


def _leave_one_of_each(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    """Where one snapshot was wanted and there may be two, leave one: see duplicates.py."""
    again = [run for run in runs if run.created and run.posts > 1]
    asked = [
        run for run in runs
        if run.created and run.plan.new and (run.sent > 1 or run.plan.new.stamp.bucket)
    ]  # fmt: skip
    if work.stop.asked or not (again or asked):
        return
    if again and not work.request.wait:
        _see_usable(work, again, timeout=DUPLICATE_TIMEOUT)
    if again:
        work.clock.sleep(DUPLICATE_GRACE)
    doubtful = list(again)
    try:
        readings.read({run.volume_id for run in asked})
    except EvsSnapError:
        doubtful = [run for run in runs if run in again or run in asked]
    else:
        doubtful += [run for run in asked if run not in again and _has_rival(run, readings)]
    if not work.request.wait:
        _see_usable(work, doubtful, timeout=DUPLICATE_TIMEOUT)

    def step(run: DiskRun) -> None:
        if run.made and run.created and run.plan.new:
            try:
                run.made = keep_one(work, run.made, run.plan.new, made=run.created)
            except EvsSnapError as error:
                run.made = failed(run.made, error)

    work.side_by_side(step, doubtful)


def _has_rival(run: DiskRun, readings: Readings) -> bool:
    new, made = run.plan.new, run.created
    return any(
        new and made and row.id != made.id and (new.is_made_as(row) or new.is_for_same_period(row))
        for row in readings.of(run.volume_id).values()
    )


# -- what the rules give up --------------------------------------------------------------------


def _prune(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    """Delete what both the plan and the rules give up, judging what is there before each."""

    def choose(run: DiskRun, rows: Mapping[str, Snapshot]) -> Removal | None:
        new = run.snapshot
        here = dict(rows)
        if new is not None and new.id not in here:
            seen = work.snapshot(new.id)  # a list may lag behind
            if seen is None:
                run.end("the new snapshot is gone")
                return None
            here[seen.id] = seen
        judged = judged_again(
            run.plan,
            list(here.values()),
            work.request,
            now=work.client.service_now,
            new_id=new.id if new else None,
        )
        run.plan = replace(run.plan, keep=judged.keep)
        return next((r for r in judged.prune if r.snapshot.id not in run.left), None)

    due = []
    for run in runs:
        if run.made and run.made.error is not None:
            run.end("nothing is deleted after a failure")
        elif work.stop.asked:
            run.end("the run was stopped")
        elif run.plan.prune and not run.is_over:
            due.append(run)
    if due:
        _delete_in_waves(work, due, readings, choose, into=lambda run: run.after)
    for run in runs:
        if run.created and (run.deletions or run in due):
            _require_still_there(work, run, readings)
        run.after += _not_deleted(run, readings)


def _not_deleted(run: DiskRun, readings: Readings) -> list[Item]:
    """Return what was given up and is kept all the same, and what the rules keep."""
    volume, rows = run.plan.volume, readings.of(run.volume_id)
    told = {item.snapshot.id for item in run.deletions if item.snapshot}
    verdicts = {v.snapshot.id for v in run.plan.keep}
    items = []
    for removal in run.plan.prune:
        if removal.snapshot.id in told | verdicts:
            continue
        if run.is_over:
            items.append(spared(volume, removal, why=run.why))
        elif rows and removal.snapshot.id not in rows:
            gone = removal.snapshot.model_copy(update={"status": "deleted"})
            reasons = (*removal.reasons, "gone already")
            items.append(Item(Action.DELETED, volume, gone, reasons))
        else:
            items.append(spared(volume, removal, why="the rules keep it now"))
    return items + [i for i in kept(run.plan) if i.snapshot and i.snapshot.id not in told]


def _require_still_there(work: Work, run: DiskRun, readings: Readings) -> None:
    """See that the new snapshot is there at the end of the deletions, carried out or not."""
    new = run.created
    assert run.made is not None  # noqa: S101 - for the type checker
    assert new is not None  # noqa: S101 - for the type checker
    is_later = readings.read_at(run.volume_id) > run.asked_at > -inf
    found = readings.of(run.volume_id).get(new.id) if is_later else None
    try:
        found = found or work.snapshot(new.id)
    except PASSING:
        return  # it was seen usable, and nothing says otherwise
    except EvsSnapError as refusal:
        run.made = failed(run.made, refusal)
        return
    if found is None or not found.is_usable:
        state = f"is {found.status!r}" if found else "is gone"
        error = SnapshotFailedError(
            f"snapshot {new.id} was usable and {state}: somebody else deletes this disk's "
            "snapshots",
            hint="Find out who does; then run again.",
        )
        run.made = failed(run.made, error)


# -- deletions, wave by wave -------------------------------------------------------------------


def _delete_in_waves(
    work: Work,
    runs: Sequence[DiskRun],
    readings: Readings,
    choose: Callable[[DiskRun, Mapping[str, Snapshot]], Removal | None],
    *,
    into: Callable[[DiskRun], list[Item]],
) -> None:
    """Delete of each disk what ``choose`` names, one at a time, until it names nothing.

    It is given the disk's snapshots by ID, read within the last ten seconds.
    """
    due = list(runs)
    while due:
        if work.stop.asked:
            for run in due:
                run.end("not begun")
            return
        _read_stale(readings, [run.volume_id for run in due])
        waiting = {run.volume_id for run in due}

        def step(run: DiskRun, waiting: Collection[str] = waiting) -> tuple[Item, bool] | None:
            return None if work.stop.asked else _begin(work, run, readings, choose, waiting)

        begun = list(zip(due, work.side_by_side(step, due), strict=True))
        at_work = [item.snapshot for _, done in begun if done and done[1]
                   for item in [done[0]] if item.snapshot]  # fmt: skip
        results = see_gone(work, at_work, readings) if at_work else {}
        again = []
        for run, done in begun:
            if done is None:
                if work.stop.asked:
                    run.end("not begun")
                continue
            item = _ended(done[0], results)
            into(run).append(item)
            if item.snapshot and item.error is not None:
                run.left.add(item.snapshot.id)
            if isinstance(item.error, _ENDING):
                run.end("not begun")
            if not run.is_over:
                again.append(run)
        due = again


def _read_stale(readings: Readings, disks: Sequence[str]) -> None:
    stale = [id_ for id_ in disks if not readings.is_fresh(id_)]
    if len(stale) > 1:
        try:
            readings.read(stale)
        except EvsSnapError:
            return  # each disk is asked for on its own then


def _begin(
    work: Work,
    run: DiskRun,
    readings: Readings,
    choose: Callable[[DiskRun, Mapping[str, Snapshot]], Removal | None],
    waiting: Collection[str],
) -> tuple[Item, bool] | None:
    """Ask for the disk's next deletion: what it is, and whether it is at work now."""
    gone = {i.snapshot.id for i in run.deletions if i.snapshot and i.error is None}
    item = Item(Action.DELETED, run.plan.volume)
    try:
        rows = readings.fresh(run.volume_id, others=waiting)
        # A list may go on to show what was seen gone.
        here = {id_: row for id_, row in rows.items() if id_ not in gone}
        removal = choose(run, here)
        if removal is None:
            return None
        snapshot = removal.snapshot
        item = replace(item, snapshot=snapshot, reasons=removal.reasons)
        found = here[snapshot.id]
        # A list that mixes up its rows would be caught by what it said before.
        require_deletable(run.seen.get(snapshot.id), found)
        if found.is_usable:
            going = {r.snapshot.id for r in (*run.plan.free_slots, *run.plan.prune)}
            _require_newer(work, run, here, found, besides=going)
        work.progress(f"deleting {snapshot.name or snapshot.id}")
        run.asked_at = work.clock.monotonic()
        return item, ask(work, found)
    except EvsSnapError as error:
        if item.snapshot is None:
            run.end("not begun")
        return failed(item, error), False


def _require_newer(
    work: Work,
    run: DiskRun,
    rows: Mapping[str, Snapshot],
    snapshot: Snapshot,
    *,
    besides: Collection[str],
) -> None:
    try:
        require_newer(work, rows, snapshot, besides=besides)
    except SnapshotFailedError:
        run.end("not begun")  # true of every other snapshot of this disk too
        raise


def _ended(item: Item, results: Mapping[str, Snapshot | EvsSnapError]) -> Item:
    if item.snapshot is None or item.error is not None:
        return item
    result = results.get(item.snapshot.id)
    if isinstance(result, EvsSnapError):
        return failed(item, result)
    return replace(item, snapshot=item.snapshot.model_copy(update={"status": "deleted"}))
