"""What `simulate` has found out: lines, a JSON document, and a picture of the days kept."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from typing import TYPE_CHECKING

from evs_snap.clock import in_words
from evs_snap.render.text import rfc3339
from evs_snap.runs.record import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from evs_snap.plan.retention import Keep, Verdict
    from evs_snap.plan.simulate import Simulation

_WEEK = timedelta(days=7)
Line = tuple[str, str]


def simulation_rows(played: Simulation, keep: Keep, *, limit: int) -> list[Line]:
    """Return what is told, line by line."""
    seen = played.summary
    rules = {name: f"--keep-{name} {count}" for name, count in keep.counts if count}
    if keep.within:
        rules["within"] = f"--keep-within {_told(keep.within)}"
    missed = f", {played.missed} missed" if played.missed else ""
    refused = f", {seen.refused} refused: the disk was full" if seen.refused else ""
    worst = "not known yet: the first one is still kept"
    return [
        ("runs", f"{seen.runs}{missed}{refused}"),
        ("peak", f"{seen.peak} of {limit}, while a run is at work"),
        *((f"held on {kind}", _range(*held)) for kind, held in seen.by_day.items()),
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


def calendar(kept: Iterable[Verdict], *, room: int, colour: bool) -> str:
    """Draw the months (UTC) in which a snapshot is kept, with a ``*`` after each such day.

    ``room`` is the terminal's width.
    """
    from rich.columns import Columns  # noqa: PLC0415 - only for this picture
    from rich.console import Console  # noqa: PLC0415

    days = {v.snapshot.created_at.date() for v in kept if v.snapshot.created_at}
    months = sorted({day.replace(day=1) for day in days})
    out = StringIO()
    console = Console(
        file=out, width=room, force_terminal=colour, color_system="standard" if colour else None
    )
    console.print(Columns([_month(first, days) for first in months], padding=(1, 3)))
    return out.getvalue()


def _month(first: date, days: set[date]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    text = Text(f"{first:%B %Y}\n", style="bold")
    text.append(" M  T  W  T  F  S  S\n", style="not bold dim")
    monday = first - timedelta(days=first.weekday())
    while monday < first or monday.month == first.month:
        for day in (monday + timedelta(days=n) for n in range(7)):
            is_kept = day in days and day.month == first.month
            shown = f"{day.day:2}{'*' if is_kept else ''}" if day.month == first.month else ""
            text.append(f"{shown:3}", style="bold green" if is_kept else "not bold")
        text.append("\n")
        monday += _WEEK
    return text


def _range(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def _told(span: timedelta) -> str:
    return in_words(span.total_seconds())
