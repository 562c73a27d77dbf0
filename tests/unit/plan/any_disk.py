"""Any disk and any rules, for properties: odd dates, odd statuses, others' snapshots."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, MINUTE, NOW, SECOND, snapshot

from evs_snap.plan.retention import Keep

if TYPE_CHECKING:
    from evs_snap.services.interface import Snapshot

many = settings(max_examples=300, deadline=None)

COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
BUCKETS = ("2026-11-23T02", "2026-11-23", "2026-W48", "2026-11-22")
_UNITS = (SECOND, 20 * SECOND, 20 * MINUTE, 5 * HOUR, DAY, 9 * DAY, 45 * DAY)
_AGES = (None, *(number * unit for unit in _UNITS for number in range(-2, 20)))
_STATUSES = (*("available",) * 6, "error", "creating", "deleting", "error_deleting", "odd")
_WHOSE: dict[str, dict[str, Any]] = {
    "ours": {},
    **{f"ours-{bucket}": {"bucket": bucket} for bucket in BUCKETS},
    "other": {"policy": "hourly", "bucket": "2026-11-23"},
    "foreign": {"policy": None, "name": "data-01-20261123T000000Z"},
    "half-stamped": {"policy": None, "metadata": {"evs_snap_policy": "default"}},
    "backup": {"name": "autobk_snapshot_1"},
    "backup-by-hand": {"name": "manualbk_snapshot_1", "bucket": "2026-11-23"},
    "backup-flagged": {"metadata": {"evs_snap_key": "k", "__system__enableActive": "true"}},
}
_ROWS = list(product(_AGES, _STATUSES, (*("ours",) * 8, *("foreign",) * 2, *_WHOSE)))


def _made(rows: list[tuple[Any, str, str]], volume_id: str) -> list[Snapshot]:
    return [
        snapshot(
            f"{kind}.{number:02}.{volume_id}",
            made=None if age is None else NOW - age,
            status=status,
            volume_id=volume_id,
            **_WHOSE[kind],
        )
        for number, (age, status, kind) in enumerate(rows)
    ]


def disks(volume_id: str = "v") -> st.SearchStrategy[list[Snapshot]]:
    """Return all snapshots of a disk; an ID begins with whose it is."""
    rows = st.lists(st.sampled_from(_ROWS), max_size=11)
    return rows.map(lambda drawn: _made(drawn, volume_id))


# A table to draw from at once: six draws for six numbers would take longer than the judging.
_NUMBERS = list(product((0, 0, 0, 1, 2, 3), repeat=len(COUNTS)))


def rules(*, within: bool = True) -> st.SearchStrategy[Keep]:
    """Return any rules, at least one of them given."""
    spans = (None, None, 2 * DAY, 30 * DAY) if within else (None,)
    return st.builds(
        lambda numbers, span: replace(Keep(*numbers), within=span),
        st.sampled_from(_NUMBERS),
        st.sampled_from(spans),
    ).filter(lambda keep: not keep.is_empty)
