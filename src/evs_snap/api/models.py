"""What the service says: typed, in UTC, and lenient about everything but IDs.

One odd disk must not spoil a listing: a field of an unexpected type becomes its
empty value, unknown fields and statuses pass. Sources of the fields:
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_3033.html (disks),
https://support.huaweicloud.com/intl/en-us/api-evs/CinderListSnapshotsDetailsV3.html (snapshots),
https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_2073.html (quotas).
"""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Model = TypeVar("Model", bound=BaseModel)

DEFAULT_LIMIT = 7
"""Snapshots made by hand that EVS allows a disk (user manual, creating a snapshot)."""

USABLE_VOLUME_STATUSES = frozenset({"available", "in-use"})
"""The only volume statuses of which EVS takes snapshots (user manual, FAQ)."""

SYSTEM_NAME_PREFIXES = ("autobk_snapshot_", "manualbk_snapshot_")
"""Names the backup services give their snapshots (API reference, snapshot details)."""

SYSTEM_METADATA_KEY = "__system__enableActive"

STAMP_KEY = "evs_snap_key"
STAMP_POLICY = "evs_snap_policy"
STAMP_BUCKET = "evs_snap_bucket"
DEFAULT_POLICY = "default"

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_BUILDING = threading.Lock()
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def parse_time(value: object) -> datetime | None:
    """Read an EVS timestamp (UTC, usually without a zone) as aware UTC, or None."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip().upper())
        except ValueError:
            return None
    else:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def _status(value: object) -> str:
    return value if isinstance(value, str) and value else "unknown"


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    return None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return None


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(k): _text(v) or "" for k, v in value.items()}


def _texts_or_none(value: object) -> dict[str, str] | None:
    return None if value is None else _texts(value)


def _rows(value: object) -> list[object]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


class _Lenient:
    """How a field is read: from JSON as it is, or not at all; from Python values leniently.

    Pages are read as JSON, which pydantic does without a call into Python. A page that does
    not fit, because of one odd row, is read again from Python values: see paging.py.
    ``mend`` turns any value into one that fits. ``plain`` is the JSON that fits, where the
    annotation itself would let in what ``mend`` reads in another way.
    """

    def __init__(
        self, mend: Callable[[object], object], *, plain: CoreSchema | None = None
    ) -> None:
        self._mend = mend
        self._plain = plain

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        annotated = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=self._plain or annotated,
            python_schema=core_schema.no_info_before_validator_function(self._mend, annotated),
        )


_PLAIN_FLAG = core_schema.nullable_schema(
    core_schema.union_schema(
        [
            core_schema.bool_schema(strict=True),
            core_schema.chain_schema(
                [core_schema.literal_schema(["true", "false"]), core_schema.bool_schema()]
            ),
        ]
    )
)
"""EVS writes ``bootable`` as a text. Of all that pydantic takes for a flag, no more fits."""

_PLAIN_TIME = core_schema.nullable_schema(
    core_schema.chain_schema(
        [
            core_schema.str_schema(
                pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?Z?$"
            ),
            core_schema.datetime_schema(),
        ]
    )
)
"""Pydantic alone would read ``20260102`` as seconds since 1970."""

Text = Annotated[str | None, _Lenient(_text)]
Status = Annotated[str, StringConstraints(min_length=1, to_lower=True), _Lenient(_status)]
Number = Annotated[Annotated[int, Strict()] | None, _Lenient(_number)]
Flag = Annotated[bool | None, _Lenient(_flag, plain=_PLAIN_FLAG)]
Moment = Annotated[datetime | None, _Lenient(parse_time, plain=_PLAIN_TIME)]
Texts = Annotated[dict[str, str], _Lenient(_texts)]
Identifier = Annotated[str, Field(min_length=1)]


class Wire(BaseModel):
    """What all that the service says has in common."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


def ready(model: type[Model]) -> type[Model]:
    """Return the model, built now if this is its first use; by one thread at a time.

    Meanwhile pydantic is told not to look for plugins: it would read the metadata of every
    package that is installed.
    """
    with _BUILDING:
        if not model.__pydantic_complete__:
            told = os.environ.get(_PLUGINS)
            os.environ[_PLUGINS] = "__all__"
            try:
                model.model_rebuild()
            finally:
                del os.environ[_PLUGINS]
                os.environ.update({_PLUGINS: told} if told is not None else {})
    return model


def put_in_utc(rows: Iterable[BaseModel]) -> None:
    """Give UTC to the times of rows that were just read from JSON, which has no zone there.

    Done for a page at once: a validator of the field or the model costs three times as much.
    """
    for row in rows:
        fields = row.__dict__  # the rows are frozen for all others
        made = fields.get("created_at")
        if made is not None:
            fields["created_at"] = made.replace(tzinfo=UTC)  # the pattern lets in no other zone


class Attachment(Wire):
    """One server that a disk is attached to."""

    server_id: Text = None
    device: Text = None


class Volume(Wire):
    """An EVS disk. ``size`` is in GiB; a name may be empty, null, or shared.

    ``snapshot_id`` is the snapshot that the disk was made from, if any; ``tags`` are EVS's,
    None where they were not read.
    """

    id: Identifier
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
    attachments: Annotated[tuple[Attachment, ...], _Lenient(_rows)] = ()
    metadata: Texts = Field(default_factory=dict)
    tags: Annotated[dict[str, str] | None, _Lenient(_texts_or_none)] = None
    created_at: Moment = None

    @property
    def attached_to(self) -> tuple[str, ...]:
        """IDs of the servers that hold this disk."""
        return tuple(a.server_id for a in self.attachments if a.server_id)


class VolumeSummary(Wire):
    """What the plain list (``GET /volumes``) tells: no more than ID and name."""

    id: Identifier
    name: Text = None


class Snapshot(Wire):
    """A snapshot of one disk. ``size`` is the disk's, in GiB, not what it occupies."""

    id: Identifier
    name: Text = None
    volume_id: Annotated[str, _Lenient(lambda v: _text(v) or "")] = ""
    status: Status = "unknown"
    size: Number = None
    description: Text = None
    metadata: Texts = Field(default_factory=dict)
    created_at: Moment = None

    @property
    def policy(self) -> str | None:
        """The label of our stamp, or None where this tool did not make it."""
        if STAMP_KEY not in self.metadata:
            return None
        return self.metadata.get(STAMP_POLICY) or DEFAULT_POLICY

    @property
    def is_system(self) -> bool:
        """Whether a backup service owns it: never counted, never deleted."""
        return (self.name or "").startswith(
            SYSTEM_NAME_PREFIXES
        ) or SYSTEM_METADATA_KEY in self.metadata

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


Quota = Annotated[QuotaUsage, BeforeValidator(_quota)]


class QuotaSet(Wire):
    """The project's quota of snapshots."""

    snapshots: Quota = Field(default_factory=QuotaUsage)
