"""A snapshot about to be asked for: its name, its stamp, and what it will be once made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from evs_snap.api.models import (
    STAMP_BUCKET,
    STAMP_KEY,
    STAMP_POLICY,
    USABLE_VOLUME_STATUSES,
    Snapshot,
)
from evs_snap.errors import VolumeStateError
from evs_snap.plan.retention import SKEW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from evs_snap.api.models import Volume
    from evs_snap.plan.request import CreateRequest


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot about to be asked for.

    ``known`` are the IDs of the disk's snapshots before: none can be the new one.
    """

    volume: Volume
    name: str
    description: str | None
    metadata: Mapping[str, str]
    known: frozenset[str]

    @property
    def force(self) -> bool:
        """EVS wants it for attached disks, and for no other."""
        return self.volume.status == "in-use"

    @property
    def key(self) -> str:
        """This attempt's own mark, by which it is found again after a lost answer."""
        return self.metadata[STAMP_KEY]

    def as_made(self, own: Sequence[Snapshot], *, now: datetime) -> Snapshot:
        """Return what it will be, for the rules to judge beforehand among ``own``.

        It will be the newest, also where the service's clock is ahead of ours.
        """
        ahead = [s.created_at for s in own if s.created_at and now <= s.created_at <= now + SKEW]
        return Snapshot(
            id=self.key,
            name=self.name,
            volume_id=self.volume.id,
            status="available",
            metadata=dict(self.metadata),
            created_at=max(ahead) + timedelta.resolution if ahead else now,
        )


def draft_for(
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: CreateRequest,
    *,
    now: datetime,
    key: str,
) -> Draft:
    """Return the draft of what is requested for a disk that holds ``snapshots``.

    Raises VolumeStateError where EVS takes none of such a disk, and ConfigurationError
    where the template gives no name that a snapshot may have.
    """
    if volume.status not in USABLE_VOLUME_STATUSES:
        raise VolumeStateError(
            f"the disk is {volume.status!r}: EVS takes snapshots only of disks that are "
            "available or in-use",
            hint="Wait until it is, or mend it in the console.",
        )
    stamp = {STAMP_KEY: key, STAMP_POLICY: request.policy}
    bucket = request.bucket(now)
    if bucket is not None:
        stamp[STAMP_BUCKET] = bucket
    return Draft(
        volume=volume,
        name=request.template.name(volume, now=now, policy=request.policy),
        description=request.description,
        metadata={**request.properties, **stamp},
        known=frozenset(s.id for s in snapshots),
    )
