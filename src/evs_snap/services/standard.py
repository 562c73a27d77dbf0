"""Standard snapshots: EVS's paths of v5, in those regions of Huawei Cloud that have them.

They are stored outside the disk, billed, and survive it; a disk has 256 made by hand. One at a
time is made of a disk. Their labels are tags. Sources, a page for each operation:
https://support.huaweicloud.com/intl/en-us/api-evs/CreateSnapshotV5.html,
https://support.huaweicloud.com/intl/en-us/api-evs/ListSnapshotsDetailsV5.html and
https://support.huaweicloud.com/intl/en-us/api-evs/RollbackSnapshotV5.html. Several disks at one
instant: https://support.huaweicloud.com/intl/en-us/api-evs/CreateSnapshotGroup.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from evs_snap.api.bounds import SENT
from evs_snap.api.paging import PAGE_SIZE, Page
from evs_snap.api.project import segment
from evs_snap.api.wire import Flag, Lenient, Moment, Number, Text, Texts, Wire, objects
from evs_snap.api.wording import is_of_quota
from evs_snap.errors import (
    BadAnswerError,
    BusyError,
    ConfigurationError,
    EvsSnapError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ServiceError,
)
from evs_snap.services.interface import (
    Created,
    CreatedSet,
    Job,
    Snapshot,
    SnapshotService,
    SnapshotSet,
    Stamp,
    Volume,
)

if TYPE_CHECKING:
    from evs_snap.api.http import httpx

_OTHER_KIND = "Perhaps the region makes legacy snapshots alone: try --kind legacy."
_KINDS = {"flash": "legacy"}
"""The service's word for a kind, where it is not ours."""

_TAG_KEY = re.compile("[A-Za-z0-9_\u4e00-\u9fff-]{1,36}")
_TAG_VALUE = re.compile("[A-Za-z0-9_.\u4e00-\u9fff-]{0,43}")
_MOST_TAGS = 20
"""Source: the two pages of tags in the API reference, and "Tag" in the product description."""

_LARGEST = 2**53
_DAY = 86400.0
_MOST_DAYS = 65536
_FULL = frozenset({400, 403, 409, 413})
"""Statuses under which a full disk may be told: no document names one."""


def _gib(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LARGEST else None


class Chain(Wire):
    """What a disk's snapshots take up in store together; ``capacity`` is in GiB."""

    id: Text = None
    availability_zone: Text = None
    snapshot_count: Number = None
    capacity: Annotated[float | None, BeforeValidator(_gib)] = None
    category: Text = None


class StandardSnapshot(Snapshot):
    """A row of ``/v5/{project}/snapshots``, which lists both kinds; its labels are tags."""

    labels: Texts = Field(default_factory=dict, alias="tags")
    category: Text = None
    snapshot_type: Text = None
    progress: Text = None
    availability_zone: Text = None
    encrypted: Flag = None
    incremental: Flag = None
    instant_access: Flag = None
    enterprise_project_id: Text = None
    retention_at: Moment = None
    snapshot_group_id: Text = None
    snapshot_chains: Annotated[tuple[Chain, ...], Lenient(objects)] = ()

    @property
    def kind(self) -> str:
        """The name of its kind; one that is not known has the service's word."""
        category = self.category or Standard.kind
        return _KINDS.get(category, category)

    @property
    def key(self) -> str | None:
        """The key of our stamp. Another kind's stamp is not in its tags."""
        return None if self.is_other_kind else super().key

    @property
    def is_system(self) -> bool:
        """Whether a backup service, or a policy of the service, made it; or it is a copy."""
        return self.snapshot_type not in {"user", None, ""} or super().is_system

    @property
    def owner(self) -> str:
        """The service that owns it, in words."""
        if super().is_system:
            return super().owner
        return f"the service: it is one of its {self.snapshot_type!r} ones"

    @property
    def is_other_kind(self) -> bool:
        """Whether it is no standard one."""
        return self.kind != Standard.kind

    def source(self, *, volume_type: str | None) -> Volume:
        """Return what the record tells of its disk."""
        known = super().source(volume_type=volume_type)
        told = {"availability_zone": self.availability_zone, "encrypted": self.encrypted}
        return known.model_copy(update=told)

    @property
    def set_id(self) -> str | None:
        """The ID of its group."""
        return self.snapshot_group_id or None

    @property
    def expires_at(self) -> datetime | None:
        """When the service deletes it by itself."""
        return self.retention_at

    @property
    def stored(self) -> Mapping[str, float]:
        """GiB of its chains, by ID."""
        chains = self.snapshot_chains
        return {c.id: c.capacity for c in chains if c.id and c.capacity is not None}


class Group(SnapshotSet):
    """A row of ``/v5/{project}/snapshot-groups``. Its labels are tags; members have their own."""

    labels: Texts = Field(default_factory=dict, alias="tags")


class Standard(SnapshotService):
    """Snapshots by EVS's v5."""

    kind = "standard"
    limit = 256
    can_hold = False
    most_together = 64
    timeout = 3600.0

    def pages(
        self, *, volume_id: str | None, status: str | None, size: int
    ) -> Iterator[Page[StandardSnapshot]]:
        """Yield the snapshots page by page, of both kinds, the newest first.

        No page tells whether there is another: one that is full has.
        """
        return self.project.pages(
            "snapshots/detail",
            "snapshots",
            StandardSnapshot,
            {"volume_id": volume_id, "status": status},
            version="v5",
            right="evs:snapshots:list",
            unexplained=_OTHER_KIND,
            size=size,
        )

    def get(self, snapshot_id: str) -> StandardSnapshot:
        """Return one snapshot."""
        path = segment(snapshot_id)
        answer = self._send("GET", path, doing="reading the snapshot", right="get")
        return self.project.one(answer, "snapshot", StandardSnapshot)

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
        """Ask for a snapshot. The answer has its ID alone; the row is read by it.

        The row may be missing for a while: it is the request's own words then.
        """
        given = {
            "name": name,
            "description": description,
            "tags": {**properties, **(stamp.labels() if stamp else {})} or None,
            "enterprise_project_id": self.enterprise_project_id,
            "retention_days": None if expire_after is None else _days(expire_after),
        }
        wanted = {"volume_id": volume.id, **{k: v for k, v in given.items() if v is not None}}
        doing = "creating the snapshot"
        ask = partial(self._send, "POST", body={"snapshot": wanted}, doing=doing, right="create")
        id_, job, sent = self._accepted(ask, key="snapshot_id", doing=doing)
        own = {
            **wanted,
            "id": id_,
            "status": "creating",
            "size": volume.size,
            "availability_zone": volume.availability_zone,
            "category": self.kind,
        }
        made = StandardSnapshot.model_validate(own)
        with suppress(EvsSnapError):
            row = self.get(id_)
            made = row if row.id == id_ else made
        if stamp is not None and made.key not in {None, stamp.key}:
            raise _lost(sent, f"{doing}: the answer is about {id_}, which is another one")
        if not made.labels and made.status == "creating":  # tags may come late
            made = made.model_copy(update={"labels": given["tags"] or {}})
        return Created(made.model_copy(update={"job_id": job}), sent=sent)

    def label(self, snapshot_id: str, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Add tags; one of the same key is replaced."""
        body = {"tags": [{"key": key, "value": value} for key, value in labels.items()]}
        path = f"{segment(snapshot_id)}/tags/create"
        self._send("POST", path, body=body, doing="labelling the snapshot", right="update")
        return self.get(snapshot_id).labels

    def delete(self, snapshot_id: str) -> None:
        """Ask for a deletion. Its job tells no more than the snapshot itself does."""
        self._send("DELETE", segment(snapshot_id), doing="deleting the snapshot", right="delete")

    def rolls_back_to_any(self, snapshot_id: str) -> bool:  # noqa: ARG002 - of every one
        """Return True."""
        return True

    def roll_back(self, volume_id: str, *, snapshot_id: str) -> str | None:
        """Ask for a rollback; return its job."""
        answer = self._send(
            "POST",
            f"{segment(snapshot_id)}/rollback",
            body={"rollback": {"volume_id": volume_id}},
            doing="rolling the disk back",
            right="rollback",
        )
        job_id = self.project.document(answer).get("job_id")
        return job_id if isinstance(job_id, str) else None

    def job(self, job_id: str) -> Job | None:
        """Return how far a job is. How long the service remembers it is not documented.

        Source: https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_0054.html
        """
        path, doing = f"jobs/{segment(job_id)}", "reading the job"
        try:
            answer = self.project.send("GET", path, version="v1", doing=doing)
        except ServiceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        told = self.project.document(answer)
        status, code, reason = (told.get(k) for k in ("status", "error_code", "fail_reason"))
        if status == "FAIL":
            words = [text for text in (code, reason) if isinstance(text, str) and text]
            return Job(is_over=True, failure=": ".join(words) or "the service gives no reason")
        return Job(is_over=status == "SUCCESS")

    def refuse(
        self, *, properties: Mapping[str, str], policy: str, expire_after: float | None = None
    ) -> None:
        """Refuse what does not fit into tags, and a life that is not of whole days."""
        stamped = Stamp("", policy=policy, bucket="").labels()
        for key, value in {**properties, **stamped}.items():
            what = "--policy" if key in stamped else f"--property {key[:40]!r}:"
            if not _TAG_KEY.fullmatch(key):
                raise ConfigurationError(
                    f"{what} is no key of a tag, which a standard snapshot stores",
                    hint="It has 1 to 36 letters (A-Z, a-z, Chinese), digits, _ and -. A legacy "
                    "snapshot (--kind legacy) takes any text of 255 characters.",
                )
            if not _TAG_VALUE.fullmatch(value):
                raise ConfigurationError(
                    f"{what} {value[:60]!r} is no value of a tag, which a standard snapshot stores",
                    hint="It has at most 43 letters (A-Z, a-z, Chinese), digits, _, . and -. A "
                    "legacy snapshot (--kind legacy) takes any text of 255 characters.",
                )
        needed = len(stamped) + 1  # one more where it is pinned, or in a set
        most = _MOST_TAGS - needed
        if len(properties) > most:
            raise ConfigurationError(
                f"--property: {len(properties)} of them; a standard snapshot has {_MOST_TAGS} "
                f"tags, and evs-snap needs {needed}",
                hint=f"Say at most {most}. A legacy snapshot (--kind legacy) takes more.",
            )
        if expire_after is not None and not _DAY <= expire_after <= _MOST_DAYS * _DAY:
            raise ConfigurationError(
                f"--expire-after: the service counts in days, 1 to {_MOST_DAYS}",
                hint="Say it so: --expire-after 30d.",
            )

    # -- sets ----------------------------------------------------------------------------

    def sets(self) -> Iterator[Group]:
        """Yield the groups. Their list has no marker: the next page begins after so many rows."""
        seen: set[str] = set()
        while True:
            path = f"snapshot-groups/detail?limit={PAGE_SIZE}&offset={len(seen)}"
            answer = self._send_group("GET", path, doing="listing snapshot groups", right="list")
            rows = Page.of(self.project.document(answer), "snapshot_groups", Group).rows
            new = {row.id: row for row in rows if row.id not in seen}
            yield from new.values()
            seen.update(new)
            if not new or len(rows) < PAGE_SIZE:
                return

    def get_set(self, set_id: str) -> Group:
        """Return one group."""
        path = f"snapshot-groups/{segment(set_id)}"
        answer = self._send_group("GET", path, doing="reading the snapshot group", right="list")
        return self.project.one(answer, "snapshot_group", Group)

    def members(self, set_id: str) -> Iterator[StandardSnapshot]:
        """Yield a group's snapshots; the service may ignore which group is asked for."""
        pages = self.project.pages(
            "snapshots/detail",
            "snapshots",
            StandardSnapshot,
            {"snapshot_group_id": set_id},
            version="v5",
            right="evs:snapshots:list",
        )
        return (row for page in pages for row in page.rows if row.set_id == set_id)

    def create_set(
        self,
        volume_ids: Sequence[str],
        *,
        name: str | None,
        description: str | None,
        properties: Mapping[str, str],
        stamp: Stamp | None,
    ) -> CreatedSet:
        """Ask for a group. The answer has its ID alone."""
        tags = {**properties, **(stamp.labels() if stamp else {})}
        given = {
            "name": name,
            "description": description,
            "tags": tags or None,
            "incremental": True,
            "enterprise_project_id": self.enterprise_project_id,
        }
        wanted = {
            "volume_ids": list(volume_ids),
            **{k: v for k, v in given.items() if v is not None},
        }
        doing = "creating the snapshot group"
        body = {"snapshot_group": wanted}
        ask = partial(
            self._send_group, "POST", "snapshot-groups", body=body, doing=doing, right="create"
        )
        id_, job, sent = self._accepted(ask, key="snapshot_group_id", doing=doing)
        made = Group.model_validate({"id": id_, "name": name, "status": "creating", "tags": tags})
        return CreatedSet(made.model_copy(update={"job_id": job}), sent=sent)

    def delete_set(self, set_id: str) -> None:
        """Ask for the deletion of a group with its members."""
        path = f"snapshot-groups/{segment(set_id)}"
        self._send_group("DELETE", path, doing="deleting the snapshot group", right="delete")

    def _accepted(
        self, ask: Callable[[], httpx.Response], *, key: str, doing: str
    ) -> tuple[str, str | None, int]:
        """Ask for something new; return its ID, its job's, and how often that was sent."""
        try:
            answer = ask()
        except ServiceError as error:
            raise _as_full(error) from error
        sent: int = answer.extensions.get(SENT, 1)
        told = self.project.document(answer)
        id_, job_id = told.get(key), told.get("job_id")
        if not isinstance(id_, str) or not id_:
            raise _lost(sent, f"{doing}: the answer has no {key}")
        return id_, job_id if isinstance(job_id, str) else None, sent

    def _send_group(
        self, method: str, path: str, *, doing: str, right: str, body: object = None
    ) -> httpx.Response:
        right = f"evs:snapshotGroups:{right}"
        return self.project.send(method, path, body=body, version="v5", doing=doing, right=right)

    def _send(
        self, method: str, path: str = "", *, doing: str, right: str, body: object = None
    ) -> httpx.Response:
        return self.project.send(
            method,
            f"snapshots/{path}" if path else "snapshots",
            body=body,
            version="v5",
            doing=doing,
            right=f"evs:snapshots:{right}",
            unexplained=_OTHER_KIND if right == "create" else None,
        )


def _lost(sent: int, told: str) -> BadAnswerError:
    error = BadAnswerError(told)
    error.sent = sent
    return error


def _days(seconds: float) -> int:
    """Return whole days, none too few."""
    return ceil(seconds / _DAY)


def _as_full(error: ServiceError) -> ServiceError:
    """Return the refusal as a QuotaError where its words are those of a full disk."""
    if isinstance(error, BusyError | NotFoundError | QuotaError):
        return error
    plain = type(error) in {ServiceError, PermissionDeniedError}
    if not plain or error.status not in _FULL or not is_of_quota(error.message):
        return error
    full = QuotaError(
        error.message,
        hint="Delete snapshots no longer needed, or have the limit raised.",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
    full.sent = error.sent
    return full
