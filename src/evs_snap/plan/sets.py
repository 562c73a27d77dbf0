"""Sets: snapshots of several disks made at one instant, which are kept and deleted as one.

Each disk's rules judge the set's member on that disk. A set is given up only once all of its
members are. A set that is not whole counts as failed: see ``retention.judge``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime

from evs_snap.errors import ConfigurationError, EvsSnapError
from evs_snap.plan.creation import is_of_period
from evs_snap.plan.plan import DiskPlan
from evs_snap.plan.request import Request
from evs_snap.plan.retention import Members, Verdict, broken, judge, newer_usable
from evs_snap.plan.slots import given_up, holders, limit_error
from evs_snap.services.interface import Snapshot, Volume

KEPT_WITH_ITS_SET = "kept with its set"


def require_one_set(volumes: Sequence[Volume], *, most: int) -> None:
    """Raise ConfigurationError where no set can be made of these disks.

    Source: https://support.huaweicloud.com/intl/en-us/usermanual-evs/evs_01_2714.html
    """
    if len(volumes) > most:
        raise ConfigurationError(
            f"--together: {len(volumes)} disks are selected, and a set has at most {most}",
            hint="Select fewer, say by --server; each run makes a set of its own.",
        )
    zones = sorted({volume.availability_zone or "" for volume in volumes})
    if len(zones) > 1:
        raise ConfigurationError(
            f"--together: the disks are in {len(zones)} zones ({', '.join(zones)}), and a set is "
            "of one zone",
            hint="Run once for each zone.",
        )


def reusable(
    members: Members, volumes: Collection[Volume], request: Request, *, now: datetime
) -> str | None:
    """Return the ID of the period's whole set of exactly these disks, the oldest; else None."""
    bucket = request.bucket(now)
    if bucket is None:
        return None
    disks = {volume.id: volume for volume in volumes}
    failed = broken(members)

    def fits(rows: Sequence[Snapshot]) -> bool:
        return {row.volume_id for row in rows} == disks.keys() and all(
            is_of_period(
                row, disks[row.volume_id], policy=request.policy, bucket=bucket, held=False
            )
            for row in rows
        )

    found = [rows for set_id, rows in members.items() if set_id not in failed and fits(rows)]
    return min(found, key=lambda rows: min(r.age_key for r in rows))[0].set_id if found else None


def as_one(
    plans: Sequence[DiskPlan], members: Members, request: Request, *, now: datetime
) -> list[DiskPlan]:
    """Return the plans with each set kept or deleted as one; with ``together``, made as one.

    ``now`` is the service's time, in UTC.
    """
    going = {r.snapshot.id for plan in plans for r in (*plan.free_slots, *plan.prune)}
    early = {r.snapshot.id for plan in plans for r in plan.free_slots} | {
        row.id for plan in plans for row in already_given_up(plan, request, now=now)
    }
    names = {plan.volume.id: plan.volume.name or plan.volume.id for plan in plans}
    kept = {
        set_id: _why_it_stays(held, names)
        for set_id, rows in members.items()
        if (held := [row for row in rows if row.id not in going])
    }
    late = {set_id for set_id, rows in members.items() if not {r.id for r in rows} <= early}
    settled = [_settled(plan, request, kept=kept, late=late) for plan in plans]
    if request.together:
        one = f"in one set of {len(plans)}"
        settled = [
            replace(plan, reasons=(*plan.reasons, one)) if plan.new else plan for plan in settled
        ]
    refused = next((plan for plan in settled if plan.refusal is not None), None)
    if request.together and refused is not None and refused.refusal is not None:
        error = for_all(refused.refusal, disk=refused.volume.name or refused.volume.id)
        return [refusing(plan, error) for plan in settled]
    return settled


def already_given_up(plan: DiskPlan, request: Request, *, now: datetime) -> list[Snapshot]:
    """Return the members of sets that may go before the new snapshot of their disk is made."""
    rows = plan.seen.values()
    own = [s for s in rows if s.policy == request.policy]
    if not any(s.set_id for s in own):
        return []
    if request.keep is not None:
        verdicts = given_up(judge(own, request.keep, now=now, broken=plan.broken))
        return [v.snapshot for v in verdicts]
    return [s for s in own if request.replace and newer_usable(rows, than=s, now=now)]


def for_all(error: EvsSnapError, *, disk: str) -> EvsSnapError:
    """Return the error of one disk as that of all: none of them was taken then."""
    told = copy(error)
    told.message = f"disk {disk}: {error.message}; so no disk was taken"
    return told


def refusing(plan: DiskPlan, error: EvsSnapError) -> DiskPlan:
    """Return the plan with no step left, for that reason."""
    return DiskPlan(
        plan.volume, refusal=error, reasons=(error.message,), seen=plan.seen, broken=plan.broken
    )


def _why_it_stays(held: Sequence[Snapshot], names: Mapping[str, str]) -> str:
    """Say which disk keeps a set; ``names`` are those of the run's disks by ID."""
    row = min(held, key=lambda row: (row.volume_id in names, row.volume_id))
    if row.volume_id not in names:
        return f"{KEPT_WITH_ITS_SET}: this run does not cover disk {row.volume_id}"
    why = "its snapshot is pinned" if row.is_pinned else "the rules keep its snapshot"
    return f"{KEPT_WITH_ITS_SET}: disk {names[row.volume_id]}, {why}"


def _settled(
    plan: DiskPlan, request: Request, *, kept: Mapping[str, str], late: Collection[str]
) -> DiskPlan:
    if any(r.snapshot.set_id in late for r in plan.free_slots):
        error = limit_error(holders(plan.seen.values()), limit=request.limit)
        return refusing(plan, error)
    stay = [r for r in plan.prune if r.snapshot.set_id in kept]
    if not stay:
        return plan
    verdicts = [
        Verdict(r.snapshot, keep=True, reasons=(*r.reasons, kept[r.snapshot.set_id or ""]))
        for r in stay
    ]
    return replace(
        plan,
        prune=tuple(r for r in plan.prune if r not in stay),
        keep=(*plan.keep, *verdicts),
    )
