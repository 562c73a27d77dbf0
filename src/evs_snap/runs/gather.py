"""What a run must know before it can plan: the disks selected, and their snapshots.

Both are read by the cheaper of two ways, counted in requests: disk by disk, which costs a
request each, or by one list of all, which costs a request for a thousand rows. How long a list
is shows only while it is read: it is given up once it has cost as much as the other way would.
So both together cost less than twice the cheaper one.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from evs_snap.errors import AmbiguousError, EvsSnapError, NotFoundError, SelectionError
from evs_snap.plan.selection import (
    Selection,
    called,
    idle_exclusions,
    is_id,
    may_be_beginning,
    select,
)
from evs_snap.plan.slots import Count, Usage, count, used

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from evs_snap.api.paging import Page
    from evs_snap.services.client import EvsClient
    from evs_snap.services.interface import Snapshot, Volume

T = TypeVar("T")
R = TypeVar("R")
P = TypeVar("P", "Volume", "Snapshot")

FRESH = 10.0
"""Seconds for which a reading may decide about a deletion."""

_STREAMS = 4
"""Requests side by side while reading."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The disks selected and, where asked for, all snapshots of these disks."""

    volumes: tuple[Volume, ...]
    by_volume: Mapping[str, tuple[Snapshot, ...]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    """Values of --exclude that no disk read has."""

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


class Reader:
    """Reads the snapshots of disks, again and again, by the cheaper way each time.

    It remembers how many pages the list of all snapshots has, as far as that was seen.
    """

    def __init__(self, client: EvsClient) -> None:
        self.client = client
        self._pages = 0
        self._is_whole = False

    def cost(self, disks: int) -> int:
        """Return how many requests reading so many disks takes, as far as it is known."""
        return min(disks, self._pages) if self._is_whole else disks

    def expect_many(self) -> None:
        """Take it that the list of all snapshots has more than one page."""
        self._pages = max(self._pages, 2)

    def of(
        self, volume_ids: Collection[str], *, client: EvsClient | None = None
    ) -> dict[str, tuple[Snapshot, ...]]:
        """Return all snapshots of these disks, by the disk's ID."""
        groups: dict[str, list[Snapshot]] = {id_: [] for id_ in volume_ids}
        for row in self._rows(volume_ids, client or self.client):
            if row.volume_id in groups:
                groups[row.volume_id].append(row)
        return {volume_id: tuple(group) for volume_id, group in groups.items()}

    def all(self, *, client: EvsClient | None = None) -> Iterator[Snapshot]:
        """Yield all snapshots of the project."""
        number = 0
        for number, page in enumerate((client or self.client).snapshot_pages(), start=1):
            yield from page.rows
        self._pages, self._is_whole = number, True

    def _rows(self, volume_ids: Collection[str], client: EvsClient) -> Iterable[Snapshot]:
        disks = len(volume_ids)
        if self._is_whole and self._pages <= disks > 1:
            return self.all(client=client)
        if self._pages < disks > 1:
            listed, self._pages, self._is_whole = _first_pages(
                client.snapshot_pages(), at_most=disks - 1
            )
            if self._is_whole:
                return listed
        each = side_by_side(lambda id_: client.snapshots(volume_id=id_), volume_ids)
        return chain.from_iterable(each)


class Readings:
    """What the lists last said of disks' snapshots, and when that was."""

    def __init__(self, client: EvsClient) -> None:
        self._client = client
        self._reader = Reader(client)
        self._lock = threading.Lock()
        self._rows: dict[str, dict[str, Snapshot]] = {}
        self._read_at: dict[str, float] = {}
        self._asked_since = 0

    def cost(self, disks: Collection[str]) -> int:
        """Return how many requests it takes to read these disks."""
        return self._reader.cost(len(disks))

    def read(self, disks: Collection[str], *, client: EvsClient | None = None) -> None:
        """Read these disks' snapshots now. ``disks`` are IDs."""
        moment = self._client.clock.monotonic()
        for volume_id, rows in self._reader.of(disks, client=client).items():
            self._rows[volume_id] = {row.id: row for row in rows}
            self._read_at[volume_id] = moment
        self._asked_since = 0

    def of(self, volume_id: str) -> dict[str, Snapshot]:
        """Return the disk's snapshots by ID, as they were read last."""
        return self._rows.get(volume_id, {})

    def read_at(self, volume_id: str) -> float:
        """Return the moment of ``clock.monotonic`` when the disk was read last."""
        return self._read_at.get(volume_id, -inf)

    def is_fresh(self, volume_id: str) -> bool:
        """Return whether the disk was read within the last ten seconds."""
        return self._client.clock.monotonic() - self.read_at(volume_id) <= FRESH

    def fresh(self, volume_id: str, *, others: Collection[str]) -> dict[str, Snapshot]:
        """Return the disk's snapshots by ID, read within the last ten seconds.

        ``others`` are the disks whose turn is still to come: all are read anew in one go, where
        that costs no more than reading those alone whose turn comes within the next seconds.
        """
        with self._lock:
            self._asked_since += 1
            if not self.is_fresh(volume_id):
                stale = {id_ for id_ in others if not self.is_fresh(id_)} | {volume_id}
                worth_it = self.cost(stale) <= self._asked_since
                self.read(stale if worth_it else [volume_id])
        return self.of(volume_id)


def _first_pages(pages: Iterator[Page[P]], *, at_most: int) -> tuple[list[P], int, bool]:
    """Return the rows of so many pages, how many pages there are at least, and if that is all."""
    rows: list[P] = []
    for number, page in enumerate(pages, start=1):
        rows += page.rows
        if not page.more:
            return rows, number, True
        if number >= at_most:
            break
    return rows, at_most + 1, False


def side_by_side(
    read: Callable[[T], R], things: Iterable[T], *, threads: int = _STREAMS
) -> list[R]:
    """Return what ``read`` returns for each, in the order given."""
    everything = list(things)
    if len(everything) <= 1:
        return [read(thing) for thing in everything]
    pool = ThreadPoolExecutor(max_workers=min(threads, len(everything)))
    try:
        return list(pool.map(read, everything))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a slow answer


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
    return Gathered(tuple(volumes), by_volume, idle)


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
        rows, _, is_whole = _first_pages(client.volume_pages(), at_most=len(names) - 1)
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
            rows, _, is_whole = _first_pages(client.volume_pages(), at_most=len(ids) - 1)
            if is_whole:
                return {volume.id: volume for volume in rows if volume.id in ids}

    def read(id_: str) -> list[Volume]:
        with suppress(EvsSnapError):
            return [client.volume(id_)]
        return []

    return {v.id: v for found in side_by_side(read, ids) for v in found}


def find_snapshots(client: EvsClient, wanted: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots with these IDs, beginnings of IDs or unique names; each once.

    Raises SelectionError or AmbiguousError for the first that is not clear.
    """
    if len(wanted) == 1 and is_id(wanted[0]):
        with suppress(NotFoundError):  # a name may look like an ID
            return [client.snapshot(wanted[0].lower())]
    if all(map(is_id, wanted)):
        rows, _, is_whole = _first_pages(client.snapshot_pages(), at_most=len(wanted) - 1)
        if not is_whole:
            with suppress(NotFoundError):
                rows = side_by_side(client.snapshot, [text.lower() for text in wanted])
                return list({row.id: row for row in rows}.values())
            rows = client.snapshots()
    else:
        rows = client.snapshots()
    found = [_snapshot(rows, text) for text in wanted]
    return list({row.id: row for row in found}.values())


def _snapshot(rows: Sequence[Snapshot], wanted: str) -> Snapshot:
    found = called(rows, wanted)
    if not found:
        raise SelectionError(
            f"no snapshot has the ID or name {wanted!r}; nothing was sent",
            hint="`evs-snap snapshots --all-kinds` lists them all.",
        )
    if len(found) > 1:
        raise AmbiguousError(
            f"{len(found)} snapshots match {wanted!r}; nothing was sent",
            details=tuple(f"{s.id}  {s.status}  of disk {s.volume_id}" for s in found),
            hint="Say which by its ID.",
        )
    return found[0]
