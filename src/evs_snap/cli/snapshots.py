"""``evs-snap snapshots``: the snapshots of the disks selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.lists import list_options, moment_before
from evs_snap.cli.options import STATUSES, select_options
from evs_snap.cli.output import show_rows
from evs_snap.cli.parameters import option

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap snapshots data-01",
        "evs-snap snapshots --owned --older-than 7d -f json",
        "evs-snap snapshots --sort Volume --sort Created:desc",
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
@list_options
@option(
    "--all-kinds",
    is_flag=True,
    help="Also those of services (backups, policies) and of the other kind.",
)
@click.pass_obj  # fmt: skip
def snapshots(
    context: Context,
    /,
    *,
    selection: Selection,
    owned: bool,
    status: str | None,
    newer_than: float | None,
    older_than: float | None,
    sort: tuple[str, ...],
    all_kinds: bool,
) -> None:
    """List snapshots, newest first.

    Without selection: those of all disks of the project.
    """
    from evs_snap.plan.listing import newest_first
    from evs_snap.render.columns import chosen, in_order, snapshot_columns, sorted_titles
    from evs_snap.render.documents import snapshot_document
    from evs_snap.runs.gather import gather

    columns = snapshot_columns({}, now=context.clock.now())
    chosen(columns, context.column)  # a wrong column is refused before anything is sent
    sorted_titles(columns, sort)
    with connection(context) as evs:
        gathered = gather(evs, selection)
        now = evs.service_now
    found = newest_first(
        gathered.snapshots,
        owned=owned,
        status=status,
        after=moment_before(now, newer_than),
        before=moment_before(now, older_than),
        all_kinds=all_kinds,
    )
    names = {v.id: v.name for v in gathered.volumes if v.name}
    here = {v.id for v in gathered.volumes}
    gone = {s.volume_id for s in found} - here if selection.is_empty else set()
    columns = snapshot_columns(names, now=now, gone=gone)
    show_rows(
        context,
        in_order(found, columns, sort),
        columns,
        document=lambda row: snapshot_document(row, volume_name=names.get(row.volume_id)),
    )
