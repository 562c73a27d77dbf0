"""``evs-snap prune``: delete what no choose keeps, without making anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.options import (
    Command,
    keep_of,
    keep_options,
    lock_option,
    policy_option,
    select_options,
    selection_of,
)
from evs_snap.cli.output import reporting
from evs_snap.cli.session import acting, confirmation

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="Delete our snapshots that no KEEP choose keeps.")
@select_options
@keep_options
@policy_option
@lock_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def prune(
    context: Context,
    /,
    policy: str,
    lock_wait: float | None,
    yes: bool,
    dry_run: bool,
    **options: object,
) -> int:
    """Delete those of our snapshots that no choose keeps.

    Only snapshots that evs-snap made under --policy are touched, and the newest usable
    one always stays.
    """
    from evs_snap import runs as run
    from evs_snap.plan.request import check_policy
    from evs_snap.runs.work import DELETE_TIMEOUT

    selection = selection_of(options, required=True)
    keep = keep_of(options)
    confirm = confirmation(needed=not (yes or dry_run))
    with reporting(context, "prune") as report:
        check_policy(policy)
        with acting(
            context, timeout=DELETE_TIMEOUT, lock_wait=lock_wait, dry_run=dry_run, confirm=confirm
        ) as act:
            record = run.prune(act.work, selection, keep, policy=policy, orders=act.orders)
        return report(record)
