"""Which columns each kind of row has, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from evs_snap.errors import ConfigurationError
from evs_snap.render.text import age, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from evs_snap.api.models import Snapshot
    from evs_snap.health.findings import Finding
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.report import Item

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One column: its title, what programs get, and what people get where it differs.

    ``key`` is the name in JSON.
    On a narrow terminal a column shows ``brief``, where it has one; if it ``folds``,
    its text goes on in the next line; and ``spare`` ones are left out, the highest
    number first.
    """

    title: str
    key: str
    value: Callable[[R], str]
    human: Callable[[R], str] | None = None
    brief: Callable[[R], str] | None = None
    folds: bool = False
    spare: int = 0
    right: bool = False


def volume_columns(now: datetime) -> list[Column[Usage]]:
    """Columns of `volumes`. ``now`` is what ages are counted from."""
    return [
        Column("ID", "id", lambda r: r.volume.id),
        Column("Name", "name", lambda r: r.volume.name or "", folds=True),
        Column("Status", "status", lambda r: r.volume.status),
        Column("Size", "size", lambda r: _text(r.volume.size), spare=1, right=True),
        Column("Type", "volume_type", lambda r: r.volume.volume_type or "", spare=3),
        Column("AZ", "availability_zone", lambda r: r.volume.availability_zone or "", spare=4),
        Column("Attached", "attachments", lambda r: ",".join(r.volume.attached_to),
               folds=True, spare=5),
        Column("Snapshots", "snapshots",
               lambda r: "" if r.used is None else f"{r.used}/{r.limit}", right=True),
        Column("Newest", "newest_snapshot_at", lambda r: rfc3339(r.newest) or "",
               human=lambda r: age(r.newest, now=now)),
    ]  # fmt: skip


def snapshot_columns(
    names: dict[str, str], *, now: datetime | None = None
) -> list[Column[Snapshot]]:
    """Columns of `snapshots`; ``names`` are the disks' names by ID.

    With ``now``, narrow terminals show ages in place of times.
    """
    return [
        Column("ID", "id", lambda s: s.id),
        Column("Name", "name", lambda s: s.name or "", folds=True),
        Column("Volume", "volume_id", lambda s: names.get(s.volume_id) or s.volume_id,
               folds=True, spare=1),
        Column("Status", "status", lambda s: s.status),
        Column("Size", "size", lambda s: _text(s.size), spare=3, right=True),
        Column("Created", "created_at", lambda s: rfc3339(s.created_at) or "",
               brief=(lambda s: age(s.created_at, now=now)) if now else None),
        Column("Policy", "policy", lambda s: s.policy or "", spare=2),
    ]  # fmt: skip


def item_columns(command: str) -> list[Column[Item]]:
    """Columns of what a changing command reports; those of `restore` are about the disk."""
    if command == "restore":
        return [
            Column("ID", "id", lambda i: i.volume.id if i.volume else ""),
            Column("Name", "name", lambda i: (i.volume.name if i.volume else "") or "",
                   folds=True, spare=2),
            Column("Action", "action", lambda i: i.action),
            Column("Status", "status", lambda i: i.volume.status if i.volume else "", spare=1),
            Column("Snapshot", "snapshot", lambda i: i.snapshot.id if i.snapshot else ""),
            Column("Reason", "reasons", lambda i: "; ".join(i.reasons), folds=True),
        ]  # fmt: skip
    return [
        Column("ID", "id", lambda i: i.snapshot.id if i.snapshot else ""),
        Column("Name", "name", lambda i: (i.snapshot.name if i.snapshot else "") or "",
               folds=True, spare=2),
        Column("Volume", "volume", _disk, folds=True),
        Column("Action", "action", lambda i: i.action),
        Column("Status", "status", lambda i: i.snapshot.status if i.snapshot else "", spare=1),
        Column("Reason", "reasons", lambda i: "; ".join(i.reasons), folds=True),
    ]  # fmt: skip


def finding_columns() -> list[Column[Finding]]:
    """Columns of `doctor`."""
    return [
        Column("Step", "step", lambda f: f.step),
        Column("Result", "result", lambda f: f.result),
        Column("Detail", "detail", lambda f: f.detail, folds=True),
        Column("Fix", "fix", lambda f: f.fix, folds=True),
    ]


def shows_snapshots(columns: Sequence[Column[Usage]], titles: Sequence[str]) -> bool:
    """Whether the columns asked for need the disks' snapshots read."""
    return any(c.title in {"Snapshots", "Newest"} for c in chosen(columns, titles))


def chosen(columns: Sequence[Column[R]], titles: Sequence[str]) -> list[Column[R]]:
    """Return the columns with these titles, in the order asked; all, where none are.

    Case does not matter. Raises ConfigurationError for one that does not exist.
    """
    by_title = {c.title.lower(): c for c in columns}
    for title in titles:
        if title.lower() not in by_title:
            raise ConfigurationError(
                f"there is no column {title!r}",
                hint=f"Columns: {', '.join(c.title for c in columns)}.",
            )
    return [by_title[t.lower()] for t in titles] if titles else list(columns)


def _disk(item: Item) -> str:
    if item.volume is not None:
        return item.volume.name or item.volume.id
    return item.snapshot.volume_id if item.snapshot else ""


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
