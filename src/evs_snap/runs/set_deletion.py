"""Sets deleted whole: by the rules, each judged by what is there, or by a person who names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    InterruptedRunError,
    NotOursError,
    ServiceError,
)
from evs_snap.plan.plan import Removal, judged_again
from evs_snap.plan.sets import already_given_up
from evs_snap.runs.deletion import gone, require_deletable, require_newer, see_gone, with_new
from evs_snap.runs.disk import DiskRun
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item, failed, spared
from evs_snap.runs.work import Work
from evs_snap.services.interface import Snapshot


def delete_sets(
    work: Work, runs: Sequence[DiskRun], readings: Readings, *, to_free_slots: bool = False
) -> None:
    """Delete the sets that the plans give up, one at a time, each judged by what is there."""
    by_disk = {run.volume_id: run for run in runs}
    removals: dict[str, list[tuple[DiskRun, Removal]]] = {}
    for run in runs:
        for removal in run.plan.free_slots if to_free_slots else run.plan.prune:
            if removal.snapshot.set_id is not None:
                removals.setdefault(removal.snapshot.set_id, []).append((run, removal))
    for set_id, given_up in removals.items():
        if work.stop.asked or any(run.is_over for run, _ in given_up):
            continue
        planned = [(run, Item(Action.DELETED, run.plan.volume, r.snapshot, r.reasons))
                   for run, r in given_up]  # fmt: skip
        ended: list[tuple[DiskRun, Item]]
        try:
            members = _judged(work, set_id, by_disk, readings, to_free_slots=to_free_slots)
            if isinstance(members, str):
                ended = [(run, spared(run.plan.volume, r, why=members)) for run, r in given_up]
            else:
                work.progress(f"deleting set {set_id}")
                planned = [(by_disk[row.volume_id],
                            Item(Action.DELETED, by_disk[row.volume_id].plan.volume, row, reasons))
                           for row, reasons in members]  # fmt: skip
                results = ask_and_see(work, set_id, [row for row, _ in members], readings)
                ended = [(run, gone(item, results)) for run, item in planned]
        except EvsSnapError as error:
            ended = [(run, failed(item, error)) for run, item in planned]
        for run, item in ended:
            if item.snapshot is not None and item.error is not None:
                run.left.add(item.snapshot.id)
            run.asked_at = work.clock.monotonic()
            (run.before if to_free_slots else run.after).append(item)


def delete_whole(
    work: Work, set_id: str, chosen: Mapping[str, Item], *, foreign: bool
) -> dict[str, Item]:
    """Delete a set of which somebody named all members; return what became of each, by ID.

    ``chosen`` are the items by the snapshot's ID.
    """
    try:
        members = listed(work, set_id, known=chosen)
        require_all_named(set_id, members, chosen)
        for row in members:
            require_deletable(chosen[row.id].snapshot, row, foreign=foreign)
        if work.stop.asked:
            raise InterruptedRunError("not begun: the run was stopped")
        work.progress(f"deleting set {set_id}")
        results = ask_and_see(work, set_id, members, Readings(work.client))
    except EvsSnapError as error:
        return {id_: failed(item, error) for id_, item in chosen.items()}
    return {id_: gone(item, results) for id_, item in chosen.items()}


def listed(work: Work, set_id: str, *, known: Iterable[str]) -> list[Snapshot]:
    """Return the members of a set, as the service lists them; ``known`` are IDs of members.

    Raises BadAnswerError where the list leaves out one that is there: with the set it would go
    unjudged.
    """
    members = work.client.set_members(set_id)
    for id_ in sorted(set(known) - {row.id for row in members}):
        left_out = work.snapshot(id_)
        if left_out is not None and left_out.set_id == set_id:
            raise BadAnswerError(
                f"set {set_id} was not deleted, as its list leaves out its snapshot {id_}",
                hint="Try again; if it stays so, report it to the cloud's support.",
            )
    return members


def require_all_named(
    set_id: str, members: Sequence[Snapshot], named: Mapping[str, object]
) -> None:
    """Raise NotOursError unless all members of the set are to be deleted."""
    if not {row.id for row in members} <= named.keys():
        raise NotOursError(
            f"it is one of the {len(members)} snapshots of set {set_id}, which go together",
            hint=f"Name them all: `evs-snap delete {' '.join(row.id for row in members)}`",
            brief="one of a set",
        )


def _judged(
    work: Work,
    set_id: str,
    by_disk: Mapping[str, DiskRun],
    readings: Readings,
    *,
    to_free_slots: bool,
) -> list[tuple[Snapshot, tuple[str, ...]]] | str:
    """Return the set's members with the reasons to delete them, or why the rules leave it alone.

    It is judged by what is there now. Raises what else forbids to delete one of them.
    """
    known = {s.id for run in by_disk.values() for s in run.seen.values() if s.set_id == set_id}
    members = listed(work, set_id, known=known)
    elsewhere = [row for row in members if row.volume_id not in by_disk]
    if elsewhere:
        return f"its set has a snapshot of disk {elsewhere[0].volume_id} too"
    stale = {row.volume_id for row in members if not readings.is_fresh(row.volume_id)}
    if stale:
        readings.read(stale)
    judged = []
    for row in members:
        run = by_disk[row.volume_id]
        if run.is_over:
            return run.why
        require_deletable(run.seen.get(row.id), row)
        rows = readings.of(row.volume_id)
        here = {**rows, row.id: row}
        reasons = _given_up(work, run, here, row, to_free_slots=to_free_slots)
        if reasons is None:
            return "the rules keep a part of its set now"
        if row.is_usable:
            going = {r.snapshot.id for r in (*run.plan.free_slots, *run.plan.prune)}
            require_newer(work, here, row, besides=going)
        judged.append((row, reasons))
    return judged


def _given_up(
    work: Work, run: DiskRun, rows: Mapping[str, Snapshot], row: Snapshot, *, to_free_slots: bool
) -> tuple[str, ...] | None:
    """Return why the member goes, or None where it stays."""
    now = work.client.service_now
    if to_free_slots:
        plan = replace(run.plan, seen=rows)
        goes = any(s.id == row.id for s in already_given_up(plan, work.request, now=now))
        return ("to free a slot",) if goes else None
    new = run.snapshot
    here = with_new(work, rows, new)
    if here is None:
        return None
    new_id = new.id if new else None
    judged = judged_again(run.plan, list(here.values()), work.request, now=now, new_id=new_id)
    return next((r.reasons for r in judged.prune if r.snapshot.id == row.id), None)


def ask_and_see(
    work: Work, set_id: str, members: Sequence[Snapshot], readings: Readings
) -> dict[str, Snapshot | EvsSnapError]:
    """Ask for the set's deletion, and see its members gone: by ID, each or its error.

    Raises the refusal as it is where a member is seen untouched after it.
    """
    try:
        work.client.delete_set(set_id)
    except (ServiceError, AnswerLostError, BadAnswerError):
        found = [work.snapshot(row.id) for row in members]
        if any(row is not None and row.status != "deleting" for row in found):
            raise
    return see_gone(work, members, readings) if members else {}
