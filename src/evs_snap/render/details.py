"""What `show` tells of a disk or snapshot: fields, a list of snapshots, and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evs_snap.render.columns import Column, chosen, snapshot_fields, volume_fields
from evs_snap.render.documents import resource, snapshot_document, volume_document
from evs_snap.render.text import age, rfc3339
from evs_snap.render.timeline import Mark
from evs_snap.runs.lookup import Details, DiskDetails, Judged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evs_snap.services.interface import Snapshot

Field = tuple[str, str]


def field_columns() -> list[Column[Field]]:
    """Columns of a table of fields."""
    return [
        Column("Field", "field", lambda field: field[0]),
        Column("Value", "value", lambda field: field[1], folds=True),
    ]


def fields(one: Details, wanted: Sequence[str], *, now: datetime) -> list[Field]:
    """Return the fields asked for, all where none are: each with its value.

    Raises ConfigurationError for one that does not exist.
    """
    columns, row, _ = _known(one, now)
    shown = chosen(columns, wanted) if wanted else columns
    return [(column.title, column.value(row)) for column in shown]


def details_document(one: Details, wanted: Sequence[str], *, now: datetime) -> dict[str, object]:
    """Return all that is known as a document, or only the fields asked for.

    ``object`` tells what it is; a disk has its snapshots as ``timeline``, the newest first.
    """
    columns, _, document = _known(one, now)
    return {c.key: document[c.key] for c in chosen(columns, wanted)} if wanted else document


def _known(one: Details, now: datetime) -> tuple[list[Column[Any]], Any, dict[str, object]]:
    if isinstance(one, DiskDetails):
        name = one.usage.volume.name
        timeline = [_judged_document(judged, name) for judged in one.history]
        document = {"object": "volume", **volume_document(one.usage), "timeline": timeline}
        return volume_fields(now), one.usage, document
    names = {one.volume.id: one.volume.name} if one.volume and one.volume.name else {}
    document = {
        "object": "snapshot",
        **snapshot_document(one.snapshot, volume_name=names.get(one.snapshot.volume_id)),
        "volume": resource(one.volume) if one.volume else None,
    }
    return snapshot_fields(names, now=now), one.snapshot, document


def _judged_document(judged: Judged, name: str | None) -> dict[str, object]:
    return {
        **snapshot_document(judged.snapshot, volume_name=name),
        "keep": judged.keep,
        "reasons": list(judged.reasons),
    }


def history_columns(*, now: datetime, judged: bool, in_sets: bool = False) -> list[Column[Judged]]:
    """Columns of a disk's snapshots.

    ``judged`` adds what the rules say of each, ``in_sets`` the set that each was made in.
    """
    columns: list[Column[Judged]] = [
        Column("Created", "created_at", lambda j: rfc3339(j.snapshot.created_at) or "",
               brief=lambda j: age(j.snapshot.created_at, now=now)),
        Column("ID", "id", lambda j: j.snapshot.id, has_ids=True),
        Column("Name", "name", lambda j: j.snapshot.name or "", folds=True, spare=1,
               implied=True),
        Column("Status", "status", lambda j: j.snapshot.status, has_words=True),
        Column("Policy", "policy", lambda j: label(j.snapshot)),
    ]  # fmt: skip
    if in_sets:
        columns.append(Column("Set", "snapshot_group_id", lambda j: j.snapshot.set_id or "",
                              brief=lambda j: (j.snapshot.set_id or "")[:8]))  # fmt: skip
    if judged:
        columns.append(Column("Rules", "reasons", _rules, folds=True))
    return columns


def marks(history: Sequence[Judged]) -> list[Mark]:
    """Return the snapshots whose date is known as marks on the line of time."""
    return [
        Mark(j.snapshot.created_at, label(j.snapshot), is_ours=j.snapshot.policy is not None)
        for j in history
        if j.snapshot.created_at is not None
    ]


def label(snapshot: Snapshot) -> str:
    """Return whose a snapshot is, in a word or two: its policy, or who else made it."""
    if snapshot.is_system:
        return "backup service's"
    return snapshot.policy or "others'"


def _rules(judged: Judged) -> str:
    if judged.keep is None:
        return "not judged"
    told = ", ".join(judged.reasons)
    return told if judged.keep else f"delete: {told}"
