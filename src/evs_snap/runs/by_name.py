"""Snapshots given by name or ID: deleted and awaited, each from request to record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Unpack

from evs_snap.errors import EvsSnapError, InterruptedRunError
from evs_snap.plan.request import DeleteWords, Request
from evs_snap.runs.creating import awaited
from evs_snap.runs.deletion import ask, gone, require_deletable, require_ours, see_gone
from evs_snap.runs.gather import disks_of, find_snapshots
from evs_snap.runs.locks import Held, locks_of
from evs_snap.runs.readings import FRESH, Readings
from evs_snap.runs.record import Action, Item, RunRecord, declined, failed
from evs_snap.runs.set_deletion import delete_whole, require_all_named
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import Work, asked_for, ids_of, no_progress
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Volume


def delete_snapshots(
    evs: EvsClient,
    *snapshots: str | Snapshot,
    confirm: Callable[[Sequence[Item]], bool] | None = None,
    progress: Callable[[str], None] = no_progress,
    **words: Unpack[DeleteWords],
) -> RunRecord:
    """Delete these snapshots (IDs, names of one or of one set, or records), and see them gone.

    ``foreign`` allows those that do not carry our stamp; those of a backup service are
    refused always. ``confirm`` is given what would be deleted, and says whether to go on.
    Raises ConfigurationError, and SelectionError or AmbiguousError for a name that is not clear.
    """
    said = {**words, "snapshots": ids_of(snapshots, Snapshot)}
    work = asked_for(evs, "delete", said, progress=progress)
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
        return RunRecord("delete", tuple(i if i.error else declined(i) for i in items))
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
    progress: Callable[[str], None] = no_progress,
) -> RunRecord:
    """Wait until these snapshots (IDs, names of one or of one set, or records) can be used.

    ``timeout`` is seconds for all together (default: 15 minutes, for standard ones an hour).
    Raises ConfigurationError, and SelectionError or AmbiguousError for a name that is not clear.
    """
    said = {"snapshots": ids_of(snapshots, Snapshot), "timeout": timeout}
    work = asked_for(evs, "wait", said, progress=progress)
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
            found = snapshot
            if not fresh:
                again = work.looked_for(snapshot.id)
                if again is None:
                    return item, None
                found = again
            require_deletable(snapshot, found, foreign=work.request.foreign)
            work.progress(f"deleting {snapshot.name or snapshot.id}")
            ask(work, found)
        except EvsSnapError as error:
            return failed(item, error), None
        return item, found

    begun = work.side_by_side(begin, items)
    results = see_gone(work, [found for _, found in begun if found], readings)
    return [gone(item, results) for item, _ in begun]
