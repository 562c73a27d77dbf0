"""What a run must know before it can plan: the disks selected, and their snapshots."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evs_snap.errors import AmbiguousError, EvsSnapError, NotFoundError, SelectionError
from evs_snap.plan.selection import Selection, is_id, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume


@dataclass(frozen=True, slots=True)
class Gathered:
    """The disks selected and, where asked for, all snapshots of these disks."""

    volumes: tuple[Volume, ...]
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def by_volume(self) -> dict[str, list[Snapshot]]:
        """The snapshots of each disk, by volume ID."""
        found: dict[str, list[Snapshot]] = {}
        for snapshot in self.snapshots:
            found.setdefault(snapshot.volume_id, []).append(snapshot)
        return found


def gather(client: EvsClient, selection: Selection, *, with_snapshots: bool = True) -> Gathered:
    """Read the disks selected (all, where nothing is asked for) and their snapshots.

    One disk costs two small requests; more cost one paged list each of disks and
    snapshots, read side by side.
    """
    if selection.sole_volume is not None:
        volumes = [_sole_volume(client, selection.sole_volume)]
        return Gathered(tuple(volumes), snapshots_of(client, volumes) if with_snapshots else ())
    # With --exclude alone, what is left of all disks is meant.
    wanted = replace(selection, everything=True) if selection.is_empty else selection
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        listing = pool.submit(client.snapshots) if with_snapshots else None
        volumes = client.volumes()
        if volumes or not selection.is_empty:
            volumes = select(volumes, wanted)
        snapshots = listing.result() if listing else []
    except EvsSnapError:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a slow list
    return Gathered(tuple(volumes), _belonging(snapshots, volumes))


def snapshots_of(client: EvsClient, volumes: Sequence[Volume]) -> tuple[Snapshot, ...]:
    """Read the snapshots of these disks: by filter for one, from the whole list for more."""
    sole = volumes[0].id if len(volumes) == 1 else None
    return _belonging(client.snapshots(volume_id=sole), volumes)


def _belonging(snapshots: Sequence[Snapshot], volumes: Sequence[Volume]) -> tuple[Snapshot, ...]:
    ids = {v.id for v in volumes}
    return tuple(s for s in snapshots if s.volume_id in ids)


def _sole_volume(client: EvsClient, wanted: str) -> Volume:
    if is_id(wanted):
        with suppress(NotFoundError):  # a name may look like an ID
            return client.volume(wanted)
    named = client.volumes(name=wanted)
    # An empty answer proves nothing: see EvsClient.volumes.
    return select(named or client.volumes(), Selection(volumes=(wanted,)))[0]


def find_snapshots(client: EvsClient, wanted: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots with these IDs, or names that only one has; each once.

    Raises SelectionError or AmbiguousError for the first that is not clear.
    """
    if len(wanted) == 1 and is_id(wanted[0]):
        with suppress(NotFoundError):  # a name may look like an ID
            return [client.snapshot(wanted[0])]
    rows = client.snapshots()
    found = [_snapshot(rows, text) for text in wanted]
    return list({row.id: row for row in found}.values())


def _snapshot(rows: Sequence[Snapshot], wanted: str) -> Snapshot:
    found = [s for s in rows if s.id == wanted] or [s for s in rows if s.name == wanted]
    if not found:
        raise SelectionError(
            f"no snapshot has the ID or name {wanted!r}; nothing was deleted",
            hint="`evs-snap snapshots --all-kinds` lists them all.",
        )
    if len(found) > 1:
        raise AmbiguousError(
            f"{len(found)} snapshots have the name {wanted!r}; nothing was deleted",
            details=tuple(f"{s.id}  {s.status}  of disk {s.volume_id}" for s in found),
            hint="Say which by its ID.",
        )
    return found[0]
