"""``evs-snap volumes``: the project's disks and how full of snapshots they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.connection import connection
from evs_snap.cli.options import Command, limit_option, select_options
from evs_snap.cli.output import show_rows

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    short_help="List disks and how full of snapshots they are.",
    examples=(
        "evs-snap volumes",
        "evs-snap volumes --match 'data-*' -f json",
        "evs-snap volumes --server 7c1f03aa -f value -c ID",
    ),
)
@select_options(required=False)
@limit_option
@click.pass_obj
def volumes(context: Context, /, *, selection: Selection, limit: int | None) -> None:
    """List disks, with their snapshots counted and the newest one's age.

    Without selection: all disks of the project. Also called `disks` and `list`.
    """
    from evs_snap.plan.slots import usage
    from evs_snap.render.columns import shows_snapshots, shows_tags, volume_columns
    from evs_snap.render.documents import volume_document
    from evs_snap.runs.gather import gather

    columns = volume_columns(context.clock.now())
    counted = shows_snapshots(columns, context.column)
    with connection(context) as evs:
        gathered = gather(
            evs, selection, with_snapshots=counted, with_tags=shows_tags(context.column)
        )
        most = limit or evs.limit
    rows = [
        usage(volume, gathered.of(volume) if counted else None, limit=most)
        for volume in gathered.volumes
    ]
    show_rows(context, rows, columns, document=volume_document)
