"""``evs-snap show``: everything about one disk or snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.options import optional_keep_options, policy_option, slots_option
from evs_snap.cli.output import (
    is_document,
    is_picture,
    show_document,
    show_table,
    show_timeline,
    write_result,
)
from evs_snap.cli.parameters import argument, complete_with

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.retention import Keep
    from evs_snap.runs.lookup import DiskDetails


@click.command(
    cls=Command,
    examples=(
        "evs-snap show data-01",
        "evs-snap show data-01 --keep-daily 4 --keep-weekly 2   what rules keep",
        "evs-snap show 3f2b8c1d -f json",
        "evs-snap show 3f2b8c1d -f value -c Policy",
    ),
)
@argument("things", metavar="SNAPSHOT|DISK...", nargs=-1, required=True,
          shell_complete=complete_with("disks_and_snapshots"))  # fmt: skip
@optional_keep_options
@policy_option()
@slots_option
@click.pass_obj
def show(
    context: Context,
    /,
    *,
    things: tuple[str, ...],
    keep: Keep | None,
    policy: str | None,
    limit: int | None,
) -> None:
    """Show all there is to know about disks or snapshots; of a disk its snapshots too.

    Each is an ID, the beginning of one (eight characters or more), or a name. A disk counts
    before a snapshot of that name. With KEEP options each snapshot of the policy is told by
    which rules it stays.
    """
    from evs_snap.render.details import details_document, field_columns, fields
    from evs_snap.runs.lookup import DiskDetails, details
    from evs_snap.services.interface import DEFAULT_POLICY

    with connection(context) as evs:
        found = details(evs, things, keep=keep, policy=policy or DEFAULT_POLICY, limit=limit)
        now = evs.service_now
    if is_document(context):
        show_document(context, [details_document(one, context.column, now=now) for one in found])
        return
    for number, one in enumerate(found):
        if number and context.format == "table":
            write_result("\n")
        columns = field_columns()
        show_table(
            context,
            fields(one, context.column, now=now),
            columns[1:] if context.format == "value" else columns,
        )
        if isinstance(one, DiskDetails) and context.format == "table" and not context.column:
            _show_history(context, one, judged=keep is not None)


def _show_history(context: Context, disk: DiskDetails, *, judged: bool) -> None:
    """Print a disk's snapshots: on a terminal as a line of time too."""
    from evs_snap.render.details import history_columns, marks

    if not disk.history:
        return
    now = context.clock.now()
    if is_picture(context):
        write_result("\n")
        show_timeline(context, marks(disk.history), now=now)
    write_result("\n")
    in_sets = any(of_disk.snapshot.set_id for of_disk in disk.history)
    show_table(context, disk.history, history_columns(now=now, judged=judged, in_sets=in_sets))
