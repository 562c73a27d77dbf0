"""What is deleted of many disks, one of each at a time, judged by what is there before each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from evs_snap.errors import (
    EvsSnapError,
    InterruptedRunError,
    PermissionDeniedError,
    SignInError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.plan import Removal, judged_again, plan_disk
from evs_snap.plan.slots import holders, limit_error
from evs_snap.runs.deletion import ask, gone, require_deletable, require_newer, see_gone, with_new
from evs_snap.runs.disk import DiskRun, not_begun
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item, failed, kept, refused, spared
from evs_snap.runs.set_deletion import delete_sets
from evs_snap.runs.work import PASSING, Work
from evs_snap.services.interface import Snapshot, Volume

Choose = Callable[[DiskRun, Mapping[str, Snapshot]], Removal | None]
"""Names what is to be deleted next of a disk, given its snapshots by ID; None for nothing."""

_ENDING = (*PASSING, SignInError, PermissionDeniedError, WaitTimeoutError, InterruptedRunError)
"""What ends a disk's deletions; any other refusal costs the one snapshot that it is about."""


def free_slots(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    """Free a slot of each full disk whose plan can. Disks that were refused are told so."""
    for run in runs:
        if run.plan.refusal is not None:
            run.made = refused(run.plan)
    full = [run for run in runs if run.plan.free_slots]
    delete_sets(work, full, readings, to_free_slots=True)

    def choose(run: DiskRun, rows: Mapping[str, Snapshot]) -> Removal | None:
        """Plan the disk again by what is there now: a slot may be free meanwhile."""
        run.plan = plan_disk(
            run.plan.volume,
            list(rows.values()),
            work.request,
            now=work.client.service_now,
            new_id=work.clock.new_id,
            besides=run.left,
            broken=run.plan.broken,
        )
        singly = next((r for r in run.plan.free_slots if r.snapshot.set_id is None), None)
        if run.plan.free_slots and singly is None:  # a set that could not be deleted
            error = limit_error(holders(rows.values()), limit=work.request.limit)
            run.plan = replace(run.plan, refusal=error, reasons=(error.message,))
        return singly

    _delete_in_waves(work, full, readings, choose, into=lambda run: run.before)
    for run in full:
        if run.is_over and run.made is None:
            errors = [item.error for item in run.before if item.error]
            run.made = None if errors else not_begun(run.plan)
            continue
        if run.plan.refusal is not None:
            run.made = refused(run.plan)
        freed = tuple(
            f"in place of {item.snapshot.id}"
            for item in run.before
            if item.snapshot and item.action is Action.DELETED
        )
        run.plan = replace(run.plan, reasons=(*run.plan.reasons, *freed))


def prune(work: Work, runs: Sequence[DiskRun], readings: Readings) -> None:
    """Delete what both the plan and the rules give up, judging what is there before each."""

    def choose(run: DiskRun, rows: Mapping[str, Snapshot]) -> Removal | None:
        new = run.snapshot
        here = with_new(work, rows, new)
        if here is None:
            run.end("the new snapshot is gone")
            return None
        judged = judged_again(
            run.plan,
            list(here.values()),
            work.request,
            now=work.client.service_now,
            new_id=new.id if new else None,
        )
        run.plan = replace(run.plan, keep=judged.keep)
        return next(
            (r for r in judged.prune if r.snapshot.id not in run.left and not r.snapshot.set_id),
            None,
        )

    for run in runs:
        if run.made and run.made.error is not None:
            run.end("nothing is deleted after a failure")
        elif work.stop.asked:
            run.end("the run was stopped")
    delete_sets(work, runs, readings)
    due = [r for r in runs if not r.is_over and any(not x.snapshot.set_id for x in r.plan.prune)]
    _delete_in_waves(work, due, readings, choose, into=lambda run: run.after)
    for run in runs:
        if run.created and (run.deletions or run in due):
            _require_still_there(work, run, readings)
        run.after += _not_deleted(work, run, readings)


def _not_deleted(work: Work, run: DiskRun, readings: Readings) -> list[Item]:
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
            items.append(_missing(work, volume, removal))
        else:
            items.append(spared(volume, removal, why="the rules keep it now"))
    return items + [i for i in kept(run.plan) if i.snapshot and i.snapshot.id not in told]


def _missing(work: Work, volume: Volume, removal: Removal) -> Item:
    """Return what became of a snapshot that the disk's list no longer shows: a list may err."""
    item = Item(Action.DELETED, volume, removal.snapshot, (*removal.reasons, "gone already"))
    try:
        found = work.snapshot(removal.snapshot.id)
    except EvsSnapError as error:
        return failed(item, error)
    if found is None:
        return gone(item, {})
    return spared(volume, removal, why="left to the next run: a list did not show it")


def _require_still_there(work: Work, run: DiskRun, readings: Readings) -> None:
    """See that the new snapshot is there at the end of the deletions, carried out or not."""
    new = run.created
    assert run.made is not None  # noqa: S101 - for the type checker
    assert new is not None  # noqa: S101 - for the type checker
    is_later = run.asked_at is not None and readings.read_at(run.volume_id) > run.asked_at
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
    choose: Choose,
    *,
    into: Callable[[DiskRun], list[Item]],
) -> None:
    """Delete of each disk what ``choose`` names, one at a time, until it names nothing.

    It is given the disk's snapshots by ID, read within the last ten seconds.
    """
    due = list(runs)
    while due and not work.stop.asked:
        _read_stale(readings, [run.volume_id for run in due])
        items = _wave(work, due, readings, choose)
        for run in due:
            if item := items.get(run.volume_id):
                into(run).append(item)
                _count(run, item)
        due = [run for run in due if run.volume_id in items and not run.is_over]
    for run in due:
        run.end("not begun")


def _wave(
    work: Work, runs: Sequence[DiskRun], readings: Readings, choose: Choose
) -> dict[str, Item]:
    """Delete at most one of each disk, side by side, and see all gone; return what became of each.

    The items are by the disk's ID; a disk of which nothing is to be deleted has none.
    """
    waiting = {run.volume_id for run in runs}

    def step(run: DiskRun) -> tuple[Item, bool] | None:
        if work.stop.asked:
            run.end("not begun")
            return None
        return _begin(work, run, readings, choose, waiting)

    begun = [done for done in work.side_by_side(step, runs) if done]
    at_work = [item.snapshot for item, is_at_work in begun if is_at_work and item.snapshot]
    disks = {item.snapshot.id: item.label for item, _ in begun if item.snapshot}
    results = see_gone(work, at_work, readings, disks=disks) if at_work else {}
    ended = [gone(item, results) for item, _ in begun]
    return {item.volume.id: item for item in ended if item.volume}


def _count(run: DiskRun, item: Item) -> None:
    """Take a failed deletion into account: it costs one snapshot, or all that would follow."""
    if item.snapshot and item.error is not None:
        run.left.add(item.snapshot.id)
    if isinstance(item.error, _ENDING):
        run.end("not begun")


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
    choose: Choose,
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
        ask(work, found)
    except EvsSnapError as error:
        if item.snapshot is None:
            run.end("not begun")
        return failed(item, error), False
    return item, True


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
