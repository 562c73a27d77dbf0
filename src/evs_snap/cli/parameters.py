"""What one option or argument is: its section of the help, its variables, its completion."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from evs_snap.cli.values import refuse_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

SELECT, NAMING, WAIT, LIMIT = "Which disks", "Naming", "Waiting", "The limit"
KEEP, TELLING, OTHER, GLOBAL = "What to keep", "Telling others", "Options", "Global options"
SECTIONS = (OTHER, SELECT, KEEP, NAMING, WAIT, LIMIT, TELLING, GLOBAL)
"""The sections of a command's help, in this order."""

PREFIX = "EVS_SNAP_"


class Option(click.Option):
    """An option with its ``section`` of the help, and the variables that can set it.

    ``EVS_SNAP_<OPTION>`` sets it for all commands that have it. ``EVS_SNAP_<COMMAND>_<OPTION>``
    sets it for one command and counts over the other. An empty variable counts as not set. A
    repeatable option takes one value a line, because a name may hold any other separator.

    No variable sets an option that gives ``consent`` or means all disks: it must be typed. A
    variable is left alone where an option named in ``not_with`` was typed, because it does not
    apply then, and where the option ``selects`` disks and the command line selects some too.
    ``variable`` is the name's end where it is not the option's name.
    """

    def __init__(
        self,
        *args: Any,
        section: str = OTHER,
        consent: bool = False,
        selects: bool = False,
        not_with: str | None = None,
        variable: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.section = section
        self.consent = consent
        self.selects = selects
        self.not_with = not_with
        self._variable = variable or self.opts[-1].lstrip("-")

    @property
    def is_settable(self) -> bool:
        """Whether a variable can set it."""
        return self.allow_from_autoenv and not self.consent

    def variables(self, prefix: str) -> tuple[str, str]:
        """Return its variables: the command's own, then the one that commands share.

        ``prefix`` is the command's: EVS_SNAP_CREATE.
        """
        name = self._variable.replace("-", "_").upper()
        return f"{prefix}_{name}", f"{PREFIX}{name}"

    def variable_set(self, ctx: click.Context) -> str | None:
        """Return the variable of this option that is set, whether it is read or not."""
        names = self.variables(ctx.auto_envvar_prefix or "")
        return next((name for name in names if os.environ.get(name)), None)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value, or None where none is set or it does not apply.

        Click reads what was typed before it reads variables.
        """
        name = self.variable_set(ctx)
        if name is None or not self.is_settable or self.name in without_variables(ctx.command):
            return None
        if any(self.gives_way_to(param) for param in typed(ctx)):
            return None
        return os.environ[name]

    def gives_way_to(self, other: click.Parameter) -> bool:
        """Whether its variable is left alone where ``other`` was typed."""
        return (self.selects and selects(other)) or self.not_with == other.name

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Return the variable's value; of a repeatable option a list, from one value a line."""
        if not self.multiple:
            return super().value_from_envvar(ctx)
        text = self.resolve_envvar_value(ctx)
        return text and [line for line in text.split("\n") if line]

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Name the option in an error as the user wrote it: the variable, or the option."""
        return repr(written_as(ctx, self.name or "")) if ctx else super().get_error_hint(ctx)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Read the value; an empty one is a usage error."""
        return super().type_cast_value(ctx, refuse_empty(value))


class Argument(click.Argument):
    """A positional argument, which must not be empty. It may be one that ``selects`` disks."""

    def __init__(self, *args: Any, selects: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.selects = selects

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Read the value; an empty one is a usage error."""
        return super().type_cast_value(ctx, refuse_empty(value))


def selects(param: click.Parameter) -> bool:
    """Whether the parameter says which disks are meant."""
    return isinstance(param, Option | Argument) and param.selects


def without_variables(command: click.Command) -> tuple[str, ...]:
    """Return the options of this command that no variable sets, though one sets others' so."""
    names: tuple[str, ...] = getattr(command, "without_variables", ())
    return names


def typed(ctx: click.Context) -> Iterator[click.Parameter]:
    """Yield the parameters that stand on the command line."""
    for param in ctx.command.params:
        if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
            yield param


def written_as(ctx: click.Context, name: str) -> str:
    """Return what a user knows an option's value by: the variable that set it, else the option."""
    option = next(p for p in ctx.command.params if isinstance(p, Option) and p.name == name)
    is_variable = ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT
    return (is_variable and option.variable_set(ctx)) or " / ".join(option.opts)


def option(*names: str, **how: Any) -> Callable[[F], F]:
    """Add an option of our kind."""
    return click.option(*names, cls=Option, **how)


def argument(*names: str, **how: Any) -> Callable[[F], F]:
    """Add an argument of our kind."""
    return click.argument(*names, cls=Argument, **how)


def complete_with(function: str) -> Callable[..., list[CompletionItem]]:
    """Return what completes a value by that function of cli/candidates.py, loaded when asked."""

    def complete(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
        module = import_module("evs_snap.cli.candidates")
        return cast("list[CompletionItem]", getattr(module, function)(ctx, param, text))

    return complete
