"""KEEP rules and one group of snapshots in, verdicts with reasons out; touches nothing.

The rules are restic's: each keeps the newest snapshot of each of its latest N periods,
a snapshot stays if any choose keeps it, and periods without a snapshot do not count.
Periods are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.api.models import Snapshot

SKEW = timedelta(minutes=15)
"""How far the service's clock may be ahead before its times count as the future's."""

DELETABLE = frozenset({"available", "error"})
"""Statuses from which EVS deletes (API reference, deleting a snapshot; EVS.1047)."""

_PERIODS = (
    ("hourly", "%Y-%m-%dT%H"),
    ("daily", "%Y-%m-%d"),
    ("weekly", "%G-W%V"),
    ("monthly", "%Y-%m"),
    ("yearly", "%Y"),
)


@dataclass(frozen=True, slots=True)
class Keep:
    """How many of each to keep; ``within`` keeps all not older than the newest by that."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no choose is given at all."""
        return not self.most and self.within is None

    @property
    def most(self) -> int:
        """How many snapshots the counted rules can hold when they meet on none."""
        return sum(count for _, count in self.counts)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """The counted rules by name."""
        return (
            ("last", self.last),
            *((name, getattr(self, name)) for name, _ in _PERIODS),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one snapshot, and why."""

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


def judge(snapshots: Iterable[Snapshot], keep: Keep, *, now: datetime) -> list[Verdict]:
    """Judge one group: the snapshots of one disk under one policy. Newest first.

    Snapshots without our stamp, and the backup services', get no verdict at all.
    """
    own = [s for s in snapshots if s.policy is not None and not s.is_system]
    reasons = {s.id: _untouchable(s, now=now) for s in own}
    counted = sorted(
        (s for s in own if reasons[s.id] is None and s.is_usable),
        key=lambda s: (_made(s), s.id),
        reverse=True,
    )
    kept = _kept(counted, keep)
    if counted:
        kept.setdefault(counted[0].id, ["newest usable"])
    verdicts = []
    for snapshot in sorted(own, key=lambda s: (_made(s), s.id), reverse=True):
        why = reasons[snapshot.id]
        if why is not None:
            verdicts.append(Verdict(snapshot, keep=True, reasons=(why,)))
        elif snapshot.id in kept:
            verdicts.append(Verdict(snapshot, keep=True, reasons=tuple(kept[snapshot.id])))
        else:
            told = "in error" if not snapshot.is_usable else "kept by no choose"
            verdicts.append(Verdict(snapshot, keep=False, reasons=(told,)))
    return verdicts


def _untouchable(snapshot: Snapshot, *, now: datetime) -> str | None:
    """Say why a snapshot is no matter for rules, or None where it is."""
    if snapshot.status not in DELETABLE:
        return f"left alone while {snapshot.status}"
    if snapshot.is_usable and snapshot.created_at is None:
        return "left alone: its time cannot be read"
    if snapshot.is_usable and _made(snapshot) > now + SKEW:
        return "left alone: dated in the future"
    return None


def _kept(newest_first: Sequence[Snapshot], keep: Keep) -> dict[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for rank, snapshot in enumerate(newest_first[: keep.last], start=1):
        kept.setdefault(snapshot.id, []).append(f"last {rank}")
    for name, pattern in _PERIODS:
        periods: set[str] = set()
        for snapshot in newest_first:
            period = _made(snapshot).strftime(pattern)
            if len(periods) < getattr(keep, name) and period not in periods:
                periods.add(period)
                kept.setdefault(snapshot.id, []).append(f"{name} {period}")
    if keep.within is not None and newest_first:
        newest = _made(newest_first[0])
        for snapshot in newest_first:
            if newest - _made(snapshot) <= keep.within:
                kept.setdefault(snapshot.id, []).append("within")
    return kept


def _made(snapshot: Snapshot) -> datetime:
    return snapshot.created_at or datetime.min.replace(tzinfo=UTC)
