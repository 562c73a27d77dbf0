"""Whether disks have fresh, usable snapshots of ours: a verdict for monitoring; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from evs_snap.clock import in_words
from evs_snap.health.words import count_of, some_of
from evs_snap.plan.retention import SKEW, Keep, broken
from evs_snap.plan.slots import holders
from evs_snap.runs.gather import Gathered
from evs_snap.services.interface import DEFAULT_POLICY, Snapshot, Volume

_RUN = timedelta(hours=1)
"""What a run may take from a new snapshot to the last deletion."""


class Level(IntEnum):
    """What monitoring plugins exit with (Monitoring Plugins guidelines)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class DiskFreshness:
    """One disk's level, and what is wrong with it, if anything.

    ``newest`` is when the newest snapshot that counts was made (UTC), None where there is none.
    """

    volume: Volume
    level: Level
    trouble: str
    newest: datetime | None


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
    consistency: str | None = None,
) -> Freshness:
    """Judge each disk by our snapshots under ``policy``, and report the worst disk.

    ``now`` is the service's time, in UTC. With ``keep`` also judge whether these snapshots are
    still pruned by the rules.

    No others count: one made by hand at noon, or one taken before a restore, does not show that
    last night's run did its work. Nor do those dated in the future, since they never age, nor
    those of a set that is not whole.
    """
    in_part = broken(gathered.sets)
    judged = [
        _judged(
            volume,
            gathered.of(volume),
            in_part=in_part,
            now=now,
            max_age=max_age,
            min_count=min_count,
            limit=limit,
            keep=keep,
            policy=policy,
            consistency=consistency,
        )
        for volume in gathered.volumes
    ]
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
    return Freshness(worst, f"{text} | {_figures(judged, now, max_age)}", tuple(judged))


def _figures(judged: Sequence[DiskFreshness], now: datetime, max_age: timedelta) -> str:
    """Return the performance data (Monitoring Plugins guidelines).

    ``oldest_newest`` is the age of the oldest of the disks' newest snapshots. It is U (unknown)
    where a disk has none, since that one is older than any age.
    """
    newest = [disk.newest for disk in judged if disk.newest is not None]
    without = len(judged) - len(newest)
    age = "U" if without else f"{max(0, _seconds(max(now - moment for moment in newest)))}s"
    return f"disks={len(judged)} without={without} oldest_newest={age};;{_seconds(max_age)}"


def _judged(  # noqa: PLR0913 - as judge_freshness
    volume: Volume,
    of_disk: Sequence[Snapshot],
    *,
    in_part: Collection[str],
    now: datetime,
    max_age: timedelta,
    min_count: int,
    limit: int,
    keep: Keep | None,
    policy: str,
    consistency: str | None,
) -> DiskFreshness:
    ours = [s for s in of_disk if s.policy == policy]
    counting = [
        s for s in ours
        if s.set_id not in in_part
        and (consistency is None or (s.stamp is not None and s.stamp.consistency == consistency))
    ]  # fmt: skip
    made = [
        s.created_at
        for s in counting
        if s.is_usable and s.created_at and s.created_at <= now + SKEW
    ]
    newest = max(made, default=None)
    failed = sum(s.is_broken for s in ours)
    held = len(holders(of_disk))
    level, trouble = Level.OK, ""
    if newest is None:
        kind = f"{consistency}-consistent" if consistency else "usable"
        level, trouble = Level.CRITICAL, f"has no {kind} snapshot of policy {policy}"
    elif now - newest > max_age:
        told = f"newest is {_told(now - newest)} old, {_told(max_age)} allowed"
        level, trouble = Level.CRITICAL, told
    elif len(made) < min_count:
        level, trouble = Level.CRITICAL, f"has {len(made)} of {min_count} usable snapshots"
    elif failed:
        level, trouble = Level.WARNING, f"has {failed} in error"
    elif held >= limit:
        level, trouble = Level.WARNING, f"full ({held} of {limit})"
    elif keep and (left := _left_over(ours, keep, now=now)):
        level, trouble = Level.WARNING, left
    return DiskFreshness(volume, level, trouble, newest)


def _left_over(ours: Sequence[Snapshot], keep: Keep, *, now: datetime) -> str:
    """Say that there are more usable snapshots than the rules may hold, "" if there are not."""
    made = sorted(s.created_at for s in ours if s.is_usable and s.created_at)
    within = [m for m in made if keep.within and m > made[-1] - keep.within]
    # During a run the new snapshot and the one it replaces are both there.
    settled = [m for m in made if m <= now - _RUN]
    most = keep.most + len(within)
    if len(settled) <= most:
        return ""
    return f"has {len(settled)} usable snapshots where the rules keep {most} at most: not pruned"


def _told(span: timedelta) -> str:
    return in_words(span.total_seconds())


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
