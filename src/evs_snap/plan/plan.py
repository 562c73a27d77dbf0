"""The plan for each disk: what to delete, create and keep, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from evs_snap.errors import EvsSnapError
from evs_snap.plan.creation import NewSnapshot, is_of_period, new_snapshot_for
from evs_snap.plan.request import Request
from evs_snap.plan.retention import Verdict, judge, pinned
from evs_snap.plan.slots import given_up, holders, limit_error, replaceable
from evs_snap.services.interface import Snapshot, Volume


@dataclass(frozen=True, slots=True)
class Removal:
    """A snapshot to delete, and why."""

    snapshot: Snapshot
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """The steps for one disk, in this order; a step is taken only if the last one succeeded.

    1. Delete ``free_slots``. 2. Create ``new``, or check that ``reuse`` is usable.
    3. Delete ``prune``. ``keep`` stays. ``refusal`` says why there are no steps. ``seen`` are
    the disk's snapshots by ID that this was decided on, ``broken`` the IDs of sets that are not
    whole.
    """

    volume: Volume
    free_slots: tuple[Removal, ...] = ()
    new: NewSnapshot | None = None
    reuse: Snapshot | None = None
    prune: tuple[Removal, ...] = ()
    keep: tuple[Verdict, ...] = ()
    refusal: EvsSnapError | None = None
    reasons: tuple[str, ...] = ()
    seen: Mapping[str, Snapshot] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()


def plan_disk(  # noqa: PLR0913 - what a plan depends on
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: Request,
    *,
    now: datetime,
    new_id: Callable[[], str],
    besides: Collection[str] = (),
    broken: frozenset[str] = frozenset(),
    reusable: str | None = None,
) -> DiskPlan:
    """Decide what a run does to one disk that holds ``snapshots``.

    ``now`` is the service's time, in UTC. ``new_id`` returns a new unique key. ``besides`` are
    IDs of snapshots that are not to be deleted to free a slot, as the service refused to.
    ``broken`` and ``reusable`` are IDs of sets: of those that are not whole, and of the one that
    a run of several disks at one instant may take in place of a new one. See `sets`.
    """
    seen = {snapshot.id: snapshot for snapshot in snapshots}
    plan = DiskPlan(volume, seen=seen, broken=broken)
    if request.command != "prune":
        try:
            reused = _reused(plan, request, now=now, reusable=reusable)
            plan = reused or _created(plan, request, now=now, key=new_id(), besides=besides)
        except EvsSnapError as refusal:
            return replace(plan, refusal=refusal, reasons=(refusal.message,))
    return _pruned(plan, request, now=now)


def judged_again(
    plan: DiskPlan,
    snapshots: Sequence[Snapshot],
    request: Request,
    *,
    now: datetime,
    new_id: str | None,
) -> DiskPlan:
    """Return the plan, its ``prune`` reduced to what the rules still delete.

    ``snapshots`` are those of the disk, read again after the new one was seen usable, so
    that the rules judge what is there by the service's own dates. ``new_id`` is the ID of
    the new or reused snapshot, None where the run has none. If it is not among them, or
    not usable, nothing is deleted. ``now`` is the service's time, in UTC. ``keep`` becomes
    the verdicts on all other snapshots under the policy.
    """
    if request.keep is None:
        return replace(plan, prune=(), keep=())
    planned = {removal.snapshot.id for removal in plan.prune}
    here = [s for s in snapshots if s.volume_id == plan.volume.id]
    if new_id is not None and not any(s.id == new_id and s.is_usable for s in here):
        planned = set()
    own = (s for s in here if s.policy == request.policy)
    said = {v.snapshot.id: v for v in plan.keep if v.snapshot.set_id}
    verdicts = [
        v for v in judge(own, request.keep, now=now, broken=plan.broken) if v.snapshot.id != new_id
    ]
    return replace(
        plan,
        prune=tuple(
            Removal(v.snapshot, v.reasons) for v in given_up(verdicts) if v.snapshot.id in planned
        ),
        keep=(
            *(
                v
                if v.keep
                else said.get(v.snapshot.id)
                or replace(v, keep=True, reasons=(*v.reasons, "left to the next run"))
                for v in verdicts
                if v.keep or v.snapshot.id not in planned
            ),
            *pinned(here),
        ),
    )


def _reused(
    plan: DiskPlan, request: Request, *, now: datetime, reusable: str | None
) -> DiskPlan | None:
    """Return a plan that uses this period's snapshot, or None where there is none yet."""
    bucket = request.bucket(now)
    if bucket is None:
        return None
    held = request.hold is not None
    made = [
        s
        for s in plan.seen.values()
        if is_of_period(s, plan.volume, policy=request.policy, bucket=bucket, held=held)
        and (s.set_id == reusable if request.together else s.set_id not in plan.broken)
    ]
    if not made or (request.together and reusable is None):
        return None
    best = min(made, key=lambda s: (not s.is_usable, s.age_key))
    return replace(plan, reuse=best, reasons=(f"already made for {bucket}",))


def _created(
    plan: DiskPlan, request: Request, *, now: datetime, key: str, besides: Collection[str]
) -> DiskPlan:
    snapshots = list(plan.seen.values())
    new = new_snapshot_for(plan.volume, snapshots, request, now=now, key=key)
    removals = _to_free_slots(plan, request, new, now=now, besides=besides)
    slot = len(holders(snapshots)) - len(removals) + 1
    replaced = tuple(f"in place of {removal.snapshot.id}" for removal in removals)
    return replace(
        plan,
        free_slots=removals,
        new=new,
        reasons=(f"slot {slot} of {request.limit}", *replaced),
    )


def _to_free_slots(
    plan: DiskPlan,
    request: Request,
    new: NewSnapshot,
    *,
    now: datetime,
    besides: Collection[str],
) -> tuple[Removal, ...]:
    """Return what to delete before there is a free slot; LimitError if that is not possible."""
    snapshots = list(plan.seen.values())
    held = holders(snapshots)
    needed = len(held) - request.limit + 1
    if needed <= 0:
        return ()
    own = [s for s in snapshots if s.policy == request.policy]
    unneeded: tuple[Removal, ...] = ()
    in_use: set[str] = set()
    if request.keep is not None:
        why = ("to free a slot", "given up by the rules")
        verdicts = given_up(judge(own, request.keep, now=now, broken=plan.broken))
        free = [v.snapshot for v in verdicts if v.snapshot.id not in besides]
        unneeded = tuple(Removal(snapshot, why) for snapshot in free[:needed])
        if len(unneeded) == needed:
            return unneeded
        made = new.as_made(own, now=now)
        after = judge([*own, made], request.keep, now=now, broken=plan.broken)
        in_use = {v.snapshot.id for v in after if v.keep} | {r.snapshot.id for r in unneeded}
    spared = frozenset(in_use.union(besides))
    oldest = replaceable(snapshots, policy=request.policy, besides=spared, now=now)
    if request.replace and needed == len(unneeded) + 1 and oldest is not None:
        why = ("to free a slot", f"oldest of policy {request.policy}")
        return (*unneeded, Removal(oldest, why))
    replacing = request.policy if request.replace else None
    raise limit_error(held, limit=request.limit, replacing=replacing)


def _pruned(plan: DiskPlan, request: Request, *, now: datetime) -> DiskPlan:
    """Return the plan with what the rules delete once its new snapshot exists.

    The snapshot that this run makes or reuses always stays.
    """
    if request.keep is None:
        return plan
    gone = {removal.snapshot.id for removal in plan.free_slots}
    snapshots = plan.seen.values()
    pool = [s for s in snapshots if s.policy == request.policy and s.id not in gone]
    new = plan.reuse
    if plan.new is not None:
        new = plan.new.as_made(pool, now=now)
        pool.append(new)
    verdicts = judge(pool, request.keep, now=now, broken=plan.broken)
    others = [v for v in verdicts if new is None or v.snapshot.id != new.id]
    of_new = next((v.reasons for v in verdicts if v.keep and new and v.snapshot.id == new.id), ())
    return replace(
        plan,
        prune=tuple(Removal(v.snapshot, v.reasons) for v in given_up(others)),
        keep=(*(v for v in others if v.keep), *pinned(snapshots)),
        reasons=(*plan.reasons, *((f"kept as {', '.join(of_new)}",) if of_new else ())),
    )
