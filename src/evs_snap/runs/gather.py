"""What a run must know before it can plan: the disks selected, and their snapshots."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from evs_snap.errors import AmbiguousError, EvsSnapError, NotFoundError, SelectionError
from evs_snap.plan.selection import Selection, called, is_id, select
from evs_snap.plan.slots import Count, Usage, count, used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The disks selected and, where asked for, all snapshots of these disks."""

    volumes: tuple[Volume, ...]
    by_volume: Mapping[str, tuple[Snapshot, ...]] = field(default_factory=dict)

    def of(self, volume: Volume) -> tuple[Snapshot, ...]:
        """Return the disk's snapshots."""
        return self.by_volume.get(volume.id, ())

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """All snapshots of these disks."""
        return tuple(chain.from_iterable(self.by_volume.values()))


def gather(
    client: EvsClient,
    selection: Selection,
    *,
    with_snapshots: bool = True,
    with_tags: bool = False,
) -> Gathered:
    """Read the disks selected (all, where nothing is asked for) and their snapshots.

    One disk costs two small requests; more cost one paged list each of disks and
    snapshots, read side by side. Tags are read ``with_tags``, or where they select.
    """
    if not with_snapshots:
        return Gathered(tuple(_read(client, selection, lambda _: None, with_tags=with_tags)[0]))
    volumes, snapshots = _read(client, selection, list, with_tags=with_tags)
    return Gathered(tuple(volumes), _grouped(snapshots, volumes))


def usages(
    client: EvsClient, selection: Selection, *, limit: int | None, with_tags: bool = False
) -> list[Usage]:
    """Read the disks selected and count their snapshots, of which nothing else is kept."""
    volumes, counts = _read(client, selection, count, with_tags=with_tags)
    most = limit or client.limit
    return [used(volume, counts.get(volume.id, Count()), limit=most) for volume in volumes]


def _read(
    client: EvsClient,
    selection: Selection,
    digest: Callable[[Iterable[Snapshot]], T],
    *,
    with_tags: bool,
) -> tuple[list[Volume], T]:
    """Return the disks selected, and what ``digest`` makes of all snapshots.

    A ``digest`` that does not look at them costs no request.
    """
    with_tags = with_tags or bool(selection.tags)
    if selection.sole_volume is not None and not with_tags:
        volume = _sole_volume(client, selection.sole_volume)
        return [volume], digest(client.each_snapshot(volume_id=volume.id))
    # With --exclude alone, what is left of all disks is meant.
    wanted = replace(selection, everything=True) if selection.is_empty else selection
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        listing = pool.submit(digest, client.each_snapshot())
        volumes = client.volumes_with_tags() if with_tags else client.volumes()
        if volumes or not selection.is_empty:
            volumes = select(volumes, wanted)
        return volumes, listing.result()
    except EvsSnapError:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a slow list


def _grouped(
    snapshots: Sequence[Snapshot], volumes: Sequence[Volume]
) -> dict[str, tuple[Snapshot, ...]]:
    groups: dict[str, list[Snapshot]] = {v.id: [] for v in volumes}
    for snapshot in snapshots:
        if snapshot.volume_id in groups:
            groups[snapshot.volume_id].append(snapshot)
    return {volume_id: tuple(group) for volume_id, group in groups.items()}


def _sole_volume(client: EvsClient, wanted: str) -> Volume:
    if is_id(wanted):
        with suppress(NotFoundError):  # a name may look like an ID
            return client.volume(wanted)
    named = client.volumes(name=wanted)
    # An empty answer proves nothing: see EvsClient.volumes.
    return select(named or client.volumes(), Selection(volumes=(wanted,)))[0]


def disks_of(client: EvsClient, snapshots: Sequence[Snapshot]) -> dict[str, Volume]:
    """Return the snapshots' disks by ID, as far as one request tells: for their names only."""
    ids = {snapshot.volume_id for snapshot in snapshots}
    with suppress(EvsSnapError):
        found = [client.volume(id_) for id_ in ids] if len(ids) == 1 else client.volumes()
        return {volume.id: volume for volume in found if volume.id in ids}
    return {}


def find_snapshots(client: EvsClient, wanted: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots with these IDs, beginnings of IDs or unique names; each once.

    Raises SelectionError or AmbiguousError for the first that is not clear.
    """
    if len(wanted) == 1 and is_id(wanted[0]):
        with suppress(NotFoundError):  # a name may look like an ID
            return [client.snapshot(wanted[0])]
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
