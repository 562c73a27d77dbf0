"""Which columns each kind of row has, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from evs_snap.errors import ConfigurationError
from evs_snap.render.text import age, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from evs_snap.health.findings import Finding
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.record import Item
    from evs_snap.services.interface import Snapshot

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One column: its title, what programs get, and what people get where it differs.

    ``key`` is the name in JSON. On a narrow terminal a column shows ``brief``, where it has
    one; if it ``folds``, its text goes on in the next line; if it ``has_ids``, they are
    shortened; and ``spare`` ones are left out, the highest number first, those that are
    ``implied`` by another column without a word. If it ``has_words``, words such as
    "error" are coloured in it. It is shown ``on_request`` only.
    """

    title: str
    key: str
    value: Callable[[R], str]
    human: Callable[[R], str] | None = None
    brief: Callable[[R], str] | None = None
    folds: bool = False
    spare: int = 0
    right: bool = False
    has_ids: bool = False
    has_words: bool = False
    implied: bool = False
    on_request: bool = False


def volume_columns(now: datetime) -> list[Column[Usage]]:
    """Columns of `volumes`. ``now`` is what ages are counted from."""
    return [
        Column("ID", "id", lambda r: r.volume.id, has_ids=True),
        Column("Name", "name", lambda r: r.volume.name or "", folds=True),
        Column("Status", "status", lambda r: r.volume.status, has_words=True),
        Column("Size", "size", lambda r: _text(r.volume.size), spare=1, right=True),
        Column("Type", "volume_type", lambda r: r.volume.volume_type or "", spare=3),
        Column("AZ", "availability_zone", lambda r: r.volume.availability_zone or "", spare=4),
        Column("Attached", "attachments", lambda r: ",".join(r.volume.attached_to),
               folds=True, spare=5, has_ids=True),
        Column("Snapshots", "snapshots", _slots,
               human=lambda r: _slots(r) + (" full" if r.is_full else ""), has_words=True),
        Column("Newest", "newest_snapshot_at", lambda r: rfc3339(r.newest) or "",
               human=lambda r: age(r.newest, now=now)),
        Column("Tags", "tags", _tags, folds=True, on_request=True),
    ]  # fmt: skip


def snapshot_columns(
    names: dict[str, str], *, now: datetime | None = None
) -> list[Column[Snapshot]]:
    """Columns of `snapshots`; ``names`` are the disks' names by ID.

    With ``now``, narrow terminals show ages in place of times.
    """
    return [
        Column("ID", "id", lambda s: s.id, has_ids=True),
        Column("Name", "name", lambda s: s.name or "", folds=True),
        Column("Volume", "volume_name", lambda s: names.get(s.volume_id) or s.volume_id,
               folds=True, has_ids=True),
        Column("Volume ID", "volume_id", lambda s: s.volume_id, spare=4, has_ids=True,
               implied=True),
        Column("Status", "status", lambda s: s.status, has_words=True),
        Column("Size", "size", lambda s: _text(s.size), spare=3, right=True),
        Column("Created", "created_at", lambda s: rfc3339(s.created_at) or "",
               brief=(lambda s: age(s.created_at, now=now)) if now else None),
        Column("Policy", "policy", lambda s: s.policy or "", spare=2),
        Column("Consistency", "consistency", lambda s: (s.stamp and s.stamp.consistency) or "",
               on_request=True),
    ]  # fmt: skip


def item_columns(command: str) -> list[Column[Item]]:
    """Columns of what a changing command reports; those of `restore` are about the disk."""
    if command == "restore":
        return [
            Column("ID", "id", lambda i: i.volume.id if i.volume else "", has_ids=True),
            Column("Name", "name", lambda i: (i.volume.name if i.volume else "") or "",
                   folds=True),
            Column("Action", "action", lambda i: i.action, has_words=True),
            Column("Status", "status", lambda i: i.volume.status if i.volume else "",
                   has_words=True),
            Column("Snapshot", "snapshot", lambda i: i.snapshot.id if i.snapshot else "",
                   has_ids=True),
            Column("Reason", "reasons", lambda i: "; ".join(i.reasons), folds=True, has_ids=True),
        ]  # fmt: skip
    return [
        Column("ID", "id", lambda i: i.snapshot.id if i.snapshot else "", has_ids=True),
        Column("Name", "name", _name, folds=True),
        Column("Volume", "volume", _disk, folds=True, has_ids=True),
        Column("Volume ID", "volume_id", _disk_id, spare=1, has_ids=True, implied=True),
        Column("Action", "action", lambda i: i.action, has_words=True),
        Column("Status", "status", lambda i: i.snapshot.status if i.snapshot else "",
               has_words=True),
        Column("Reason", "reasons", lambda i: "; ".join(i.reasons), folds=True, has_ids=True),
    ]  # fmt: skip


def going_columns(now: datetime) -> list[Column[Item]]:
    """Columns of what somebody is asked about before it is deleted."""
    return [
        Column("ID", "id", lambda i: i.snapshot.id if i.snapshot else "", has_ids=True),
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


def shows_snapshots(columns: Sequence[Column[Usage]], titles: Sequence[str]) -> bool:
    """Whether the columns asked for need the disks' snapshots read."""
    return any(c.title in {"Snapshots", "Newest"} for c in chosen(columns, titles))


def shows_tags(titles: Sequence[str]) -> bool:
    """Whether the disks' tags are asked for."""
    return any(title.lower() == "tags" for title in titles)


def chosen(columns: Sequence[Column[R]], titles: Sequence[str]) -> list[Column[R]]:
    """Return the columns with these titles, in the order asked; the usual ones, where none are.

    Case does not matter. Raises ConfigurationError for one that does not exist.
    """
    by_title = {c.title.lower(): c for c in columns}
    for title in titles:
        if title.lower() not in by_title:
            raise ConfigurationError(
                f"there is no column {title!r}",
                hint=f"Columns: {', '.join(c.title for c in columns)}.",
            )
    usual = [column for column in columns if not column.on_request]
    return [by_title[t.lower()] for t in titles] if titles else usual


def _slots(row: Usage) -> str:
    return "" if row.used is None else f"{row.used}/{row.limit}"


def _tags(row: Usage) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((row.volume.tags or {}).items()))


def _name(item: Item) -> str:
    return (item.snapshot.name if item.snapshot else item.name) or ""


def _disk(item: Item) -> str:
    return (item.volume.name if item.volume else "") or _disk_id(item)


def _disk_id(item: Item) -> str:
    if item.volume is not None:
        return item.volume.id
    return item.snapshot.volume_id if item.snapshot else ""


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
