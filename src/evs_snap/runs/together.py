"""Several disks at one instant: the set asked for, its members stamped, and sets deleted whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from evs_snap.clock import in_words
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    InterruptedRunError,
    NotOursError,
    ServiceError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.naming import Template
from evs_snap.plan.plan import Removal, judged_again
from evs_snap.plan.sets import already_given_up, for_all, refusing
from evs_snap.runs.deletion import require_deletable, require_newer, see_gone, with_new
from evs_snap.runs.disk import DiskRun, not_begun
from evs_snap.runs.duplicates import DUPLICATE_GRACE, DUPLICATE_TIMEOUT
from evs_snap.runs.gather import Gathered
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item, failed, refused, spared
from evs_snap.runs.submit import Attempt, Submitted, another_one, submit
from evs_snap.runs.watch import await_usable, pauses
from evs_snap.runs.work import PASSING, Work
from evs_snap.services.interface import Snapshot, SnapshotSet, Stamp, Volume


def finish_stamps(work: Work, gathered: Gathered) -> Gathered:
    """Stamp those members of our sets that a run which was killed left without a stamp.

    A set carries the stamp from its first moment; its members get it once they are there.
    """
    bare = [s for s in gathered.snapshots if s.set_id is not None and s.stamp is None]
    if not bare:
        return gathered
    try:
        stamps = {row.id: row.labels for row in work.client.snapshot_sets() if row.stamp}
    except EvsSnapError:
        return gathered
    stamped = {}
    for row in bare:
        if labels := stamps.get(row.set_id or ""):
            if not work.request.dry_run:
                with suppress(EvsSnapError):
                    work.client.label_snapshot(row.id, labels)
            stamped[row.id] = row.model_copy(update={"labels": {**row.labels, **labels}})
    by_volume, sets = (
        {id_: tuple(stamped.get(row.id, row) for row in rows) for id_, rows in grouped.items()}
        for grouped in (gathered.by_volume, gathered.sets)
    )
    return replace(gathered, by_volume=by_volume, sets=sets)


# -- made --------------------------------------------------------------------------------------


def submit_set(work: Work, runs: Sequence[DiskRun]) -> Submitted[SnapshotSet] | None:
    """Ask for the snapshots of all disks at one instant; return the set, where one was made.

    Each disk's member is stamped. All or nothing: where one disk cannot, none is asked for.
    """
    _refuse_all_for_one(runs)
    due = [run for run in runs if run.plan.new is not None and run.made is None]
    if work.stop.asked:
        for run in due:
            run.made = not_begun(run.plan)
    if not due or work.stop.asked:
        return None
    taken: Submitted[SnapshotSet] | None = None
    labels = {**work.request.properties, **_stamp(due).labels()}
    try:
        attempt = _attempt(work, due)
        taken = submit(work, attempt)
        timeout = work.request.timeout - taken.waited
        made, rows = _members(work, taken.made, attempt, due, timeout=timeout)
        taken = replace(taken, made=made)
        stamped = work.side_by_side(lambda row: _stamped(work, row, labels), rows)
    except EvsSnapError as error:
        for run in due:
            run.made = failed(Item(Action.CREATED, run.plan.volume), error)
        return taken
    for run, row in zip(due, stamped, strict=True):
        reasons = (*run.plan.reasons, f"set {taken.made.id}")
        run.made = Item(Action.CREATED, run.plan.volume, row, reasons)
        run.waited = taken.waited
    return taken


def _refuse_all_for_one(runs: Sequence[DiskRun]) -> None:
    for hindered in runs:
        if hindered.made is not None and hindered.made.error is not None:
            error = for_all(hindered.made.error, disk=hindered.made.label)
            for run in runs:
                if run.made is None:
                    run.made = refused(refusing(run.plan, error))
            return


def require_whole(runs: Sequence[DiskRun]) -> None:
    """Fail all disks of a set of which one's member failed: each says which one did."""
    bad = next((r.made for r in runs if r.made is not None and r.made.error is not None), None)
    if bad is None or bad.error is None:
        return
    for run in runs:
        if run.made is not None and run.made.error is None and run.snapshot is not None:
            kind = WaitTimeoutError if isinstance(bad.error, WaitTimeoutError) else None
            error = (kind or SnapshotFailedError)(
                f"the set is not whole, so snapshot {run.snapshot.id} counts as failed too: "
                f"{bad.error.message}",
                hint=bad.error.hint,
            )
            run.made = failed(run.made, error)


def leave_one_set(
    work: Work, runs: Sequence[DiskRun], taken: Submitted[SnapshotSet] | None
) -> None:
    """Where one set was wanted and there may be two, leave the older one."""
    due = [run for run in runs if run.created is not None]
    if taken is None or work.stop.asked or len(due) < len(runs):
        return
    bucket = _stamp(due).bucket
    if taken.posts <= 1 and taken.sent <= 1 and bucket is None:
        return
    if taken.posts > 1:
        work.clock.sleep(DUPLICATE_GRACE)
    try:
        _choose_set(work, due, taken.made)
    except EvsSnapError as error:
        for run in due:
            if run.made is not None:
                run.made = failed(run.made, error)


def _choose_set(work: Work, runs: Sequence[DiskRun], ours: SnapshotSet) -> None:
    stamp, disks = _stamp(runs), {run.volume_id for run in runs}
    sets = {row.id: row for row in work.client.snapshot_sets()}
    for row in sets.values():
        if row.id != ours.id and row.stamp and row.stamp.key == stamp.key:
            _delete_own(work, row.id)
    if stamp.bucket is None:
        return
    rivals = [
        row
        for row in sets.values()
        if row.stamp
        and row.stamp.key != stamp.key
        and (row.stamp.policy, row.stamp.bucket) == (stamp.policy, stamp.bucket)
        and row.age_key < sets.get(ours.id, ours).age_key
    ]
    for rival in sorted(rivals, key=lambda row: row.age_key):
        rows = {row.volume_id: row for row in work.client.set_members(rival.id)}
        if rows.keys() != disks:
            continue
        timeout = work.request.timeout if work.request.wait else DUPLICATE_TIMEOUT
        seen = await_usable(work, list(rows.values()), timeout=timeout)
        if any(isinstance(result, EvsSnapError) for result in seen.values()):
            continue
        _delete_own(work, ours.id)
        for run in runs:
            reasons = ("another run made it at the same time", f"set {rival.id}")
            run.made = Item(Action.REUSED, run.plan.volume, rows[run.volume_id], reasons)
        return


def _delete_own(work: Work, set_id: str) -> None:
    """Delete a set that this run made, and see it gone. Raises what keeps it from being so."""
    members = work.client.set_members(set_id)
    ended = _ask_and_see(work, set_id, members, Readings(work.client))
    for result in ended.values():
        if isinstance(result, EvsSnapError):
            raise result


def _stamp(runs: Sequence[DiskRun]) -> Stamp:
    """Return the set's stamp: all disks of the run have the same one."""
    new = next(run.plan.new for run in runs if run.plan.new is not None)
    return replace(new.stamp, members=len(runs))


def _attempt(work: Work, runs: Sequence[DiskRun]) -> Attempt[SnapshotSet]:
    request, stamp = work.request, _stamp(runs)
    volumes = [run.plan.volume for run in runs]
    known = {row.set_id for run in runs for row in run.seen.values()}
    # In a set's name the policy stands in the disk's place.
    named = Volume(id=volumes[0].id, name=request.policy)
    name = Template(request.name).name(named, now=work.client.service_now, policy=request.policy)

    def post() -> Submitted[SnapshotSet] | EvsSnapError:
        try:
            created = work.client.create_set(
                volumes,
                name=name,
                description=request.description,
                properties=request.properties,
                stamp=stamp,
            )
        except EvsSnapError as error:
            return error
        if created.set.id in known:
            mixed_up = another_one(created.set, name=name)
            mixed_up.sent = created.sent
            return mixed_up
        return Submitted(created.set, 1, created.sent, work.clock.monotonic())

    def has_key(row: SnapshotSet) -> bool:
        return row.id not in known and row.stamp is not None and row.stamp.key == stamp.key

    return Attempt(
        name=name,
        label=f"{len(runs)} disks together",
        post=post,
        rows=work.client.snapshot_sets,
        is_ours=has_key,
        has_key=has_key,
        is_for_same_period=lambda _row: False,  # another run's set may be of other disks
    )


def _members(
    work: Work,
    made: SnapshotSet,
    attempt: Attempt[SnapshotSet],
    runs: Sequence[DiskRun],
    *,
    timeout: float,
) -> tuple[SnapshotSet, list[Snapshot]]:
    """Return the set and its member of each disk, once all are there.

    What was on a disk before is no member. Where none shows, the answer may have named a wrong
    set: the one with our key is looked for.
    """
    began = work.clock.monotonic()
    client = work.client.until(began + max(0.0, timeout))
    trouble = ""
    for pause in pauses():
        rows = {}
        try:
            found = client.set_members(made.id)
            rows = {r.volume_id: _new(run, r) for run in runs for r in found
                    if r.volume_id == run.volume_id}  # fmt: skip
            if not rows:
                made = next(filter(attempt.has_key, client.snapshot_sets()), made)
            job = client.service.job(made.job_id) if made.job_id else None
            if job is not None and job.failure and len(rows) < len(runs):
                raise SnapshotFailedError(
                    f"set {made.id} ({attempt.name}) could not be made: {job.failure}"
                )
            trouble = ""
        except PASSING as error:
            trouble = f"; the last look failed: {error.message}"
        if len(rows) == len(runs):
            return made, [rows[run.volume_id] for run in runs]
        passed = work.clock.monotonic() - began
        if passed >= timeout or work.stop.asked:
            raise WaitTimeoutError(
                f"set {made.id} ({attempt.name}) showed {len(rows)} of {len(runs)} snapshots "
                f"after {in_words(passed)}{trouble}",
                hint="The next run with --together finishes it, once its snapshots show.",
            )
        work.progress(f"waiting for the {len(runs)} snapshots of set {made.id}")
        work.clock.sleep(min(pause, timeout - passed))
    raise AssertionError  # the pauses have no end


def _new(run: DiskRun, row: Snapshot) -> Snapshot:
    """Return the row. Raises BadAnswerError where the disk had it before."""
    if row.id in run.seen:
        raise another_one(row, name=run.plan.volume.name)
    return row


def _stamped(work: Work, row: Snapshot, labels: Mapping[str, str]) -> Snapshot:
    """Stamp a member; asking again does no harm."""
    for pause in (1.0, 2.0, 4.0):
        try:
            work.client.label_snapshot(row.id, labels)
            break
        except PASSING:
            work.clock.sleep(pause)
    else:
        work.client.label_snapshot(row.id, labels)
    return row.model_copy(update={"labels": {**row.labels, **labels}})


# -- deleted -----------------------------------------------------------------------------------


def delete_sets(
    work: Work, runs: Sequence[DiskRun], readings: Readings, *, to_free_slots: bool = False
) -> None:
    """Delete the sets that the plans give up, one at a time, each judged by what is there."""
    by_disk = {run.volume_id: run for run in runs}
    removals = [
        (r.snapshot.set_id, run)
        for run in runs
        for r in (run.plan.free_slots if to_free_slots else run.plan.prune)
        if r.snapshot.set_id is not None
    ]
    for set_id in dict.fromkeys(id_ for id_, _ in removals):
        holding = [run for id_, run in removals if id_ == set_id]
        if work.stop.asked or any(run.is_over for run in holding):
            continue
        try:
            members = _judged(work, set_id, by_disk, readings, to_free_slots=to_free_slots)
        except EvsSnapError as error:
            for run in holding:
                for removal in _of_set(run, set_id):
                    run.after.append(spared(run.plan.volume, removal, why=error.message))
            continue
        work.progress(f"deleting set {set_id}")
        try:
            results = _ask_and_see(work, set_id, [row for row, _ in members], readings)
        except EvsSnapError as error:
            results = {row.id: error for row, _ in members}
        for row, reasons in members:
            run = by_disk[row.volume_id]
            item = Item(Action.DELETED, run.plan.volume, row, reasons)
            result = results.get(row.id)
            if isinstance(result, EvsSnapError):
                item = failed(item, result)
                run.left.add(row.id)
            else:
                gone = row.model_copy(update={"status": "deleted"})
                item = replace(item, snapshot=gone)
            run.asked_at = work.clock.monotonic()
            (run.before if to_free_slots else run.after).append(item)


def delete_whole(
    work: Work, set_id: str, chosen: Mapping[str, Item], *, foreign: bool
) -> dict[str, Item]:
    """Delete a set of which somebody named all members; return what became of each, by ID.

    ``chosen`` are the items by the snapshot's ID.
    """
    try:
        members = work.client.set_members(set_id)
        require_all_named(set_id, members, chosen)
        for row in members:
            require_deletable(chosen[row.id].snapshot, row, foreign=foreign)
        if work.stop.asked:
            raise InterruptedRunError("not begun: the run was stopped")
        work.progress(f"deleting set {set_id}")
        results = _ask_and_see(work, set_id, members, Readings(work.client))
    except EvsSnapError as error:
        return {id_: failed(item, error) for id_, item in chosen.items()}
    ended = {}
    for id_, item in chosen.items():
        result = results.get(id_)
        if isinstance(result, EvsSnapError):
            ended[id_] = failed(item, result)
        elif item.snapshot is not None:
            gone = item.snapshot.model_copy(update={"status": "deleted"})
            ended[id_] = replace(item, snapshot=gone)
    return ended


def require_all_named(
    set_id: str, members: Sequence[Snapshot], named: Mapping[str, object]
) -> None:
    """Raise NotOursError unless all members of the set are to be deleted."""
    others = [row.id for row in members if row.id not in named]
    if others:
        raise NotOursError(
            f"it is one of the {len(members)} snapshots of set {set_id}, which go together",
            hint=f"Name them all: evs-snap delete {' '.join(row.id for row in members)}",
            brief="one of a set",
        )


def _of_set(run: DiskRun, set_id: str) -> list[Removal]:
    return [r for r in run.plan.prune if r.snapshot.set_id == set_id]


def _judged(
    work: Work,
    set_id: str,
    by_disk: Mapping[str, DiskRun],
    readings: Readings,
    *,
    to_free_slots: bool,
) -> list[tuple[Snapshot, tuple[str, ...]]]:
    """Return the set's members with the reasons to delete them, judged by what is there now.

    Raises NotOursError or SnapshotFailedError where one of them is to stay.
    """
    members = work.client.set_members(set_id)
    elsewhere = [row for row in members if row.volume_id not in by_disk]
    if elsewhere:
        raise NotOursError(f"set {set_id} is of disk {elsewhere[0].volume_id} too")
    stale = {row.volume_id for row in members if not readings.is_fresh(row.volume_id)}
    if stale:
        readings.read(stale)
    judged = []
    for row in members:
        run = by_disk[row.volume_id]
        if run.is_over:
            raise NotOursError(run.why)
        rows = readings.of(row.volume_id)
        here = {**rows, row.id: row}
        reasons = _given_up(work, run, here, row, to_free_slots=to_free_slots)
        if reasons is None:
            raise NotOursError("the rules keep a part of its set now")
        require_deletable(run.seen.get(row.id), row)
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


def _ask_and_see(
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
