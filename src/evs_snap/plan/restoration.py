"""How a snapshot is brought back, as a new disk or onto its own, and when it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evs_snap.errors import (
    AmbiguousError,
    ConfigurationError,
    NotOursError,
    SelectionError,
    VolumeStateError,
)
from evs_snap.plan.plan import DiskPlan, plan_disk
from evs_snap.plan.request import Request
from evs_snap.plan.selection import Selection
from evs_snap.services.interface import SAFETY_POLICY, STAMP_KEY, Snapshot, Volume

_SAFETY_NAME = "{volume}-{policy}-{utc}"

_FIT_FOR_ROLLBACK = frozenset({"available", "error_rollbacking"})
"""Source: https://docs.otc.t-systems.com/elastic-volume-service/umn/ ("rolling back disk data
from a snapshot", and the FAQ on errors of a disk for the second)."""


@dataclass(frozen=True, slots=True)
class NewVolume:
    """A disk about to be asked for, made from ``snapshot``. ``size`` is in GiB.

    ``source`` is the snapshot's own disk, whose zone and type the new one must have. ``known``
    are the IDs of all disks before: none can be the new one.
    """

    snapshot: Snapshot
    source: Volume
    name: str
    size: int
    metadata: Mapping[str, str]
    known: frozenset[str]

    @property
    def key(self) -> str:
        """The unique key of this attempt: it finds the disk again after a lost answer."""
        return self.metadata[STAMP_KEY]

    def is_made(self, volume: Volume) -> bool:
        """Return whether this is the disk that was asked for."""
        if volume.id in self.known:
            return False
        if STAMP_KEY in volume.metadata:
            return volume.metadata[STAMP_KEY] == self.key
        # A cloud that drops metadata leaves the name, which no disk had before.
        return volume.name == self.name and volume.snapshot_id == self.snapshot.id


@dataclass(frozen=True, slots=True)
class Rollback:
    """A disk about to be overwritten with its snapshot.

    ``safety`` is the snapshot of the present state that is taken first; its ``refusal``
    says why there can be none. It is None where none is wanted. ``newest_only`` says that the
    cloud goes back to the newest snapshot alone.
    """

    snapshot: Snapshot
    volume: Volume
    safety: DiskPlan | None
    newest_only: bool = False


def plan_new_volume(
    snapshot: Snapshot,
    source: Volume,
    request: Request,
    *,
    volumes: Sequence[Volume],
    key: str,
) -> NewVolume | Volume:
    """Return the disk to create, or the one that an earlier run created in the same way.

    ``volumes`` are all disks of the project. Raises ConfigurationError for a size that cannot
    be, AmbiguousError where another disk has the name, VolumeStateError and NotOursError
    where the snapshot cannot be used.
    """
    name = (request.as_name or "").strip()
    _check_snapshot(snapshot, source)
    least = snapshot.size or source.size or 1
    if request.size is not None and request.size < least:
        raise ConfigurationError(
            f"--size {request.size}: a disk from this snapshot has {least} GiB at least"
        )
    size = request.size or least
    named = [v for v in volumes if v.name == name]
    ours = [v for v in named if v.snapshot_id == snapshot.id and STAMP_KEY in v.metadata]
    if len(ours) == len(named) == 1 and ours[0].size in {size, None}:
        if ours[0].status not in {"available", "creating"}:
            raise VolumeStateError(
                f"disk {ours[0].id}, which an earlier run made from this snapshot, is "
                f"{ours[0].status!r}; nothing was sent",
                hint="Choose another name with --as, or delete that disk first.",
            )
        return ours[0]
    if named:
        raise AmbiguousError(
            f"a disk is called {name!r} already, and it is another one; nothing was sent",
            details=tuple(f"{v.id}  {v.size} GiB  {v.status}" for v in named),
            hint=f"Asked for are {size} GiB from snapshot {snapshot.id}. Choose another name "
            "with --as, so that each name means one disk.",
        )
    metadata = {**request.properties, STAMP_KEY: key}
    return NewVolume(snapshot, source, name, size, metadata, frozenset(v.id for v in volumes))


def source_of(snapshot: Snapshot, volume: Volume | None, request: Request) -> Volume:
    """Return the disk that a snapshot is brought back from or onto; ``volume`` None is gone.

    Raises SelectionError where a disk that is gone is to be rolled back, ConfigurationError
    where its type is needed and not said, or said and another one's.
    """
    if volume is not None:
        if request.type not in {None, volume.volume_type}:
            raise ConfigurationError(
                f"--type {request.type}: a new disk has the type of the snapshot's, "
                f"{volume.volume_type}",
                hint="Leave it out: it is needed only where the snapshot's disk is gone.",
            )
        return volume
    if request.in_place:
        raise SelectionError(
            f"disk {snapshot.volume_id} of the snapshot is gone; nothing was sent",
            hint=f"Make a new disk of it: `evs-snap restore {snapshot.id} --as NAME --type TYPE`.",
        )
    if request.type is None:
        raise ConfigurationError(
            f"disk {snapshot.volume_id} of the snapshot is gone, and its type with it",
            hint="Say which type the new disk is to have: --type SSD, say.",
        )
    return snapshot.source(volume_type=request.type)


def plan_rollback(  # noqa: PLR0913 - what the decision rests on
    snapshot: Snapshot,
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: Request,
    *,
    newest_only: bool,
    now: datetime,
    new_id: Callable[[], str],
) -> Rollback:
    """Return what to do to bring the disk back to what it was.

    ``snapshots`` are all of the disk's. ``newest_only`` says that the cloud is a plain
    Cinder: see check_newest. Raises VolumeStateError and NotOursError where it cannot be.
    """
    check_rollback(snapshot, volume)
    if newest_only:
        check_newest(snapshot, volume, snapshots)
    if not request.safety_snapshot:
        return Rollback(snapshot, volume, None, newest_only=newest_only)
    plan = plan_disk(volume, snapshots, safety_request(request), now=now, new_id=new_id)
    refusal = plan.refusal
    if newest_only:
        refusal = ConfigurationError("this cloud rolls back only to a disk's newest snapshot")
    if refusal is not None:
        refusal = type(refusal)(
            f"no safety snapshot can be taken first: {refusal.brief or refusal.message}",
            details=refusal.details,
            hint="To roll back without one, so that what was written since is lost for good: "
            "--no-safety-snapshot.",
        )
        plan = DiskPlan(volume, refusal=refusal)
    return Rollback(snapshot, volume, plan, newest_only=newest_only)


def safety_request(request: Request) -> Request:
    """Return the request for the snapshot that is taken before a rollback."""
    return Request(
        command="create",
        selection=Selection(everything=True),
        name=_SAFETY_NAME,
        policy=SAFETY_POLICY,
        limit=request.limit,
        timeout=request.timeout,
    )


def check_rollback(snapshot: Snapshot, volume: Volume) -> None:
    """Raise what keeps every cloud from rolling the disk back, as the two are now."""
    _check_snapshot(snapshot, volume)
    if volume.status == "in-use" or volume.attached_to:
        servers = volume.attached_to or ("SERVER",)
        raise VolumeStateError(
            f"the disk is {volume.status!r}, attached to {', '.join(servers)}: only a detached "
            "one can be rolled back; nothing was sent",
            details=tuple(f"openstack server remove volume {s} {volume.id}" for s in servers),
            hint="Unmount it on the server, detach it (as above, or in the console), and try "
            "again. A system disk needs its server stopped.",
        )
    if volume.status not in _FIT_FOR_ROLLBACK:
        raise VolumeStateError(
            f"the disk is {volume.status!r}: only one that is available can be rolled back; "
            "nothing was sent",
            hint="Wait until it is, or repair it in the console.",
        )


def check_newest(snapshot: Snapshot, volume: Volume, snapshots: Sequence[Snapshot]) -> None:
    """Raise VolumeStateError for what upstream Cinder does not revert to.

    That is any but the disk's newest snapshot, and one of another size than the disk's.
    Source: https://docs.openstack.org/api-ref/block-storage/v3/ ("revert volume to snapshot").
    """
    newer = [s for s in snapshots if s.id != snapshot.id and s.age_key > snapshot.age_key]
    if newer:
        raise VolumeStateError(
            "this cloud rolls a disk back to its newest snapshot only, and newer ones are there; "
            "nothing was sent",
            details=tuple(f"{s.id}  {s.status}  {s.name or ''}" for s in newer),
            hint=f"Make a new disk of it: `evs-snap restore {snapshot.id} --as NAME`. "
            "Or delete the newer ones first.",
        )
    if None not in {snapshot.size, volume.size} and snapshot.size != volume.size:
        raise VolumeStateError(
            f"the disk has {volume.size} GiB now and had {snapshot.size} then: this cloud rolls "
            "back only to the same size; nothing was sent",
            hint=f"Make a new disk of it: `evs-snap restore {snapshot.id} --as NAME`.",
        )


def _check_snapshot(snapshot: Snapshot, source: Volume) -> None:
    if snapshot.is_system:
        raise NotOursError(
            f"snapshot {snapshot.id} belongs to {snapshot.owner}; nothing was sent",
            hint="Restore it in the console; a backup in CBR.",
        )
    if snapshot.volume_id != source.id:
        raise SelectionError(f"snapshot {snapshot.id} is not of disk {source.id}")
    if not snapshot.is_usable:
        raise VolumeStateError(
            f"snapshot {snapshot.id} is {snapshot.status!r}, not available; nothing was sent",
            hint="`evs-snap snapshots` shows those that are available.",
        )
