"""Which snapshots hold a disk's slots, and which may be deleted to free one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from evs_snap.errors import LimitError
from evs_snap.plan.retention import DELETABLE, Verdict, newer_usable
from evs_snap.services.interface import PINNED_POLICY, SAFETY_POLICY, Snapshot, Volume


def holders(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return the snapshots that count against the limit: all of this kind but a service's.

    One that is being deleted counts too: the service may not have freed its slot yet.
    """
    return [s for s in snapshots if not (s.is_system or s.is_other_kind)]


@dataclass(frozen=True, slots=True)
class Usage:
    """A disk, and how many of its slots are used; None where its snapshots were not read.

    ``newest`` is when the newest usable snapshot was made (UTC), a backup service's aside;
    ``newest_own`` is the same of those that carry our stamp. ``stored`` is what they take up in
    store (GiB), where the service tells.
    """

    volume: Volume
    limit: int
    used: int | None = None
    newest: datetime | None = None
    newest_own: datetime | None = None
    stored: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no slot is free."""
        return self.used is not None and self.used >= self.limit


@dataclass(slots=True)
class Count:
    """What ``Usage`` tells of one disk's snapshots, without keeping them."""

    used: int = 0
    newest: datetime | None = None
    newest_own: datetime | None = None
    stored: dict[str, float] = field(default_factory=dict)

    def add(self, snapshot: Snapshot) -> None:
        """Count one more."""
        self.stored.update(snapshot.stored)
        if snapshot.is_system:
            return
        self.used += not snapshot.is_other_kind
        made = snapshot.created_at
        if made is None or not snapshot.is_usable:
            return
        if self.newest is None or made > self.newest:
            self.newest = made
        if snapshot.policy is not None and (self.newest_own is None or made > self.newest_own):
            self.newest_own = made


def count(snapshots: Iterable[Snapshot]) -> dict[str, Count]:
    """Count the snapshots of each disk, by the disk's ID."""
    counts: dict[str, Count] = defaultdict(Count)
    for snapshot in snapshots:
        counts[snapshot.volume_id].add(snapshot)
    return counts


def usage(volume: Volume, snapshots: Iterable[Snapshot], *, limit: int) -> Usage:
    """Count a disk's used slots, and find its newest usable snapshot."""
    counted = Count()
    for snapshot in snapshots:
        counted.add(snapshot)
    return used(volume, counted, limit=limit)


def used(volume: Volume, counted: Count | None, *, limit: int) -> Usage:
    """Return how the disk's slots are used, once they are counted."""
    if counted is None:
        return Usage(volume, limit)
    stored = sum(counted.stored.values()) if counted.stored else None
    return Usage(volume, limit, counted.used, counted.newest, counted.newest_own, stored)


def given_up(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts to delete: snapshots in error first, then the oldest first."""
    dropped = [v for v in reversed(verdicts) if not v.keep]
    return sorted(dropped, key=lambda v: v.snapshot.is_usable)


def replaceable(
    snapshots: Sequence[Snapshot], *, policy: str, besides: frozenset[str], now: datetime
) -> Snapshot | None:
    """Return the snapshot of ``policy`` to delete for a new one, or None.

    It is one in error, else the oldest usable one, if a newer usable one stays on the
    disk. Never one of ``besides`` (IDs).
    """
    own = [
        s
        for s in snapshots
        if s.policy == policy and not s.is_system and s.status in DELETABLE and s.id not in besides
    ]
    broken = [s for s in own if not s.is_usable]
    if broken:
        return min(broken, key=lambda s: s.id)
    oldest = min((s for s in own if s.created_at), key=lambda s: s.age_key, default=None)
    if oldest is None or newer_usable(snapshots, than=oldest, now=now) is None:
        return None
    return oldest


def limit_error(
    held: Sequence[Snapshot], *, limit: int, replacing: str | None = None
) -> LimitError:
    """Return an error that says who holds the slots, and the ways to go on.

    ``replacing`` is the policy of which none could be replaced, where that was asked for.
    """
    ours = [s for s in held if s.policy is not None]
    policies = sorted({s.policy or "" for s in ours})
    ways = ["delete one (`evs-snap delete ID`)"]
    others = [p for p in policies if p not in {replacing, PINNED_POLICY, SAFETY_POLICY}]
    if replacing is None:
        ways.append("let evs-snap replace its own oldest (--on-limit replace)")
    elif others:
        instead = f"replace one of policy {others[0]} (--policy {others[0]})"
        ways.append(f"{instead}, as of {replacing} none can go")
    ways.append("or, if this cloud allows more, say so (--limit N)")
    broken, pinned = sum(s.is_broken for s in held), sum(s.is_pinned for s in held)
    shares = [
        f"{len(ours)} made by evs-snap (policy {', '.join(policies)})" if ours else "",
        f"{len(held) - len(ours)} by others" if len(ours) < len(held) else "",
        f"{broken} of them in error" if broken else "",
        f"{pinned} of them pinned" if pinned else "",
    ]
    oldest_first = sorted(held, key=lambda s: s.age_key)
    return LimitError(
        f"the disk holds {len(held)} of {limit} snapshots; nothing was sent",
        brief=f"full: {len(held)} of {limit}",
        details=(", ".join(s for s in shares if s) + ":", *(_holder(s) for s in oldest_first)),
        hint=f"{'Three' if others or replacing is None else 'Two'} ways out: {'; '.join(ways)}."
        + (" No rule frees the slot of a pinned one: `evs-snap unpin ID`." if pinned else ""),
    )


def _holder(snapshot: Snapshot) -> str:
    made = f"{snapshot.created_at:%Y-%m-%d}" if snapshot.created_at else "unknown"
    whose = "pinned" if snapshot.is_pinned else "ours" if snapshot.policy else "others'"
    return f"{snapshot.id}  {made:<10}  {snapshot.status:<9}  {whose:<7}  {snapshot.name or ''}"
