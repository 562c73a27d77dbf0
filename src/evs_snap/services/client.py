"""EvsClient: the project's disks, and its snapshots of one kind.

Every answer is held against what was asked for here, whichever kind gave it. Sources:
https://docs.openstack.org/api-ref/block-storage/v3/ and the chapters "EVS disk" and
"EVS snapshot" of https://docs.otc.t-systems.com/elastic-volume-service/api-ref/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from evs_snap.api.paging import PAGE_SIZE, Page
from evs_snap.api.project import Project, segment
from evs_snap.api.refusals import is_no_such_path
from evs_snap.clock import Clock
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NotFoundError,
    ServiceError,
    WrongEndpointError,
)
from evs_snap.services.interface import (
    Created,
    CreatedSet,
    QuotaSet,
    Snapshot,
    SnapshotService,
    SnapshotSet,
    Stamp,
    Volume,
    VolumeSummary,
)

_UUID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_HINT_TIME = 5.0
"""Seconds that a hint may take."""


class EvsClient:
    """The project's disks and snapshots. Safe to share between threads.

    ``kind`` makes the service of the snapshots; ``limit`` is how many of them a disk may hold
    (default: what the vendor allows). Every method raises UnreachableError, BadAnswerError or
    a ServiceError when it cannot do what its name says.
    """

    def __init__(
        self,
        project: Project,
        *,
        kind: Callable[[Project], SnapshotService],
        limit: int | None = None,
    ) -> None:
        self.project = project
        self.service = kind(project)
        self.limit = limit or self.service.limit
        self._kind = kind

    @property
    def clock(self) -> Clock:
        """Time and chance, for all that is done with this client."""
        return self.project.clock

    @property
    def service_now(self) -> datetime:
        """The time (UTC) by the service's last answer; else this machine's."""
        return self.project.service_now

    def until(self, moment: float) -> EvsClient:
        """Return this client, with requests that end at that moment of ``clock.monotonic``."""
        return EvsClient(self.project.until(moment), kind=self._kind, limit=self.limit)

    # -- disks ---------------------------------------------------------------------------

    def volumes(self, *, name: str | None = None) -> list[Volume]:
        """Return all disks with their details, or those whose name is exactly ``name``.

        Cinder reads a filter value that looks like a Python literal as one, so a name
        such as ``123`` may find nothing although the disk is there.
        """
        pages = self.project.pages("volumes/detail", "volumes", Volume, {"name": name})
        return [row for page in pages for row in page.rows if name is None or row.name == name]

    def volume_pages(self) -> Iterator[Page[Volume]]:
        """Yield all disks with their details, a page at a time."""
        return self.project.pages("volumes/detail", "volumes", Volume, {})

    def volumes_with_tags(self) -> list[Volume]:
        """Return all disks with their details and their EVS tags.

        Raises WrongEndpointError where the cloud has no EVS tags, as upstream Cinder.

        Source: https://docs.otc.t-systems.com/elastic-volume-service/api-ref/, "querying
        details about all disks (recommended)".
        """
        try:
            pages = self.project.pages("cloudvolumes/detail", "volumes", Volume, {}, version="v2")
            return [row for page in pages for row in page.rows]
        except ServiceError as error:
            if not is_no_such_path(error):
                raise
            raise WrongEndpointError(
                "this cloud has no EVS tags (there is no /v2/.../cloudvolumes/detail)",
                hint="Select by metadata: --with-metadata K=V.",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error

    def volume_summaries(self, *, name: str | None = None) -> list[VolumeSummary]:
        """Return ID and name of all disks, or of those named exactly ``name``.

        A page of this list is a tenth of the size of a page of ``volumes``. The program
        itself needs the status of each disk, which only ``volumes`` tells.
        """
        pages = self.project.pages("volumes", "volumes", VolumeSummary, {"name": name})
        return [row for page in pages for row in page.rows if name is None or row.name == name]

    def volume(self, volume_id: str) -> Volume:
        """Return one disk. Raises NotFoundError where there is none."""
        doing = "reading the disk"
        answer = self.project.send("GET", f"volumes/{segment(volume_id)}", doing=doing)
        volume = self.project.one(answer, "volume", Volume)
        _require_same(volume.id, asked=volume_id, doing=doing)
        return volume

    def create_volume(  # noqa: PLR0913 - what the operation takes
        self,
        *,
        size: int,
        name: str | None = None,
        snapshot_id: str | None = None,
        availability_zone: str | None = None,
        volume_type: str | None = None,
        multiattach: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Volume:
        """Ask for a disk of ``size`` GiB; the service makes it after it has answered.

        EVS makes one from a snapshot only with the zone and type of the snapshot's disk. After
        AnswerLostError, BadAnswerError or ServerError the disk may or may not have been made.
        Raises BadAnswerError for an answer about another disk than the one asked for.

        Source: https://docs.otc.t-systems.com/elastic-volume-service/api-ref/ ("creating EVS
        disks").
        """
        given = {
            "name": name,
            "snapshot_id": snapshot_id,
            "availability_zone": availability_zone,
            "volume_type": volume_type,
            "multiattach": multiattach or None,
            "metadata": metadata if metadata is None else dict(metadata),
        }
        wanted = {"size": size, **{k: v for k, v in given.items() if v is not None}}
        doing = "creating the disk"
        answer = self.project.send("POST", "volumes", body={"volume": wanted}, doing=doing)
        made = self.project.one(answer, "volume", Volume)
        for asked, told in ((name, made.name), (snapshot_id, made.snapshot_id)):
            if asked is not None and told is not None:
                _require_same(told, asked=asked, doing=doing)
        return made

    # -- snapshots -----------------------------------------------------------------------

    def snapshots(self, *, volume_id: str | None = None) -> list[Snapshot]:
        """Return all snapshots of the project, or those of one disk."""
        return [row for page in self.snapshot_pages(volume_id=volume_id) for row in page.rows]

    def snapshot_pages(
        self, *, volume_id: str | None = None, status: str | None = None, size: int = PAGE_SIZE
    ) -> Iterator[Page[Snapshot]]:
        """Yield snapshots a page at a time, the newest first: all, of one disk, or in one status.

        ``size`` is how many rows a page is to have, at most 1000. A service may ignore what is
        asked for: rows that do not fit are left out.
        """
        for page in self.service.pages(volume_id=volume_id, status=status, size=size):
            rows = [
                row
                for row in page.rows
                if (volume_id is None or row.volume_id == volume_id)
                and status in {None, row.status}
            ]
            yield Page(rows, more=page.more)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Return one snapshot. Raises NotFoundError where there is none.

        A 404 about something else, such as its disk or project, is raised as ServiceError.
        """
        try:
            snapshot = self.service.get(snapshot_id)
        except NotFoundError as error:
            if _is_about(error.said, snapshot_id):
                raise
            raise ServiceError(
                error.message,
                hint="It is not known whether the snapshot is still there.",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        _require_same(snapshot.id, asked=snapshot_id, doing="reading the snapshot")
        return snapshot

    def create_snapshot(
        self,
        volume: Volume,
        *,
        name: str | None = None,
        description: str | None = None,
        properties: Mapping[str, str] | None = None,
        stamp: Stamp | None = None,
        expire_after: float | None = None,
    ) -> Created:
        """Ask for a snapshot of the disk; the service makes it after it has answered.

        ``properties`` are stored with it, as far as its kind can; ``stamp`` marks it as ours.
        ``expire_after`` are the seconds after which the service deletes it, where its kind can.
        After AnswerLostError, BadAnswerError or ServerError the snapshot may or may not have
        been made.
        """
        created = self.service.create(
            volume,
            name=name,
            description=description,
            properties=properties or {},
            stamp=stamp,
            expire_after=expire_after,
        )
        told = created.snapshot.volume_id
        _require_same(told, asked=volume.id, doing="creating the snapshot")
        return created

    def label_snapshot(self, snapshot_id: str, labels: Mapping[str, str]) -> None:
        """Add these labels to a snapshot, or replace those of these names.

        Raises BadAnswerError where the answer does not show them.
        """
        told = self.service.label(snapshot_id, labels)
        if not labels.items() <= told.items():
            raise BadAnswerError("labelling the snapshot: the answer does not show the label")

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Ask for a deletion; the service carries it out after it has answered."""
        self.service.delete(snapshot_id)

    # -- sets of snapshots ---------------------------------------------------------------

    def snapshot_sets(self) -> list[SnapshotSet]:
        """Return the project's sets: snapshots of several disks, made at one instant."""
        self._require_sets()
        return list(self.service.sets())

    def snapshot_set(self, set_id: str) -> SnapshotSet:
        """Return one set. Raises NotFoundError where there is none."""
        self._require_sets()
        found = self.service.get_set(set_id)
        _require_same(found.id, asked=set_id, doing="reading the set")
        return found

    def set_members(self, set_id: str) -> list[Snapshot]:
        """Return the snapshots of a set that there are by now.

        Where there are fewer than its stamp tells, the list of all snapshots is looked at too.
        """
        self._require_sets()
        rows = {row.id: row for row in self.service.members(set_id) if row.set_id == set_id}
        wanted = max((row.stamp.members or 0 for row in rows.values() if row.stamp), default=1)
        if len(rows) < wanted:
            rows |= {row.id: row for row in self.snapshots() if row.set_id == set_id}
        return list(rows.values())

    def create_set(
        self,
        volumes: Sequence[Volume],
        *,
        name: str | None = None,
        description: str | None = None,
        properties: Mapping[str, str] | None = None,
        stamp: Stamp | None = None,
    ) -> CreatedSet:
        """Ask for snapshots of these disks at one instant; the service makes all or none.

        ``properties`` and ``stamp`` are stored with the set: its members are labelled once they
        are there. After AnswerLostError, BadAnswerError or ServerError it may or may not have
        been made. Raises ConfigurationError where this kind makes no sets.
        """
        self._require_sets()
        return self.service.create_set(
            [volume.id for volume in volumes],
            name=name,
            description=description,
            properties=properties or {},
            stamp=stamp,
        )

    def delete_set(self, set_id: str) -> None:
        """Ask for the deletion of a set and of all its members."""
        self._require_sets()
        self.service.delete_set(set_id)

    def _require_sets(self) -> None:
        if not self.service.most_together:
            raise ConfigurationError(
                f"{self.service.kind} snapshots are made one by one: there are no sets of them"
            )

    # -- the project ---------------------------------------------------------------------

    def quota(self) -> QuotaSet:
        """Return the project's quotas and how much of them is used."""
        # Cinder compares the text: it must be "True", with a capital T.
        path = f"os-quota-sets/{self.project.id}?usage=True"
        answer = self.project.send("GET", path, doing="reading the quotas")
        return self.project.one(answer, "quota_set", QuotaSet)

    def kinds_listed(self) -> frozenset[str] | None:
        """Return the kinds among the newest snapshots that Huawei Cloud's v5 lists.

        A hint, for which at most five seconds are taken: None where anything else, or nothing,
        is answered. An answer without a standard one is no proof that the region makes them.

        Source: https://support.huaweicloud.com/intl/en-us/api-evs/ListSnapshotsDetailsV5.html
        ("Standard snapshots are available only in some regions"). Editions differ in the path.
        """
        brief = self.project.until(self.clock.monotonic() + _HINT_TIME)
        for path in ("snapshots/detail?limit=50", "snapshots?limit=50"):
            with suppress(EvsSnapError):
                answer = brief.send("GET", path, version="v5")
                rows = brief.document(answer).get("snapshots")
                if isinstance(rows, list):
                    told = [row.get("category") for row in rows if isinstance(row, dict)]
                    names = {"standard": "standard", "flash": "legacy"}
                    return frozenset(name for word, name in names.items() if word in told)
        return None


def _is_about(refusal: str, snapshot_id: str) -> bool:
    """Whether a 404 is about that snapshot, or names nothing in particular."""
    named = {found.lower() for found in _UUID.findall(refusal)}
    if named:
        return snapshot_id.lower() in named
    words = refusal.lower()
    return "snapshot" in words or not re.search("volume|disk|project", words)


def _require_same(answered: str, *, asked: str, doing: str) -> None:
    """Raise BadAnswerError unless the answer is about what was asked for."""
    if answered.lower() != asked.lower():  # databases may ignore the case
        raise BadAnswerError(
            f"{doing}: the answer is about {answered[:64]!r}, and not about {asked!r}",
            hint="A proxy or the service mixes up answers: report it to the cloud's support.",
        )
