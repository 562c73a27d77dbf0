"""``evs-snap delete``: these snapshots, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import dry_run_option, snapshots_argument, yes_option
from evs_snap.cli.output import reporting
from evs_snap.cli.parameters import option
from evs_snap.cli.questions import confirmation

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(
    cls=Command,
    examples=(
        "evs-snap delete 3f2b8c1d",
        "evs-snap delete data-01-20261123T021700Z -y",
    ),
)
@snapshots_argument
@option("--foreign", is_flag=True, consent=True, help="Also those that evs-snap did not make.")
@yes_option
@dry_run_option
@click.pass_obj
def delete(
    context: Context,
    /,
    *,
    snapshots: tuple[str, ...],
    foreign: bool,
    yes: bool,
    dry_run: bool,
) -> int:
    """Delete snapshots and wait until they are gone.

    SNAPSHOT is an ID, the first eight characters of one or more, or a name that only one
    has; the name of a set means all of it.

    The backup services' own snapshots are refused always.
    """
    from evs_snap import delete_snapshots

    asking = confirmation(context, needed=not (yes or dry_run))
    with reporting(context, "delete") as report:
        with changing(context) as (evs, progress):
            record = delete_snapshots(
                evs,
                *snapshots,
                foreign=foreign,
                lock_wait=context.lock_wait,
                dry_run=dry_run,
                confirm=asking(progress),
                progress=progress.show,
            )
        return report(record)
