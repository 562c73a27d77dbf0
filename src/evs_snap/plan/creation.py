"""The snapshot about to be asked for, and how it is known again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from evs_snap.errors import VolumeStateError
from evs_snap.plan.naming import Template
from evs_snap.plan.request import Request
from evs_snap.plan.retention import SKEW
from evs_snap.services.interface import (
    APP_CONSISTENT,
    CRASH_CONSISTENT,
    USABLE_VOLUME_STATUSES,
    Snapshot,
    Stamp,
    Volume,
)


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A snapshot about to be asked for.

    ``known`` are the IDs of the disk's snapshots before: none can be the new one.
    ``expire_after`` are the seconds after which the service is to delete it.
    """

    volume: Volume
    name: str
    description: str | None
    properties: Mapping[str, str]
    stamp: Stamp
    known: frozenset[str]
    expire_after: float | None = None

    def is_made_as(self, row: Snapshot) -> bool:
        """Whether the row is this attempt's, made although no answer said so.

        Where a cloud drops our stamp, the exact name on this disk that was not listed
        before is the same proof. Clocks prove nothing.
        """
        if row.volume_id != self.volume.id:
            return False
        if row.stamp is not None:
            return row.stamp.key == self.stamp.key
        return row.name == self.name and row.id not in self.known

    def is_for_same_period(self, row: Snapshot) -> bool:
        """Whether the row is a snapshot of this period and policy, and stands for this one."""
        return self.stamp.bucket is not None and is_of_period(
            row,
            self.volume,
            policy=self.stamp.policy,
            bucket=self.stamp.bucket,
            held=self.stamp.consistency is not None,
        )

    def as_made(self, own: Sequence[Snapshot], *, now: datetime) -> Snapshot:
        """Return the snapshot as it will be, so that the rules can judge it among ``own``.

        It will be the newest, even where the service's clock is ahead of ours.
        """
        ahead = [s.created_at for s in own if s.created_at and now <= s.created_at <= now + SKEW]
        return Snapshot(
            id=self.stamp.key,
            name=self.name,
            volume_id=self.volume.id,
            status="available",
            labels=self.stamp.labels(),
            created_at=max(ahead) + timedelta.resolution if ahead else now,
        )


def is_of_period(row: Snapshot, volume: Volume, *, policy: str, bucket: str, held: bool) -> bool:
    """Whether the row is the disk's snapshot of that period under that policy, or will be.

    It is so while it is pinned too: else a pinned one would be taken again.
    Where something is ``held``, only one counts that was held until it was usable.
    """
    return (
        row.volume_id == volume.id
        and row.stamp is not None
        and row.stamp.bucket == bucket
        and policy in {row.stamp.policy, row.pinned_from}
        and row.status in {"available", "creating"}
        and not row.is_system
        and (not held or row.stamp.consistency == APP_CONSISTENT)
    )


def new_snapshot_for(
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: Request,
    *,
    now: datetime,
    key: str,
) -> NewSnapshot:
    """Return the snapshot to create for a disk that holds ``snapshots``.

    Raises VolumeStateError where the disk's status allows none, and ConfigurationError
    where the template gives a name that a snapshot may not have.
    """
    if volume.status not in USABLE_VOLUME_STATUSES:
        raise VolumeStateError(
            f"the disk is {volume.status!r}, not available or in-use",
            hint="EVS takes snapshots of no others: wait, or repair the disk in the console.",
            brief=f"disk in {volume.status}",
        )
    named = volume
    if request.together:  # all of a set have one name, in which the policy is the disk's
        named = volume.model_copy(update={"name": request.policy})
    return NewSnapshot(
        volume=volume,
        name=Template(request.name).name(named, now=now, policy=request.policy),
        description=request.description,
        properties=request.properties,
        stamp=Stamp(
            key,
            request.policy,
            request.bucket(now),
            consistency=CRASH_CONSISTENT if request.hold is not None else None,
        ),
        known=frozenset(s.id for s in snapshots),
        expire_after=request.expire_after,
    )
