"""``evs-snap simulate``: what KEEP rules come to, told offline by the planner itself."""

from __future__ import annotations

from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import settings_of
from evs_snap.cli.options import keep_options, limit_option
from evs_snap.cli.output import (
    is_document,
    is_picture,
    show_document,
    show_table,
    show_timeline,
    write_result,
)
from evs_snap.cli.parameters import option
from evs_snap.cli.values import duration
from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.retention import Keep


@click.command(
    cls=Command,
    examples=(
        "evs-snap simulate --keep-daily 4 --keep-weekly 2 --every 1d",
        "evs-snap simulate --keep-hourly 3 --keep-daily 3 --every 1h --miss 0.1",
    ),
)
@keep_options
@option(
    "--every",
    type=duration,
    required=True,
    metavar="DUR",
    help="How often `rotate` would run, as 1d or 6h.",
)
@option(
    "--for",
    "span",
    type=duration,
    default="1y",
    show_default=True,
    metavar="DUR",
    help="For how long, up to now.",
)
@option(
    "--miss",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="P",
    help="How likely a run is missed: 0.1 for one in ten. [default: none]",
)
@limit_option
@click.pass_obj  # fmt: skip
def simulate(
    context: Context, /, *, keep: Keep, every: float, span: float, miss: float, limit: int | None
) -> None:
    """Play `rotate` on a pretend disk that nobody else uses, and tell what it would hold.

    Nothing is sent. The planner of `rotate` decides, over a pretended past that ends now. The
    same options give the same missed runs. Rules that could hold more than --limit are refused,
    as `rotate` refuses them.
    """
    from evs_snap.plan.request import Request
    from evs_snap.plan.selection import Selection
    from evs_snap.plan.simulate import Schedule, repeatable
    from evs_snap.plan.simulate import simulate as play
    from evs_snap.render.columns import chosen, simulation_columns
    from evs_snap.render.simulation import marks, simulation_document, simulation_rows

    columns = chosen(simulation_columns(), context.column)
    request = Request(
        command="rotate",
        selection=Selection(everything=True),
        keep=keep,
        limit=limit or _limit_of_cloud(context),
    )
    step, length = timedelta(seconds=every), timedelta(seconds=span)
    start = context.clock.now() - length + step
    schedule = Schedule(start, every=step, span=length, miss=miss)
    played = play(request, schedule, chance=repeatable("evs-snap"))
    if is_document(context):
        show_document(context, simulation_document(played, limit=request.limit))
        return
    show_table(context, simulation_rows(played, keep, limit=request.limit), columns)
    if is_picture(context):
        write_result("\n")
        show_timeline(context, marks(played.kept), now=context.clock.now())


def _limit_of_cloud(context: Context) -> int:
    """Return the limit set for the cloud that is meant; where no cloud is named, the vendors'."""
    from evs_snap.connection import most_of

    try:
        settings = settings_of(context)
    except ConfigurationError:
        if context.os_cloud or environ.get("OS_CLOUD"):
            raise
        return most_of(context.kind)
    return settings.limit or most_of(settings.kind)
