"""The new snapshots of many disks: asked for side by side, seen usable, and one of each left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from evs_snap.errors import (
    BusyError,
    EvsSnapError,
    QuotaError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.creation import NewSnapshot
from evs_snap.runs.disk import DiskRun, not_begun
from evs_snap.runs.duplicates import DUPLICATE_GRACE, DUPLICATE_TIMEOUT, keep_one
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item, failed
from evs_snap.runs.submit import Submitted, another_one, of_snapshot, submit
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import Work
from evs_snap.services.interface import Snapshot


def submit_all(work: Work, runs: Sequence[DiskRun]) -> None:
    """Ask for the snapshots, or take those that are there already."""

    def step(run: DiskRun) -> None:
        plan = run.plan
        if plan.reuse is not None:
            run.made = Item(Action.REUSED, plan.volume, plan.reuse, plan.reasons)
        elif plan.new is not None and not run.is_over:
            if work.stop.asked:
                run.made = not_begun(plan)
            else:
                submit_one(work, run, plan.new)

    work.side_by_side(step, runs)


def submit_one(
    work: Work,
    run: DiskRun,
    new: NewSnapshot,
    *,
    begun: Submitted[Snapshot] | EvsSnapError | None = None,
) -> None:
    """Ask for the disk's snapshot. ``begun`` is what became of a POST that was sent already."""
    item = Item(Action.CREATED, new.volume, reasons=run.plan.reasons)
    try:
        done = submit(work, of_snapshot(work, new), begun=begun)
    except EvsSnapError as error:
        other = _of_another_run(work, new) if isinstance(error, QuotaError | BusyError) else None
        run.made = other or failed(item, error)
        return
    if done.made.key != new.stamp.key:
        reason = "the service dropped our stamp: no rule will ever delete it"
        item = replace(item, reasons=(*item.reasons, reason))
    item = replace(item, snapshot=done.made, answered_at=done.answered_at)
    if done.made.is_broken:  # found so, say after a lost answer
        item = awaited(item, await_usable(work, [done.made], timeout=0.0))
    run.made, run.posts, run.sent, run.waited = item, done.posts, done.sent, done.waited


def _of_another_run(work: Work, new: NewSnapshot) -> Item | None:
    """Return the same period's snapshot, where another machine was faster."""
    try:
        rows = work.client.snapshots(volume_id=new.volume.id)
    except EvsSnapError:
        return None
    found = min(filter(new.is_for_same_period, rows), key=lambda s: s.age_key, default=None)
    if found is None:
        return None
    return Item(Action.REUSED, new.volume, found, ("another run made it at the same time",))


def see_usable(work: Work, runs: Iterable[DiskRun], *, timeout: float) -> None:
    """See the snapshots usable, all in one watch."""
    waiting = [
        (run, run.made, snapshot)
        for run in runs
        if run.made is not None and (snapshot := run.snapshot) is not None
    ]
    if not waiting:
        return
    disks = {snapshot.id: made.label for _, made, snapshot in waiting}
    results = await_usable(work, [s for _, _, s in waiting], timeout=timeout, disks=disks)
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


def leave_one_of_each(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    """Where one snapshot was wanted and there may be two, leave one: see duplicates.py."""
    again = [run for run in runs if run.created and run.posts > 1]
    asked = [
        run for run in runs
        if run.created and run.plan.new and (run.sent > 1 or run.plan.new.stamp.bucket)
    ]  # fmt: skip
    if work.stop.asked or not (again or asked):
        return
    if again and not work.request.wait:
        see_usable(work, again, timeout=DUPLICATE_TIMEOUT)
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
        see_usable(work, doubtful, timeout=DUPLICATE_TIMEOUT)

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
