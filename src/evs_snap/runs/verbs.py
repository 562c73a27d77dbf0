"""Snapshots of many disks: taken, pruned, deleted and awaited, each from request to record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, Unpack

from evs_snap.errors import (
    ConfigurationError,
    EvsSnapError,
    InterruptedRunError,
    LockedError,
)
from evs_snap.plan.plan import DiskPlan, plan_disk
from evs_snap.plan.request import TAKEN, Command, CreateWords, DeleteWords, PruneWords, Request
from evs_snap.plan.retention import Keep, broken
from evs_snap.plan.selection import Selection
from evs_snap.plan.sets import as_one, for_all, refusing, require_one_set, reusable
from evs_snap.runs.creating import awaited
from evs_snap.runs.deletion import ask, gone, require_deletable, require_ours, see_gone
from evs_snap.runs.gather import Gathered, disks_of, find_snapshots, gather
from evs_snap.runs.locks import Held, locks_of
from evs_snap.runs.readings import FRESH, Readings
from evs_snap.runs.record import Action, Item, RunRecord, failed, planned, refused, usages_after
from evs_snap.runs.set_deletion import delete_whole, require_all_named
from evs_snap.runs.together import finish_stamps
from evs_snap.runs.watch import await_usable
from evs_snap.runs.waves import carry_out
from evs_snap.runs.work import Work, no_progress
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import DEFAULT_POLICY, MANUAL_POLICY, Snapshot, Volume

R = TypeVar("R", Volume, Snapshot)

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
    the command ``hold`` writes. All ``words`` are described at Request.

    Raises ConfigurationError for words that cannot work, SelectionError, AmbiguousError and
    what keeps the disks from being listed; from there on every failure is an item of the record.
    """
    said: dict[str, Any] = dict(words)
    keep = said.get("keep")
    if said.get("policy") is None:
        said["policy"] = MANUAL_POLICY if keep is None else DEFAULT_POLICY
    said["selection"] = _selection(volumes, selection)
    request = request_of(evs, "create" if keep is None else "rotate", said)
    work = Work(client=evs, request=request, progress=progress, note=note)
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
    request = request_of(evs, "prune", said)
    return _over_disks(Work(client=evs, request=request, progress=progress), confirm=confirm)


def delete_snapshots(
    evs: EvsClient,
    *snapshots: str | Snapshot,
    confirm: Confirm | None = None,
    progress: Progress = no_progress,
    **words: Unpack[DeleteWords],
) -> RunRecord:
    """Delete these snapshots (IDs, names of one or of one set, or records), and see them gone.

    ``foreign`` allows those that do not carry our stamp; those of a backup service are
    refused always. ``confirm`` is given what would be deleted, and says whether to go on.
    Raises ConfigurationError, and SelectionError or AmbiguousError for a name that is not clear.
    """
    said = {**words, "snapshots": ids_of(snapshots, Snapshot)}
    work = Work(client=evs, request=request_of(evs, "delete", said), progress=progress)
    found = find_snapshots(evs, work.request.snapshots)
    read_at = work.clock.monotonic()
    disks = disks_of(evs, found)
    named = {snapshot.id: snapshot for snapshot in found}
    sets = {s.set_id: evs.set_members(s.set_id) for s in found if s.set_id is not None}
    items = [_deletable(s, disks.get(s.volume_id), work.request, sets, named) for s in found]
    going = [item for item in items if item.error is None]
    if work.request.dry_run:
        return RunRecord("delete", tuple(items), dry_run=True)
    if going and confirm is not None and not confirm(going):
        return RunRecord("delete", tuple(i if i.error else _declined(i) for i in items))
    work.stop.begin()
    names = {i.snapshot.volume_id: i.label for i in going if i.snapshot}
    with locks_of(work).held(names) as held:
        fresh = not held.is_stale and work.clock.monotonic() - read_at <= FRESH
        done = _delete_all(work, going, held, fresh=fresh)
    by_id = {item.snapshot.id: item for item in done if item.snapshot}
    return RunRecord(
        "delete",
        tuple(by_id.get(i.snapshot.id, i) if i.snapshot else i for i in items),
        signal_code=work.stop.code,
    )


def wait_for_snapshots(
    evs: EvsClient,
    *snapshots: str | Snapshot,
    timeout: float | None = None,
    progress: Progress = no_progress,
) -> RunRecord:
    """Wait until these snapshots (IDs, names of one or of one set, or records) can be used.

    ``timeout`` is seconds for all together (default: 15 minutes, for standard ones an hour).
    Raises ConfigurationError, and SelectionError or
    AmbiguousError for a name that is not clear.
    """
    said = {"snapshots": ids_of(snapshots, Snapshot), "timeout": timeout}
    work = Work(client=evs, request=request_of(evs, "wait", said), progress=progress)
    found = find_snapshots(evs, work.request.snapshots)
    disks = disks_of(evs, found)
    items = [Item(Action.READY, disks.get(s.volume_id), s) for s in found]
    work.stop.begin()  # from here on the record says how far each has come
    settled = await_usable(work, found, timeout=work.request.timeout)
    return RunRecord(
        "wait",
        tuple(awaited(item, settled) for item in items),
        signal_code=work.stop.code,
    )


# -- requests ----------------------------------------------------------------------------------


def request_of(evs: EvsClient, command: Command, said: Mapping[str, Any]) -> Request:
    """Return the request, with the cloud's limit where none was said; checked by itself."""
    words = dict(said)
    for name in words.keys() - TAKEN[command]:
        raise ConfigurationError(f"{command} takes no {name}: {words[name]!r}")
    if words.get("limit") is None:
        words["limit"] = evs.limit
    if words.get("timeout") is None:
        words["timeout"] = evs.service.timeout
    for name in ("properties", "policy"):
        if words.get(name) is None:
            words.pop(name, None)
    request = Request(command=command, **words)
    if request.hold is not None and not evs.service.can_hold:
        raise ConfigurationError(
            f"--hold and --kind {evs.service.kind} contradict each other: such a snapshot takes "
            "minutes, and nothing can be held so long",
            hint="Hold for a legacy snapshot, where the region makes them: --kind legacy.",
        )
    if request.together and not evs.service.most_together:
        raise ConfigurationError(
            f"--together and --kind {evs.service.kind} contradict each other: such snapshots are "
            "made one by one",
            hint="Where the region makes standard snapshots, those can: --kind standard.",
        )
    evs.service.refuse(
        # Those of `restore` are for a disk.
        properties=request.properties if command != "restore" else {},
        policy=request.policy,
        expire_after=request.expire_after,
    )
    return request


def _selection(volumes: Sequence[str | Volume], selection: Selection | None) -> Selection:
    """Return the union of the disks named and of what the selection selects."""
    if selection is not None and not isinstance(selection, Selection):
        raise ConfigurationError(f"selection {selection!r} is not a Selection")
    chosen = selection or Selection()
    return replace(chosen, volumes=(*ids_of(volumes, Volume), *chosen.volumes))


def ids_of(things: Sequence[str | R], record: type[R]) -> tuple[str, ...]:
    """Return the IDs of records, and texts as they are. Raises ConfigurationError for all else."""
    for thing in things:
        if not isinstance(thing, str | record):
            is_many = isinstance(thing, Iterable)
            raise ConfigurationError(
                f"{thing!r} is no name, no ID and no {record.__name__}",
                hint="Give each by itself: *names in place of names." if is_many else None,
            )
    return tuple(t if isinstance(t, str) else t.id for t in things)


# -- over disks: create, rotate, prune ---------------------------------------------------------


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
        return _record(work, [_declined(item) for item in going], gathered)
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


def _declined(item: Item) -> Item:
    error = EvsSnapError("not confirmed; nothing was deleted")
    return replace(item, action=Action.REFUSED, reasons=(error.message,), error=error)


# -- snapshots by their IDs: delete ------------------------------------------------------------


def _deletable(
    snapshot: Snapshot,
    volume: Volume | None,
    request: Request,
    sets: Mapping[str, Sequence[Snapshot]],
    named: Mapping[str, object],
) -> Item:
    try:
        require_ours(snapshot, foreign=request.foreign)
        if snapshot.set_id is not None:
            require_all_named(snapshot.set_id, sets[snapshot.set_id], named)
    except EvsSnapError as error:
        return Item(Action.REFUSED, volume, snapshot, (error.message,), error=error)
    return Item(Action.WOULD_DELETE, volume, snapshot)


def _delete_all(work: Work, items: Sequence[Item], held: Held, *, fresh: bool) -> list[Item]:
    """Delete these, at most one of a disk at a time. ``fresh``: they were read just now."""
    readings = Readings(work.client)
    left = [replace(item, action=Action.DELETED) for item in items]
    done: list[Item] = []
    sets: dict[str, dict[str, Item]] = {}
    for item in left:
        if item.snapshot is not None and item.snapshot.set_id is not None:
            sets.setdefault(item.snapshot.set_id, {})[item.snapshot.id] = item
    left = [i for i in left if i.snapshot is None or i.snapshot.set_id is None]
    for set_id, chosen in sets.items():
        locked = next(
            (held.refused[d] for i in chosen.values() if i.snapshot
             and (d := i.snapshot.volume_id) in held.refused), None,
        )  # fmt: skip
        if locked is not None:
            done += [failed(item, locked) for item in chosen.values()]
        else:
            foreign = work.request.foreign
            done += delete_whole(work, set_id, chosen, foreign=foreign).values()
    while left:
        wave: list[Item] = []
        rest: list[Item] = []
        disks: set[str] = set()
        for item in left:
            disk = item.snapshot.volume_id if item.snapshot else ""
            (rest if disk in disks else wave).append(item)
            disks.add(disk)
        ended = _wave(work, wave, held, readings, fresh=fresh)
        done, left, fresh = [*done, *ended], rest, False
    return done


def _wave(
    work: Work, items: Sequence[Item], held: Held, readings: Readings, *, fresh: bool
) -> list[Item]:
    def begin(item: Item) -> tuple[Item, Snapshot | None]:
        snapshot = item.snapshot
        assert snapshot is not None  # noqa: S101 - for the type checker
        try:
            if locked := held.refused.get(snapshot.volume_id):
                raise locked
            if work.stop.asked:
                raise InterruptedRunError("not begun: the run was stopped")
            found = snapshot if fresh else work.snapshot(snapshot.id)
            if found is None:
                return item, None
            require_deletable(snapshot, found, foreign=work.request.foreign)
            work.progress(f"deleting {snapshot.name or snapshot.id}")
            return item, found if ask(work, found) else None
        except EvsSnapError as error:
            return failed(item, error), None

    begun = work.side_by_side(begin, items)
    results = see_gone(work, [found for _, found in begun if found], readings)
    return [gone(item, results) for item, _ in begun]
