"""``evs-snap doctor``: each step to a snapshot tried in order, each with its fix."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection, settings_of
from evs_snap.cli.create import hold_options
from evs_snap.cli.options import limit_option, select_options
from evs_snap.cli.output import show_rows, write_line
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.health.findings import Finding
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap doctor",
        "evs-snap --os-cloud prod doctor data-01",
        'evs-snap doctor --hold "evs-snap freeze /data"     a rehearsal',
    ),
)
@select_options(required=False)
@limit_option
@hold_options
@click.pass_obj
def doctor(
    context: Context,
    /,
    *,
    selection: Selection,
    limit: int | None,
    hold: str | None,
    hold_for: float,
) -> int:
    """Try every step in order and say what to do about those that do not go well.

    Settings, names, connection, clock, sign-in, endpoint, rights, disks, quota and the
    limit; with a selection, for the disks selected. Tells which kinds of snapshots the region
    lists, and which one is set. Changes nothing; with --hold, that command
    is started and ended. Ends with the exit
    code that the first failed step would give to the other commands.
    """
    from evs_snap.health.doctor import examine, rehearse
    from evs_snap.health.findings import failure
    from evs_snap.render.columns import finding_columns
    from evs_snap.render.documents import finding_document

    findings: list[Finding] = []
    try:
        settings = settings_of(context)
        with connection(context, settings=settings, keep_token=False) as evs:
            findings += examine(
                evs,
                selection,
                settings=settings,
                limit=limit or evs.limit,
                networked=not context.sandbox,
            )
    except EvsSnapError as error:
        findings.append(failure("settings", error))
    if hold is not None:
        findings.append(
            rehearse(
                hold,
                seconds=hold_for,
                clock=context.clock,
                note=lambda line: write_line(context, "hold:", line),
            )
        )
    findings = [replace(f, fix=context.pasteable(f.fix)) for f in findings]
    show_rows(context, findings, finding_columns(), document=finding_document)
    return next((f.exit_code for f in findings if f.exit_code), 0)
