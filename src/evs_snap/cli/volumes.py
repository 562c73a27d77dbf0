"""``evs-snap volumes``: the project's disks and how full of snapshots they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.connection import connection
from evs_snap.cli.lists import list_options, moment_before
from evs_snap.cli.options import LIMIT, Command, Option, option, select_options
from evs_snap.cli.output import show_rows

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


class _Slots(Option):
    """``--slots`` is what other commands call ``--limit``, and has that one's variable too."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value: the command's own before the shared one."""
        return super().resolve_envvar_value(ctx) or os.environ.get("EVS_SNAP_LIMIT") or None


def _no_limit(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
    if value is not None:
        raise click.UsageError(
            "`volumes` lists all disks, whatever their number. How many snapshots a disk may "
            "hold is said by --slots N."
        )


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
@click.option("--slots", cls=_Slots, type=click.IntRange(1), metavar="N", section=LIMIT,
              help="Snapshots the cloud allows a disk. [default: 7, or clouds.yaml]")  # fmt: skip
@option("--limit", hidden=True, expose_value=False, allow_from_autoenv=False,
        callback=_no_limit)  # fmt: skip
@click.pass_obj
def volumes(
    context: Context, /, *, selection: Selection, status: str | None, unprotected: bool,
    newer_than: float | None, older_than: float | None, sort: tuple[str, ...], slots: int | None,
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
        if unprotected or needed & {"Snapshots", "Newest"}:
            rows = usages(evs, selection, limit=slots, with_tags=tags)
        else:
            gathered = gather(evs, selection, with_snapshots=False, with_tags=tags)
            rows = [used(v, None, limit=slots or evs.limit) for v in gathered.volumes]
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
