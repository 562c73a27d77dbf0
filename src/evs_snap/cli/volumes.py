"""``evs-snap volumes``: the project's disks and how full of snapshots they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.lists import list_options, moment_before
from evs_snap.cli.options import select_options, slots_option
from evs_snap.cli.output import show_rows
from evs_snap.cli.parameters import option

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap volumes",
        "evs-snap volumes --match 'data-*' --sort Size:desc",
        "evs-snap volumes --unprotected --newer-than 26h    no snapshot in 26 hours",
        "evs-snap volumes --server 7c1f03aa -f value -c ID",
    ),
)
@select_options(required=False)
@option("--status", metavar="STATUS", help="Only those in this status, as in-use.")
@option("--unprotected", is_flag=True,
        help="Only those without a usable snapshot of ours; with --newer-than, without one so "
        "young.")  # fmt: skip
@list_options
@slots_option
@click.pass_obj
def volumes(
    context: Context, /, *, selection: Selection, status: str | None, unprotected: bool,
    newer_than: float | None, older_than: float | None, sort: tuple[str, ...], limit: int | None,
) -> None:  # fmt: skip
    """List disks by name, with their snapshots counted and the newest one's age.

    Without selection: all disks of the project. Also called `disks` and `list`.
    """
    from evs_snap.plan.listing import by_name
    from evs_snap.plan.slots import used
    from evs_snap.render.columns import chosen, in_order, sorted_titles, volume_columns
    from evs_snap.render.documents import volume_document
    from evs_snap.runs.gather import gather, usages

    columns = volume_columns(context.clock.now())
    needed = {c.title for c in chosen(columns, context.column)} | set(sorted_titles(columns, sort))
    with connection(context) as evs:
        tags = "Tags" in needed
        if unprotected or needed & {"Snapshots", "Newest", "Stored"}:
            rows = usages(evs, selection, limit=limit, with_tags=tags)
        else:
            gathered = gather(evs, selection, with_snapshots=False, with_tags=tags)
            rows = [used(v, None, limit=limit or evs.limit) for v in gathered.volumes]
        now = evs.service_now
    found = by_name(
        rows,
        status=status.lower() if status else None,
        unprotected=unprotected,
        after=moment_before(now, newer_than),
        before=moment_before(now, older_than),
    )
    columns = volume_columns(now)
    show_rows(context, in_order(found, columns, sort), columns, document=volume_document)
