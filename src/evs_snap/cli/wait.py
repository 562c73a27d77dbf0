"""``evs-snap wait``: until these snapshots can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import snapshots_argument, timeout_option
from evs_snap.cli.output import reporting

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(
    cls=Command,
    examples=("evs-snap wait $(evs-snap create data-01 --no-wait -f value -c ID)",),
)
@snapshots_argument
@timeout_option
@click.pass_obj
def wait(context: Context, /, *, snapshots: tuple[str, ...], timeout: float) -> int:
    """Wait until snapshots can be used: say, one that `create` was still waiting for.

    SNAPSHOT is an ID, the first eight characters of one or more, or a name that only one
    has; the name of a set means all of it.
    """
    from evs_snap import wait_for_snapshots

    with reporting(context, "wait") as report:
        with changing(context) as (evs, progress):
            record = wait_for_snapshots(evs, *snapshots, timeout=timeout, progress=progress.show)
        return report(record)
