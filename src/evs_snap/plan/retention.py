"""Which snapshots the KEEP rules keep, and why.

The rules are restic's (https://restic.readthedocs.io/en/stable/060_forget.html): each
keeps the newest snapshot of each of its latest N periods, and the oldest snapshot too while
there are fewer periods than N. A snapshot stays if any rule keeps it. Periods without a
snapshot do not count. Periods are in UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from evs_snap.errors import ConfigurationError
from evs_snap.services.interface import Snapshot

SKEW = timedelta(minutes=15)
"""A snapshot dated later than this after the service's now is dated in the future."""

_NEAR = timedelta(days=1)

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
    """How many of each to keep; ``within`` keeps all made less than that before the newest.

    Raises ConfigurationError for a count that is negative or no whole number, and for a
    ``within`` that is no span of time.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what would keep less than it seems to."""
        for name, count in self.counts:
            if not _is_number(count) or count < 0:
                raise ConfigurationError(f"keep {name} {count!r} is not a whole number, 0 or more")
        within: object = self.within
        if within is not None and not (isinstance(within, timedelta) and within > timedelta(0)):
            raise ConfigurationError(f"keep within {within!r} is not a span of time")

    @property
    def is_empty(self) -> bool:
        """Whether no rule is given at all."""
        return not self.most and not self.within

    @property
    def most(self) -> int:
        """How many snapshots the counted rules can hold at once, in the worst case.

        Each rule keeps the newest, which counts once: n1, n2, ... keep up to
        1 + (n1 - 1) + (n2 - 1) + ... snapshots. (Rules that reach into the period of another
        hold fewer: the eighth day is always the newest of its week.) The oldest snapshot
        takes one of the counts of the rule that keeps it.
        """
        given = [count for _, count in self.counts if count]
        return sum(given) - len(given) + 1 if given else 0

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """The counted rules by name."""
        return (
            ("last", self.last),
            *((name, getattr(self, name)) for name, _ in _PERIODS),
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one snapshot is kept, and why."""

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


def judge(
    snapshots: Iterable[Snapshot], keep: Keep, *, now: datetime, broken: Collection[str] = ()
) -> list[Verdict]:
    """Judge the snapshots of one disk under one policy. Newest first.

    There is no verdict on a snapshot without our stamp or of a backup service. ``broken`` are
    the IDs of sets that are not whole: the rules do not count their members, as they do not
    count one in error; only the disk's newest usable one stays all the same.
    """
    own = [s for s in snapshots if s.policy is not None and not s.is_system]
    reasons = {s.id: _untouchable(s, now=now) for s in own}
    own.sort(key=lambda s: s.age_key, reverse=True)
    usable = [s for s in own if reasons[s.id] is None and s.is_usable]
    kept = _kept([s for s in usable if s.set_id not in broken], keep)
    if usable:
        kept.setdefault(usable[0].id, ["newest usable"])
    verdicts = []
    for snapshot in own:
        why = reasons[snapshot.id]
        if why is not None:
            verdicts.append(Verdict(snapshot, keep=True, reasons=(why,)))
        elif snapshot.id in kept:
            verdicts.append(Verdict(snapshot, keep=True, reasons=tuple(kept[snapshot.id])))
        else:
            told = "kept by no rule"
            if not snapshot.is_usable:
                told = "in error"
            elif snapshot.set_id in broken:
                told = "its set is broken"
            verdicts.append(Verdict(snapshot, keep=False, reasons=(told,)))
    return verdicts


def _untouchable(snapshot: Snapshot, *, now: datetime) -> str | None:
    """Say why the rules must leave a snapshot alone, or None if they may judge it."""
    if snapshot.status not in DELETABLE:
        return f"left alone while {snapshot.status}"
    if snapshot.is_usable and snapshot.created_at is None:
        return "left alone: its time cannot be read"
    if snapshot.is_usable and is_future(snapshot, now=now):
        return "left alone: dated in the future"
    if is_expiring(snapshot, now=now):
        return "left alone: the service deletes it within a day"
    return None


def pinned(snapshots: Iterable[Snapshot]) -> list[Verdict]:
    """Return what there is to say of the pinned ones, which no rule judges. Newest first."""
    newest_first = sorted(snapshots, key=lambda s: s.age_key, reverse=True)
    return [
        Verdict(s, keep=True, reasons=("pinned: holds a slot",))
        for s in newest_first
        if s.is_pinned
    ]


def is_future(snapshot: Snapshot, *, now: datetime) -> bool:
    """Whether its date is in the future: more than SKEW after ``now``, the service's time."""
    return snapshot.created_at is not None and snapshot.created_at > now + SKEW


def is_expiring(snapshot: Snapshot, *, now: datetime) -> bool:
    """Whether the service deletes it by itself within a day of ``now``: no rule builds on it."""
    return snapshot.expires_at is not None and snapshot.expires_at <= now + _NEAR


def newer_usable(
    snapshots: Iterable[Snapshot],
    *,
    than: Snapshot,
    now: datetime,
    besides: Collection[str] = (),
) -> Snapshot | None:
    """Return the newest usable snapshot of the disk of ``than`` that is newer, or None.

    Whoever made it and of whichever kind, except a service. One without a date, dated in the
    future or about to be deleted by the service does not count, nor does one of ``besides``
    (IDs). ``now`` is the service's, in UTC.
    """
    newer = [
        s
        for s in snapshots
        if s.volume_id == than.volume_id
        and s.is_usable
        and not s.is_system
        and s.created_at is not None
        and not is_future(s, now=now)
        and not is_expiring(s, now=now)
        and s.id not in besides
        and s.age_key > than.age_key
    ]
    return max(newer, key=lambda s: s.age_key, default=None)


def _kept(newest_first: Sequence[Snapshot], keep: Keep) -> dict[str, list[str]]:
    """Return why each snapshot that the rules keep is kept, by ID."""
    kept: dict[str, list[str]] = {}
    dated = [(s, s.created_at) for s in newest_first if s.created_at is not None]
    for rank, (snapshot, _) in enumerate(dated[: keep.last], start=1):
        kept.setdefault(snapshot.id, []).append(f"last {rank}")
    for name, pattern in _PERIODS:
        count = getattr(keep, name)
        for snapshot, reason in _newest_of_each(dated, name, pattern)[:count] if count else ():
            kept.setdefault(snapshot.id, []).append(reason)
    for snapshot, made in dated:
        if dated[0][1] - made < (keep.within or timedelta(0)):
            kept.setdefault(snapshot.id, []).append("within")
    return kept


def _newest_of_each(
    dated: Sequence[tuple[Snapshot, datetime]], name: str, pattern: str
) -> list[tuple[Snapshot, str]]:
    """Return the newest of each period, and the oldest of all, with the reasons."""
    newest: dict[str, Snapshot] = {}
    for snapshot, made in dated:
        newest.setdefault(made.strftime(pattern), snapshot)
    chosen = [(snapshot, f"{name} {period}") for period, snapshot in newest.items()]
    if dated and dated[-1][0] is not chosen[-1][0]:
        chosen.append((dated[-1][0], f"oldest {name}"))
    return chosen


# -- sets: snapshots of several disks, made at one instant -------------------------------------

Members = Mapping[str, Sequence[Snapshot]]
"""The members of sets, by the set's ID, those on other disks included."""


def seen_in_part(snapshots: Iterable[Snapshot]) -> list[str]:
    """Return the IDs of sets of ours of which not all members are among ``snapshots``."""
    wanted: dict[str, float] = {}
    counts = Counter[str]()
    for snapshot in snapshots:
        if snapshot.set_id is not None and snapshot.stamp is not None:
            counts[snapshot.set_id] += 1
            wanted[snapshot.set_id] = snapshot.stamp.members or inf
    return [set_id for set_id, count in counts.items() if count < wanted[set_id]]


def broken(members: Members) -> frozenset[str]:
    """Return the IDs of the sets that are not whole: a member failed, or is missing."""

    def is_whole(rows: Sequence[Snapshot]) -> bool:
        wanted = max((row.stamp.members or 0 for row in rows if row.stamp), default=0)
        good = [row for row in rows if row.status in {"available", "creating"}]
        return len(good) == len(rows) >= wanted

    return frozenset(set_id for set_id, rows in members.items() if not is_whole(rows))
