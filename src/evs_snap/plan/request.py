"""What the user asks for, checked at once; and the snapshot about to be created."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from evs_snap.api.models import (
    DEFAULT_LIMIT,
    DEFAULT_POLICY,
    STAMP_BUCKET,
    STAMP_KEY,
    STAMP_POLICY,
    USABLE_VOLUME_STATUSES,
    Snapshot,
)
from evs_snap.errors import ConfigurationError, VolumeStateError
from evs_snap.plan.naming import LONGEST_DESCRIPTION, Template
from evs_snap.plan.retention import SKEW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from evs_snap.api.models import Volume
    from evs_snap.plan.retention import Keep

BUCKETS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V"}
"""--once-per: the periods (UTC) of which each gets one snapshot."""

RESERVED_PREFIXES = ("evs_snap_", "__system__")
_LONGEST_METADATA = 255


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """How to create snapshots. Raises ConfigurationError for what cannot work.

    With ``keep`` it is a rotation: what the rules no longer keep is deleted once the new
    snapshot is usable. With ``replace`` a full disk's oldest own snapshot is deleted first.
    ``limit`` is how many snapshots a disk may hold.
    """

    template: Template = field(default_factory=Template)
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    policy: str = DEFAULT_POLICY
    limit: int = DEFAULT_LIMIT
    replace: bool = False
    once_per: str | None = None
    keep: Keep | None = None

    def __post_init__(self) -> None:
        """Refuse what the service would refuse, and rules that do not fit the limit."""
        check_policy(self.policy)
        if len(self.description or "") > LONGEST_DESCRIPTION:
            raise ConfigurationError(
                f"--description has more than {LONGEST_DESCRIPTION} characters, "
                "the most that all EVS clouds take"
            )
        check_properties(self.properties)
        if self.keep is not None:
            check_rules(self.keep, limit=self.limit)

    def bucket(self, now: datetime) -> str | None:
        """Return the period that ``now`` lies in, or None without --once-per."""
        return now.astimezone(UTC).strftime(BUCKETS[self.once_per]) if self.once_per else None


def check_properties(properties: Mapping[str, str]) -> None:
    """Raise ConfigurationError for metadata that is ours, the service's, or too long."""
    for key, value in properties.items():
        if not key or key.startswith(RESERVED_PREFIXES):
            raise ConfigurationError(
                f"--property {key!r}: such keys are reserved",
                hint=f"Choose one that does not begin with {' or '.join(RESERVED_PREFIXES)}.",
            )
        if max(len(key), len(value)) > _LONGEST_METADATA:
            raise ConfigurationError(
                f"--property {key[:20]!r}: more than {_LONGEST_METADATA} characters"
            )


def check_policy(policy: str) -> None:
    """Raise ConfigurationError for a policy that cannot be stored in a snapshot's metadata."""
    fits = 0 < len(policy) <= _LONGEST_METADATA
    if not fits or policy != policy.strip() or not policy.isprintable():
        raise ConfigurationError(f"--policy {policy!r} is empty, padded, unprintable or too long")


def check_rules(keep: Keep, *, limit: int) -> None:
    """Raise ConfigurationError, with the sum, for rules that could fill a disk one day.

    They may hold ``limit`` less the slot that the next snapshot needs.
    """
    if keep.most < limit:
        return
    given = [f"{count} {name}" for name, count in keep.counts if count]
    once = ", the newest counted once" if len(given) > 1 else ""
    raise ConfigurationError(
        f"the KEEP rules cannot fit: {' + '.join(given)} can hold {keep.most} snapshots{once}; "
        f"a disk holds {limit}, and the next one needs a slot",
        hint=f"Keep at most {limit - 1} in all, or say with --limit what this cloud allows.",
    )


@dataclass(frozen=True, slots=True)
class NewSnapshot:
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
        """Whether to send ``force``: needed for a disk attached to a server, and only then.

        Source: https://support.huaweicloud.com/intl/en-us/eu-west-0-api-ecs/en-us_topic_0065817725.html
        """
        return self.volume.status == "in-use"

    @property
    def key(self) -> str:
        """The unique key of this attempt: it finds the snapshot again after a lost answer."""
        return self.metadata[STAMP_KEY]

    def is_made_as(self, row: Snapshot) -> bool:
        """Whether the row is this attempt's, made although no answer said so.

        Where a cloud drops metadata, the exact name on this disk that was not listed
        before is the same proof. Clocks prove nothing.
        """
        if row.volume_id != self.volume.id:
            return False
        if STAMP_KEY in row.metadata:
            return row.metadata[STAMP_KEY] == self.key
        return row.name == self.name and row.id not in self.known

    def is_for_same_period(self, row: Snapshot) -> bool:
        """Whether the row is a snapshot of this period and policy, and stands for this one."""
        return (
            row.volume_id == self.volume.id
            and STAMP_BUCKET in self.metadata
            and row.metadata.get(STAMP_BUCKET) == self.metadata[STAMP_BUCKET]
            and row.policy == self.metadata[STAMP_POLICY]
            and row.status in {"available", "creating"}
            and not row.is_system
        )

    def as_made(self, own: Sequence[Snapshot], *, now: datetime) -> Snapshot:
        """Return the snapshot as it will be, so that the rules can judge it among ``own``.

        It will be the newest, even where the service's clock is ahead of ours.
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


def new_snapshot_for(
    volume: Volume,
    snapshots: Sequence[Snapshot],
    request: CreateRequest,
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
        )
    stamp = {STAMP_KEY: key, STAMP_POLICY: request.policy}
    bucket = request.bucket(now)
    if bucket is not None:
        stamp[STAMP_BUCKET] = bucket
    return NewSnapshot(
        volume=volume,
        name=request.template.name(volume, now=now, policy=request.policy),
        description=request.description,
        metadata={**request.properties, **stamp},
        known=frozenset(s.id for s in snapshots),
    )
