"""``evs-snap snapshots``: the snapshots of the disks selected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from evs_snap.cli.options import Command, duration, select_options, selection_of
from evs_snap.cli.output import show_rows
from evs_snap.cli.session import open_session

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="List snapshots.")
@select_options
@click.option("--owned", is_flag=True, help="Only those that evs-snap made.")
@click.option("--status", metavar="S", help="Only those in this status, as `available`.")
@click.option("--older-than", type=duration, metavar="DUR", help="Only those made before that.")
@click.option("--all-kinds", is_flag=True, help="The backup services' snapshots too.")
@click.pass_obj
def snapshots(
    context: Context,
    /,
    owned: bool,
    status: str | None,
    older_than: float | None,
    all_kinds: bool,
    **select: object,
) -> None:
    """List snapshots, newest first.

    Without selection: those of all disks of the project.
    """
    from evs_snap.render.columns import snapshot_columns
    from evs_snap.render.documents import resource
    from evs_snap.runs.gather import gather

    now = context.surroundings.clock.now()
    with open_session(context, workers=2) as session:
        gathered = gather(session.client, selection_of(select, required=False))
    rows = [
        s
        for s in gathered.snapshots
        if (all_kinds or not s.is_system)
        and (s.policy is not None or not owned)
        and status in {None, s.status}
        and (
            older_than is None
            or (s.created_at is not None and now - s.created_at > timedelta(seconds=older_than))
        )
    ]
    rows.sort(key=lambda s: s.age_key, reverse=True)
    names = {v.id: v.name or v.id for v in gathered.volumes}
    show_rows(context, rows, snapshot_columns(names, now=now), document=resource)
