"""Whether disks have fresh, usable snapshots of ours: a verdict for monitoring; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from evs_snap.health.words import count_of, some_of
from evs_snap.plan.retention import SKEW
from evs_snap.plan.slots import holders
from evs_snap.services.interface import DEFAULT_POLICY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evs_snap.plan.retention import Keep
    from evs_snap.runs.gather import Gathered
    from evs_snap.services.interface import Snapshot, Volume


_RUN = timedelta(hours=1)
"""What a run may take from a new snapshot to the last deletion."""


class Level(IntEnum):
    """What monitoring plugins exit with (Monitoring Plugins guidelines)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class DiskFreshness:
    """One disk's level, and what is wrong with it, if anything."""

    volume: Volume
    level: Level
    trouble: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """The worst level of all disks, the one line that explains it, and each disk's own."""

    level: Level
    text: str
    disks: tuple[DiskFreshness, ...]


def judge_freshness(  # noqa: PLR0913 - what a user may ask of it
    gathered: Gathered,
    *,
    now: datetime,
    max_age: timedelta,
    min_count: int,
    limit: int,
    keep: Keep | None = None,
    policy: str = DEFAULT_POLICY,
) -> Freshness:
    """Judge each disk by the snapshots that carry our stamp; report the worst of them.

    With ``keep`` also whether those under ``policy`` are still pruned by these rules.

    Others' snapshots do not count: one made by hand at noon says nothing about whether
    last night's run did its work. Nor do those dated in the future, which would never age.
    """
    judged = []
    newest: list[datetime] = []
    for volume in gathered.volumes:
        of_disk = gathered.of(volume)
        made = [
            s.created_at
            for s in of_disk
            if s.policy and s.is_usable and s.created_at and s.created_at <= now + SKEW
        ]
        newest += [max(made)] if made else []
        level, trouble = _judge(of_disk, made, now=now, max_age=max_age, min_count=min_count)
        if level is Level.OK and len(holders(of_disk)) >= limit:
            level, trouble = Level.WARNING, f"full ({len(holders(of_disk))} of {limit})"
        if level is Level.OK and keep and (left := _left_over(of_disk, keep, policy, now=now)):
            level, trouble = Level.WARNING, left
        judged.append(DiskFreshness(volume, level, trouble))
    if not judged:
        text = "no disk selected is in this shard: nothing to judge | disks=0"
        return Freshness(Level.OK, text, ())
    worst = max(disk.level for disk in judged)
    bad = [f"{d.volume.name or d.volume.id} {d.trouble}" for d in judged if d.level is worst]
    disks = count_of(len(judged), "disk")
    text = f"{disks}, each has a fresh snapshot"
    if worst is not Level.OK:
        named = some_of(bad, separator="; ").replace("|", "/")  # what follows a bar is figures
        text = f"{len(bad)} of {disks}: {named}"
    oldest = max((now - moment for moment in newest), default=None)
    figures = f"disks={len(judged)}" + (
        f" oldest_newest={_seconds(oldest)}s;;{_seconds(max_age)}" if oldest is not None else ""
    )
    return Freshness(worst, f"{text} | {figures}", tuple(judged))


def _judge(
    of_disk: Sequence[Snapshot],
    made: Sequence[datetime],
    *,
    now: datetime,
    max_age: timedelta,
    min_count: int,
) -> tuple[Level, str]:
    if not made:
        return Level.CRITICAL, "has no usable snapshot of ours"
    age = now - max(made)
    if age > max_age:
        return Level.CRITICAL, f"newest is {_told(age)} old"
    if len(made) < min_count:
        return Level.CRITICAL, f"has {len(made)} of {min_count} usable snapshots"
    broken = sum(s.policy is not None and s.is_broken for s in of_disk)
    if broken:
        return Level.WARNING, f"has {broken} in error"
    return Level.OK, ""


def _left_over(of_disk: Sequence[Snapshot], keep: Keep, policy: str, *, now: datetime) -> str:
    """Say that there are more usable snapshots than the rules may hold, "" if there are not."""
    made = sorted(
        s.created_at for s in of_disk if s.policy == policy and s.is_usable and s.created_at
    )
    within = [m for m in made if keep.within and m > made[-1] - keep.within]
    # While a run is at work the new one is there, and what it replaces is too.
    settled = [m for m in made if m <= now - _RUN]
    most = keep.most + len(within)
    if len(settled) <= most:
        return ""
    return f"has {len(settled)} usable snapshots where the rules keep {most} at most: not pruned"


def _told(span: timedelta) -> str:
    hours, rest = divmod(_seconds(span), 3600)
    return f"{hours}h" if hours else f"{rest // 60}m"


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
