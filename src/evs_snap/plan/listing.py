"""Which rows a list shows, and in which order where none is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from evs_snap.plan.slots import Usage
from evs_snap.services.interface import Snapshot


def by_name(
    rows: Iterable[Usage],
    *,
    status: str | None = None,
    unprotected: bool = False,
    after: datetime | None = None,
    before: datetime | None = None,
) -> list[Usage]:
    """Return the disks wanted, by name, those without one last.

    They are in one ``status``, made since ``after`` and before ``before``. ``unprotected`` ones
    have no usable snapshot of ours; with ``after`` none made since, and when the disk itself was
    made does not count. Their snapshots must have been counted.
    """
    found = [
        row
        for row in rows
        if status in {None, row.volume.status}
        and _is_between(row.volume.created_at, None if unprotected else after, before)
        and not (unprotected and _is_protected(row, after))
    ]
    return sorted(found, key=_name_key)


def newest_first(
    snapshots: Iterable[Snapshot],
    *,
    owned: bool = False,
    status: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    all_kinds: bool = False,
) -> list[Snapshot]:
    """Return the snapshots wanted, newest first.

    With ``owned`` only those that carry our stamp; in one ``status``; made since ``after`` and
    before ``before``; a service's own, and those of another kind, only with ``all_kinds``.
    """
    found = [
        s
        for s in snapshots
        if (all_kinds or not (s.is_system or s.is_other_kind))
        and (s.policy is not None or not owned)
        and status in {None, s.status}
        and _is_between(s.created_at, after, before)
    ]
    return sorted(found, key=lambda s: s.age_key, reverse=True)


def _is_between(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    """Whether the moment is between the bounds. An unknown one is, only where there are none."""
    if moment is None:
        return after is None and before is None
    return (after is None or moment >= after) and (before is None or moment < before)


def _is_protected(row: Usage, after: datetime | None) -> bool:
    return row.newest_own is not None and (after is None or row.newest_own >= after)


def _name_key(row: Usage) -> tuple[bool, str, str]:
    name = row.volume.name or ""
    return not name, name.casefold(), row.volume.id
