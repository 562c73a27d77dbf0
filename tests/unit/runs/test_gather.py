"""What is read, and what is kept of it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from tests.factories import snapshot, volume

from evs_snap.api.paging import Page
from evs_snap.plan.selection import Selection
from evs_snap.plan.slots import Usage
from evs_snap.runs.gather import usages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evs_snap.services.interface import Snapshot, Volume


class Long:
    """A client with one disk and a long list of its snapshots, of which few may be alive."""

    limit = 7

    def __init__(self) -> None:
        self.alive: list[weakref.ref[Snapshot]] = []

    def volumes(self) -> list[Volume]:
        return [volume()]

    def snapshot_pages(self) -> Iterator[Page[Snapshot]]:
        for number in range(500):
            row = snapshot(str(number))
            self.alive = [ref for ref in self.alive if ref() is not None]
            assert len(self.alive) < 3
            self.alive.append(weakref.ref(row))
            yield Page([row], more=number < 499)


def test_volumes_keeps_no_snapshot_that_it_counts() -> None:
    """found: 10,000 disks with 69,000 snapshots took 250 MiB, most of it for the snapshots."""
    newest = snapshot("0").created_at
    counted = usages(Long(), Selection(everything=True), limit=None)  # type: ignore[arg-type]
    assert counted == [Usage(volume(), 7, 500, newest, newest)]
