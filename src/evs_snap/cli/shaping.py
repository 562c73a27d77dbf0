"""Options of the program and of every command: how the result is written, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


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
