"""``evs-snap delete``: these snapshots, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.connection import changing, confirmation
from evs_snap.cli.options import Command, dry_run_option, lock_option, yes_option
from evs_snap.cli.output import reporting

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="Delete the snapshots named.")
@click.argument("snapshots", metavar="SNAPSHOT...", nargs=-1, required=True)
@click.option("--foreign", is_flag=True, help="Also those that evs-snap did not make.")
@lock_option
@yes_option
@dry_run_option
@click.pass_obj
def delete(
    context: Context,
    /,
    *,
    snapshots: tuple[str, ...],
    foreign: bool,
    lock_wait: float | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Delete snapshots, by ID or by a name that only one has, and see them gone.

    The backup services' own snapshots are refused always.
    """
    from evs_snap import delete_snapshots

    asking = confirmation(needed=not (yes or dry_run))
    with reporting(context, "delete") as report:
        with changing(context) as (evs, progress):
            record = delete_snapshots(
                evs,
                *snapshots,
                foreign=foreign,
                lock_wait=context.lock_wait or 0.0 if lock_wait is None else lock_wait,
                dry_run=dry_run,
                confirm=asking(progress),
                progress=progress.show,
            )
        return report(record)
