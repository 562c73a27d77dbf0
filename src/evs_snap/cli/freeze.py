"""``evs-snap freeze``: file systems that stand still while somebody holds its stdin open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.output import note
from evs_snap.cli.parameters import argument, option
from evs_snap.cli.values import duration

if TYPE_CHECKING:
    from evs_snap.cli.context import Context

_LONGEST = 120.0
"""Seconds: after two minutes the kernel itself reports tasks that wait (hung_task_timeout_secs)."""


@click.command(
    cls=Command,
    examples=(
        'evs-snap create data-01 --hold "evs-snap freeze /data"',
        "evs-snap freeze /data --for 10s             by hand: Ctrl-D thaws it",
    ),
)
@argument("mounts", metavar="MOUNT...", nargs=-1, required=True,
                type=click.Path(path_type=Path))  # fmt: skip
@option(
    "--for",
    "seconds",
    type=duration,
    metavar="DUR",
    help="Thaw after this long, whatever happens. [default: --hold-for of the run, else 30s]",
)
@click.pass_obj
def freeze(context: Context, /, *, mounts: tuple[Path, ...], seconds: float | None) -> int:
    """Freeze file systems, say READY, and thaw them when stdin ends.

    Writers wait meanwhile, and what is on the disk is whole. It needs CAP_SYS_ADMIN, as root has
    it. What evs-snap itself writes to, or runs from, is refused. It ends with 0 only if all stood
    still until stdin ended.
    """
    from evs_snap.runs.holds.filesystems import stand_still, to_freeze
    from evs_snap.settings.folders import cache_folder, state_folder

    if seconds is None:
        seconds = float(os.environ.get("EVS_SNAP_HOLD_SECONDS") or 30)
    if not 0 < seconds <= _LONGEST:
        raise click.BadParameter(
            f"it stands still for at most {_LONGEST:.0f} s", param_hint="--for"
        )
    folders = (state_folder(os.environ), cache_folder(os.environ))
    own = [folder for folder in folders if folder is not None]
    chosen, remarks = to_freeze(mounts, own)
    for remark in remarks:
        note(context, remark)
    signal_number = stand_still(chosen, seconds=seconds, clock=context.clock)
    return 128 + signal_number if signal_number else 0
