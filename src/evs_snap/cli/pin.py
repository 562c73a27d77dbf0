"""``evs-snap pin``: put snapshots out of every rule's reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import snapshots_argument
from evs_snap.cli.output import reporting

if TYPE_CHECKING:
    from evs_snap.cli.context import Context


@click.command(cls=Command, examples=("evs-snap pin 3f2b8c1d",))
@snapshots_argument
@click.pass_obj
def pin(context: Context, /, *, snapshots: tuple[str, ...]) -> int:
    """Put snapshots out of every rule's reach, until `unpin`.

    SNAPSHOT is an ID, the first eight characters of one or more, or a name that only one
    has; the name of a set means all of it.

    A pinned snapshot keeps its slot. Only `delete` deletes it. Rules reach only what evs-snap
    made: all other snapshots need no pin.
    """
    from evs_snap import pin_snapshots

    with reporting(context, "pin") as report:
        with changing(context) as (evs, progress):
            record = pin_snapshots(
                evs, *snapshots, lock_wait=context.lock_wait, progress=progress.show
            )
        return report(record)
