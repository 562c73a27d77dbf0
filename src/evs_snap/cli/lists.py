"""LIST: what `volumes` and `snapshots` have in common."""

from __future__ import annotations

from datetime import datetime, timedelta

from evs_snap.cli.parameters import F, complete_with, option
from evs_snap.cli.values import duration


def list_options(command: F) -> F:
    """Add LIST: rows by their age, and their order."""
    options = (
        option("--newer-than", type=duration, metavar="DUR",
               help="Only those younger than this, as 26h."),
        option("--older-than", type=duration, metavar="DUR", help="Only those older than this."),
        option("--sort", multiple=True, metavar="COL[:desc]",
               shell_complete=complete_with("columns"),
               help="By this column; with several, the first counts most."),
    )  # fmt: skip
    for add in reversed(options):
        command = add(command)
    return command


def moment_before(now: datetime, seconds: float | None) -> datetime | None:
    """Return the moment that lies so far back, or None where nothing was asked for."""
    return None if seconds is None else now - timedelta(seconds=seconds)
