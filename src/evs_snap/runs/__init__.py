"""The changing commands from gather to report."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evs_snap.errors import EvsSnapError, InterruptedRunError, LockedError
from evs_snap.plan.plan import DiskPlan, plan_create, plan_prune
from evs_snap.runs.apply import carry_out, planned
from evs_snap.runs.delete import delete_one, failed, require_ours
from evs_snap.runs.gather import Gathered, gather
from evs_snap.runs.locks import DiskLocks, Held
from evs_snap.runs.report import Action, Item, RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evs_snap.api.models import Snapshot
    from evs_snap.plan.request import CreateRequest
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection
    from evs_snap.runs.work import Work


@dataclass(frozen=True, slots=True)
class Orders:
    """How a changing run proceeds.

    ``confirm`` is shown what would be deleted, and says whether to go on.
    """

    locks: DiskLocks
    dry_run: bool = False
    confirm: Callable[[Sequence[Item]], bool] = lambda _items: True


def make(
    work: Work, selection: Selection, request: CreateRequest, *, command: str, orders: Orders
) -> RunRecord:
    """Take a snapshot of each disk selected, see it usable and, with KEEP rules, prune.

    Raises what keeps the run from having a plan; from there on every failure is an
    item of the record.
    """
    with _gathered(work, selection, orders) as (gathered, held):
        plans = plan_create(
            gathered.volumes,
            gathered.by_volume,
            request,
            now=work.clock.now(),
            new_id=work.clock.new_id,
        )
        return _applied(work, plans, held, command=command, orders=orders)


def prune(
    work: Work, selection: Selection, keep: Keep, *, policy: str, orders: Orders
) -> RunRecord:
    """Delete what the rules give up of the snapshots under ``policy``."""
    with _gathered(work, selection, orders) as (gathered, held):
        plans = plan_prune(
            gathered.volumes, gathered.by_volume, keep, policy=policy, now=work.clock.now()
        )
        doomed = [item for plan in plans for item in planned(plan) if item.action != Action.KEPT]
        if doomed and not orders.dry_run and not orders.confirm(doomed):
            return RunRecord("prune", tuple(_declined(item) for item in doomed))
        return _applied(work, plans, held, command="prune", orders=orders)


def remove(
    work: Work, snapshots: Sequence[Snapshot], *, foreign: bool, orders: Orders
) -> RunRecord:
    """Delete these snapshots; ``foreign`` allows those that do not carry our stamp."""
    items = [_removable(snapshot, foreign=foreign) for snapshot in snapshots]
    doomed = [item for item in items if item.error is None]
    if orders.dry_run:
        return RunRecord("delete", tuple(items), dry_run=True)
    if doomed and not orders.confirm(doomed):
        return RunRecord("delete", tuple(i if i.error else _declined(i) for i in items))
    work.stop.begin()
    with orders.locks.held(sorted({s.volume_id for s in snapshots})) as held:
        return RunRecord(
            "delete",
            tuple(_removed(work, item, held, foreign=foreign) for item in items),
            signal_code=work.stop.code,
        )


def _removable(snapshot: Snapshot, *, foreign: bool) -> Item:
    try:
        require_ours(snapshot, foreign=foreign)
    except EvsSnapError as error:
        return Item(Action.REFUSED, None, snapshot, (error.message,), error=error)
    return Item(Action.PLANNED, None, snapshot, ("would delete",))


def _removed(work: Work, item: Item, held: Held, *, foreign: bool) -> Item:
    snapshot = item.snapshot
    if item.error is not None or snapshot is None:
        return item
    locked = held.refused.get(snapshot.volume_id)
    item = replace(item, action=Action.DELETED, reasons=())
    if locked is not None:
        return failed(item, locked)
    if work.stop.asked:
        return failed(item, InterruptedRunError("not begun: the run was stopped"))
    work.tell(f"deleting {snapshot.name or snapshot.id}")
    return delete_one(work, item, foreign=foreign)


def _declined(item: Item) -> Item:
    return replace(item, action=Action.KEPT, reasons=(*item.reasons, "but kept: not confirmed"))


@contextmanager
def _gathered(work: Work, selection: Selection, orders: Orders) -> Iterator[tuple[Gathered, Held]]:
    """Gather, hold the disks' locks, and gather anew where that is no longer true."""
    if orders.dry_run:
        yield gather(work.client, selection), Held()
        return
    orders.locks.mark()
    gathered = gather(work.client, selection)
    ids = [v.id for v in gathered.volumes]
    with orders.locks.held(ids) as held:
        if held.is_stale:
            gathered = gather(work.client, selection)
            for volume in gathered.volumes:
                # Say, a disk made anew under the name asked for: it must not be passed over.
                if volume.id not in ids:
                    held.refused[volume.id] = LockedError(
                        "the disk turned up while this run waited for another",
                        hint="Try again: the next run takes it up.",
                    )
        yield gathered, held


def _applied(
    work: Work, plans: Sequence[DiskPlan], held: Held, *, command: str, orders: Orders
) -> RunRecord:
    if orders.dry_run:
        items = [item for plan in plans for item in planned(plan)]
        return RunRecord(command, tuple(items), dry_run=True)
    plans = [
        DiskPlan(plan.volume, refusal=locked, reasons=(locked.message,))
        if (locked := held.refused.get(plan.volume.id))
        else plan
        for plan in plans
    ]
    items = carry_out(work, plans)
    return RunRecord(command, tuple(items), signal_code=work.stop.code)
