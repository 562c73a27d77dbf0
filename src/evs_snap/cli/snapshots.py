"""``evs-snap snapshots``: the snapshots of the disks selected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.options import STATUSES, select_options
from evs_snap.cli.output import show_rows
from evs_snap.cli.parameters import option
from evs_snap.cli.values import duration

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap snapshots data-01",
        "evs-snap snapshots --owned --older-than 7d -f json",
        "evs-snap snapshots --status error -f value -c ID",
    ),
)
@select_options(required=False)
@option("--owned", is_flag=True, help="Only those that evs-snap made.")
@option(
    "--status",
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"Only those in this status: {', '.join(STATUSES)}.",
)
@option("--older-than", type=duration, metavar="DUR", help="Only those made before that.")
@option("--all-kinds", is_flag=True, help="The backup services' snapshots too.")
@click.pass_obj  # fmt: skip
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
    from evs_snap.render.documents import snapshot_document
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
    names = {v.id: v.name for v in gathered.volumes if v.name}
    show_rows(
        context,
        rows,
        snapshot_columns(names, now=now),
        document=lambda row: snapshot_document(row, volume_name=names.get(row.volume_id)),
    )
