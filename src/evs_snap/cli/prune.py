"""``evs-snap prune``: delete what no rule keeps, without making anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import (
    dry_run_option,
    keep_options,
    policy_option,
    report_options,
    select_options,
    yes_option,
)
from evs_snap.cli.output import reporting
from evs_snap.cli.questions import confirmation
from evs_snap.cli.tell import tell_options

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.cli.tell import Tell
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap prune --all --keep-last 2 --dry-run",
        "evs-snap prune data-01 --keep-daily 7 -y",
    ),
)
@tell_options
@select_options()
@keep_options
@policy_option()
@yes_option
@dry_run_option
@report_options
@click.pass_obj
def prune(
    context: Context,
    /,
    *,
    selection: Selection,
    keep: Keep,
    policy: str | None,
    yes: bool,
    dry_run: bool,
    tell: Tell,
    only: tuple[str, ...],
    brief: bool,
) -> int:
    """Delete those of our snapshots that no rule keeps.

    Only snapshots that evs-snap made under --policy are touched, and the newest usable
    one always stays.
    """
    from evs_snap import prune_snapshots
    from evs_snap.render.metrics import ending_of_record

    asking = confirmation(context, needed=not (yes or dry_run))
    with reporting(context, "prune", only=only, brief=brief) as report:
        with changing(context) as (evs, progress):
            record = prune_snapshots(
                evs,
                selection=selection,
                keep=keep,
                policy=policy,
                lock_wait=context.lock_wait,
                dry_run=dry_run,
                confirm=asking(progress),
                progress=progress.show,
            )
        tell(ending_of_record(record))
        return report(record)
