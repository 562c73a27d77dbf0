"""A plan carried out: disks side by side, the steps of one disk in order."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from evs_snap.api.models import STAMP_BUCKET, STAMP_KEY
from evs_snap.errors import (
    EvsSnapError,
    InterruptedRunError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.runs.delete import delete_all
from evs_snap.runs.duplicates import DUPLICATE_TIMEOUT, keep_one
from evs_snap.runs.report import Action, Item, failed, kept, refused, spared
from evs_snap.runs.submit import submit
from evs_snap.runs.wait import await_available

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evs_snap.api.models import Snapshot
    from evs_snap.plan.plan import DiskPlan
    from evs_snap.runs.work import Work

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DiskRun:
    """How far a disk has come. ``made`` is its snapshot, ``posts`` what that took."""

    plan: DiskPlan
    before: tuple[Item, ...] = ()
    made: Item | None = None
    posts: int = 0
    after: tuple[Item, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing has failed so far."""
        done = (*self.before, *((self.made,) if self.made else ()))
        return all(item.error is None for item in done)

    @property
    def items(self) -> tuple[Item, ...]:
        """All outcomes, in the order of the steps."""
        return (*self.before, *((self.made,) if self.made else ()), *self.after)


def carry_out(work: Work, plans: Sequence[DiskPlan]) -> list[Item]:
    """Carry plans out; return what became of each step. No disk's failure stops another."""
    work.stop.begin()
    work.progress(f"working on {len(plans)} disks")
    runs = _each(work, plans, _begin, not_begun=_not_begun)
    if work.timeout is not None:
        runs = _seen_through(work, runs, timeout=work.timeout)
    else:
        # What took more than one POST may be two, and is seen through all the same.
        runs = [
            _seen_through(work, [run], timeout=DUPLICATE_TIMEOUT)[0] if run.posts > 1 else run
            for run in runs
        ]
    return [item for run in runs for item in run.items]


def _seen_through(work: Work, runs: Sequence[DiskRun], *, timeout: float) -> list[DiskRun]:
    runs = _await(work, runs, timeout=timeout)
    return _each(work, runs, _finish, not_begun=_unfinished)


def _begin(work: Work, plan: DiskPlan) -> DiskRun:
    """Free a slot and ask for the snapshot, or take the one that is there already."""
    if plan.refusal is not None:
        return DiskRun(plan, made=refused(plan))
    run = DiskRun(plan, before=delete_all(work, plan, plan.free_slots))
    if plan.reuse is not None:
        return replace(run, made=Item(Action.REUSED, plan.volume, plan.reuse, plan.reasons))
    if plan.new is None or not run.is_well:
        return run
    if work.stop.asked:
        return replace(run, made=_not_begun(plan).made)
    item = Item(Action.CREATED, plan.volume, reasons=plan.reasons)
    try:
        done = submit(work, plan.new)
    except EvsSnapError as error:
        return replace(run, made=failed(item, error))
    if done.snapshot.metadata.get(STAMP_KEY) != plan.new.key:
        note = "the service dropped our stamp: no choose will ever delete it"
        item = replace(item, reasons=(*item.reasons, note))
    item = replace(item, snapshot=done.snapshot)
    if done.snapshot.status.startswith("error"):  # found so, after a lost answer
        ended = f"snapshot {done.snapshot.id} ended in status {done.snapshot.status!r}"
        item = failed(item, SnapshotFailedError(ended, hint="Delete it, and try again."))
    return replace(run, made=item, posts=done.posts)


def _await(work: Work, runs: Sequence[DiskRun], *, timeout: float) -> list[DiskRun]:
    """See the new snapshots usable, all in one loop."""
    asked = {run.made.snapshot.id: run.made.snapshot for run in runs if run.made
             and run.made.snapshot and run.made.error is None}  # fmt: skip
    if not asked:
        return list(runs)
    results = await_available(work, list(asked.values()), timeout=timeout)
    return [_settled(run, results) for run in runs]


def _settled(run: DiskRun, results: Mapping[str, Snapshot | EvsSnapError]) -> DiskRun:
    if run.made is None or run.made.snapshot is None:
        return run
    result = results.get(run.made.snapshot.id)
    if not isinstance(result, EvsSnapError):
        return replace(run, made=replace(run.made, snapshot=result or run.made.snapshot))
    made = failed(run.made, result)
    if isinstance(result, WaitTimeoutError | SnapshotFailedError) and result.seen:
        seen = run.made.snapshot.model_copy(update={"status": result.seen})
        made = replace(made, snapshot=seen)
    return replace(run, made=made)


def _finish(work: Work, run: DiskRun) -> DiskRun:
    """With a usable snapshot there: see that it is the only one, then prune."""
    if not run.is_well:
        return _unfinished(run, why="nothing is deleted after a failure")
    new, made = run.plan.new, run.made
    if new and made and made.snapshot and (run.posts > 1 or STAMP_BUCKET in new.metadata):
        try:
            made = keep_one(work, made, new, made.snapshot, posts=run.posts)
        except EvsSnapError as error:
            return replace(run, made=failed(made, error))
    pruned = delete_all(work, run.plan, run.plan.prune, made=made)
    return replace(run, made=made, after=(*pruned, *kept(run.plan)))


def _each(
    work: Work,
    things: Sequence[T],
    step: Callable[[Work, T], R],
    *,
    not_begun: Callable[[T], R],
) -> list[R]:
    """Take the step for each, side by side; order as given. After a stop, none is begun."""

    def one(thing: T) -> R:
        return not_begun(thing) if work.stop.asked else step(work, thing)

    with ThreadPoolExecutor(max_workers=work.parallel) as pool:
        futures: list[Future[R]] = [pool.submit(one, thing) for thing in things]
        return [future.result() for future in futures]


def _not_begun(plan: DiskPlan) -> DiskRun:
    if plan.refusal is not None:
        return DiskRun(plan, made=refused(plan))
    error = InterruptedRunError("not begun: the run was stopped")
    return DiskRun(plan, made=failed(Item(Action.FAILED, plan.volume), error))


def _unfinished(run: DiskRun, why: str = "the run was stopped") -> DiskRun:
    left = tuple(spared(run.plan.volume, removal, why=why) for removal in run.plan.prune)
    return replace(run, after=(*left, *kept(run.plan)))
