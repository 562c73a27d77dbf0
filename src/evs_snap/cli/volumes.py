"""``evs-snap volumes``: the project's disks and how full of snapshots they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.options import select_options, slots_option
from evs_snap.cli.output import show_rows

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap volumes",
        "evs-snap volumes --match 'data-*' -f json",
        "evs-snap volumes --server 7c1f03aa -f value -c ID",
    ),
)
@select_options(required=False)
@slots_option
@click.pass_obj
def volumes(context: Context, /, *, selection: Selection, limit: int | None) -> None:
    """List disks, with their snapshots counted and the newest one's age.

    Without selection: all disks of the project. Also called `disks` and `list`.
    """
    from evs_snap.plan.slots import used
    from evs_snap.render.columns import shows_snapshots, shows_tags, volume_columns
    from evs_snap.render.documents import volume_document
    from evs_snap.runs.gather import gather, usages

    columns = volume_columns(context.clock.now())
    tags = shows_tags(context.column)
    with connection(context) as evs:
        if shows_snapshots(columns, context.column):
            rows = usages(evs, selection, limit=limit, with_tags=tags)
        else:
            gathered = gather(evs, selection, with_snapshots=False, with_tags=tags)
            rows = [used(v, None, limit=limit or evs.limit) for v in gathered.volumes]
    show_rows(context, rows, columns, document=volume_document)
