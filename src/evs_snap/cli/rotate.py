"""``evs-snap rotate``: the cron command: create, see it available, then prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.create import make, making_options
from evs_snap.cli.options import Command, keep_of, keep_options

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="For cron: create, see it usable, then prune.")
@making_options
@keep_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def rotate(context: Context, /, **options: object) -> int:
    """Take a snapshot of each disk, see it usable, then delete what no choose keeps.

    Only snapshots that evs-snap made under the same --policy are ever deleted, and
    none after a failure. A snapshot stays if any choose keeps it. Rules that could hold
    more than a disk can, less one slot for the next snapshot, are refused at once.
    """
    if not options["wait"]:
        raise click.UsageError("rotate must wait: it deletes only once the new one is usable.")
    return make(context, options, command="rotate", keep=keep_of(options))
