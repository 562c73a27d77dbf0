"""``evs-snap unpin``: give pinned snapshots back to their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import snapshots_argument
from evs_snap.cli.output import reporting

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, examples=("evs-snap unpin 3f2b8c1d",))
@snapshots_argument
@click.pass_obj
def unpin(context: Context, /, *, snapshots: tuple[str, ...]) -> int:
    """Give pinned snapshots back to the rules of the policy that they had.

    SNAPSHOT is an ID, the first eight characters of one or more, or a name that only one
    has; the name of a set means all of it.
    """
    from evs_snap import unpin_snapshots

    with reporting(context, "unpin") as report:
        with changing(context) as (evs, progress):
            record = unpin_snapshots(
                evs, *snapshots, lock_wait=context.lock_wait, progress=progress.show
            )
        return report(record)
