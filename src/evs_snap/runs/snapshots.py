"""Snapshots of many disks: taken, pruned, deleted and awaited, each from gather to report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from evs_snap.api.models import DEFAULT_POLICY
from evs_snap.api.refusals import STANDARD_REGION, USE_CONSOLE, is_unexplained
from evs_snap.errors import EvsSnapError, InterruptedRunError, LockedError
from evs_snap.plan.naming import DEFAULT_TEMPLATE, Template
from evs_snap.plan.plan import DiskPlan, plan_create, plan_prune
from evs_snap.plan.request import CreateRequest, check_policy
from evs_snap.plan.selection import Selection
from evs_snap.runs.apply import awaited, carry_out
from evs_snap.runs.delete import delete_item, require_ours
from evs_snap.runs.gather import Gathered, disks_of, find_snapshots, gather
from evs_snap.runs.locks import DiskLocks, Held
from evs_snap.runs.report import Action, Item, RunRecord, failed, planned, usages_after
from evs_snap.runs.wait import await_available
from evs_snap.runs.work import DELETE_TIMEOUT, Work, confirm_all, no_progress
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.plan.retention import Keep

Confirm = Callable[[Sequence[Item]], bool]
Progress = Callable[[str], None]


def create_snapshots(  # noqa: PLR0913 - what a user may say of it
    evs: EvsClient,
    *volumes: str,
    selection: Selection | None = None,
    name: str = DEFAULT_TEMPLATE,
    description: str | None = None,
    properties: Mapping[str, str] | None = None,
    policy: str = DEFAULT_POLICY,
    once_per: str | None = None,
    limit: int | None = None,
    replace_oldest: bool = False,
    keep: Keep | None = None,
    wait: bool = True,
    timeout: float = 900.0,
    parallel: int = 4,
    lock_wait: float = 0.0,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> RunRecord:
    """Take a snapshot of each disk, see it usable and, with ``keep``, prune.

    The disks are ``volumes`` (names or IDs), or what ``selection`` selects. At most one
    snapshot a disk is made, however the network fails; with ``once_per`` ("hour", "day",
    "week"; UTC) at most one a period. A disk that holds ``limit`` snapshots (default: what
    is configured for the cloud, else 7) is refused and nothing is sent, or its oldest own
    unneeded one is deleted first (``replace_oldest``). ``timeout`` and ``lock_wait`` are
    seconds. What the rules of ``keep`` give up is deleted once the new snapshot is usable.

    Raises ConfigurationError, SelectionError, AmbiguousError and what keeps the disks from
    being listed; from there on every failure is an item of the record.
    """
    request = CreateRequest(
        template=Template(name),
        description=description,
        properties=properties or {},
        policy=policy,
        limit=limit or evs.limit,
        replace=replace_oldest,
        once_per=once_per,
        keep=keep,
    )
    work = Work(
        client=evs,
        locks=_locks(evs, wait=lock_wait, progress=progress),
        progress=progress,
        parallel=parallel,
        timeout=timeout if wait else None,
        dry_run=dry_run,
    )
    with _gathered(work, selection or Selection(volumes=volumes)) as (gathered, held):
        plans = plan_create(
            gathered.volumes,
            gathered.by_volume,
            request,
            now=evs.service_now,
            new_id=work.clock.new_id,
        )
        command = "rotate" if keep else "create"
        record = _applied(work, plans, held, command=command, keep=keep, policy=policy)
    _explain(evs, record.items)
    return _completed(record, gathered, limit=request.limit)


def prune_snapshots(  # noqa: PLR0913 - what a user may say of it
    evs: EvsClient,
    *volumes: str,
    keep: Keep,
    selection: Selection | None = None,
    policy: str = DEFAULT_POLICY,
    lock_wait: float = 0.0,
    dry_run: bool = False,
    confirm: Confirm = confirm_all,
    progress: Progress = no_progress,
) -> RunRecord:
    """Delete what the rules give up of the snapshots under ``policy``, and see it gone.

    ``confirm`` is given what would be deleted, and says whether to go on. Raises as
    create_snapshots does.
    """
    check_policy(policy)
    work = Work(
        client=evs,
        locks=_locks(evs, wait=lock_wait, progress=progress),
        progress=progress,
        confirm=confirm,
        timeout=DELETE_TIMEOUT,
        dry_run=dry_run,
    )
    with _gathered(work, selection or Selection(volumes=volumes)) as (gathered, held):
        plans = plan_prune(
            gathered.volumes, gathered.by_volume, keep, policy=policy, now=evs.service_now
        )
        going = [item for plan in plans for item in planned(plan) if item.action != Action.KEPT]
        if going and not work.dry_run and not work.confirm(going):
            record = RunRecord("prune", tuple(_declined(item) for item in going))
        else:
            record = _applied(work, plans, held, command="prune", keep=keep, policy=policy)
    return _completed(record, gathered, limit=evs.limit)


def delete_snapshots(
    evs: EvsClient,
    *snapshots: str,
    foreign: bool = False,
    lock_wait: float = 0.0,
    dry_run: bool = False,
    confirm: Confirm = confirm_all,
    progress: Progress = no_progress,
) -> RunRecord:
    """Delete these snapshots (IDs, or names that only one has), and see them gone.

    ``foreign`` allows those that do not carry our stamp; those of a backup service are
    refused always. Raises SelectionError or AmbiguousError for a name that is not clear.
    """
    work = Work(
        client=evs,
        locks=_locks(evs, wait=lock_wait, progress=progress),
        progress=progress,
        confirm=confirm,
        dry_run=dry_run,
    )
    found = find_snapshots(evs, snapshots)
    disks = disks_of(evs, found)
    items = [_deletable(s, disks.get(s.volume_id), foreign=foreign) for s in found]
    going = [item for item in items if item.error is None]
    if work.dry_run:
        return RunRecord("delete", tuple(items), dry_run=True)
    if going and not work.confirm(going):
        return RunRecord("delete", tuple(i if i.error else _declined(i) for i in items))
    work.stop.begin()
    names = {s.volume_id: s.volume_id for s in found} | {
        v.id: v.name or v.id for v in disks.values()
    }
    with work.locks.held(names) as held:
        return RunRecord(
            "delete",
            tuple(_deleted(work, item, held, foreign=foreign) for item in items),
            signal_code=work.stop.code,
        )


def wait_for_snapshots(
    evs: EvsClient,
    *snapshots: str,
    timeout: float = 900.0,
    progress: Progress = no_progress,
) -> RunRecord:
    """Wait until these snapshots (IDs, or names that only one has) can be used.

    ``timeout`` is seconds for all together. Raises SelectionError or AmbiguousError for a
    name that is not clear.
    """
    work = Work(client=evs, locks=_locks(evs, wait=0.0, progress=progress), progress=progress)
    found = find_snapshots(evs, snapshots)
    disks = disks_of(evs, found)
    items = [Item(Action.READY, disks.get(s.volume_id), s) for s in found]
    work.stop.begin()  # from here on the record says how far each has come
    settled = await_available(work, found, timeout=timeout)
    return RunRecord(
        "wait",
        tuple(awaited(item, settled) for item in items),
        signal_code=work.stop.code,
    )


def _locks(evs: EvsClient, *, wait: float, progress: Progress) -> DiskLocks:
    return DiskLocks(
        state_folder(os.environ) / "locks",
        project_id=evs.project_id,
        wait=wait,
        clock=evs.clock,
        progress=progress,
    )


def _deletable(snapshot: Snapshot, volume: Volume | None, *, foreign: bool) -> Item:
    try:
        require_ours(snapshot, foreign=foreign)
    except EvsSnapError as error:
        return Item(Action.REFUSED, volume, snapshot, (error.message,), error=error)
    return Item(Action.PLANNED, volume, snapshot, ("would delete",))


def _deleted(work: Work, item: Item, held: Held, *, foreign: bool) -> Item:
    snapshot = item.snapshot
    if item.error is not None or snapshot is None:
        return item
    locked = held.refused.get(snapshot.volume_id)
    item = replace(item, action=Action.DELETED, reasons=())
    if locked is not None:
        return failed(item, locked)
    if work.stop.asked:
        return failed(item, InterruptedRunError("not begun: the run was stopped"))
    work.progress(f"deleting {snapshot.name or snapshot.id}")
    return delete_item(work, item, foreign=foreign)


def _declined(item: Item) -> Item:
    return replace(item, action=Action.KEPT, reasons=("not confirmed",))


@contextmanager
def _gathered(work: Work, selection: Selection) -> Iterator[tuple[Gathered, Held]]:
    """Gather, hold the disks' locks, and gather anew where that is no longer true."""
    if work.dry_run:
        yield gather(work.client, selection), Held()
        return
    work.locks.mark()
    gathered = gather(work.client, selection)
    names = {v.id: v.name or v.id for v in gathered.volumes}
    with work.locks.held(names) as held:
        if held.is_stale:
            gathered = gather(work.client, selection)
            for volume in gathered.volumes:
                # Say, a disk made anew under the name asked for: it must not be passed over.
                if volume.id not in names:
                    held.refused[volume.id] = LockedError(
                        "the disk appeared while this run waited for another",
                        hint="Try again: the next run takes it up.",
                    )
        yield gathered, held


def _applied(
    work: Work,
    plans: Sequence[DiskPlan],
    held: Held,
    *,
    command: str,
    keep: Keep | None,
    policy: str,
) -> RunRecord:
    if work.dry_run:
        items = [item for plan in plans for item in planned(plan)]
        return RunRecord(command, tuple(items), dry_run=True)
    plans = [
        DiskPlan(plan.volume, refusal=locked, reasons=(locked.message,))
        if (locked := held.refused.get(plan.volume.id))
        else plan
        for plan in plans
    ]
    items = carry_out(work, plans, keep=keep, policy=policy)
    return RunRecord(command, tuple(items), signal_code=work.stop.code)


def _explain(evs: EvsClient, items: Sequence[Item]) -> None:
    """Add a hint to refusals that name no reason, where the region may be it.

    The region is asked once, after all else: what it answers can spoil nothing then.
    """
    odd = {item.error for item in items if item.snapshot is None and is_unexplained(item.error)}
    if odd and not evs.clock.stop.asked and evs.has_standard_snapshots():
        for error in odd:
            error.hint = (
                f"{error.hint or ''} A possible reason: {STANDARD_REGION}. {USE_CONSOLE}".lstrip()
            )


def _completed(record: RunRecord, gathered: Gathered, *, limit: int) -> RunRecord:
    remark = "" if gathered.volumes else "no disk selected is in this shard: nothing to do"
    usages = usages_after(record.items, gathered.volumes, gathered.by_volume, limit=limit)
    return replace(record, remark=remark, usages=usages)
