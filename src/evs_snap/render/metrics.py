"""How a run ended: a text for a heartbeat service, and metrics in Prometheus' format.

Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ (the format) and
https://prometheus.io/docs/practices/naming/ (names and units).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evs_snap.plan.slots import usage
from evs_snap.runs.record import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from evs_snap.health.freshness import Freshness
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.gather import Gathered
    from evs_snap.runs.record import RunRecord

LAST_SUCCESS = "evs_snap_last_success_timestamp_seconds"

_WORST_FIRST = (
    Action.FAILED, Action.REFUSED, Action.CREATED, Action.REUSED, Action.DELETED, Action.KEPT,
)  # fmt: skip
_NEVER = 0.0

Labels = tuple[tuple[str, str], ...]
Samples = list[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. ``outcomes`` counts disks, ``created`` and ``deleted`` snapshots."""

    exit_code: int = 1
    text: str = "a defect of evs-snap ended the run"
    outcomes: Mapping[str, int] = field(default_factory=dict)
    created: int = 0
    deleted: int = 0
    usages: tuple[Usage, ...] = ()


def ending_of_record(record: RunRecord) -> Ending:
    """Return how a changing run ended. A disk counts by the worst that became of it."""
    of_disk: dict[str, set[Action]] = {u.volume.id: {Action.KEPT} for u in record.usages}
    for item in record.items:
        if item.volume is not None:
            of_disk.setdefault(item.volume.id, set()).add(item.action)
    counts = Counter(next(a for a in _WORST_FIRST if a in seen) for seen in of_disk.values())
    summary = ", ".join(f"{count} {action}" for action, count in record.summary.items())
    errors = [f"{item.label}: {item.error.message}" for item in record.items if item.error]
    return Ending(
        record.exit_code,
        "\n".join([summary or record.remark or "nothing to do", *errors]),
        outcomes={str(action): counts[action] for action in _WORST_FIRST},
        created=record.summary.get(Action.CREATED, 0),
        deleted=record.summary.get(Action.DELETED, 0),
        usages=record.usages,
    )


def ending_of_check(freshness: Freshness, gathered: Gathered, *, limit: int) -> Ending:
    """Return how a check ended. ``limit`` is how many snapshots a disk may hold.

    A disk's newest snapshot is the newest one that counted in the check.
    """
    counts = Counter(disk.level for disk in freshness.disks)
    return Ending(
        freshness.level,
        f"{freshness.level.name} - {freshness.text}",
        outcomes={level.name.lower(): counts[level] for level in type(freshness.level)},
        usages=tuple(
            replace(usage(d.volume, gathered.of(d.volume), limit=limit), newest_own=d.newest)
            for d in freshness.disks
        ),
    )


def metrics_text(
    ending: Ending,
    *,
    run: str,
    command: str,
    at: datetime,
    duration: float,
    last_success: float,
) -> str:
    """Return the metrics of a run that ended ``at`` that moment, after ``duration`` seconds.

    ``run`` tells it from others: two files with the same labels would be refused.
    ``last_success`` is Unix time, as told before; 0 for never.
    """
    labels: Labels = (("run", run), ("command", command))
    now = at.timestamp()

    def one(value: float) -> Samples:
        return [(labels, value)]

    def by_disk(values: Iterable[float]) -> Samples:
        return [
            ((("run", run), ("volume_id", u.volume.id), ("volume", u.volume.name or "")), value)
            for u, value in zip(ending.usages, values, strict=True)
        ]

    newest = [u.newest_own.timestamp() if u.newest_own else _NEVER for u in ending.usages]
    families: tuple[tuple[str, str, Samples], ...] = (
        ("evs_snap_last_run_timestamp_seconds", "When the last run ended, in Unix time.", one(now)),
        (LAST_SUCCESS, "When a run last ended with exit code 0, in Unix time; 0 for never.",
         one(last_success if ending.exit_code else now)),
        ("evs_snap_last_run_exit_code", "Exit code of the last run.", one(ending.exit_code)),
        ("evs_snap_last_run_duration_seconds", "How long the last run took.", one(duration)),
        ("evs_snap_last_run_volumes", "Disks of the last run, by what became of them.",
         [((*labels, ("outcome", name)), n) for name, n in ending.outcomes.items()]),
        ("evs_snap_last_run_snapshots_created", "Snapshots that the last run made.",
         one(ending.created)),
        ("evs_snap_last_run_snapshots_deleted", "Snapshots that the last run deleted.",
         one(ending.deleted)),
        ("evs_snap_oldest_newest_snapshot_timestamp_seconds",
         "The oldest of the disks' newest usable snapshots, in Unix time; 0 if one has none.",
         one(min(newest)) if newest else []),
        ("evs_snap_volume_newest_snapshot_timestamp_seconds",
         "When the disk's newest usable snapshot was made, in Unix time; 0 for none.",
         by_disk(newest)),
        ("evs_snap_volume_slots_used", "Snapshots that count against the disk's limit.",
         by_disk(u.used or 0 for u in ending.usages)),
        ("evs_snap_volume_slots_limit", "Snapshots that the disk may hold.",
         by_disk(u.limit for u in ending.usages)),
    )  # fmt: skip
    return "".join(_family(*family) for family in families)


def _family(name: str, text: str, samples: Samples) -> str:
    if not samples:
        return ""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        lines.append(f"{name}{{{shown}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    valid = text.encode(errors="backslashreplace").decode()  # the format is UTF-8, without halves
    return valid.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
