"""A snapshot brought back: as a new disk, or onto the disk that it was taken of.

A new disk is asked for once: where the answer is lost, the disk is looked for by its key.
A rollback is asked for once, too: where the answer is lost, the disk's status tells.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from itertools import chain, repeat
from typing import TYPE_CHECKING

from evs_snap.api.models import Volume
from evs_snap.api.refusals import is_no_such_path
from evs_snap.errors import (
    AnswerLostError,
    ConfigurationError,
    EvsSnapError,
    InterruptedRunError,
    NotFoundError,
    RestoreFailedError,
    ServiceError,
    WaitTimeoutError,
)
from evs_snap.plan.restore import (
    SAFETY_POLICY,
    NewVolume,
    Rollback,
    check_newest,
    check_rollback,
    plan_new_volume,
    plan_rollback,
)
from evs_snap.runs.apply import carry_out
from evs_snap.runs.gather import find_snapshots
from evs_snap.runs.locks import DiskLocks
from evs_snap.runs.report import Action, Item, RunRecord, failed
from evs_snap.runs.submit import is_unknown, look_for
from evs_snap.runs.wait import GONE_AFTER, PASSING, pauses
from evs_snap.runs.work import Work, no_progress
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot
    from evs_snap.errors import LockedError

_LOOKS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each look for a new disk whose answer was lost. There is no second request
that would make up for the first, so these last until that must have been carried out."""

_LATEST = 60.0
"""Seconds within which a rollback whose answer was lost must have begun."""

_QUIET = 5.0
"""Seconds that an accepted rollback must not be seen at work for before it counts as over:
it may be quick, and a replica of the service may lag behind."""

_ROLLING_BACK = frozenset({"rollbacking", "reverting", "restoring"})
"""Statuses of a disk or a snapshot meanwhile, EVS's and Cinder's."""


def restore(  # noqa: PLR0913 - what a user may say of it
    evs: EvsClient,
    snapshot: str,
    *,
    as_name: str | None = None,
    in_place: bool = False,
    size: int | None = None,
    properties: Mapping[str, str] | None = None,
    safety_snapshot: bool = True,
    wait: bool = True,
    timeout: float = 1800.0,
    lock_wait: float = 0.0,
    dry_run: bool = False,
    confirm: Callable[[Rollback], bool] | None = None,
    progress: Callable[[str], None] = no_progress,
) -> RunRecord:
    """Bring a snapshot (an ID, or a name that only one has) back, and see the disk available.

    With ``as_name`` a new disk of that name is made, of ``size`` GiB (default: the
    snapshot's) and with ``properties`` as metadata. However the network fails, it is one
    disk; one that an earlier run made in the same way is ``reused``. ``wait`` False
    returns once the service has accepted it.

    With ``in_place`` the snapshot's own disk, which must be detached, is rolled back, and what
    was written to it since is lost. A safety snapshot is taken first; where there can be none,
    nothing is done unless ``safety_snapshot`` is False. ``confirm`` is given what would be
    done, and says whether to go on, also without a safety snapshot.

    ``timeout`` and ``lock_wait`` are seconds. Raises ConfigurationError, SelectionError,
    AmbiguousError and what keeps the snapshot and its disk from being read; from there on a
    failure is the item of the record.
    """
    if (as_name is not None) is in_place:
        raise ConfigurationError("restore as a new disk, or in place: one of the two")
    locks = DiskLocks(
        state_folder(os.environ) / "locks",
        project_id=evs.project_id,
        wait=lock_wait,
        clock=evs.clock,
        progress=progress,
    )
    work = Work(
        client=evs,
        locks=locks,
        progress=progress,
        timeout=timeout if wait or in_place else None,
        dry_run=dry_run,
    )
    with _held(work, snapshot) as (found, source, locked):
        item = Item(Action.RESTORED, source if in_place else None, found)
        plan: NewVolume | Volume | Rollback
        try:
            if locked is not None:
                raise locked
            if as_name is None:
                plan = _rollback(work, found, source, safety=safety_snapshot)
                _require_consent(plan, confirm)
            else:
                plan = plan_new_volume(
                    found,
                    source,
                    name=as_name,
                    size=size,
                    properties=properties or {},
                    volumes=evs.volumes(),
                    key=evs.clock.new_id(),
                )
        except EvsSnapError as error:
            item = replace(failed(item, error), action=Action.REFUSED)
            return RunRecord("restore", (item,), dry_run=dry_run)
        if dry_run:
            return RunRecord("restore", (_planned(item, plan),), dry_run=True)
        work.stop.begin()
        if isinstance(plan, Rollback):
            item = _rolled_back(work, item, plan, timeout=timeout)
        else:
            item = _made(work, item, plan)
    return RunRecord("restore", (item,), signal_code=work.stop.code)


@contextmanager
def _held(work: Work, wanted: str) -> Iterator[tuple[Snapshot, Volume, LockedError | None]]:
    """Give the snapshot and its disk, with the disk's lock held, or why it could not be had."""
    if not work.dry_run:
        work.locks.mark()
    (snapshot,) = find_snapshots(work.client, [wanted])
    source = work.client.volume(snapshot.volume_id)
    if work.dry_run:
        yield snapshot, source, None
        return
    with work.locks.held({source.id: source.name or source.id}) as held:
        if held.is_stale:
            snapshot = work.client.snapshot(snapshot.id)
            source = work.client.volume(source.id)
        yield snapshot, source, held.refused.get(source.id)


def _rollback(work: Work, snapshot: Snapshot, volume: Volume, *, safety: bool) -> Rollback:
    check_rollback(snapshot, volume)  # before anything more is asked for it
    return plan_rollback(
        snapshot,
        volume,
        list(work.snapshots_of(volume.id).values()),
        newest_only=not work.client.has_vendor_paths(snapshot.id),
        safety=safety,
        limit=work.client.limit,
        now=work.client.service_now,
        new_id=work.clock.new_id,
    )


def _require_consent(plan: Rollback, confirm: Callable[[Rollback], bool] | None) -> None:
    if confirm is None:
        if plan.safety is not None and plan.safety.refusal is not None:
            raise plan.safety.refusal
    elif not confirm(plan):
        raise EvsSnapError("not confirmed; nothing was sent")


def _planned(item: Item, plan: NewVolume | Volume | Rollback) -> Item:
    if isinstance(plan, Volume):
        return _reused(item, plan)
    if isinstance(plan, NewVolume):
        reasons = [f"would create disk {plan.name} of {plan.size} GiB"]
    else:
        safety = plan.safety.new if plan.safety else None
        reasons = [f"would take safety snapshot {safety.name}"] if safety else []
        reasons.append("would roll the disk back")
    return replace(item, action=Action.PLANNED, reasons=tuple(reasons))


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
        if work.timeout is None:
            return item
        for seen in _seen_available(work, made, timeout=work.timeout):
            item = replace(item, volume=seen)
        if isinstance(plan, NewVolume):
            _require_one(work, plan)
    except EvsSnapError as error:
        return failed(item, error)
    return item


def _create(work: Work, new: NewVolume) -> Volume:
    """Create the disk, or find out that it was created. It is never asked for twice.

    Raises what kept it from being created; where no trace of it is found, an
    AnswerLostError that says so.
    """
    snapshot, source = new.snapshot, new.source
    # Cinder refuses the word where it knows it no more: its disk types say it.
    shared = bool(source.multiattach) and work.client.has_vendor_paths(snapshot.id)
    try:
        return work.client.create_volume(
            size=new.size,
            name=new.name,
            snapshot_id=snapshot.id,
            availability_zone=source.availability_zone,
            volume_type=source.volume_type,
            multiattach=shared,
            metadata=new.metadata,
        )
    except EvsSnapError as error:
        if not is_unknown(error):
            raise
        lost = error
    why = "no trace of it was found"
    try:
        found = look_for(work, work.client.volumes, new.is_made, pauses=_LOOKS)
    except EvsSnapError as error:
        found, why = None, f"whether it was made could not be found out: {error.message}"
    if found is None:
        raise AnswerLostError(
            f"{lost.message}; {why}",
            hint="Run the same command again: it looks for the disk before it asks for one.",
        )
    return found


def _seen_available(work: Work, volume: Volume, *, timeout: float) -> Iterator[Volume]:
    """Yield the disk as it comes along, until it is available."""
    for seen, _ in _watched(work, volume, every=pauses(), timeout=timeout):
        yield seen
        if seen.status == "available":
            return
        if seen.status.startswith("error"):
            raise RestoreFailedError(
                f"disk {seen.id} ended in status {seen.status!r}",
                hint="Delete it in the console or with `openstack volume delete`, and try "
                "again; if it fails again, ask the cloud's support.",
            )


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


def _rolled_back(work: Work, item: Item, plan: Rollback, *, timeout: float) -> Item:
    """Return the item with the disk rolled back, after its safety snapshot."""
    if plan.safety is not None and plan.safety.refusal is None:
        (safety,) = carry_out(work, [plan.safety], keep=None, policy=SAFETY_POLICY)
        if safety.error is not None or safety.snapshot is None:
            error = safety.error or InterruptedRunError("not begun: the run was stopped")
            item = replace(item, reasons=("not rolled back, as the safety snapshot failed",))
            return failed(item, error)
        item = replace(item, reasons=(f"safety snapshot {safety.snapshot.id}",))
    try:
        lost = _ask(work, plan)
        work.progress("waiting for the disk to be rolled back")
        return replace(item, volume=_see_rolled_back(work, plan, lost=lost, timeout=timeout))
    except EvsSnapError as error:
        seen = getattr(error, "seen", None)
        if seen:
            item = replace(item, volume=plan.volume.model_copy(update={"status": seen}))
        return failed(item, error)


def _ask(work: Work, plan: Rollback) -> EvsSnapError | None:
    """Send the rollback; return the failure that leaves open whether it was carried out.

    Time has passed since the plan: a person was asked, a safety snapshot taken.
    """
    volume, snapshot = work.client.volume(plan.volume.id), work.client.snapshot(plan.snapshot.id)
    check_rollback(snapshot, volume)
    if work.stop.asked:
        raise InterruptedRunError("not begun: the run was stopped")
    try:
        try:
            work.client.roll_back(volume.id, snapshot_id=snapshot.id)
        except ServiceError as error:
            if not is_no_such_path(error):
                raise
            check_newest(snapshot, volume, work.client.snapshots(volume_id=volume.id))
            _revert(work, volume, snapshot)
    except EvsSnapError as error:
        if not is_unknown(error) and not _is_at_work(work, snapshot):
            raise
        return error
    return None


def _revert(work: Work, volume: Volume, snapshot: Snapshot) -> None:
    try:
        work.client.revert_volume(volume.id, snapshot_id=snapshot.id)
    except ServiceError as error:
        if error.status != HTTPStatus.NOT_ACCEPTABLE and not is_no_such_path(error):
            raise
        raise RestoreFailedError(
            "this cloud has no way to roll a disk back that evs-snap knows",
            hint=f"Make a new disk of it: evs-snap restore {snapshot.id} --as NAME. "
            "Or roll it back in the console.",
        ) from error


def _is_at_work(work: Work, snapshot: Snapshot) -> bool:
    """Whether a refused rollback is under way: a gateway may have sent it twice."""
    try:
        found = work.snapshot(snapshot.id)
    except EvsSnapError:
        return False
    return found is not None and found.status in _ROLLING_BACK


def _see_rolled_back(
    work: Work, plan: Rollback, *, lost: EvsSnapError | None, timeout: float
) -> Volume:
    """Return the disk, available again.

    ``lost`` is why it is not known whether the rollback was accepted: then it must have been
    seen at work.
    """
    begun, since = False, work.clock.monotonic()
    every = chain(repeat(1.0, int(_LATEST) if lost else 0), pauses())
    for volume, snapshot in _watched(
        work, plan.volume, plan.snapshot, every=every, timeout=timeout
    ):
        if volume.status in _ROLLING_BACK or (snapshot and snapshot.status in _ROLLING_BACK):
            begun = True
            continue
        passed = work.clock.monotonic() - since
        broken = volume.status.startswith("error")
        if lost and not begun and not (broken and volume.status != plan.volume.status):
            if passed >= min(_LATEST, timeout) or work.stop.asked:
                raise AnswerLostError(
                    f"{lost.message}; and the disk, {volume.status!r}, was not seen at work on it",
                    hint="It is not known whether it was rolled back. Running the same command "
                    "again does it for sure.",
                )
        elif broken and (begun or passed >= _QUIET or volume.status != plan.volume.status):
            raise RestoreFailedError(
                f"rolling disk {volume.id} back ended in status {volume.status!r}",
                hint="Roll it back again. If that fails too, make a new disk of the snapshot "
                "(--as NAME), and ask the cloud's support.",
                seen=volume.status,
            )
        elif volume.status == "available" and (begun or passed >= _QUIET):
            return volume
    raise AssertionError("unreachable")


def _watched(
    work: Work,
    volume: Volume,
    snapshot: Snapshot | None = None,
    *,
    every: Iterable[float],
    timeout: float,
) -> Iterator[tuple[Volume, Snapshot | None]]:
    """Yield the disk, and the snapshot if one is given, as they are now, ``every`` few seconds.

    Raises WaitTimeoutError once ``timeout`` seconds are over or the run is asked to stop;
    what the service has begun goes on.
    """
    clock = work.clock
    last_seen, trouble = clock.monotonic(), ""
    deadline = last_seen + timeout
    client = work.client.until(deadline)
    for pause in every:
        try:
            volume = client.volume(volume.id)
            beside = snapshot and work.snapshot(snapshot.id)
        except NotFoundError as error:
            if clock.monotonic() - last_seen >= GONE_AFTER:
                gone = f"disk {volume.id} is gone: somebody deleted it"
                raise RestoreFailedError(gone, seen="deleted") from error
        except PASSING as error:
            trouble = f"; the last look failed: {error.message}"
        else:
            last_seen, trouble = clock.monotonic(), ""
            yield volume, beside
        left = deadline - clock.monotonic()
        if left <= 0 or work.stop.asked:
            break
        clock.sleep(min(left, pause))
    when = "when the run was stopped" if work.stop.asked else f"after {timeout:.0f} s"
    raise WaitTimeoutError(
        f"disk {volume.id} was still {volume.status!r} {when}{trouble}",
        hint=f"The cloud goes on with it; `evs-snap volumes --volume {volume.id}` shows when it is "
        "available. A longer --timeout waits longer.",
        seen=volume.status,
    )
