"""What to tell about the variables ``EVS_SNAP_*``: those not read, not known, or wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from evs_snap.cli.guesses import did_you_mean
from evs_snap.cli.parameters import PREFIX, Option, written_as

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_OPTIONS = frozenset(
    {"EVS_SNAP_ALLOW_HTTP", "EVS_SNAP_ENTERPRISE_PROJECT_ID", "EVS_SNAP_METADATA_URL"}
    # What a run tells the command of --hold, which may be an evs-snap.
    | {"EVS_SNAP_COMMAND", "EVS_SNAP_HOLD_SECONDS", "EVS_SNAP_VOLUMES", "EVS_SNAP_VOLUME_NAMES"}
)
"""Variables that are read and belong to no option."""


def warnings(ctx: click.Context) -> Iterator[str]:
    """Yield what is to be told of the variables that are set, for the command of ``ctx``."""
    options = [param for param in ctx.command.params if isinstance(param, Option)]
    for option in options:
        name = option.variable_set(ctx) if option.consent else None
        if name:
            yield f"{name} is not read: {option.opts[-1]} counts only where it is typed"
    names = {name for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    unknown = names - NO_OPTIONS - {n for o in options for n in _names(ctx, o)}
    if unknown:  # only now: this loads every command
        known = set(_all_names(ctx.find_root())) | NO_OPTIONS
        for name in sorted(unknown - known):
            meant = did_you_mean(name, known, prefix=PREFIX)
            yield f"no variable {name} is known, it is not read.{meant}"


def named_in(ctx: click.Context, message: str) -> Iterator[str]:
    """Yield a line for each variable whose option, or whose value, the message tells of."""
    for option in ctx.command.params:
        if not isinstance(option, Option) or not option.name:
            continue
        if ctx.get_parameter_source(option.name) is not ParameterSource.ENVIRONMENT:
            continue
        value = ctx.params.get(option.name, getattr(ctx.obj, option.name, None))
        values = value if isinstance(value, tuple) else (value,)
        if option.opts[-1] in message.split() or any(repr(v) in message for v in values if v):
            yield f"{option.opts[-1]} was set by the variable {written_as(ctx, option.name)}"


def _names(ctx: click.Context, option: Option) -> tuple[str, str]:
    return option.variables(ctx.auto_envvar_prefix or "")


def _all_names(ctx: click.Context) -> Iterator[str]:
    """Yield the variables of this command and of all below it."""
    for param in ctx.command.params:
        if isinstance(param, Option):
            yield from _names(ctx, param)
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            if command is not None:
                yield from _all_names(click.Context(command, parent=ctx, info_name=name))
