"""``evs-snap help COMMAND``: the same as ``evs-snap COMMAND --help``."""

from __future__ import annotations

import click

from evs_snap.cli.command import Command
from evs_snap.cli.output import write_result
from evs_snap.cli.parameters import argument


@click.command(cls=Command, examples=("evs-snap help rotate", "evs-snap help sandbox serve"))
@argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help(ctx: click.Context, /, *, names: tuple[str, ...]) -> None:  # noqa: A001 - the command's name
    """Show the help of a command; without one, of all."""
    shown = ctx.find_root()
    for name in names:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands of its own.")
        found, command, _ = shown.command.resolve_command(shown, [name])
        if command is not None:
            shown = click.Context(command, info_name=found, parent=shown)
    write_result(shown.get_help() + "\n")
