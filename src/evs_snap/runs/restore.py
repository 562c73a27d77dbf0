"""A snapshot brought back: as a new disk, or onto the disk that it was taken of.

A new disk is asked for once: where the answer is lost, the disk is looked for by its key.
A rollback is asked for once, too: where the answer is lost, the disk's status tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import Any, Unpack

from evs_snap.errors import (
    AnswerLostError,
    EvsSnapError,
    InterruptedRunError,
    NotFoundError,
    RestoreFailedError,
)
from evs_snap.plan.request import Request, RestoreWords
from evs_snap.plan.restoration import (
    NewVolume,
    Rollback,
    check_newest,
    check_rollback,
    plan_new_volume,
    plan_rollback,
    safety_request,
    source_of,
)
from evs_snap.runs.gather import find_snapshot
from evs_snap.runs.locks import locks_of
from evs_snap.runs.record import Action, Item, RunRecord, failed
from evs_snap.runs.submit import another_one, is_unknown, look_for
from evs_snap.runs.watch import GONE_AFTER, pauses, watch
from evs_snap.runs.waves import carry_out
from evs_snap.runs.work import Work, asked_for, find, ids_of, no_progress
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Job, Snapshot, Volume

Plan = NewVolume | Volume | Rollback

_TIMEOUT = 1800.0
"""Seconds to wait for a disk, where nobody says how long and snapshots take no longer."""

_LOOKS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each look for a new disk whose answer was lost. There is no second request
that would make up for the first, so these last until that must have been carried out."""

_LATEST = 60.0
"""Seconds within which a rollback whose answer was lost must have begun."""

_QUIET = 30.0
"""Seconds without a rollback status after which it is not known whether an accepted rollback
took place: it may have been quick, or it has not begun."""

_ROLLING_BACK = frozenset({"rollbacking", "reverting", "restoring"})
"""Statuses of a disk or a snapshot meanwhile, EVS's and Cinder's."""


def restore(
    evs: EvsClient,
    snapshot: str | Snapshot,
    *,
    confirm: Callable[[Rollback], bool] | None = None,
    progress: Callable[[str], None] = no_progress,
    **words: Unpack[RestoreWords],
) -> RunRecord:
    """Bring a snapshot (an ID, a name that only one has, or a record) back.

    With ``as_name`` a new disk of that name is made, of ``size`` GiB (default: the
    snapshot's) and with ``properties`` as metadata. Where the snapshot's disk is gone, ``type``
    says which type the new one has. However the network fails, it is one
    disk; one that an earlier run made in the same way is ``reused``. ``wait`` False
    returns once the service has accepted it.

    With ``in_place`` the snapshot's own disk, which must be detached, is rolled back, and what
    was written to it since is lost. A safety snapshot is taken first; where there can be none,
    nothing is done unless ``safety_snapshot`` is False. ``confirm`` is given what would be
    done, and says whether to go on, also without a safety snapshot.

    ``timeout`` (default: half an hour, for standard snapshots an hour) and ``lock_wait`` are
    seconds. Raises ConfigurationError, SelectionError, AmbiguousError and what keeps the snapshot
    and its disk from being read; from there on a failure is the item of the record.
    """
    said: dict[str, Any] = {**words, "snapshots": ids_of((snapshot,), Snapshot)}
    if said.get("timeout") is None:
        said["timeout"] = max(_TIMEOUT, evs.service.timeout)
    work = asked_for(evs, "restore", said, progress=progress)
    request = work.request
    locks = None if request.dry_run else locks_of(work)
    found = find_snapshot(evs, *request.snapshots)
    source = source_of(found, _disk(evs, found), request)
    item = Item(Action.RESTORED, source if request.in_place else None, found)
    try:
        plan = _plan(work, found, source)
        if locks is None:
            return RunRecord("restore", (_planned(item, plan),), dry_run=True)
        if isinstance(plan, Rollback):
            _require_consent(plan, confirm)
    except EvsSnapError as error:
        return _refused(item, error, request)
    with locks.held({source.id: source.name or source.id}) as held:
        try:
            if locked := held.refused.get(source.id):
                raise locked
            if held.after_crash and isinstance(plan, NewVolume):
                _let_arrive(work, plan)
            if held.is_stale:
                found = evs.snapshot(found.id)
                source = source_of(found, _disk(evs, found), request)
                plan = _plan(work, found, source)
        except EvsSnapError as error:
            return _refused(item, error, request)
        work.stop.begin()
        if isinstance(plan, Rollback):
            item = _rolled_back(work, item, plan)
        else:
            item = _made(work, item, plan)
    return RunRecord("restore", (item,), signal_code=work.stop.code)


def _disk(evs: EvsClient, snapshot: Snapshot) -> Volume | None:
    """Return the snapshot's disk, None where it is gone."""
    try:
        return evs.volume(snapshot.volume_id)
    except NotFoundError:
        return None


def _plan(work: Work, snapshot: Snapshot, source: Volume) -> Plan:
    if not work.request.in_place:
        key = work.clock.new_id()
        volumes = work.client.volumes()
        return plan_new_volume(snapshot, source, work.request, volumes=volumes, key=key)
    check_rollback(snapshot, source)  # before anything more is asked for it
    return plan_rollback(
        snapshot,
        source,
        work.client.snapshots(volume_id=source.id),
        work.request,
        newest_only=not work.client.service.rolls_back_to_any(snapshot.id),
        now=work.client.service_now,
        new_id=work.clock.new_id,
    )


def _let_arrive(work: Work, new: NewVolume) -> None:
    """Wait for a disk of this name as long as a killed run's request may take to be carried out."""
    work.progress(f"the last run was killed: looking whether it made disk {new.name}")
    rows = partial(work.client.volumes, name=new.name)
    look_for(work, rows, lambda volume: volume.name == new.name, pauses=_LOOKS)


def _refused(item: Item, error: EvsSnapError, request: Request) -> RunRecord:
    refused = replace(failed(item, error), action=Action.REFUSED)
    return RunRecord("restore", (refused,), dry_run=request.dry_run)


def _require_consent(plan: Rollback, confirm: Callable[[Rollback], bool] | None) -> None:
    if confirm is None:
        if plan.safety is not None and plan.safety.refusal is not None:
            raise plan.safety.refusal
    elif not confirm(plan):
        raise EvsSnapError("not confirmed; nothing was sent")


def _planned(item: Item, plan: Plan) -> Item:
    if isinstance(plan, Volume):
        return _reused(item, plan)
    if isinstance(plan, NewVolume):
        reasons = [f"a new disk {plan.name} of {plan.size} GiB"]
    elif plan.safety is None:
        reasons = ["the disk is rolled back, without a safety snapshot"]
    elif plan.safety.refusal is not None:
        reasons = [plan.safety.refusal.message, "it would ask whether to go on without one"]
    else:
        name = plan.safety.new.name if plan.safety.new else ""
        reasons = [f"safety snapshot {name} first", "then the disk is rolled back"]
    return replace(item, action=Action.WOULD_RESTORE, reasons=tuple(reasons))


def _reused(item: Item, volume: Volume) -> Item:
    reason = "an earlier run made it from this snapshot; for a fresh one delete it first"
    return replace(item, action=Action.REUSED, volume=volume, reasons=(reason,))


# -- a new disk ------------------------------------------------------------------------------


def _made(work: Work, item: Item, plan: NewVolume | Volume) -> Item:
    """Return the item with the new disk, seen available where that is waited for."""
    try:
        if isinstance(plan, Volume):
            made, item = plan, _reused(item, plan)
        else:
            work.progress(f"creating disk {plan.name}")
            made = _create(work, plan)
            origin = plan.source.name or plan.source.id
            item = replace(item, volume=made, reasons=(f"made from {origin}",))
        if not work.request.wait:
            return item
        item = replace(item, volume=_see_available(work, made))
        if isinstance(plan, NewVolume):
            _require_one(work, plan)
    except EvsSnapError as error:
        return _failed(item, error)
    return item


def _failed(item: Item, error: EvsSnapError) -> Item:
    """Return the item as failed, its disk in the status in which it was seen last."""
    seen = getattr(error, "seen", None)
    if seen and item.volume is not None:
        item = replace(item, volume=item.volume.model_copy(update={"status": seen}))
    return failed(item, error)


def _create(work: Work, new: NewVolume) -> Volume:
    """Create the disk, or find out that it was created. It is never asked for twice.

    Raises what kept it from being created; where no trace of it is found, an
    AnswerLostError that says so.
    """
    snapshot, source = new.snapshot, new.source
    # Cinder 29 refuses `multiattach` here, as its disk types say it.
    shared = bool(source.multiattach) and work.client.service.rolls_back_to_any(snapshot.id)
    try:
        made = work.client.create_volume(
            size=new.size,
            name=new.name,
            snapshot_id=snapshot.id,
            availability_zone=source.availability_zone,
            volume_type=source.volume_type,
            multiattach=shared,
            metadata=new.metadata,
        )
        if made.id in new.known:
            raise another_one(made, name=new.name)
    except EvsSnapError as error:
        if error.sent <= 1 and not is_unknown(error):
            raise
        lost = error
    else:
        return made
    why = f"no trace of disk {new.name!r} was found"
    try:
        found = look_for(work, work.client.volumes, new.is_made, pauses=_LOOKS)
    except EvsSnapError as error:
        found = None
        why = f"whether disk {new.name!r} was made could not be found out: {error.message}"
    if found is None:
        raise AnswerLostError(
            f"{lost.message}; {why}",
            hint="Run the same command again in some minutes: it looks for the disk before it "
            "asks for one.",
        )
    return found


def _see_available(work: Work, volume: Volume) -> Volume:
    """Return the disk once it is available."""

    def judge(known: Volume, seen: Volume | None, unseen: float) -> Volume | EvsSnapError | None:
        if seen is None:
            return _gone(known) if unseen >= GONE_AFTER else None
        if seen.status.startswith("error"):
            return RestoreFailedError(
                f"disk {seen.id} ended in status {seen.status!r}",
                hint="Delete it in the console or with `openstack volume delete`, and try "
                "again; if it fails again, ask the cloud's support.",
                seen=seen.status,
            )
        return seen if seen.status == "available" else None

    return _watched(work, volume, judge=judge)


def _gone(volume: Volume) -> RestoreFailedError:
    return RestoreFailedError(f"disk {volume.id} is gone: somebody deleted it", seen="deleted")


def _require_one(work: Work, new: NewVolume) -> None:
    """See that the network did not carry the request out twice."""
    found = [v for v in work.client.volumes(name=new.name) if new.is_made(v)]
    if len(found) > 1:
        raise RestoreFailedError(
            f"the request was carried out {len(found)} times: {len(found)} disks are called "
            f"{new.name!r}",
            hint=f"Keep one, and delete the other: {' or '.join(v.id for v in found)}.",
        )


# -- the disk itself -------------------------------------------------------------------------


def _rolled_back(work: Work, item: Item, plan: Rollback) -> Item:
    """Return the item with the disk rolled back, after its safety snapshot."""
    if plan.safety is not None and plan.safety.refusal is None:
        safe = replace(work, request=safety_request(work.request))
        (safety,) = carry_out(safe, [plan.safety])
        if safety.error is not None or safety.snapshot is None:
            error = safety.error or InterruptedRunError("not begun: the run was stopped")
            name = plan.safety.new.name if plan.safety.new else ""
            item = replace(item, reasons=(f"not rolled back: safety snapshot {name} failed",))
            return failed(item, error)
        item = replace(item, reasons=(f"safety snapshot {safety.snapshot.id}",))
    try:
        plan, job_id, lost = _ask(work, plan)
        seen = _see_rolled_back(work, plan, job_id=job_id, lost=lost)
        return replace(item, volume=seen)
    except EvsSnapError as error:
        return _failed(item, error)


def _ask(work: Work, plan: Rollback) -> tuple[Rollback, str | None, EvsSnapError | None]:
    """Send the rollback; return the plan with disk and snapshot as they were just before.

    With it, the ID of the service's job, and the failure that leaves open whether it was carried
    out; None for none. Disk and snapshot are read again, as time has passed: a person was asked,
    a safety snapshot taken.
    """
    client = work.client.until(work.clock.monotonic() + work.request.timeout)
    volume, snapshot = client.volume(plan.volume.id), client.snapshot(plan.snapshot.id)
    check_rollback(snapshot, volume)
    if plan.newest_only:
        check_newest(snapshot, volume, client.snapshots(volume_id=volume.id))
    if work.stop.asked:
        raise InterruptedRunError("not begun: the run was stopped")
    asked = replace(plan, volume=volume, snapshot=snapshot)
    try:
        job_id = client.service.roll_back(volume.id, snapshot_id=snapshot.id)
    except EvsSnapError as error:
        if error.sent <= 1 and not is_unknown(error) and not _is_at_work(work, snapshot):
            raise
        return asked, None, error
    return asked, job_id, None


def _is_at_work(work: Work, snapshot: Snapshot) -> bool:
    """Whether a refused rollback is under way: a gateway may have sent it twice."""
    try:
        found = work.snapshot(snapshot.id)
    except EvsSnapError:
        return False
    return found is not None and found.status in _ROLLING_BACK


def _see_rolled_back(
    work: Work, plan: Rollback, *, job_id: str | None, lost: EvsSnapError | None
) -> Volume:
    """Return the disk, available again after it was at work.

    That shows in the status of the disk or the snapshot; or in the time of their last change, or
    the job, where it was over too soon to be seen. The job tells why it failed. ``lost`` is why
    it is not known whether the rollback was accepted. Raises AnswerLostError where nothing
    shows: it is not known then whether the disk was rolled back.
    """
    since = work.clock.monotonic()
    latest = _LATEST if lost else _QUIET
    begun = False
    beside: Snapshot | None = None
    job: Job | None = None

    def look_beside(client: EvsClient) -> None:
        nonlocal beside, job
        beside = find(client, plan.snapshot.id)
        if job_id is not None:
            with suppress(EvsSnapError):
                job = client.service.job(job_id)

    def judge(known: Volume, seen: Volume | None, unseen: float) -> Volume | EvsSnapError | None:
        nonlocal begun
        if seen is None:
            return _gone(known) if unseen >= GONE_AFTER else None
        if {seen.status, beside.status if beside else ""} & _ROLLING_BACK:
            begun = True
            return None
        begun = begun or _has_changed(plan.snapshot, beside)
        # Whoever renames the disk changes it too: that proves no rollback of which nobody knows.
        begun = begun or (lost is None and _has_changed(plan.volume, seen))
        begun = begun or (job is not None and job.is_over and job.failure is None)
        why = f": {job.failure}" if job and job.failure else ""
        passed = work.clock.monotonic() - since
        is_new = begun or seen.status != plan.volume.status
        if why or (seen.status.startswith("error") and is_new):
            return RestoreFailedError(
                f"rolling disk {seen.id} back ended in status {seen.status!r}{why}",
                hint="Roll it back again. If that fails too, make a new disk of the snapshot "
                "(--as NAME), and ask the cloud's support.",
                seen=seen.status,
            )
        if begun:
            is_running = job is not None and not job.is_over
            return seen if seen.status == "available" and not is_running else None
        if passed < min(latest, work.request.timeout) and not work.stop.asked:
            return None
        told = lost.message if lost else "the service accepted the rollback"
        return AnswerLostError(
            f"{told}; and the disk, {seen.status!r}, was not seen at work on it",
            hint="It is not known whether it was rolled back. Running the same command "
            "again does it for sure.",
        )

    # At once first: what is quick would be over by a later look.
    every = chain((0.0,), repeat(1.0, int(latest)), pauses())
    return _watched(work, plan.volume, judge=judge, every=every, look_beside=look_beside)


def _has_changed(before: Volume | Snapshot, now: Volume | Snapshot | None) -> bool:
    return now is not None and now.updated_at not in {None, before.updated_at}


def _watched(
    work: Work,
    volume: Volume,
    *,
    judge: Callable[[Volume, Volume | None, float], Volume | EvsSnapError | None],
    every: Iterable[float] | None = None,
    look_beside: Callable[[EvsClient], None] = lambda _client: None,
) -> Volume:
    """Return the disk as ``judge`` sees it at its end. Raises the error that it ended with."""

    def look(
        client: EvsClient, pending: Mapping[str, Volume], _unseen: Mapping[str, float]
    ) -> dict[str, Volume | None]:
        (id_,) = pending
        look_beside(client)
        try:
            return {id_: client.volume(id_)}
        except NotFoundError:
            return {id_: None}

    (result,) = watch(
        work,
        [volume],
        look=look,
        judge=judge,
        timeout=work.request.timeout,
        noun="disk",
        goal="available",
        hint="The cloud goes on with it; `evs-snap volumes --volume {ids}` shows when it "
        "is available.",
        every=every,
    ).values()
    if isinstance(result, EvsSnapError):
        raise result
    return result
