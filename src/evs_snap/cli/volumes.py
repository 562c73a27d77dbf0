"""``evs-snap volumes``: the project's disks and how full of snapshots they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.options import Command, limit_option, select_options, selection_of
from evs_snap.cli.output import show_rows
from evs_snap.cli.session import open_session

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="List disks and how full of snapshots they are.")
@select_options
@limit_option
@click.pass_obj
def volumes(context: Context, /, limit: int | None, **select: object) -> None:
    """List disks, with their snapshots counted and the newest one's age.

    Without selection: all disks of the project. Also called `disks` and `list`.
    """
    from evs_snap.plan.slots import holders
    from evs_snap.render.columns import (
        SNAPSHOT_COLUMNS_OF_VOLUMES,
        VolumeRow,
        chosen,
        volume_columns,
    )
    from evs_snap.render.documents import volume_document
    from evs_snap.runs.gather import gather

    columns = volume_columns(context.surroundings.clock.now())
    titles = {c.title for c in chosen(columns, context.column)}
    wanted = bool(titles & SNAPSHOT_COLUMNS_OF_VOLUMES)
    selection = selection_of(select, required=False)
    with open_session(context, workers=2) as session:
        gathered = gather(session.client, selection, with_snapshots=wanted)
        most = session.limit(limit)
    rows = []
    for volume in gathered.volumes:
        own = [s for s in gathered.snapshots if s.volume_id == volume.id]
        usable = [s.created_at for s in own if s.is_usable and s.created_at]
        rows.append(
            VolumeRow(
                volume,
                limit=most,
                count=len(holders(own)) if wanted else None,
                newest=max(usable, default=None),
            )
        )
    show_rows(context, rows, columns, document=volume_document)
