"""What a run must know before it can plan: the disks selected, and their snapshots.

Of disks that are named, only these are read, where that is cheaper: see readings.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeVar

from evs_snap.errors import AmbiguousError, EvsSnapError, NotFoundError, SelectionError
from evs_snap.plan.retention import seen_in_part
from evs_snap.plan.selection import (
    Selection,
    are_set_called,
    called,
    idle_exclusions,
    is_id,
    may_be_beginning,
    select,
)
from evs_snap.plan.slots import Count, Usage, count, used
from evs_snap.runs.readings import Reader, first_pages, side_by_side
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Volume

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The disks selected and, where asked for, all snapshots of these disks."""

    volumes: tuple[Volume, ...]
    by_volume: Mapping[str, tuple[Snapshot, ...]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    """Values of --exclude that no disk read has."""
    sets: Mapping[str, Sequence[Snapshot]] = field(default_factory=dict)
    """The members of the sets seen, by the set's ID: those on other disks too."""

    def of(self, volume: Volume) -> tuple[Snapshot, ...]:
        """Return the disk's snapshots."""
        return self.by_volume.get(volume.id, ())

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """All snapshots of these disks."""
        return tuple(chain.from_iterable(self.by_volume.values()))


class _Chosen(NamedTuple):
    """The disks selected of those read, and the values of --exclude that none of these has."""

    volumes: list[Volume]
    idle: tuple[str, ...]


def gather(
    client: EvsClient,
    selection: Selection,
    *,
    with_snapshots: bool = True,
    with_tags: bool = False,
) -> Gathered:
    """Read the disks selected (all, where nothing is asked for) and their snapshots.

    Tags are read ``with_tags``, or where they select.
    """
    if not with_snapshots:
        volumes, idle = _volumes(client, selection, Reader(client), with_tags=with_tags)
        return Gathered(tuple(volumes), idle=idle)
    (volumes, idle), by_volume = _with_snapshots(client, selection, _grouped, with_tags=with_tags)
    sets = _sets(client, chain.from_iterable(by_volume.values()))
    return Gathered(tuple(volumes), by_volume, idle, sets)


def usages(
    client: EvsClient, selection: Selection, *, limit: int | None, with_tags: bool = False
) -> list[Usage]:
    """Read the disks selected and count their snapshots, of which nothing else is kept."""
    (volumes, _), counts = _with_snapshots(client, selection, count, with_tags=with_tags)
    most = limit or client.limit
    return [used(volume, counts.get(volume.id, Count()), limit=most) for volume in volumes]


def _with_snapshots(
    client: EvsClient,
    selection: Selection,
    digest: Callable[[Iterable[Snapshot]], dict[str, T]],
    *,
    with_tags: bool,
) -> tuple[_Chosen, dict[str, T]]:
    """Return the disks selected, and what ``digest`` makes of their snapshots, by disk."""
    reader = Reader(client)
    if not (selection.everything or selection.is_empty):
        chosen = _volumes(client, selection, reader, with_tags=with_tags)
        of_disk = reader.of([volume.id for volume in chosen.volumes])
        return chosen, digest(chain.from_iterable(of_disk.values()))
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        listing = pool.submit(lambda: digest(reader.all()))
        chosen = _volumes(client, selection, reader, with_tags=with_tags)
        return chosen, listing.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a slow list


def _sets(client: EvsClient, snapshots: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    """Return the members of the sets seen, those on other disks too, by the cheaper way."""
    seen = [row for row in snapshots if row.set_id is not None]
    in_part = seen_in_part(seen)
    elsewhere: list[Snapshot] = []
    is_whole = False
    if len(in_part) > 1:
        elsewhere, _, is_whole = first_pages(client.snapshot_pages(), at_most=len(in_part) - 1)
    if not is_whole:
        elsewhere = list(chain.from_iterable(side_by_side(client.set_members, in_part)))
    sets: dict[str, dict[str, Snapshot]] = {}
    known = {row.set_id for row in seen}
    for row in (*elsewhere, *seen):
        if row.set_id is not None and row.set_id in known:
            sets.setdefault(row.set_id, {})[row.id] = row
    return {set_id: list(rows.values()) for set_id, rows in sets.items()}


def _grouped(snapshots: Iterable[Snapshot]) -> dict[str, tuple[Snapshot, ...]]:
    groups: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        groups.setdefault(snapshot.volume_id, []).append(snapshot)
    return {volume_id: tuple(group) for volume_id, group in groups.items()}


def _volumes(
    client: EvsClient, selection: Selection, reader: Reader, *, with_tags: bool
) -> _Chosen:
    names = selection.volumes
    if with_tags or selection.tags:
        return _selected(client.volumes_with_tags(), selection)
    if selection.has_criteria or not names or any(map(may_be_beginning, names)):
        return _selected(client.volumes(), selection)
    if len(names) > 1:
        rows, _, is_whole = first_pages(client.volume_pages(), at_most=len(names) - 1)
        if is_whole:
            return _selected(rows, selection)
        reader.expect_many()
    found = side_by_side(lambda name: _named(client, name), names)
    # An empty answer proves nothing: see EvsClient.volumes.
    rows = list(chain.from_iterable(found)) if all(found) else client.volumes()
    return _selected(rows, selection)


def _selected(volumes: list[Volume], selection: Selection) -> _Chosen:
    if selection.is_empty and not volumes:
        return _Chosen([], ())
    return _Chosen(select(volumes, selection), idle_exclusions(volumes, selection))


def _named(client: EvsClient, wanted: str) -> list[Volume]:
    if is_id(wanted):
        with suppress(NotFoundError):  # a name may look like an ID
            return [client.volume(wanted.lower())]
    return client.volumes(name=wanted)


def disks_of(client: EvsClient, snapshots: Sequence[Snapshot]) -> dict[str, Volume]:
    """Return the snapshots' disks by ID, as far as they can be read: for their names only."""
    ids = {snapshot.volume_id for snapshot in snapshots}
    with suppress(EvsSnapError):
        if len(ids) > 1:
            rows, _, is_whole = first_pages(client.volume_pages(), at_most=len(ids) - 1)
            if is_whole:
                return {volume.id: volume for volume in rows if volume.id in ids}

    def read(id_: str) -> list[Volume]:
        with suppress(EvsSnapError):
            return [client.volume(id_)]
        return []

    return {v.id: v for found in side_by_side(read, ids) for v in found}


def find_snapshots(client: EvsClient, wanted: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots with these IDs, beginnings of IDs or unique names; each once.

    The members of a set share a name, which means them all. Raises SelectionError or
    AmbiguousError for the first that is not clear.
    """
    if len(wanted) == 1 and is_id(wanted[0]):
        with suppress(NotFoundError):  # a name may look like an ID
            return [client.snapshot(wanted[0].lower())]
    if all(map(is_id, wanted)):
        rows, _, is_whole = first_pages(client.snapshot_pages(), at_most=len(wanted) - 1)
        if not is_whole:
            with suppress(NotFoundError):
                rows = side_by_side(client.snapshot, [text.lower() for text in wanted])
                return list({row.id: row for row in rows}.values())
            rows = client.snapshots()
    else:
        rows = client.snapshots()
    found = [_snapshots(client, rows, text) for text in wanted]
    return list({row.id: row for row in chain.from_iterable(found)}.values())


def find_snapshot(client: EvsClient, wanted: str) -> Snapshot:
    """Return the one snapshot with this ID, beginning of an ID or unique name; else raise."""
    first, *more = find_snapshots(client, [wanted])
    if more:
        raise _ambiguous(client, wanted, [first, *more])
    return first


def _snapshots(client: EvsClient, rows: Sequence[Snapshot], wanted: str) -> list[Snapshot]:
    found = called(rows, wanted)
    if not found:
        raise SelectionError(
            f"no snapshot has the ID or name {wanted!r}; nothing was sent",
            hint="`evs-snap snapshots --all-kinds` lists them all, `evs-snap snapshots DISK` those "
            "of a disk.",
        )
    if len(found) > 1 and not are_set_called(found, wanted):
        raise _ambiguous(client, wanted, found)
    return found


def _ambiguous(client: EvsClient, wanted: str, found: Sequence[Snapshot]) -> AmbiguousError:
    names = {id_: disk.name for id_, disk in disks_of(client, found).items()}
    return AmbiguousError(
        f"{len(found)} snapshots match {wanted!r}; nothing was sent",
        details=tuple(
            f"{s.id}  {s.status}  of disk {names.get(s.volume_id) or s.volume_id}" for s in found
        ),
        hint="Say which by its ID.",
    )
