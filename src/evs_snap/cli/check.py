"""``evs-snap check``: a monitoring plugin that judges from the cloud alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import connection
from evs_snap.cli.options import limit_option, optional_keep_options, policy_option, select_options
from evs_snap.cli.output import is_document, show_document, write_result
from evs_snap.cli.parameters import option
from evs_snap.cli.tell import UNKNOWN, tell_options
from evs_snap.cli.values import WholeNumber, duration

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.cli.tell import Tell
    from evs_snap.errors import EvsSnapError
    from evs_snap.health.freshness import Freshness
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection


@click.command(
    cls=Command,
    examples=(
        "evs-snap check --match 'data-*' --max-age 26h",
        "evs-snap check --all --max-age 2d --min-count 3 -f json",
        "evs-snap check --all --max-age 26h --keep-daily 4  does `rotate` still prune?",
    ),
)
@tell_options
@select_options()
@option(
    "--max-age",
    type=duration,
    required=True,
    metavar="DUR",
    help="The newest may be this old, as 26h.",
)
@option(
    "--min-count",
    type=WholeNumber(1),
    default=1,
    show_default=True,
    metavar="N",
    help="So many usable ones there must be.",
)
@option(
    "--consistency",
    type=click.Choice(("app", "crash")),
    help="Count only those that were made so: see `rotate --hold`.",
)
@optional_keep_options
@policy_option()
@limit_option
@click.pass_obj  # fmt: skip
def check(
    context: Context,
    /,
    *,
    selection: Selection,
    max_age: float,
    min_count: int,
    keep: Keep | None,
    policy: str | None,
    consistency: str | None,
    limit: int | None,
    tell: Tell,
) -> int:
    """Say in one line whether every disk selected has fresh, usable snapshots of a policy.

    Only those under --policy count: not those made by `create` (policy manual), and not those
    that a restore took before (policy before-restore), unless that is the policy named.

    Exit codes are those of monitoring plugins: 0 OK; 1 WARNING, a disk is full, one of our
    snapshots is in error, or more are left than the --keep rules may hold; 2 CRITICAL, the
    newest usable one is older than --max-age or there are fewer than --min-count; 3 UNKNOWN,
    it could not be found out.
    """
    from evs_snap.health.freshness import judge_freshness
    from evs_snap.render.metrics import ending_of_check
    from evs_snap.runs.gather import gather
    from evs_snap.services.interface import DEFAULT_POLICY

    with connection(context) as evs:
        gathered = gather(evs, selection)
        most = limit or evs.limit
        now = evs.service_now
    freshness = judge_freshness(
        gathered,
        now=now,
        max_age=timedelta(seconds=max_age),
        min_count=min_count,
        limit=most,
        keep=keep,
        policy=policy or DEFAULT_POLICY,
        consistency=consistency,
    )
    tell(ending_of_check(freshness, gathered, limit=most))
    _show(context, freshness.level, freshness.level.name, freshness.text, freshness=freshness)
    return freshness.level


def show_unknown(context: Context, error: EvsSnapError, *, is_lost: bool) -> int:
    """Say that it could not be found out, if the result ``is_lost`` only to stderr."""
    if not is_lost:
        _show(context, UNKNOWN, "UNKNOWN", error.message, error=error)
    return UNKNOWN


def _show(
    context: Context,
    code: int,
    status: str,
    text: str,
    *,
    freshness: Freshness | None = None,
    error: EvsSnapError | None = None,
) -> None:
    from evs_snap.render.text import printable

    if is_document(context):
        from evs_snap.render.documents import check_document

        show_document(
            context, check_document(code, status, text, freshness, error, context.pasteable)
        )
    else:
        # A monitoring system shows the first line of stdout.
        write_result(printable(f"EVS-SNAP {status} - {text}") + "\n")
