"""What `show` tells: one disk with its snapshots, or one snapshot with its disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from evs_snap.errors import AmbiguousError, NotFoundError, SelectionError
from evs_snap.plan.retention import Keep, judge
from evs_snap.plan.selection import are_set_called, called, is_id
from evs_snap.plan.slots import Usage, usage
from evs_snap.runs.gather import disks_of
from evs_snap.runs.readings import side_by_side
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Volume


@dataclass(frozen=True, slots=True)
class Judged:
    """One snapshot of a disk, and why it stays; ``keep`` is None where no rule judges it."""

    snapshot: Snapshot
    keep: bool | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskDetails:
    """A disk and its snapshots, the newest first."""

    usage: Usage
    history: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class SnapshotDetails:
    """A snapshot and its disk, None where that cannot be read."""

    snapshot: Snapshot
    volume: Volume | None


Details = DiskDetails | SnapshotDetails


def details(
    evs: EvsClient,
    wanted: Sequence[str],
    *,
    keep: Keep | None = None,
    policy: str,
    limit: int | None = None,
) -> list[Details]:
    """Return the disks and snapshots with these names or IDs, each once, in the order given.

    A disk counts before a snapshot of the same name. With ``keep`` the snapshots under
    ``policy`` are judged by the rules. Raises SelectionError for what nothing is called, and
    AmbiguousError for what several are called.
    """
    found = _found(evs, wanted)
    disks = [thing for thing in found.values() if isinstance(thing, Volume)]
    of_disk = dict(
        zip(
            (disk.id for disk in disks),
            side_by_side(lambda disk: evs.snapshots(volume_id=disk.id), disks),
            strict=True,
        )
    )
    snapshots = [thing for thing in found.values() if isinstance(thing, Snapshot)]
    sources = disks_of(evs, snapshots) if snapshots else {}
    return [
        DiskDetails(
            usage(thing, of_disk[thing.id], limit=limit or evs.limit),
            _history(evs, of_disk[thing.id], keep, policy),
        )
        if isinstance(thing, Volume)
        else SnapshotDetails(thing, sources.get(thing.volume_id))
        for thing in found.values()
    ]


def _history(
    evs: EvsClient, snapshots: Sequence[Snapshot], keep: Keep | None, policy: str
) -> tuple[Judged, ...]:
    judged: dict[str, Judged] = {}
    if keep is not None:
        own = (s for s in snapshots if s.policy == policy)
        judged = {
            v.snapshot.id: Judged(v.snapshot, v.keep, v.reasons)
            for v in judge(own, keep, now=evs.service_now)
        }
    newest_first = sorted(snapshots, key=lambda s: s.age_key, reverse=True)
    return tuple(judged.get(s.id, Judged(s)) for s in newest_first)


def _found(evs: EvsClient, wanted: Sequence[str]) -> Mapping[str, Volume | Snapshot]:
    """Return what is called so, by ID: by a request each where that is enough, else by lists."""
    first = side_by_side(lambda text: _by_one_request(evs, text), wanted)
    if all(first):
        return {thing.id: thing for thing in first if thing}
    volumes, snapshots = evs.volumes(), evs.snapshots()
    found: dict[str, Volume | Snapshot] = {}
    for text, known in zip(wanted, first, strict=True):
        things = [known] if known else _listed(text, volumes, snapshots)
        found |= {thing.id: thing for thing in things}
    return found


def _by_one_request(evs: EvsClient, text: str) -> Volume | Snapshot | None:
    """Return the disk or snapshot of this ID, or the only disk of this name."""
    if is_id(text):
        with suppress(NotFoundError):
            return evs.volume(text.lower())
        with suppress(NotFoundError):
            return evs.snapshot(text.lower())
        return None
    found = evs.volumes(name=text)
    return found[0] if len(found) == 1 else None


def _listed(
    text: str, volumes: Sequence[Volume], snapshots: Sequence[Snapshot]
) -> Sequence[Volume | Snapshot]:
    of_name = called(snapshots, text)
    found: list[Volume | Snapshot] = [*called(volumes, text)] or [*of_name]
    if not found:
        raise SelectionError(
            f"no disk and no snapshot has the name or ID {text!r}",
            hint="`evs-snap volumes` and `evs-snap snapshots --all-kinds` list them all.",
        )
    if len(found) > 1 and not (found == of_name and are_set_called(of_name, text)):
        raise AmbiguousError(
            f"{len(found)} match {text!r}",
            details=tuple(f"{thing.id}  {thing.status}  {thing.name or ''}" for thing in found),
            hint="Say which by its ID.",
        )
    return found
