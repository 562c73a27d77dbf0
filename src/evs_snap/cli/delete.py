"""``evs-snap delete``: these snapshots, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.options import Command, lock_option
from evs_snap.cli.output import reporting
from evs_snap.cli.session import acting, confirmation

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="Delete the snapshots named.")
@click.argument("snapshots", metavar="SNAPSHOT...", nargs=-1, required=True)
@click.option("--foreign", is_flag=True, help="Also those that evs-snap did not make.")
@lock_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def delete(
    context: Context,
    /,
    snapshots: tuple[str, ...],
    foreign: bool,
    lock_wait: float | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Delete snapshots, by ID or by a name that only one has, and see them gone.

    The backup services' own snapshots are refused always.
    """
    from evs_snap import runs as run
    from evs_snap.runs.gather import find_snapshots

    confirm = confirmation(needed=not (yes or dry_run))
    with reporting(context, "delete") as report:
        with acting(context, lock_wait=lock_wait, dry_run=dry_run, confirm=confirm) as act:
            found = find_snapshots(act.work.client, snapshots)
            record = run.remove(act.work, found, foreign=foreign, orders=act.orders)
        return report(record)
