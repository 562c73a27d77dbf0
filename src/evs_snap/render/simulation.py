"""What `simulate` has found out: lines, a JSON document, and marks for the line of time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from evs_snap.clock import in_words
from evs_snap.plan.simulate import RULES
from evs_snap.render.documents import SCHEMA
from evs_snap.render.text import rfc3339
from evs_snap.render.timeline import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.plan.retention import Keep, Verdict
    from evs_snap.plan.simulate import Simulation

Line = tuple[str, str]


def simulation_rows(played: Simulation, keep: Keep, *, limit: int) -> list[Line]:
    """Return what is told, line by line."""
    seen = played.summary
    rules = {name: f"--keep-{name} {count}" for name, count in keep.counts if count}
    if keep.within:
        rules["within"] = f"--keep-within {_told(keep.within)}"
    missed = f", {played.missed} missed" if played.missed else ""
    refused = f", {seen.refused} refused: the disk was full" if seen.refused else ""
    least = min((least for least, _ in seen.by_day.values()), default=0)
    most = max((most for _, most in seen.by_day.values()), default=0)
    worst = "not known yet: the first one is still kept"
    return [
        ("runs", f"{seen.runs}{missed}{refused}"),
        ("peak", f"{seen.peak} of {limit}, while a run is at work"),
        ("held", f"{_range(least, most)}, at the end of a day"),
        ("back at best", _told(seen.best_reach)),
        ("back at worst", worst if seen.worst_reach is None else _told(seen.worst_reach)),
        ("adds nothing", ", ".join(rules[name] for name in played.idle) or "no rule"),
        *((f"kept {rfc3339(v.snapshot.created_at)}", ", ".join(v.reasons)) for v in played.kept),
    ]


def simulation_document(played: Simulation, *, limit: int) -> dict[str, object]:
    """Return the same as a document; how far back is told in seconds."""
    seen = played.summary
    return {
        "schema": SCHEMA,
        "command": "simulate",
        "runs": seen.runs,
        "missed": played.missed,
        "refused": seen.refused,
        "peak": seen.peak,
        "limit": limit,
        "held": {
            kind: {"least": least, "most": most} for kind, (least, most) in seen.by_day.items()
        },
        "best_reach": int(seen.best_reach.total_seconds()),
        "worst_reach": None if seen.worst_reach is None else int(seen.worst_reach.total_seconds()),
        "idle_rules": list(played.idle),
        "kept": [
            {"created_at": rfc3339(v.snapshot.created_at), "reasons": list(v.reasons)}
            for v in played.kept
        ],
    }


def marks(kept: Iterable[Verdict]) -> list[Mark]:
    """Return the snapshots kept as marks, each for the rule of the longest period that keeps it."""
    return [
        Mark(v.snapshot.created_at, _farthest(v.reasons))
        for v in kept
        if v.snapshot.created_at is not None
    ]


def _farthest(reasons: Sequence[str]) -> str:
    words = {word for reason in reasons for word in reason.split()}
    return next((name for name in reversed(RULES) if name in words), reasons[0])


def _range(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def _told(span: timedelta) -> str:
    return in_words(span.total_seconds())
