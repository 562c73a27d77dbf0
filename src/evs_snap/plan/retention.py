"""Which snapshots the KEEP rules keep, and why.

The rules are restic's (https://restic.readthedocs.io/en/stable/060_forget.html): each
keeps the newest snapshot of each of its latest N periods, a snapshot stays if any rule
keeps it, and periods without a snapshot do not count. Periods are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.api.models import Snapshot

SKEW = timedelta(minutes=15)
"""A snapshot dated later than now plus this is dated in the future."""

DELETABLE = frozenset({"available", "error"})
"""EVS deletes a snapshot only in one of these statuses.

Source: https://support.huaweicloud.com/intl/en-us/api-evs/evs_04_0038.html (EVS.1047)
"""

_PERIODS = (
    ("hourly", "%Y-%m-%dT%H"),
    ("daily", "%Y-%m-%d"),
    ("weekly", "%G-W%V"),
    ("monthly", "%Y-%m"),
    ("yearly", "%Y"),
)


@dataclass(frozen=True, slots=True)
class Keep:
    """How many of each to keep; ``within`` keeps all made that long before the newest."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no rule is given at all."""
        return not self.most and self.within is None

    @property
    def most(self) -> int:
        """How many snapshots the counted rules can hold when no two keep the same one."""
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
    """Whether one snapshot is kept, and why."""

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


def judge(snapshots: Iterable[Snapshot], keep: Keep, *, now: datetime) -> list[Verdict]:
    """Judge the snapshots of one disk under one policy. Newest first.

    There is no verdict on a snapshot without our stamp or of a backup service.
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
            told = "in error" if not snapshot.is_usable else "kept by no rule"
            verdicts.append(Verdict(snapshot, keep=False, reasons=(told,)))
    return verdicts


def _untouchable(snapshot: Snapshot, *, now: datetime) -> str | None:
    """Say why the rules must leave a snapshot alone, or None if they may judge it."""
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
