"""What one command is: examples and sections in its help, global options anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.context import GLOBAL_NAMES
from evs_snap.cli.options import global_options
from evs_snap.cli.output import width, write_line, write_result
from evs_snap.cli.parameters import SECTIONS, Option
from evs_snap.cli.variables import named_in, warnings
from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _WithSections(click.Command):
    """Help with examples first and options in sections; global options after the command too."""

    def __init__(self, name: str | None, *, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(name, add_help_option=False, **kwargs)
        self.examples = examples
        self.params.extend(global_options())

    def invoke(self, ctx: click.Context) -> Any:
        """Run with the global options merged into the context object."""
        ctx.obj = ctx.obj.merged(ctx)
        for name in GLOBAL_NAMES:
            del ctx.params[name]
        return super().invoke(ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, as wide as Click makes it: 50 to 78 columns."""
        ctx.terminal_width = max(min(width(), 80) - 2, 50)
        return super().get_help(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then each section's options."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, Option):
                sections[param.section].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Command(_WithSections):
    """A command. No variable sets the options in ``without_variables`` for this command.

    Its help names the columns of its table.
    """

    def __init__(
        self, name: str | None, *, without_variables: tuple[str, ...] = (), **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.without_variables = without_variables

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line, and tell of variables that are set and not read."""
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError:
            self._tell_of_variables(ctx)
            raise
        if not ctx.resilient_parsing:
            self._tell_of_variables(ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run. Where a setting was wrong, tell which variable it came from."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            error.details += tuple(named_in(ctx, error.message))
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the columns, last of all."""
        from evs_snap.render.columns import titles

        usual, on_request = titles(self.name or "")
        if usual:
            with formatter.section("Columns"):
                formatter.write_text(", ".join(usual))
                if on_request:
                    formatter.write_text(f"With -c also: {', '.join(on_request)}")

    def _tell_of_variables(self, ctx: click.Context) -> None:
        for line in warnings(ctx):
            write_line(ctx.obj, "warning:", line)


class Group(_WithSections, click.Group):
    """A command with commands of its own; alone, it prints its help."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, callback=_show_help_alone, invoke_without_command=True, **kwargs)


@click.pass_context
def _show_help_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        write_result(ctx.get_help() + "\n")
