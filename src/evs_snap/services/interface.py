"""What every kind of snapshot has and does: the records, and the service that each kind is.

Sources of the fields:
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_3033.html (disks),
https://support.huaweicloud.com/intl/en-us/api-evs/CinderListSnapshotsDetailsV3.html (snapshots),
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2073.html (quotas).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from evs_snap.api.paging import Identified, Page
from evs_snap.api.project import Project
from evs_snap.api.wire import (
    Flag,
    Lenient,
    Moment,
    Number,
    Status,
    Text,
    Texts,
    TextsOrNone,
    Wire,
    Words,
    objects,
)

USABLE_VOLUME_STATUSES = frozenset({"available", "in-use"})
"""The only volume statuses of which EVS takes snapshots (user manual, FAQ)."""

SYSTEM_NAME_PREFIXES = ("autobk_snapshot_", "manualbk_snapshot_")
"""Names the backup services give their snapshots (API reference, snapshot details)."""

SYSTEM_LABEL = "__system__enableActive"
"""The metadata by which a backup service marks a snapshot as its own."""

STAMP_KEY = "evs_snap_key"
STAMP_POLICY = "evs_snap_policy"
STAMP_BUCKET = "evs_snap_bucket"
STAMP_CONSISTENCY = "evs_snap_consistency"
STAMP_MEMBERS = "evs_snap_members"
STAMP_PINNED = "evs_snap_pinned"
"""While a snapshot is pinned: the policy that it comes back to. What it says later counts for
nothing."""

APP_CONSISTENT, CRASH_CONSISTENT = "app", "crash"
"""Whether something was held until the snapshot was usable; ``crash`` until that is known."""

DEFAULT_POLICY = "default"
"""The policy of ``rotate``, where none is named."""

MANUAL_POLICY = "manual"
"""The policy of ``create``, where none is named: no rotation judges it."""

SAFETY_POLICY = "before-restore"
"""The policy of the snapshots that `restore` takes first: no rule may go by it."""

PINNED_POLICY = "pinned"
"""The policy of snapshots that were put out of every rule's reach."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_COUNT = re.compile("[1-9][0-9]{0,3}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Stamp:
    """What this tool writes on a snapshot that it makes.

    ``key`` is unique to the attempt and finds the snapshot again after a lost answer.
    ``policy`` is the label that the rules go by. ``bucket`` is the period of ``--once-per``.
    ``consistency`` is ``app`` or ``crash`` where something was held meanwhile. ``members`` is
    how many snapshots the set has, of one that was made in a set.
    """

    key: str
    policy: str = DEFAULT_POLICY
    bucket: str | None = None
    consistency: str | None = None
    members: int | None = None

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Stamp | None:
        """Return the stamp among these labels, or None where this tool made none."""
        if STAMP_KEY not in labels:
            return None
        return cls(
            labels[STAMP_KEY],
            labels.get(STAMP_POLICY) or DEFAULT_POLICY,
            labels.get(STAMP_BUCKET),
            labels.get(STAMP_CONSISTENCY),
            int(told) if (told := labels.get(STAMP_MEMBERS, "")) and _COUNT(told) else None,
        )

    def labels(self) -> dict[str, str]:
        """Return the stamp as labels."""
        named = {
            STAMP_KEY: self.key,
            STAMP_POLICY: self.policy,
            STAMP_BUCKET: self.bucket,
            STAMP_CONSISTENCY: self.consistency,
            STAMP_MEMBERS: str(self.members) if self.members else None,
        }
        return {name: value for name, value in named.items() if value is not None}


class Attachment(Wire):
    """One server that a disk is attached to."""

    server_id: Text = None
    device: Text = None


class Volume(Identified):
    """An EVS disk. ``size`` is in GiB; a name may be empty, null, or shared.

    ``snapshot_id`` is the snapshot that the disk was made from, if any; ``tags`` are EVS's,
    None where they were not read.
    """

    name: Text = None
    status: Status = "unknown"
    size: Number = None
    volume_type: Text = None
    availability_zone: Text = None
    description: Text = None
    bootable: Flag = None
    encrypted: Flag = None
    multiattach: Flag = None
    snapshot_id: Text = None
    attachments: Annotated[tuple[Attachment, ...], Lenient(objects)] = ()
    metadata: Texts = Field(default_factory=dict)
    tags: TextsOrNone = None
    created_at: Moment = None
    updated_at: Moment = None

    @property
    def attached_to(self) -> tuple[str, ...]:
        """IDs of the servers that hold this disk."""
        return tuple(a.server_id for a in self.attachments if a.server_id)


class VolumeSummary(Identified):
    """What the plain list (``GET /volumes``) tells: ID and name."""

    name: Text = None


class Snapshot(Identified):
    """A snapshot of one disk. ``size`` is the disk's, in GiB, not what it occupies.

    ``labels`` are what its kind lets others store with it; each kind's own record says
    under which name the API has them. ``job_id`` is that of the job that makes it, where the
    service has just begun one.
    """

    name: Text = None
    volume_id: Words = ""
    status: Status = "unknown"
    size: Number = None
    description: Text = None
    labels: Texts = Field(default_factory=dict)
    created_at: Moment = None
    updated_at: Moment = None
    job_id: Text = Field(default=None, exclude=True)

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return ""

    @property
    def stamp(self) -> Stamp | None:
        """Our stamp, or None where this tool did not make it."""
        return None if self.key is None else Stamp.of(self.labels)

    @property
    def policy(self) -> str | None:
        """The policy of our stamp, or None where this tool did not make it."""
        return None if self.key is None else self.labels.get(STAMP_POLICY) or DEFAULT_POLICY

    @property
    def key(self) -> str | None:
        """The key of our stamp, or None where this tool did not make it."""
        return self.labels.get(STAMP_KEY)

    @property
    def is_pinned(self) -> bool:
        """Whether it was put out of every rule's reach."""
        return self.policy == PINNED_POLICY

    @property
    def pinned_from(self) -> str | None:
        """The policy that a pinned one comes back to; None of one that is not pinned."""
        return (self.labels.get(STAMP_PINNED) or MANUAL_POLICY) if self.is_pinned else None

    @property
    def is_system(self) -> bool:
        """Whether a service owns it, as for its backups: never counted, never deleted."""
        return (self.name or "").startswith(SYSTEM_NAME_PREFIXES) or SYSTEM_LABEL in self.labels

    @property
    def owner(self) -> str:
        """The service that owns it, in words, where ``is_system``."""
        return "a backup service: its next backup builds on it"

    @property
    def is_other_kind(self) -> bool:
        """Whether it is of another kind than the one at work: no slot of this one's is taken.

        It can be a disk's newest usable one all the same. It is not deleted.
        """
        return False

    @property
    def set_id(self) -> str | None:
        """The ID of the set that it was made in, together with those of other disks."""
        return None

    @property
    def expires_at(self) -> datetime | None:
        """When the service deletes it by itself (UTC), if at all."""
        return None

    def source(self, *, volume_type: str | None) -> Volume:
        """Return what is known of its disk once that is gone; nothing tells its type."""
        return Volume(id=self.volume_id, size=self.size, volume_type=volume_type)

    @property
    def stored(self) -> Mapping[str, float]:
        """GiB in store, by the ID of what is stored: several snapshots may share it."""
        return {}

    @property
    def is_usable(self) -> bool:
        """Whether a disk could be restored from it now."""
        return self.status == "available"

    @property
    def is_broken(self) -> bool:
        """Whether the service failed to make it, or to delete it (``error_deleting``)."""
        return self.status.startswith("error")

    @property
    def age_key(self) -> tuple[datetime, str]:
        """What sorts the oldest first, those of one second by ID.

        One without a date counts as the oldest, so that it is never taken for the newest.
        """
        return self.created_at or _LONG_AGO, self.id


class SnapshotSet(Identified):
    """Snapshots of several disks that were made at one instant. Its members tell of which disks.

    ``job_id`` is that of the job that makes it, where the service has just begun one.
    """

    name: Text = None
    status: Status = "unknown"
    labels: Texts = Field(default_factory=dict)
    created_at: Moment = None
    job_id: Text = Field(default=None, exclude=True)

    @property
    def stamp(self) -> Stamp | None:
        """Our stamp, or None where this tool did not make it."""
        return Stamp.of(self.labels)

    @property
    def age_key(self) -> tuple[datetime, str]:
        """What sorts the oldest first, those of one second by ID."""
        return self.created_at or _LONG_AGO, self.id


class QuotaUsage(Wire):
    """One quota: ``limit`` -1 means none; None means the service did not say."""

    limit: Number = None
    in_use: Number = None
    reserved: Number = None

    @property
    def free(self) -> int | None:
        """How much is left, or None where there is no limit or no answer."""
        if self.limit is None or self.limit < 0 or self.in_use is None:
            return None
        return max(0, self.limit - self.in_use - (self.reserved or 0))


def _quota(value: object) -> object:
    return value if isinstance(value, dict) else {"limit": value}


class QuotaSet(Wire):
    """The project's quota of snapshots."""

    snapshots: Annotated[QuotaUsage, BeforeValidator(_quota)] = Field(default_factory=QuotaUsage)


@dataclass(frozen=True, slots=True)
class Created:
    """A snapshot that the service accepted, and how often the request may have reached it.

    After more than one there may be two snapshots under the same key.
    """

    snapshot: Snapshot
    sent: int = 1


@dataclass(frozen=True, slots=True)
class CreatedSet:
    """A set that the service accepted, and how often the request may have reached it."""

    set: SnapshotSet
    sent: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """How far the service is with what it was asked for. ``failure`` is why it could not."""

    is_over: bool
    failure: str | None = None


class SnapshotService(ABC):
    """One kind of snapshots in one project. A kind is a subclass in a file of its own.

    Every method raises UnreachableError, BadAnswerError or a ServiceError when it cannot do
    what its name says. What a kind answers is held against what was asked in `client`.
    ``enterprise_project_id`` is that of new snapshots, where the kind has a place for it.
    """

    kind: ClassVar[str]
    """Its name: what ``--kind`` takes, and what its records carry."""

    limit: ClassVar[int]
    """How many snapshots made by hand the vendor allows a disk."""

    can_hold: ClassVar[bool]
    """Whether one is usable so soon after it was asked for that something may be held till then."""

    most_together: ClassVar[int] = 0
    """How many disks it takes at one instant, as a set; 0 where it makes no sets."""

    timeout: ClassVar[float]
    """Seconds to wait for new ones, where nobody says how long."""

    def __init__(self, project: Project, *, enterprise_project_id: str | None = None) -> None:
        self.project = project
        self.enterprise_project_id = enterprise_project_id

    @abstractmethod
    def pages(self, *, volume_id: str | None, status: str | None, size: int) -> Iterator[Page[Any]]:
        """Yield the project's snapshots page by page of ``size`` rows, the newest first.

        ``volume_id`` and ``status`` are asked of the service, which may ignore them.
        """

    @abstractmethod
    def get(self, snapshot_id: str) -> Snapshot:
        """Return one snapshot. Raises NotFoundError where there is none."""

    @abstractmethod
    def create(
        self,
        volume: Volume,
        *,
        name: str | None,
        description: str | None,
        properties: Mapping[str, str],
        stamp: Stamp | None,
        expire_after: float | None,
    ) -> Created:
        """Ask for a snapshot; the service makes it after it has answered.

        ``expire_after`` are the seconds after which the service is to delete it by itself.
        After AnswerLostError, BadAnswerError or ServerError it may or may not have been made.
        BusyError says that another one of the disk is being made, and that this one is not.
        """

    @abstractmethod
    def label(self, snapshot_id: str, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Add these labels to a snapshot, or replace those of these names; return what it has now.

        Doing so again does no harm.
        """

    @abstractmethod
    def delete(self, snapshot_id: str) -> None:
        """Ask for a deletion; the service carries it out after it has answered."""

    @abstractmethod
    def rolls_back_to_any(self, snapshot_id: str) -> bool:
        """Return whether a disk can be rolled back to any of its snapshots.

        False means to the newest alone. ``snapshot_id`` is that of any snapshot there is.
        """

    @abstractmethod
    def roll_back(self, volume_id: str, *, snapshot_id: str) -> str | None:
        """Ask for a rollback of the snapshot's own disk, which must be detached.

        Returns the ID of the job that does it, where the service has jobs. Raises
        RestoreFailedError where the cloud has no way to do it: nothing was done then.
        After AnswerLostError, BadAnswerError or ServerError it may or may not have begun.
        """

    @abstractmethod
    def job(self, job_id: str) -> Job | None:
        """Return how far a job is, or None where the service does not know it (any more)."""

    @abstractmethod
    def refuse(
        self, *, properties: Mapping[str, str], policy: str, expire_after: float | None = None
    ) -> None:
        """Raise ConfigurationError for what this kind cannot store with a snapshot, or do."""

    # -- sets: a kind whose ``most_together`` is above 0 has these too -------------------

    def sets(self) -> Iterator[SnapshotSet]:
        """Yield the project's sets."""
        raise NotImplementedError

    def get_set(self, set_id: str) -> SnapshotSet:
        """Return one set. Raises NotFoundError where there is none."""
        raise NotImplementedError

    def members(self, set_id: str) -> Iterator[Snapshot]:
        """Yield the snapshots of a set. They may come into being some time after it."""
        raise NotImplementedError

    def create_set(
        self,
        volume_ids: Sequence[str],
        *,
        name: str | None,
        description: str | None,
        properties: Mapping[str, str],
        stamp: Stamp | None,
    ) -> CreatedSet:
        """Ask for snapshots of these disks at one instant: of all of them, or of none.

        What ``properties`` and ``stamp`` say is stored with the set, and not with its members.
        Its errors mean what those of ``create`` mean.
        """
        raise NotImplementedError

    def delete_set(self, set_id: str) -> None:
        """Ask for the deletion of a set and of all its members."""
        raise NotImplementedError
