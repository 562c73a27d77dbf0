"""``evs-snap create``: one snapshot of each disk selected, waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import (
    dry_run_option,
    limit_options,
    naming_options,
    select_options,
    wait_options,
)
from evs_snap.cli.output import reporting
from evs_snap.cli.tell import tell_options

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.cli.parameters import F
    from evs_snap.cli.tell import Tell
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection


class CreateOptions(TypedDict):
    """SELECT, NAMING, WAIT, LIMIT and TELL, as `create` and `rotate` take them."""

    selection: Selection
    name: str
    description: str | None
    property: tuple[tuple[str, str], ...]
    policy: str
    wait: bool
    timeout: float
    parallel: int
    limit: int | None
    on_limit: str
    once_per: str | None
    dry_run: bool
    tell: Tell


def create_options(command: F) -> F:
    """Add SELECT, NAMING, WAIT, LIMIT, TELL and --dry-run."""
    for group in (
        dry_run_option, limit_options, wait_options, naming_options, select_options(), tell_options
    ):  # fmt: skip
        command = group(command)
    return command


@click.command(
    cls=Command,
    examples=(
        "evs-snap create data-01",
        "evs-snap create --match 'data-*' --policy before-upgrade",
        "ID=$(evs-snap create data-01 -f value -c ID)",
    ),
)
@create_options
@click.pass_obj
def create(context: Context, /, **options: Unpack[CreateOptions]) -> int:
    """Take a snapshot of each disk selected, and wait until it can be used.

    Prints one line a disk, the snapshot's ID first. A disk that holds as many
    snapshots as the cloud allows is refused before anything is sent.
    """
    return take_snapshots(context, options)


def take_snapshots(context: Context, options: CreateOptions, *, keep: Keep | None = None) -> int:
    """Carry out `create` or, with ``keep``, `rotate`; return the exit code."""
    from evs_snap import create_snapshots
    from evs_snap.render.metrics import ending_of_record

    with reporting(context, "rotate" if keep else "create") as report:
        with changing(context, parallel=options["parallel"]) as (evs, progress):
            record = create_snapshots(
                evs,
                selection=options["selection"],
                name=options["name"],
                description=options["description"],
                properties=dict(options["property"]),
                policy=options["policy"],
                once_per=options["once_per"],
                limit=options["limit"],
                replace_oldest=options["on_limit"] == "replace",
                keep=keep,
                wait=options["wait"],
                timeout=options["timeout"],
                parallel=options["parallel"],
                lock_wait=context.lock_wait,
                dry_run=options["dry_run"],
                progress=progress.show,
            )
        options["tell"](ending_of_record(record))
        return report(record)
