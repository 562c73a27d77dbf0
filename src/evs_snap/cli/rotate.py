"""``evs-snap rotate``: the cron command: create, see it available, then prune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.command import Command
from evs_snap.cli.create import create_options, take_snapshots
from evs_snap.cli.options import keep_options

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(
    cls=Command,
    without_variables=("wait",),
    examples=(
        "evs-snap -q rotate --all --keep-daily 4 --keep-weekly 2 --once-per day",
        "evs-snap rotate data-01 --keep-last 3 --dry-run",
    ),
)
@create_options(policy="default")
@keep_options
@click.pass_obj
def rotate(context: Context, /, **words: Any) -> int:
    """Take a snapshot of each disk, wait until it can be used, then delete what no rule keeps.

    Only snapshots that evs-snap made under the same --policy are ever deleted, and
    none after a failure. A snapshot stays if any rule keeps it. Rules that could hold
    more than a disk can, less one slot for the next snapshot, are refused at once.
    """
    return take_snapshots(context, "rotate", **words)
