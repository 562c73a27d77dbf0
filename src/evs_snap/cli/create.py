"""``evs-snap create``: one snapshot of each disk selected, seen available."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from evs_snap.cli.options import (
    Command,
    limit_options,
    lock_option,
    naming_options,
    select_options,
    selection_of,
    wait_options,
)
from evs_snap.cli.output import reporting
from evs_snap.cli.session import acting

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.cli.options import F
    from evs_snap.plan.retention import Keep


def making_options(command: F) -> F:
    """Add SELECT, NAMING, WAIT and LIMIT."""
    for group in (lock_option, limit_options, wait_options, naming_options, select_options):
        command = group(command)
    return command


@dataclass(frozen=True, slots=True)
class Making:
    """The values of NAMING, WAIT and LIMIT."""

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
    lock_wait: float | None
    dry_run: bool


def make(
    context: Context, options: dict[str, object], *, command: str, keep: Keep | None = None
) -> int:
    """Carry out the command; return its exit code."""
    from evs_snap import runs as run
    from evs_snap.plan.naming import Template
    from evs_snap.plan.request import CreateRequest

    selection = selection_of(options, required=True)
    said = Making(**options)  # type: ignore[arg-type]  # Click checked each
    with reporting(context, command) as report:
        template = Template(said.name)
        with acting(
            context,
            parallel=said.parallel,
            timeout=said.timeout if said.wait else None,
            lock_wait=said.lock_wait,
            dry_run=said.dry_run,
        ) as act:
            request = CreateRequest(
                template=template,
                description=said.description,
                properties=dict(said.property),
                policy=said.policy,
                limit=act.session.limit(said.limit),
                replace=said.on_limit == "replace",
                once_per=said.once_per,
                keep=keep,
            )
            record = run.make(act.work, selection, request, command=command, orders=act.orders)
        return report(record)


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
