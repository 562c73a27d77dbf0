"""``evs-snap create``: one snapshot of each disk selected, seen available."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.making import make, making_options
from evs_snap.cli.shaping import Command

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, short_help="Take a snapshot of each disk, and see it usable.")
@making_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def create(context: Context, /, **options: object) -> int:
    """Take a snapshot of each disk selected, and wait until it can be used.

    Prints one line a disk, the snapshot's ID first. A disk that holds as many
    snapshots as the cloud allows is refused before anything is sent.
    """
    return make(context, options, command="create")
