"""``evs-snap create``: one snapshot of each disk selected, waited for."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import (
    dry_run_option,
    limit_options,
    naming_options,
    report_options,
    select_options,
    wait_options,
)
from evs_snap.cli.output import is_picture, note, reporting, write_line
from evs_snap.cli.parameters import NAMING, WAIT, option
from evs_snap.cli.tell import tell_options
from evs_snap.cli.values import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.cli.context import Context
    from evs_snap.cli.parameters import F
    from evs_snap.cli.tell import Tell
    from evs_snap.runs.record import RunRecord


def create_options(policy: str) -> Callable[[F], F]:
    """Return what adds SELECT, NAMING, WAIT, LIMIT, TELL and --dry-run."""

    def decorate(command: F) -> F:
        for group in (
            dry_run_option, report_options, limit_options, wait_options, expiry_option,
            naming_options(policy),
            select_options(), tell_options, hold_options, together_option,
        ):  # fmt: skip
            command = group(command)
        return command

    return decorate


def expiry_option(command: F) -> F:
    """Add --expire-after: when the service is to delete the snapshot by itself."""
    return option(
        "--expire-after", type=duration, metavar="DUR", section=NAMING,
        help="Standard ones: have the service delete it by itself then, in whole days, as 30d.",
    )(command)  # fmt: skip


def together_option(command: F) -> F:
    """Add --together: all disks of the run at one instant."""
    return option(
        "--together", is_flag=True, section=WAIT,
        help="Standard ones: take all disks at one instant, as a set, or none.",
    )(command)  # fmt: skip


def hold_options(command: F) -> F:
    """Add --hold and --hold-for: what is held until the snapshots can be used."""
    command = option(
        "--hold-for", type=duration, default="30s", show_default=True, section=WAIT,
        metavar="DUR", help="How long at most.",
    )(command)  # fmt: skip
    return option(
        "--hold", metavar="CMD", section=WAIT, consent=True,
        help="Run this meanwhile, which says READY once all stands still, and lets go when its "
        "stdin ends.",
    )(command)  # fmt: skip


@click.command(
    cls=Command,
    examples=(
        "evs-snap create data-01",
        "evs-snap create --match 'data-*' --policy before-upgrade",
        "ID=$(evs-snap create data-01 -f value -c ID --only created)",
    ),
)
@create_options(policy="manual")
@click.pass_obj
def create(context: Context, /, **words: Any) -> int:
    """Take a snapshot of each disk selected, and wait until it can be used.

    Prints one line a disk, the snapshot's ID first. A disk that holds as many
    snapshots as the cloud allows is refused before anything is sent. No rotation
    deletes these snapshots: they are under the policy `manual` unless --policy names another.
    """
    return take_snapshots(context, "create", **words)


def take_snapshots(
    context: Context, command: str, *, tell: Tell, only: tuple[str, ...], brief: bool, **words: Any
) -> int:
    """Carry out `create` or `rotate`; return the exit code."""
    from evs_snap import create_snapshots
    from evs_snap.render.metrics import ending_of_record

    with reporting(context, command, only=only, brief=brief) as report:
        with changing(context) as (evs, progress):
            record = create_snapshots(
                evs,
                lock_wait=context.lock_wait,
                progress=progress.show,
                note=lambda line: write_line(context, "hold:", line),
                **words,
            )
        tell(ending_of_record(record))
        code = report(record)
    if command == "create" and is_picture(context):
        _show_next(context, record)
    return code


def _show_next(context: Context, record: RunRecord) -> None:
    """Name the commands to go on with, after the first snapshot of the only disk."""
    if record.exit_code == 0 and not record.dry_run and [u.used for u in record.usages] == [1]:
        disk = quote(record.items[0].label)
        note(
            context,
            f"Next: `evs-snap show {disk}`. Every night: `evs-snap rotate {disk} --keep-daily 4 "
            "--once-per day`.",
        )
