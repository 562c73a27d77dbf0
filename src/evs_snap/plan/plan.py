"""The plan for each disk: what to delete, create and keep, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evs_snap.api.models import STAMP_BUCKET, Snapshot
from evs_snap.errors import EvsSnapError
from evs_snap.plan.request import NewSnapshot, new_snapshot_for
from evs_snap.plan.retention import Keep, Verdict, judge
from evs_snap.plan.slots import given_up, holders, limit_error, replaceable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from evs_snap.api.models import Volume
    from evs_snap.plan.request import CreateRequest


@dataclass(frozen=True, slots=True)
class Removal:
    """A snapshot to delete, and why."""

    snapshot: Snapshot
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """The steps for one disk, in this order; a step is taken only if the last one succeeded.

    1. Delete ``free_slots``. 2. Create ``new``, or check that ``reuse`` is usable.
    3. Delete ``prune``. ``keep`` stays. ``refusal`` says why there are no steps.
    """

    volume: Volume
    free_slots: tuple[Removal, ...] = ()
    new: NewSnapshot | None = None
    reuse: Snapshot | None = None
    prune: tuple[Removal, ...] = ()
    keep: tuple[Verdict, ...] = ()
    refusal: EvsSnapError | None = None
    reasons: tuple[str, ...] = ()


def plan_create(
    volumes: Sequence[Volume],
    snapshots: Mapping[str, Sequence[Snapshot]],
    request: CreateRequest,
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> list[DiskPlan]:
    """Decide for each disk how it gets its snapshot. Plans come in the order of ``volumes``.

    ``snapshots`` are all snapshots of these disks, by volume ID. ``now`` is in UTC.
    ``new_id`` returns a new unique key at each call.
    """
    return [
        _plan_disk(volume, snapshots.get(volume.id, ()), request, now=now, new_id=new_id)
        for volume in volumes
    ]


def plan_prune(
    volumes: Sequence[Volume],
    snapshots: Mapping[str, Sequence[Snapshot]],
    keep: Keep,
    *,
    policy: str,
    now: datetime,
) -> list[DiskPlan]:
    """Decide for each disk which snapshots under ``policy`` the rules no longer keep.

    ``snapshots`` are all snapshots of these disks, by volume ID. ``now`` is in UTC.
    """
    return [
        _pruned(DiskPlan(volume), snapshots.get(volume.id, ()), keep, policy=policy, now=now)
        for volume in volumes
    ]


def judged_again(
    plan: DiskPlan,
    snapshots: Sequence[Snapshot],
    keep: Keep,
    *,
    policy: str,
    now: datetime,
    new_id: str | None,
) -> DiskPlan:
    """Return the plan, its ``prune`` reduced to what the rules still delete.

    ``snapshots`` are those of the disk, read again after the new one was seen usable, so
    that the rules judge what is there by the service's own dates. ``new_id`` is the ID of
    the new or reused snapshot, None where the run has none. If it is not among them, or
    not usable, nothing is deleted. ``now`` is the service's time, in UTC. ``keep`` becomes
    the verdicts on all other snapshots under ``policy``.
    """
    planned = {removal.snapshot.id for removal in plan.prune}
    here = [s for s in snapshots if s.volume_id == plan.volume.id]
    if new_id is not None and not any(s.id == new_id and s.is_usable for s in here):
        planned = set()
    verdicts = [
        v
        for v in judge((s for s in here if s.policy == policy), keep, now=now)
        if v.snapshot.id != new_id
    ]
    return replace(
        plan,
        prune=tuple(
            Removal(v.snapshot, v.reasons) for v in given_up(verdicts) if v.snapshot.id in planned
        ),
        keep=tuple(
            v if v.keep else replace(v, keep=True, reasons=(*v.reasons, "left to the next run"))
            for v in verdicts
            if v.keep or v.snapshot.id not in planned
        ),
    )


def _plan_disk(
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: CreateRequest,
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> DiskPlan:
    try:
        plan = _reused(volume, snapshots, request, now=now)
        if plan is None:
            plan = _created(volume, snapshots, request, now=now, key=new_id())
    except EvsSnapError as refusal:
        return DiskPlan(volume, refusal=refusal, reasons=(refusal.message,))
    if request.keep is None:
        return plan
    return _pruned(plan, snapshots, request.keep, policy=request.policy, now=now)


def _reused(
    volume: Volume, snapshots: Sequence[Snapshot], request: CreateRequest, *, now: datetime
) -> DiskPlan | None:
    """Return a plan that uses this period's snapshot, or None where there is none yet."""
    bucket = request.bucket(now)
    if bucket is None:
        return None
    made = [
        s
        for s in snapshots
        if s.policy == request.policy
        and s.metadata.get(STAMP_BUCKET) == bucket
        and not s.is_system
        and s.status in {"available", "creating"}
    ]
    if not made:
        return None
    best = min(made, key=lambda s: (not s.is_usable, s.age_key))
    return DiskPlan(volume, reuse=best, reasons=(f"already made for {bucket}",))


def _created(
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: CreateRequest,
    *,
    now: datetime,
    key: str,
) -> DiskPlan:
    new = new_snapshot_for(volume, snapshots, request, now=now, key=key)
    removals = _to_free_slots(snapshots, request, new, now=now)
    slot = len(holders(snapshots)) - len(removals) + 1
    replaced = tuple(f"in place of {removal.snapshot.id}" for removal in removals)
    return DiskPlan(
        volume,
        free_slots=removals,
        new=new,
        reasons=(f"slot {slot} of {request.limit}", *replaced),
    )


def _to_free_slots(
    snapshots: Sequence[Snapshot], request: CreateRequest, new: NewSnapshot, *, now: datetime
) -> tuple[Removal, ...]:
    """Return what to delete before there is a free slot; LimitError if that is not possible."""
    held = holders(snapshots)
    needed = len(held) - request.limit + 1
    if needed <= 0:
        return ()
    own = [s for s in snapshots if s.policy == request.policy]
    unneeded: tuple[Removal, ...] = ()
    in_use: set[str] = set()
    if request.keep is not None:
        why = ("to free a slot", "given up by the rules")
        verdicts = given_up(judge(own, request.keep, now=now))
        unneeded = tuple(Removal(v.snapshot, why) for v in verdicts[:needed])
        if len(unneeded) == needed:
            return unneeded
        after = judge([*own, new.as_made(own, now=now)], request.keep, now=now)
        in_use = {v.snapshot.id for v in after if v.keep} | {r.snapshot.id for r in unneeded}
    oldest = replaceable(snapshots, policy=request.policy, besides=frozenset(in_use), now=now)
    if request.replace and needed == len(unneeded) + 1 and oldest is not None:
        why = ("to free a slot", f"oldest of policy {request.policy}")
        return (*unneeded, Removal(oldest, why))
    raise limit_error(held, limit=request.limit)


def _pruned(
    plan: DiskPlan, snapshots: Sequence[Snapshot], keep: Keep, *, policy: str, now: datetime
) -> DiskPlan:
    """Return the plan with what the rules delete once its new snapshot exists.

    The snapshot that this run makes or reuses always stays.
    """
    gone = {removal.snapshot.id for removal in plan.free_slots}
    pool = [s for s in snapshots if s.policy == policy and s.id not in gone]
    new = plan.reuse
    if plan.new is not None:
        new = plan.new.as_made(pool, now=now)
        pool.append(new)
    verdicts = judge(pool, keep, now=now)
    others = [v for v in verdicts if new is None or v.snapshot.id != new.id]
    of_new = next((v.reasons for v in verdicts if v.keep and new and v.snapshot.id == new.id), ())
    return replace(
        plan,
        prune=tuple(Removal(v.snapshot, v.reasons) for v in given_up(others)),
        keep=tuple(v for v in others if v.keep),
        reasons=(*plan.reasons, *((f"kept as {', '.join(of_new)}",) if of_new else ())),
    )
