"""``evs-snap snapshots``: the snapshots of the disks selected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from evs_snap.cli.connection import connection
from evs_snap.cli.options import Command, duration, select_options
from evs_snap.cli.output import show_rows

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(cls=Command, short_help="List snapshots.")
@select_options(required=False)
@click.option("--owned", is_flag=True, help="Only those that evs-snap made.")
@click.option("--status", metavar="S", help="Only those in this status, as `available`.")
@click.option("--older-than", type=duration, metavar="DUR", help="Only those made before that.")
@click.option("--all-kinds", is_flag=True, help="The backup services' snapshots too.")
@click.pass_obj
def snapshots(
    context: Context,
    /,
    *,
    selection: Selection,
    owned: bool,
    status: str | None,
    older_than: float | None,
    all_kinds: bool,
) -> None:
    """List snapshots, newest first.

    Without selection: those of all disks of the project.
    """
    from evs_snap.plan.selection import newest_first
    from evs_snap.render.columns import snapshot_columns
    from evs_snap.render.documents import resource
    from evs_snap.runs.gather import gather

    now = context.clock.now()
    with connection(context) as evs:
        gathered = gather(evs, selection)
    rows = newest_first(
        gathered.snapshots,
        owned=owned,
        status=status,
        before=None if older_than is None else now - timedelta(seconds=older_than),
        all_kinds=all_kinds,
    )
    names = {v.id: v.name or v.id for v in gathered.volumes}
    show_rows(context, rows, snapshot_columns(names, now=now), document=resource)
