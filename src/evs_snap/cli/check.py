"""``evs-snap check``: a monitoring plugin that judges from the cloud alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from evs_snap.cli.connection import connection
from evs_snap.cli.options import Command, duration, limit_option, select_options
from evs_snap.cli.signals import UNKNOWN
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.plan.selection import Selection


@click.command(cls=Command, short_help="Monitoring plugin: are the snapshots fresh?")
@select_options()
@click.option(
    "--max-age", type=duration, required=True, metavar="DUR", help="The newest may be this old."
)
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="So many usable ones there must be.",
)
@limit_option
@click.pass_obj
def check(
    context: Context,
    /,
    *,
    selection: Selection,
    max_age: float,
    min_count: int,
    limit: int | None,
) -> int:
    """Say in one line whether every disk selected has fresh, usable snapshots of ours.

    Exit codes are those of monitoring plugins: 0 OK; 1 WARNING, a disk is full or one of
    our snapshots is in error; 2 CRITICAL, the newest usable one is older than --max-age
    or there are fewer than --min-count; 3 UNKNOWN, it could not be found out.
    """
    from evs_snap.health.freshness import judge_freshness
    from evs_snap.render.text import printable
    from evs_snap.runs.gather import gather

    try:
        with connection(context) as evs:
            gathered = gather(evs, selection)
            most = limit or evs.limit
    except EvsSnapError as error:
        click.echo(f"EVS-SNAP UNKNOWN - {printable(error.message)}")
        return UNKNOWN
    freshness = judge_freshness(
        gathered,
        now=context.clock.now(),
        max_age=timedelta(seconds=max_age),
        min_count=min_count,
        limit=most,
    )
    click.echo(printable(f"EVS-SNAP {freshness.level.name} - {freshness.text}"))
    return freshness.level
