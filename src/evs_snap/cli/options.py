"""The options that commands share, each defined once: groups of them, and the global ones."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, cast

import click

from evs_snap.api.version import __version__
from evs_snap.cli.output import write_result
from evs_snap.cli.parameters import (
    GLOBAL,
    KEEP,
    LIMIT,
    NAMING,
    SELECT,
    WAIT,
    Option,
    argument,
    complete_with,
    option,
)
from evs_snap.cli.values import WholeNumber, duration, key_and_value, key_or_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.cli.parameters import F

KEPT_PERIODS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
STATUSES = (
    "creating", "available", "error", "deleting", "error_deleting", "rollbacking", "backing-up",
)  # fmt: skip
"""What a snapshot may be (EVS API reference, appendix "EVS Snapshot Status")."""

ACTIONS = (
    "created", "reused", "deleted", "kept", "refused", "failed", "would-create", "would-delete",
)  # fmt: skip
"""What --only takes: what can become of a disk or snapshot (runs.record.Action)."""


def select_options(*, required: bool = True) -> Callable[[F], F]:
    """Add SELECT, which the command gets as one ``selection``.

    Where ``required``, something must be asked for.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def selecting(
            *args: Any,
            disks: tuple[str, ...],
            volume: tuple[str, ...],
            match: tuple[str, ...],
            server: tuple[str, ...],
            with_metadata: tuple[tuple[str, str | None], ...],
            all: bool,  # noqa: A002 - the option's name
            with_tag: tuple[tuple[str, str | None], ...],
            exclude: tuple[str, ...],
            shard: str | None,
            **others: Any,
        ) -> Any:
            from evs_snap.plan.selection import Selection
            from evs_snap.plan.shards import INDEX_VARIABLE, parse_shard

            index = os.environ.get(INDEX_VARIABLE)
            selection = Selection(
                volumes=(*disks, *volume),
                match=match,
                servers=server,
                metadata=with_metadata,
                everything=all,
                exclude=exclude,
                tags=with_tag,
                shard=parse_shard(shard, index=index) if shard else None,
            )
            if required and selection.is_empty:
                raise click.UsageError(
                    "Say which disks: a name or ID (also as --volume NAME), --match GLOB, "
                    "--server ID, --with-tag K=V, --with-metadata K=V or --all."
                )
            return command(*args, selection=selection, **others)

        disk = complete_with("disks")
        return _with(
            cast("F", selecting),
            argument("disks", nargs=-1, metavar="[DISK]...", selects=True,
                     shell_complete=disk),
            option("--volume", multiple=True, selects=True, metavar="NAME|ID", section=SELECT,
                   shell_complete=disk, help="This disk, as DISK; repeatable."),
            option("--match", multiple=True, selects=True, metavar="GLOB", section=SELECT,
                   help="Disks whose name is like this; quote it."),
            option("--server", multiple=True, selects=True, metavar="ID", section=SELECT,
                   help="Disks attached to this server."),
            option("--with-tag", multiple=True, selects=True, type=key_or_pair, section=SELECT,
                   metavar="K[=V]", help="Disks with this EVS tag; with several, all of them."),
            option("--with-metadata", multiple=True, selects=True, type=key_or_pair, section=SELECT,
                   metavar="K[=V]", help="Disks with this metadata."),
            option("--all", is_flag=True, selects=True, consent=True, section=SELECT,
                   help="All disks of the project."),
            option("--exclude", multiple=True, metavar="GLOB", section=SELECT,
                   help="But not disks with such a name or ID."),
            option("--shard", metavar="I/N", section=SELECT,
                   help="Of all these, part I of N (0 to N-1); /N in a Kubernetes Indexed Job."),
        )  # fmt: skip

    return decorate


def snapshots_argument(command: F) -> F:
    """Add SNAPSHOT..., the snapshots named."""
    return argument(
        "snapshots", metavar="SNAPSHOT...", nargs=-1, required=True,
        shell_complete=complete_with("snapshots"),
    )(command)  # fmt: skip


def naming_options(policy: str) -> Callable[[F], F]:
    """Return what adds NAMING: what new snapshots are called and carry."""

    def decorate(command: F) -> F:
        return _with(
            command,
            option("--name", default="{volume}-{utc}", show_default=True, section=NAMING,
                   metavar="TEMPLATE",
                   help="Fields: {volume} {id} {utc} {date} {time} {policy}."),
            option("--description", metavar="TEXT", section=NAMING,
                   help="Text to store with the snapshot."),
            option("--property", "properties", multiple=True, type=key_and_value, metavar="K=V",
                   section=NAMING, callback=as_mapping,
                   help="Metadata to store with the snapshot; repeatable."),
            policy_option(policy),
        )  # fmt: skip

    return decorate


def as_mapping(_ctx: click.Context, _param: click.Parameter, value: Any) -> dict[str, str]:
    """Return pairs as a mapping."""
    return dict(value or ())


def policy_option(policy: str = "default") -> Callable[[F], F]:
    """Return what adds --policy: the label that rotation goes by; ``policy`` is the default."""
    return option(
        "--policy", metavar="LABEL", section=NAMING,
        help=f"Stored with snapshots; rules judge each label's apart. [default: {policy}]",
    )  # fmt: skip


def wait_options(command: F) -> F:
    """Add WAIT: whether and how long."""
    return _with(
        command,
        option("--wait/--no-wait", default=True, show_default=True, section=WAIT,
               help="End only when the snapshot can be used."),
        timeout_option,
        option("--parallel", type=WholeNumber(1, 64), metavar="N", default=4, show_default=True,
               section=WAIT, help="Disks worked on at a time."),
    )  # fmt: skip


def timeout_option(command: F) -> F:
    """Add --timeout: how long to wait for new snapshots."""
    return option(
        "--timeout", type=duration, section=WAIT, metavar="DUR",
        help="How long to wait for all together, as 90s or 1h30m. [default: 15m; standard ones: "
        "1h]",
    )(command)  # fmt: skip


def limit_option(command: F) -> F:
    """Add --limit: how many snapshots a disk may hold."""
    return option(
        "--limit", type=WholeNumber(1), metavar="N", section=LIMIT,
        help="Snapshots the cloud allows a disk. [default: 7, standard ones: 256; or "
             "clouds.yaml]",
    )(command)  # fmt: skip


def slots_option(command: F) -> F:
    """Add --slots: what --limit is elsewhere. On a list, --limit would be taken for rows."""
    return _with(
        command,
        option("--slots", "limit", variable="limit", type=WholeNumber(1), metavar="N",
               section=LIMIT,
               help="Snapshots the cloud allows a disk. [default: 7, standard ones: 256; or "
             "clouds.yaml]"),
        option("--limit", "rows", hidden=True, expose_value=False, allow_from_autoenv=False,
               callback=_refuse_limit),
    )  # fmt: skip


def _refuse_limit(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        raise click.UsageError(
            "A list has no --limit: it shows all rows. How many snapshots a disk may hold is "
            "--slots N here.", ctx,
        )  # fmt: skip


def limit_options(command: F) -> F:
    """Add LIMIT: how many snapshots a disk may hold, and what to do when it does."""
    return _with(
        limit_option(command),
        option("--on-limit", type=click.Choice(("fail", "replace")), default="fail",
               show_default=True, section=LIMIT,
               help="On a full disk: refuse, or delete our oldest unneeded one first."),
        option("--once-per", type=click.Choice(("hour", "day", "week")), section=LIMIT,
               help="One snapshot a period (UTC), however often it is run."),
    )  # fmt: skip


def optional_keep_options(command: F) -> F:
    """Add KEEP, which the command gets as one ``keep``, None where no rule is given."""
    return keep_options(command, required=False)


def keep_options(command: F, *, required: bool = True) -> F:
    """Add KEEP, which the command gets as one ``keep``; no rule at all is a usage error."""

    @wraps(command)
    def keeping(*args: Any, keep_within: float | None, **others: Any) -> Any:
        from evs_snap.plan.retention import Keep

        keep = Keep(
            **{name: others.pop(f"keep_{name}") for name in KEPT_PERIODS},
            within=None if keep_within is None else timedelta(seconds=keep_within),
        )
        if keep.is_empty and required:
            raise click.UsageError("Say what to keep: --keep-last N, --keep-daily N, ...")
        return command(*args, keep=None if keep.is_empty else keep, **others)

    counts = [
        option(f"--keep-{name}", type=WholeNumber(0), default=0, metavar="N", section=KEEP,
               help=f"Keep the newest of each of the last N {periods}.")
        for name, periods in (
            ("hourly", "hours"), ("daily", "days"), ("weekly", "weeks (ISO)"),
            ("monthly", "months"), ("yearly", "years"),
        )
    ]  # fmt: skip
    return _with(
        cast("F", keeping),
        option("--keep-last", type=WholeNumber(0), default=0, metavar="N", section=KEEP,
               help="Keep the newest N."),
        *counts,
        option("--keep-within", type=duration, metavar="DUR", section=KEEP,
               help="Keep all made within this long before the newest."),
    )  # fmt: skip


def yes_option(command: F) -> F:
    """Add --yes."""
    return option("-y", "--yes", is_flag=True, consent=True, help="Do not ask.")(command)


def dry_run_option(command: F) -> F:
    """Add --dry-run."""
    return option(
        "--dry-run", is_flag=True, help="Say what would be done, and do nothing."
    )(command)  # fmt: skip


def report_options(command: F) -> F:
    """Add what shortens a run's report: --only and --brief."""
    return _with(
        command,
        option("--only", type=click.Choice(ACTIONS), multiple=True, metavar="ACTION",
               help=f"Only such lines in tables and values: {', '.join(ACTIONS)}."),
        option("--brief", is_flag=True, help="One line for each error."),
    )  # fmt: skip


def _with(command: F, *options: Callable[[F], F]) -> F:
    for add in reversed(options):
        command = add(command)
    return command


@cache
def global_options() -> tuple[Option, ...]:
    """Return what says which cloud and how to write."""

    def make(*names: str, **how: Any) -> Option:
        return Option(list(names), section=GLOBAL, **how)

    return (
        make("--os-cloud", metavar="NAME", shell_complete=complete_with("clouds"),
             help="A cloud of clouds.yaml. [env: OS_CLOUD]"),
        make("--os-region-name", metavar="NAME", help="[env: OS_REGION_NAME]"),
        make("--os-project-name", metavar="NAME", help="[env: OS_PROJECT_NAME]"),
        make("--os-project-id", metavar="ID", help="[env: OS_PROJECT_ID]"),
        make("--kind", type=click.Choice(("legacy", "standard")),
             help="Snapshots to work with; standard ones are billed. [default: legacy, or "
             "clouds.yaml]"),
        make("--sandbox", is_flag=True, help="Use the built-in pretend cloud."),
        make("-f", "--format", type=click.Choice(("table", "json", "yaml", "csv", "value")),
             help="How the result is written. [default: table]"),
        make("-c", "--column", multiple=True, metavar="COL",
             shell_complete=complete_with("columns"), help="Only this column; repeatable."),
        make("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors and warnings."),
        make("-v", "--verbose", count=True,
             help="Tell each request; -vv shows headers and bodies, no secrets."),
        make("--color", type=click.Choice(("auto", "always", "never")),
             help="[default: auto, which obeys NO_COLOR and TERM=dumb]"),
        make("--lock-wait", type=duration, metavar="DUR",
             help="Wait this long for another run on the same disk. [default: do not]"),
        make("-h", "--help", is_flag=True, is_eager=True, expose_value=False,
             allow_from_autoenv=False, callback=_show_help,
             help="Show this message and exit."),
        make("-V", "--version", is_flag=True, is_eager=True, expose_value=False,
             allow_from_autoenv=False, callback=_show_version,
             help="Show the version and exit."),
    )  # fmt: skip


def _show_help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        write_result(ctx.get_help() + "\n")
        ctx.exit()


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        write_result(f"evs-snap {__version__}\n")
        ctx.exit()
