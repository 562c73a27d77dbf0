"""Several disks at one instant: the set asked for once, and its members stamped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from evs_snap.clock import in_words
from evs_snap.errors import (
    EvsSnapError,
    NotFoundError,
    SnapshotFailedError,
    WaitTimeoutError,
)
from evs_snap.plan.sets import for_all, refusing
from evs_snap.runs.disk import DiskRun, not_begun
from evs_snap.runs.duplicates import DUPLICATE_GRACE, DUPLICATE_TIMEOUT
from evs_snap.runs.gather import Gathered
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item, failed, refused
from evs_snap.runs.set_deletion import ask_and_see
from evs_snap.runs.submit import Attempt, Submitted, another_one, submit
from evs_snap.runs.watch import await_usable, pauses
from evs_snap.runs.work import PASSING, Work
from evs_snap.services.interface import Snapshot, SnapshotSet, Stamp


def finish_stamps(work: Work, gathered: Gathered) -> Gathered:
    """Stamp those members of our sets that a run which was killed left without a stamp.

    A set carries the stamp from its first moment; its members get it once they are there.
    """
    bare = [s for s in gathered.snapshots if s.set_id is not None and s.stamp is None]
    if not bare:
        return gathered
    try:
        ours = {row.id for row in work.client.snapshot_sets() if row.stamp}
        # A list that mixes up its rows must not make a stranger's set ours.
        found = [work.client.snapshot_set(id_) for id_ in {s.set_id for s in bare} & ours if id_]
        stamps = {row.id: row.labels for row in found if row.stamp}
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
    attempt = _attempt(work, due)
    try:
        taken = submit(work, attempt)
        timeout = work.request.timeout - taken.waited
        made, rows = _members(work, taken.made, attempt, due, timeout=timeout)
        taken = replace(taken, made=made)
        stamped = work.side_by_side(lambda row: _stamped(work, row, labels), rows)
    except EvsSnapError as error:
        told = (f"set {taken.made.id} ({attempt.name}) was accepted",) if taken else ()
        for run in due:
            run.made = failed(Item(Action.CREATED, run.plan.volume, reasons=told), error)
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
    stamp = _stamp(runs)
    sets = {row.id: row for row in work.client.snapshot_sets()}
    for row in sets.values():
        if row.id != ours.id and row.stamp and row.stamp.key == stamp.key:
            _delete_own(work, runs, row.id)
    rivals = [
        row
        for row in sets.values()
        if _is_rival(row, stamp) and row.age_key < sets.get(ours.id, ours).age_key
    ]
    for rival in sorted(rivals, key=lambda row: row.age_key):
        rows = _members_elsewhere(work, runs, rival.id, is_wanted=lambda r: _is_rival(r, stamp))
        if rows is None or rows.keys() != {run.volume_id for run in runs}:
            continue
        timeout = work.request.timeout if work.request.wait else DUPLICATE_TIMEOUT
        seen = await_usable(work, list(rows.values()), timeout=timeout)
        if any(isinstance(result, EvsSnapError) for result in seen.values()):
            continue
        _delete_own(work, runs, ours.id)
        for run in runs:
            reasons = ("another run made it at the same time", f"set {rival.id}")
            run.made = Item(Action.REUSED, run.plan.volume, rows[run.volume_id], reasons)
        return


def _is_rival(row: SnapshotSet, stamp: Stamp) -> bool:
    """Whether another run made the set for the same period."""
    return (
        row.stamp is not None
        and stamp.bucket is not None
        and row.stamp.key != stamp.key
        and (row.stamp.policy, row.stamp.bucket) == (stamp.policy, stamp.bucket)
    )


def _members_elsewhere(
    work: Work,
    runs: Sequence[DiskRun],
    set_id: str,
    *,
    is_wanted: Callable[[SnapshotSet], bool],
) -> dict[str, Snapshot] | None:
    """Return the members, by disk, of a set that came into being during this run.

    None where it is another one: a list that mixes up its rows must not bring down an old set.
    """
    try:
        found = work.client.snapshot_set(set_id)
    except NotFoundError:
        return None
    if not is_wanted(found):
        return None
    rows = {row.volume_id: row for row in work.client.set_members(set_id)}
    known = {id_ for run in runs for id_ in run.seen}
    return None if any(row.id in known for row in rows.values()) else rows


def _delete_own(work: Work, runs: Sequence[DiskRun], set_id: str) -> None:
    """Delete a set that this run made, and see it gone. Raises what keeps it from being so."""
    key = _stamp(runs).key
    rows = _members_elsewhere(
        work, runs, set_id, is_wanted=lambda row: row.stamp is not None and row.stamp.key == key
    )
    if rows is None:
        return
    for result in ask_and_see(work, set_id, list(rows.values()), Readings(work.client)).values():
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
    name = next(run.plan.new.name for run in runs if run.plan.new is not None)

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
