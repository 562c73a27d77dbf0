"""Reads the snapshots of disks by the cheaper of two ways, counted in requests.

Disk by disk costs a request each; one list of all costs a request for a thousand rows. How long
a list is shows only while it is read: it is given up once it has cost as much as the other way
would. So both together cost less than twice the cheaper one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from math import inf
from typing import TypeVar

from evs_snap.api.paging import Page
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Volume

T = TypeVar("T")
R = TypeVar("R")
P = TypeVar("P", Volume, Snapshot)

FRESH = 10.0
"""Seconds for which a reading may decide about a deletion."""

_STREAMS = 4
"""Requests side by side while reading."""


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
        pages = 0
        for page in (client or self.client).snapshot_pages():
            pages += 1
            yield from page.rows
        self._pages, self._is_whole = pages, True

    def _rows(self, volume_ids: Collection[str], client: EvsClient) -> Iterable[Snapshot]:
        disks = len(volume_ids)
        if self._is_whole and self._pages <= disks > 1:
            return self.all(client=client)
        if self._pages < disks > 1:
            listed, self._pages, self._is_whole = first_pages(
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


def first_pages(pages: Iterator[Page[P]], *, at_most: int) -> tuple[list[P], int, bool]:
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
