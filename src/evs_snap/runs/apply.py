"""A plan carried out: disks side by side, the steps of one disk in order."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from evs_snap.api.models import STAMP_BUCKET, STAMP_KEY
from evs_snap.errors import (
    EvsSnapError,
    InterruptedRunError,
    QuotaError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.plan import judged_again
from evs_snap.runs.delete import delete_all
from evs_snap.runs.duplicates import DUPLICATE_TIMEOUT, keep_one
from evs_snap.runs.report import Action, Item, failed, kept, refused, spared
from evs_snap.runs.submit import another_one, submit
from evs_snap.runs.wait import PASSING, await_available

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evs_snap.api.models import Snapshot
    from evs_snap.plan.plan import DiskPlan, Removal
    from evs_snap.plan.request import NewSnapshot
    from evs_snap.plan.retention import Keep
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
    def created(self) -> Snapshot | None:
        """The snapshot that this run made, where all is well with it."""
        made = self.made
        return made.snapshot if made and made.action is Action.CREATED and not made.error else None

    @property
    def items(self) -> tuple[Item, ...]:
        """All outcomes, in the order of the steps."""
        return (*self.before, *((self.made,) if self.made else ()), *self.after)


def carry_out(
    work: Work, plans: Sequence[DiskPlan], *, keep: Keep | None, policy: str
) -> list[Item]:
    """Carry plans out; return what became of each step. No disk's failure stops another.

    ``keep`` and ``policy`` are what the plans were made with: before each deletion the
    rules judge again what is there.
    """
    work.stop.begin()
    work.progress(f"working on {len(plans)} disk{'s' if len(plans) > 1 else ''}")
    runs = _each(work, plans, partial(_begin, work), not_begun=_not_begun)
    if work.timeout is not None:
        return _items(_seen_through(work, runs, timeout=work.timeout, keep=keep, policy=policy))
    doubtful = _doubtful(work, runs)
    alone = partial(_seen_through, work, timeout=DUPLICATE_TIMEOUT, keep=keep, policy=policy)
    return _items(
        [r for run in runs for r in (alone([run]) if run.plan.volume.id in doubtful else [run])]
    )


def _items(runs: Sequence[DiskRun]) -> list[Item]:
    return [item for run in runs for item in run.items]


def _doubtful(work: Work, runs: Sequence[DiskRun]) -> set[str]:
    """Return the disks that may hold two where one was wanted, by ID: see duplicates.py.

    What other machines made meanwhile is read in one list for all disks.
    """
    sure = {run.plan.volume.id for run in runs if run.created and run.posts > 1}
    asked = {
        new.volume.id: (new, run.created.id)
        for run in runs
        if run.created and (new := run.plan.new) and STAMP_BUCKET in new.metadata
    }
    if not asked or work.stop.asked:
        return sure
    try:
        rows = work.client.snapshots(volume_id=next(iter(asked)) if len(asked) == 1 else None)
    except EvsSnapError:
        return sure | set(asked)
    for row in rows:
        new, made_id = asked.get(row.volume_id, (None, row.id))
        if new and row.id != made_id and (new.is_made_as(row) or new.is_for_same_period(row)):
            sure.add(row.volume_id)
    return sure


def _seen_through(
    work: Work, runs: Sequence[DiskRun], *, timeout: float, keep: Keep | None, policy: str
) -> list[DiskRun]:
    runs = _await(work, runs, timeout=timeout)
    doubtful = _doubtful(work, runs)
    finish = partial(_finish, work, doubtful=doubtful, keep=keep, policy=policy)
    return _each(work, runs, finish, not_begun=_unfinished)


def _begin(work: Work, plan: DiskPlan) -> DiskRun:
    """Free a slot and ask for the snapshot, or take the one that is there already."""
    if plan.refusal is not None:
        return DiskRun(plan, made=refused(plan))
    run = DiskRun(plan, before=delete_all(work, plan.volume, plan.free_slots))
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
        other = _of_another_run(work, plan.new) if isinstance(error, QuotaError) else None
        return replace(run, made=other or failed(item, error))
    if done.snapshot.metadata.get(STAMP_KEY) != plan.new.key:
        reason = "the service dropped our stamp: no rule will ever delete it"
        item = replace(item, reasons=(*item.reasons, reason))
    item = replace(item, snapshot=done.snapshot)
    if done.snapshot.is_broken:  # found so, after a lost answer
        ended = f"snapshot {done.snapshot.id} ended in status {done.snapshot.status!r}"
        item = failed(item, SnapshotFailedError(ended, hint="Delete it, and try again."))
    return replace(run, made=item, posts=done.posts)


def _of_another_run(work: Work, new: NewSnapshot) -> Item | None:
    """Return the same period's snapshot, where another machine took the last slot for it."""
    try:
        rows = work.snapshots_of(new.volume.id).values()
    except EvsSnapError:
        return None
    found = min(filter(new.is_for_same_period, rows), key=lambda s: s.age_key, default=None)
    if found is None:
        return None
    return Item(Action.REUSED, new.volume, found, ("another run made it at the same time",))


def _await(work: Work, runs: Sequence[DiskRun], *, timeout: float) -> list[DiskRun]:
    """See the new snapshots usable, all in one loop."""
    asked = {run.made.snapshot.id: run.made.snapshot for run in runs if run.made
             and run.made.snapshot and run.made.error is None}  # fmt: skip
    if not asked:
        return list(runs)
    results = await_available(work, list(asked.values()), timeout=timeout)
    return [replace(run, made=awaited(run.made, results) if run.made else None) for run in runs]


def awaited(item: Item, results: Mapping[str, Snapshot | EvsSnapError]) -> Item:
    """Return the item with what became of its snapshot; ``results`` are by ID."""
    if item.snapshot is None:
        return item
    result = results.get(item.snapshot.id)
    if not isinstance(result, EvsSnapError):
        seen = result or item.snapshot
        keys = {row.metadata.get(STAMP_KEY) for row in (item.snapshot, seen)} - {None}
        if seen.volume_id != item.snapshot.volume_id or len(keys) > 1:
            error = another_one(seen, name=item.snapshot.name)
            return failed(replace(item, snapshot=None), error)
        return replace(item, snapshot=seen)
    done = failed(item, result)
    if isinstance(result, WaitTimeoutError | SnapshotFailedError) and result.seen:
        seen = item.snapshot.model_copy(update={"status": result.seen})
        done = replace(done, snapshot=seen)
    return done


def _finish(
    work: Work, run: DiskRun, *, doubtful: Collection[str], keep: Keep | None, policy: str
) -> DiskRun:
    """With a usable snapshot there: see that it is the only one, then prune."""
    if not run.is_well:
        return _unfinished(run, why="nothing is deleted after a failure")
    new, made = run.plan.new, run.made
    if new and made and made.snapshot and new.volume.id in doubtful:
        try:
            made = keep_one(work, made, new, made.snapshot, posts=run.posts)
        except EvsSnapError as error:
            return replace(run, made=failed(made, error))
    if keep is None:
        return replace(run, made=made)
    return _pruned(work, replace(run, made=made), keep, policy=policy)


def _pruned(work: Work, run: DiskRun, keep: Keep, *, policy: str) -> DiskRun:
    """Delete what both the plan and the rules give up, judging what is there before each."""
    new = run.made.snapshot if run.made else None
    plan = run.plan

    def stays(rows: dict[str, Snapshot], removal: Removal) -> str | None:
        nonlocal plan
        if new is not None and new.id not in rows:
            seen = work.snapshot(new.id)  # a list may lag behind
            if seen is None:
                return "the new snapshot is gone"
            rows[seen.id] = seen
        plan = judged_again(
            run.plan,
            list(rows.values()),
            keep,
            policy=policy,
            now=work.client.service_now,
            new_id=new.id if new else None,
        )
        given_up = {r.snapshot.id for r in plan.prune}
        if removal.snapshot.id in rows and removal.snapshot.id not in given_up:
            return "the rules keep it now"
        return None

    removed = delete_all(work, plan.volume, plan.prune, stays=stays)
    told = {item.snapshot.id for item in removed if item.snapshot}
    kept_now = [item for item in kept(plan) if item.snapshot and item.snapshot.id not in told]
    run = replace(run, after=(*removed, *kept_now))
    return _still_there(work, run, new) if new is not None and removed else run


def _still_there(work: Work, run: DiskRun, new: Snapshot) -> DiskRun:
    """See that the new snapshot is there at the end of the deletions, carried out or not."""
    assert run.made is not None  # noqa: S101 - for the type checker
    try:
        found = work.snapshot(new.id)
    except PASSING:
        return run  # it was seen usable, and nothing says otherwise
    except EvsSnapError as refusal:
        return replace(run, made=failed(run.made, refusal))
    if found is not None and found.is_usable:
        return run
    state = f"is {found.status!r}" if found else "is gone"
    error = SnapshotFailedError(
        f"snapshot {new.id} was usable and {state}: somebody else deletes this disk's snapshots",
        hint="Find out who does; then run again.",
    )
    return replace(run, made=failed(run.made, error))


def _each(
    work: Work,
    things: Sequence[T],
    step: Callable[[T], R],
    *,
    not_begun: Callable[[T], R],
) -> list[R]:
    """Take the step for each, side by side; order as given. After a stop, none is begun."""

    def one(thing: T) -> R:
        return not_begun(thing) if work.stop.asked else step(thing)

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
