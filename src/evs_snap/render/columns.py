"""Which columns each kind of row has, and what stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from evs_snap.errors import ConfigurationError
from evs_snap.render.text import age, elapsed, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evs_snap.health.findings import Finding
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.record import Item
    from evs_snap.services.interface import Snapshot

R = TypeVar("R")

RECORDED = ("create", "rotate", "prune", "delete", "restore", "wait", "pin", "unpin")
"""Commands whose result is a run record, on every failure too."""

_PERIOD = re.compile(r"\b(hourly|daily|weekly|monthly|yearly) \d[\dTW:-]*")


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One column: its title, what programs get, and what a table shows where it differs.

    ``key`` is the name in JSON. ``order`` is what rows are sorted by; where there is none, it is
    what programs get. On a narrow terminal a column shows ``brief``, where it has one; if it
    ``folds``, its text goes on in the next line; if it ``has_ids``, they are shortened. ``spare``
    columns are left out there, the highest number first; those that are ``implied`` by another
    column are left out without a note. If a column ``has_words``, words such as "error" are
    coloured in it. ``on_request`` it is shown only if it is asked for.
    """

    title: str
    key: str
    value: Callable[[R], str]
    human: Callable[[R], str] | None = None
    brief: Callable[[R], str] | None = None
    order: Callable[[R], object] | None = None
    folds: bool = False
    spare: int = 0
    right: bool = False
    has_ids: bool = False
    has_words: bool = False
    implied: bool = False
    on_request: bool = False


def volume_columns(now: datetime) -> list[Column[Usage]]:
    """Columns of `volumes`. On narrow terminals ages, counted from ``now``, stand for times."""
    return [
        Column("ID", "id", lambda r: r.volume.id, has_ids=True),
        Column("Name", "name", lambda r: r.volume.name or "", folds=True),
        Column("Status", "status", lambda r: r.volume.status, has_words=True),
        Column("Size", "size", lambda r: _text(r.volume.size), order=lambda r: r.volume.size,
               spare=1, right=True),
        Column("Type", "volume_type", lambda r: r.volume.volume_type or "", spare=3),
        Column("AZ", "availability_zone", lambda r: r.volume.availability_zone or "", spare=4),
        Column("Attached", "attachments", lambda r: ",".join(r.volume.attached_to),
               folds=True, spare=5, has_ids=True),
        Column("Snapshots", "snapshots", _slots, order=lambda r: r.used,
               human=lambda r: _slots(r) + (" full" if r.is_full else ""), has_words=True),
        Column("Newest", "newest_snapshot_at", lambda r: rfc3339(r.newest) or "",
               brief=lambda r: age(r.newest, now=now), order=lambda r: r.newest),
        Column("Stored", "stored", lambda r: "" if r.stored is None else f"{r.stored:g}",
               order=lambda r: r.stored, right=True, on_request=True),
        Column("Tags", "tags", _tags, folds=True, on_request=True),
        Column("Description", "description", lambda r: r.volume.description or "", folds=True,
               on_request=True),
        Column("Age", "created_at", lambda r: elapsed(r.volume.created_at, now=now),
               order=lambda r: _since(r.volume.created_at, now), right=True, on_request=True),
    ]  # fmt: skip


def snapshot_columns(
    names: dict[str, str], *, now: datetime, gone: Collection[str] = ()
) -> list[Column[Snapshot]]:
    """Columns of `snapshots`; ``names`` are the disks' names by ID, ``gone`` IDs of deleted ones.

    On narrow terminals ages, counted from ``now``, stand in place of times.
    """
    return [
        Column("ID", "id", lambda s: s.id, has_ids=True),
        Column("Name", "name", lambda s: s.name or "", folds=True),
        Column("Volume", "volume_name", lambda s: names.get(s.volume_id) or s.volume_id,
               human=lambda s: f"{names.get(s.volume_id) or s.volume_id}"
                               f"{' (gone)' if s.volume_id in gone else ''}",
               folds=True, has_ids=True),
        Column("Volume ID", "volume_id", lambda s: s.volume_id, spare=4, has_ids=True,
               implied=True),
        Column("Status", "status", lambda s: s.status, has_words=True),
        Column("Size", "size", lambda s: _text(s.size), order=lambda s: s.size, spare=3,
               right=True),
        Column("Created", "created_at", lambda s: rfc3339(s.created_at) or "",
               brief=lambda s: age(s.created_at, now=now), order=lambda s: s.created_at),
        Column("Policy", "policy", lambda s: s.policy or "", spare=2),
        Column("Kind", "kind", lambda s: s.kind, on_request=True),
        Column("Set", "snapshot_group_id", lambda s: s.set_id or "", on_request=True),
        Column("Consistency", "consistency",
               lambda s: (s.stamp.consistency if s.stamp else "") or "", on_request=True),
        Column("Description", "description", lambda s: s.description or "", folds=True,
               on_request=True),
        Column("Age", "created_at", lambda s: elapsed(s.created_at, now=now),
               order=lambda s: _since(s.created_at, now), right=True, on_request=True),
    ]  # fmt: skip


def volume_fields(now: datetime) -> list[Column[Usage]]:
    """Return what is told of a disk: the columns of `volumes`, and what no list has room for."""
    more: list[Column[Usage]] = [
        Column("Bootable", "bootable", lambda r: _flag(r.volume.bootable)),
        Column("Encrypted", "encrypted", lambda r: _flag(r.volume.encrypted)),
        Column("Multiattach", "multiattach", lambda r: _flag(r.volume.multiattach)),
        Column("Made from", "snapshot_id", lambda r: r.volume.snapshot_id or ""),
        Column("Metadata", "metadata", lambda r: _pairs(r.volume.metadata)),
        Column("Created", "created_at", lambda r: rfc3339(r.volume.created_at) or ""),
        Column("Updated", "updated_at", lambda r: rfc3339(r.volume.updated_at) or ""),
    ]
    return [*(c for c in volume_columns(now) if c.title != "Tags"), *more]


def snapshot_fields(names: dict[str, str], *, now: datetime) -> list[Column[Snapshot]]:
    """Return what is told of a snapshot."""
    more: list[Column[Snapshot]] = [
        Column("Updated", "updated_at", lambda s: rfc3339(s.updated_at) or ""),
        Column("Metadata", "metadata", lambda s: _pairs(s.labels)),
    ]
    return [*snapshot_columns(names, now=now), *more]


def item_columns(command: str, *, on_terminal: bool = False) -> list[Column[Item]]:
    """Columns of what a changing command reports; those of `restore` are about the disk.

    Programs find the ID first. People on a terminal first find what became of which disk, one
    line a row; what else there is stands there where it has room.
    """
    action: Column[Item] = Column(
        "Action", "action", lambda i: i.action, human=lambda i: i.action.replace("-", " "),
        has_words=True,
    )  # fmt: skip
    reason: Column[Item] = Column(
        "Reason", "reasons", lambda i: "; ".join(i.reasons), human=_reason,
        brief=lambda i: _PERIOD.sub(r"\1", _reason(i)), folds=True, has_ids=True,
    )  # fmt: skip
    if command == "restore":
        id_: Column[Item] = Column("ID", "id", _disk_id, has_ids=True)
        name: Column[Item] = Column("Name", "name", _disk_name, folds=True)
        status: Column[Item] = Column(
            "Status", "status", lambda i: i.volume.status if i.volume else "", spare=2,
            has_words=True, implied=True,
        )  # fmt: skip
        source: Column[Item] = Column("Snapshot", "snapshot", _snapshot_id, spare=1, has_ids=True)
        if on_terminal:
            return [name, action, id_, reason, source, status]
        return [id_, name, action, status, source, reason]
    id_ = Column("ID", "id", _snapshot_id, has_ids=True)
    name = Column("Name", "name", _name, folds=True, spare=2, implied=True)
    disk: Column[Item] = Column("Volume", "volume", _disk, folds=True, has_ids=True)
    disk_id: Column[Item] = Column(
        "Volume ID", "volume_id", _disk_id, spare=3, has_ids=True, implied=True
    )
    status = Column(
        "Status", "status", lambda i: i.snapshot.status if i.snapshot else "", spare=1,
        has_words=True, implied=True,
    )  # fmt: skip
    if on_terminal:
        return [disk, action, id_, reason, status, name, disk_id]
    return [id_, name, disk, disk_id, action, status, reason]


def going_columns(now: datetime) -> list[Column[Item]]:
    """Columns of the table that is shown before a question whether to delete."""
    return [
        Column("ID", "id", _snapshot_id, has_ids=True),
        Column("Name", "name", _name, folds=True),
        Column("Volume", "volume", _disk, folds=True, has_ids=True),
        Column("Created", "created_at",
               lambda i: age(i.snapshot.created_at if i.snapshot else None, now=now)),
        Column("Reason", "reasons", lambda i: "; ".join(i.reasons[1:]), folds=True, has_ids=True,
               spare=1),
    ]  # fmt: skip


def finding_columns() -> list[Column[Finding]]:
    """Columns of `doctor`."""
    return [
        Column("Step", "step", lambda f: f.step),
        Column("Result", "result", lambda f: f.result, has_words=True),
        Column("Detail", "detail", lambda f: f.detail, folds=True),
        Column("Fix", "fix", lambda f: f.fix, folds=True),
    ]


def simulation_columns() -> list[Column[tuple[str, str]]]:
    """Columns of `simulate`."""
    return [
        Column("What", "what", lambda line: line[0]),
        Column("Value", "value", lambda line: line[1], folds=True),
    ]


def titles(command: str) -> tuple[list[str], list[str]]:
    """Return the titles of a command's usual columns, and of those shown on request."""
    never = datetime.min.replace(tzinfo=UTC)
    columns: Sequence[Column[Any]]
    if command == "volumes":
        columns = volume_columns(never)
    elif command == "snapshots":
        columns = snapshot_columns({}, now=never)
    elif command == "show":
        of_disk = [column.title for column in volume_fields(never)]
        of_snapshot = [column.title for column in snapshot_fields({}, now=never)]
        return list(dict.fromkeys((*of_disk, *of_snapshot))), []
    elif command == "doctor":
        columns = finding_columns()
    elif command == "simulate":
        columns = simulation_columns()
    elif command in RECORDED:
        columns = item_columns(command)
    else:
        columns = ()
    return (
        [c.title for c in columns if not c.on_request],
        [c.title for c in columns if c.on_request],
    )


def chosen(columns: Sequence[Column[R]], wanted: Sequence[str]) -> list[Column[R]]:
    """Return the columns with these titles, in the order asked; the usual ones, where none are.

    Case does not matter. Raises ConfigurationError for one that does not exist.
    """
    if not wanted:
        return [column for column in columns if not column.on_request]
    return [_column(columns, title) for title in wanted]


def in_order(rows: Sequence[R], columns: Sequence[Column[R]], by: Sequence[str]) -> list[R]:
    """Return the rows sorted by these columns: ``Size``, or ``Size:desc`` for the largest first.

    The first one counts most; rows without a value come last either way. Raises
    ConfigurationError for a column that does not exist.
    """
    ordered = list(rows)
    for text in reversed(by):
        column, is_reverse = _sort_key(columns, text)
        keyed = [(_order(column, row), row) for row in ordered]
        known: list[tuple[Any, R]] = [(key, row) for key, row in keyed if key not in {None, ""}]
        known.sort(key=itemgetter(0), reverse=is_reverse)
        ordered = [row for _, row in known] + [row for key, row in keyed if key in {None, ""}]
    return ordered


def sorted_titles(columns: Sequence[Column[R]], by: Sequence[str]) -> list[str]:
    """Return the titles of the columns that rows are sorted by."""
    return [_sort_key(columns, text)[0].title for text in by]


def _sort_key(columns: Sequence[Column[R]], text: str) -> tuple[Column[R], bool]:
    title, colon, direction = text.rpartition(":")
    if not colon:
        title, direction = text, "asc"
    if direction.lower() not in {"asc", "desc"}:
        raise ConfigurationError(
            f"--sort {text!r}: {direction!r} is no direction", hint="Write COL, or COL:desc."
        )
    return _column(columns, title), direction.lower() == "desc"


def _order(column: Column[R], row: R) -> object:
    return column.order(row) if column.order else column.value(row).casefold()


def _column(columns: Sequence[Column[R]], title: str) -> Column[R]:
    for column in columns:
        if column.title.lower() == title.lower():
            return column
    raise ConfigurationError(
        f"there is no column {title!r}", hint=f"Columns: {', '.join(c.title for c in columns)}."
    )


def _slots(row: Usage) -> str:
    return "" if row.used is None else f"{row.used}/{row.limit}"


def _tags(row: Usage) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((row.volume.tags or {}).items()))


def _reason(item: Item) -> str:
    """Return the reasons in few words: an error stands in full below the table."""
    error = item.error
    if error is None or not error.brief:
        return "; ".join(item.reasons)
    return "; ".join(error.brief if text == error.message else text for text in item.reasons)


def _snapshot_id(item: Item) -> str:
    return item.snapshot.id if item.snapshot else ""


def _name(item: Item) -> str:
    return (item.snapshot.name if item.snapshot else item.name) or ""


def _disk_name(item: Item) -> str:
    return (item.volume.name if item.volume else "") or ""


def _disk(item: Item) -> str:
    return _disk_name(item) or _disk_id(item)


def _disk_id(item: Item) -> str:
    if item.volume is not None:
        return item.volume.id
    return item.snapshot.volume_id if item.snapshot else ""


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else now - moment


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _flag(value: bool | None) -> str:  # noqa: FBT001 - a field's value
    return "" if value is None else str(value).lower()


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(values.items()))
