"""Snapshots of many disks: taken and pruned, each from request to record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack

from evs_snap.errors import ConfigurationError, EvsSnapError, LockedError
from evs_snap.plan.plan import DiskPlan, plan_disk
from evs_snap.plan.request import Command, CreateWords, PruneWords, Request
from evs_snap.plan.retention import Keep, broken
from evs_snap.plan.selection import Selection
from evs_snap.plan.sets import as_one, for_all, refusing, require_one_set, reusable
from evs_snap.runs.gather import Gathered, gather
from evs_snap.runs.locks import locks_of
from evs_snap.runs.record import Action, Item, RunRecord, declined, planned, refused, usages_after
from evs_snap.runs.together import finish_stamps
from evs_snap.runs.waves import carry_out
from evs_snap.runs.work import Work, asked_for, ids_of, no_progress
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import DEFAULT_POLICY, MANUAL_POLICY, Volume

Confirm = Callable[[Sequence[Item]], bool]
Progress = Callable[[str], None]


def create_snapshots(
    evs: EvsClient,
    *volumes: str | Volume,
    selection: Selection | None = None,
    progress: Progress = no_progress,
    note: Progress = no_progress,
    **words: Unpack[CreateWords],
) -> RunRecord:
    """Take a snapshot of each disk, see it usable and, with ``keep``, prune.

    The disks are ``volumes`` (names, IDs or records) and what ``selection`` selects; all of a
    project only by ``Selection(everything=True)``. At most one snapshot a disk is made, however
    the network fails; with ``once_per`` ("hour", "day", "week"; UTC) at most one a period. A
    disk that holds ``limit`` snapshots (default: what is configured for the cloud, else 7) is
    refused and nothing is sent; with ``on_limit="replace"`` its oldest own unneeded one is
    deleted first. What the rules of ``keep`` give up is deleted once the new one is usable.
    ``policy`` is "manual" unless named, with ``keep`` "default". ``note`` is given each line that
    the command ``hold`` writes. All ``words`` are described at
    `evs_snap.plan.request.Request`.

    Raises ConfigurationError for words that cannot work, SelectionError, AmbiguousError and
    what keeps the disks from being listed; from there on every failure is an item of the record.
    """
    said: dict[str, Any] = dict(words)
    keep = said.get("keep")
    if said.get("policy") is None:
        said["policy"] = MANUAL_POLICY if keep is None else DEFAULT_POLICY
    said["selection"] = _selection(volumes, selection)
    command: Command = "create" if keep is None else "rotate"
    work = asked_for(evs, command, said, progress=progress, note=note)
    return _over_disks(work, confirm=None)


def prune_snapshots(
    evs: EvsClient,
    *volumes: str | Volume,
    keep: Keep,
    selection: Selection | None = None,
    confirm: Confirm | None = None,
    progress: Progress = no_progress,
    **words: Unpack[PruneWords],
) -> RunRecord:
    """Delete what the rules give up of the snapshots under ``policy``, and see it gone.

    ``confirm`` is given what would be deleted, and says whether to go on. The disks are given,
    and errors raised, as for create_snapshots.
    """
    said = {**words, "keep": keep, "selection": _selection(volumes, selection)}
    work = asked_for(evs, "prune", said, progress=progress)
    return _over_disks(work, confirm=confirm)


def _selection(volumes: Sequence[str | Volume], selection: Selection | None) -> Selection:
    """Return the union of the disks named and of what the selection selects."""
    if selection is not None and not isinstance(selection, Selection):
        raise ConfigurationError(f"selection {selection!r} is not a Selection")
    chosen = selection or Selection()
    return replace(chosen, volumes=(*ids_of(volumes, Volume), *chosen.volumes))


def _over_disks(work: Work, *, confirm: Confirm | None) -> RunRecord:
    """Gather, plan, ask, hold the locks, and carry out."""
    request = work.request
    locks = None if request.dry_run else locks_of(work)
    gathered, plans = _planned(work)
    if locks is None:
        items = [item for plan in plans for item in planned(plan)]
        return _record(work, items, gathered)
    going = [i for plan in plans for i in planned(plan) if i.action is not Action.KEPT]
    if confirm is not None and going and not confirm(going):
        return _record(work, [declined(item) for item in going], gathered)
    names = {v.id: v.name or v.id for v in gathered.volumes}
    with locks.held(names) as held:
        left_out: dict[str, EvsSnapError] = dict(held.refused)
        if held.is_stale:
            confirmed = {i.snapshot.id for i in going if i.snapshot}
            gathered, plans = _planned(work)
            if confirm is not None:
                plans = [_only(plan, confirmed) for plan in plans]
            # A disk made anew under the name asked for, say, must not be passed over.
            left_out |= {
                volume.id: LockedError(
                    "the disk appeared while this run waited for another",
                    hint="Try again: the next run takes it up.",
                )
                for volume in gathered.volumes
                if volume.id not in names
            }
        if left_out and request.together:
            volume_id, locked = next(iter(left_out.items()))
            for_each = for_all(locked, disk=names.get(volume_id, volume_id))
            left_out = {volume.id: for_each for volume in gathered.volumes}
        items = carry_out(work, [plan for plan in plans if plan.volume.id not in left_out])
    by_disk: dict[str, list[Item]] = {}
    for item in items:
        by_disk.setdefault(item.volume.id if item.volume else "", []).append(item)
    for plan in plans:
        if out := left_out.get(plan.volume.id):
            by_disk[plan.volume.id] = [refused(refusing(plan, out))]
    in_order = [item for plan in plans for item in by_disk.get(plan.volume.id, ())]
    return _record(work, in_order, gathered)


def _planned(work: Work) -> tuple[Gathered, list[DiskPlan]]:
    """Read what must be known, and decide what is done to each disk."""
    client, request = work.client, work.request
    gathered = finish_stamps(work, gather(client, request.selection))
    if request.together:
        require_one_set(gathered.volumes, most=client.service.most_together)
    members = gathered.sets
    now = client.service_now
    key = work.clock.new_id() if request.together else None
    plans = [
        plan_disk(
            volume,
            gathered.of(volume),
            request,
            now=now,
            new_id=(lambda: key) if key else work.clock.new_id,
            broken=broken(members),
            reusable=reusable(members, gathered.volumes, request, now=now),
        )
        for volume in gathered.volumes
    ]
    return gathered, as_one(plans, members, request, now=now)


def _only(plan: DiskPlan, confirmed: set[str]) -> DiskPlan:
    """Return the plan with those deletions alone that somebody agreed to."""
    return replace(plan, prune=tuple(r for r in plan.prune if r.snapshot.id in confirmed))


def _record(work: Work, items: Sequence[Item], gathered: Gathered) -> RunRecord:
    request = work.request
    return RunRecord(
        request.command,
        tuple(items),
        signal_code=None if request.dry_run else work.stop.code,
        dry_run=request.dry_run,
        remark=_remark(request, items, gathered),
        usages=usages_after(items, gathered.volumes, gathered.by_volume, limit=request.limit),
    )


def _remark(request: Request, items: Sequence[Item], gathered: Gathered) -> str:
    """Say why there was nothing to do, or which --exclude excluded nothing; else ""."""
    if not gathered.volumes:
        return "no disk selected is in this shard: nothing to do"
    remarks = []
    if gathered.idle:
        idle = ", ".join(map(repr, gathered.idle))
        remarks.append(f"no disk has a name or ID like --exclude {idle}")
    for set_id in sorted(broken(gathered.sets)):
        rows = gathered.sets[set_id]
        if any(row.policy == request.policy for row in rows):
            usable = sum(row.is_usable for row in rows)
            wanted = max((row.stamp.members or 0 for row in rows if row.stamp), default=0)
            remarks.append(f"set {set_id} is not whole: {usable} of its {wanted} can be used")
    if request.command == "prune" and all(i.action is Action.KEPT for i in items):
        policies = sorted({s.policy for s in gathered.snapshots if s.policy is not None})
        why = f"the rules keep all snapshots of policy {request.policy}"
        if request.policy not in policies:
            others = f", only of {', '.join(policies)}" if policies else ""
            why = f"there is no snapshot of policy {request.policy}{others}"
        remarks.append(f"nothing to delete: {why}")
    return "; ".join(remarks)
