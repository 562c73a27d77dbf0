"""Options that commands share, in groups: SELECT, NAMING, WAIT, LIMIT, KEEP, GLOBAL."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

import click

F = TypeVar("F", bound=Callable[..., Any])

KEPT_PERIODS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(value: str) -> float:
    """Read ``90s 15m 12h 7d 2w`` as seconds."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", value)
    if not match:
        raise click.BadParameter(f"{value!r} is no duration: write 90s, 15m, 12h, 7d or 2w")
    return float(int(match[1]) * _UNITS[match[2]])


def key_and_value(value: str) -> tuple[str, str]:
    """Read ``K=V``."""
    key, equals, rest = value.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{value!r} is not of the form K=V")
    return key, rest


def key_or_pair(value: str) -> tuple[str, str | None]:
    """Read ``K=V``, or ``K`` alone as a key with any value."""
    return key_and_value(value) if "=" in value else (value, None)


class SharedOption(click.Option):
    """An option of several commands, set for all of them by ``EVS_SNAP_<OPTION>``.

    ``EVS_SNAP_<COMMAND>_<OPTION>``, the name that Click makes, sets it for one and wins.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value: the command's own before the shared one."""
        own = super().resolve_envvar_value(ctx)
        if own is not None or not self.name:
            return own
        return os.environ.get(f"EVS_SNAP_{self.name.upper()}") or None


def global_options(command: F) -> F:
    """Add what says which cloud, and how to behave."""
    for option in reversed((
        click.option("--os-cloud", metavar="NAME", help="A cloud of clouds.yaml. [env: OS_CLOUD]"),
        click.option("--os-region-name", metavar="NAME", help="[env: OS_REGION_NAME]"),
        click.option("--os-project-name", metavar="NAME", help="[env: OS_PROJECT_NAME]"),
        click.option("--os-project-id", metavar="ID", help="[env: OS_PROJECT_ID]"),
        click.option("--lock-wait", type=duration, metavar="DUR",
                     help="Wait this long for another run at work on the disk."),
        click.option("--sandbox", is_flag=True, help="Use the built-in pretend cloud."),
        click.option(
            "--color",
            type=click.Choice(("auto", "always", "never")),
            help="[default: auto, which obeys NO_COLOR and TERM=dumb]",
        ),
    )):  # fmt: skip
        command = option(command)
    return command


def select_options(*, required: bool = True) -> Callable[[F], F]:
    """Add SELECT, which the command gets as one ``selection``.

    Where ``required``, something must be asked for.
    """

    def decorate(command: F) -> F:
        @wraps(command)
        def selecting(
            *args: Any,
            volume: tuple[str, ...],
            match: tuple[str, ...],
            server: tuple[str, ...],
            with_metadata: tuple[tuple[str, str | None], ...],
            all: bool,  # noqa: A002 - the option's name
            exclude: tuple[str, ...],
            **others: Any,
        ) -> Any:
            from evs_snap.plan.selection import Selection

            selection = Selection(
                volumes=volume,
                match=match,
                servers=server,
                metadata=with_metadata,
                everything=all,
                exclude=exclude,
            )
            if required and selection.is_empty:
                raise click.UsageError(
                    "Say which disks: --volume NAME, --match GLOB, --server ID, "
                    "--with-metadata K=V or --all."
                )
            return command(*args, selection=selection, **others)

        return _with(
            cast("F", selecting),
            _option("--volume", multiple=True, metavar="NAME|ID",
                    help="This disk; repeatable."),
            _option("--match", multiple=True, metavar="GLOB",
                    help="Disks whose name is like this; quote it."),
            _option("--server", multiple=True, metavar="ID",
                    help="Disks attached to this server."),
            _option("--with-metadata", multiple=True, type=key_or_pair,
                    metavar="K[=V]", help="Disks with this metadata."),
            _option("--all", is_flag=True, help="All disks of the project."),
            _option("--exclude", multiple=True, metavar="GLOB",
                    help="But not disks with such a name or ID."),
        )  # fmt: skip

    return decorate


def naming_options(command: F) -> F:
    """Add NAMING: what new snapshots are called and carry."""
    return _with(
        command,
        _option("--name", default="{volume}-{utc}", show_default=True,
                metavar="TEMPLATE",
                help="Fields: {volume} {id} {utc} {date} {time} {policy}."),
        _option("--description", metavar="TEXT"),
        _option("--property", multiple=True, type=key_and_value, metavar="K=V",
                help="Metadata to store with the snapshot; repeatable."),
        policy_option,
    )  # fmt: skip


def policy_option(command: F) -> F:
    """Add --policy: the label that rotation goes by."""
    return _option(
        "--policy", default="default", show_default=True, metavar="LABEL",
        help="Stamped on snapshots; rules judge each label's apart.",
    )(command)  # fmt: skip


def wait_options(command: F) -> F:
    """Add WAIT: whether and how long."""
    return _with(
        command,
        _option("--wait/--no-wait", default=True, show_default=True,
                help="See the snapshot available before saying so."),
        _option("--timeout", type=duration, default="15m", show_default=True,
                help="How long to wait for all together."),
        _option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True,
                help="Disks worked on at a time."),
    )  # fmt: skip


def limit_option(command: F) -> F:
    """Add --limit: how many snapshots a disk may hold."""
    return _option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Snapshots the cloud allows a disk. [default: 7, or clouds.yaml]",
    )(command)


def limit_options(command: F) -> F:
    """Add LIMIT: how many snapshots a disk may hold, and what to do when it does."""
    return _with(
        limit_option(command),
        _option("--on-limit", type=click.Choice(("fail", "replace")), default="fail",
                show_default=True,
                help="A full disk: refuse, or let our oldest unneeded one give way."),
        _option("--once-per", type=click.Choice(("hour", "day", "week")),
                help="One snapshot a period (UTC): run it as often as you like."),
    )  # fmt: skip


def keep_options(command: F) -> F:
    """Add KEEP, which the command gets as one ``keep``; no rule at all is a usage error."""

    @wraps(command)
    def keeping(*args: Any, keep_within: float | None, **others: Any) -> Any:
        from evs_snap.plan.retention import Keep

        keep = Keep(
            **{name: others.pop(f"keep_{name}") for name in KEPT_PERIODS},
            within=None if keep_within is None else timedelta(seconds=keep_within),
        )
        if keep.is_empty:
            raise click.UsageError("Say what to keep: --keep-last N, --keep-daily N, ...")
        return command(*args, keep=keep, **others)

    counts = [
        _option(f"--keep-{name}", type=click.IntRange(0), default=0, metavar="N",
                help=f"Keep the newest of each of the last N {periods}.")
        for name, periods in (
            ("hourly", "hours"), ("daily", "days"), ("weekly", "weeks (ISO)"),
            ("monthly", "months"), ("yearly", "years"),
        )
    ]  # fmt: skip
    return _with(
        cast("F", keeping),
        _option("--keep-last", type=click.IntRange(0), default=0, metavar="N",
                help="Keep the newest N."),
        *counts,
        _option("--keep-within", type=duration, metavar="DUR",
                help="Keep all made within this long before the newest."),
    )  # fmt: skip


def lock_option(command: F) -> F:
    """Add --lock-wait: how long to wait for another run to be done with a disk."""
    return _option(
        "--lock-wait", type=duration, metavar="DUR",
        help="Wait this long for another run at work on the disk. [default: do not]",
    )(command)  # fmt: skip


def yes_option(command: F) -> F:
    """Add --yes."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def dry_run_option(command: F) -> F:
    """Add --dry-run."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(
        command
    )


def _option(*names: str, **how: Any) -> Callable[[F], F]:
    return click.option(*names, cls=SharedOption, **how)


def _with(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


class Command(click.Command):
    """A sub-command: takes the output-shaping options too, where people type them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(click.Option(list(names), **how) for names, how in _SHAPING)

    def invoke(self, ctx: click.Context) -> Any:
        """Run with the shaping options folded into the context object."""
        names = {"format", "column", "quiet", "verbose"}
        ctx.obj = ctx.obj.merged({n: ctx.params.pop(n) for n in names})
        return super().invoke(ctx)


_SHAPING: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("-f", "--format"),
        {
            "type": click.Choice(("table", "json", "csv", "value")),
            "help": "How the result is written. [default: table]",
        },
    ),
    (
        ("-c", "--column"),
        {"multiple": True, "metavar": "COL", "help": "Only this column; repeatable."},
    ),
    (("-q", "--quiet"), {"is_flag": True, "help": "Say nothing on stderr but errors."}),
    (
        ("-v", "--verbose"),
        {"count": True, "help": "Tell each request; -vv shows headers and bodies, no secrets."},
    ),
)


def shaping_options(command: F) -> F:
    """Add -f -c -q -v."""
    for names, how in reversed(_SHAPING):
        command = click.option(*names, **how)(command)
    return command
