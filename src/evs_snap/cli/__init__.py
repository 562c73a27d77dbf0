"""The command line, a command a file: parse, one call, render, exit code.

No decision about disks and snapshots is made here. Each command is loaded when it is called.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from evs_snap.cli.context import Context
from evs_snap.cli.options import global_options, shaping_options
from evs_snap.cli.output import show_error, show_usage_error
from evs_snap.cli.signals import INTERRUPTED, TERMINATED, UNKNOWN, TerminatedError, exit_on_sigterm
from evs_snap.clock import Clock, system_clock
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    "volumes", "snapshots", "create", "rotate", "prune", "delete", "restore", "check", "doctor",
    "sandbox",
)  # fmt: skip
_ALIASES = {"disks": "volumes", "list": "volumes"}


class _Root(click.Group):
    """Finds each command in the module of its name, when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        module = import_module(f"evs_snap.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # The command's own name, not the alias, makes the names of its variables.
        _, command, rest = super().resolve_command(ctx, args)
        return command.name if command else None, command, rest


@click.command(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EVS_SNAP"},
)
@global_options
@shaping_options
@click.version_option(package_name="evs-snap", message="evs-snap %(version)s")
@click.pass_context
def root(ctx: click.Context, /, **options: object) -> None:
    """Take snapshots of EVS disks, see them available, and keep count of them.

    Try it without an account: evs-snap --sandbox create --volume data-01
    """
    ctx.obj = Context(clock=ctx.obj or system_clock()).merged(options)


def run(  # noqa: PLR0911 - one return for each way to end
    args: Sequence[str] | None = None, *, clock: Clock | None = None
) -> int:
    """Run one command line; return the exit code. The one place where errors become codes."""
    _open_streams()
    try:
        code = root.main(args, prog_name="evs-snap", standalone_mode=False, obj=clock)
        sys.stdout.flush()
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except TerminatedError:
        click.echo("terminated", err=True)
        return TERMINATED
    except click.ClickException as error:
        show_usage_error(error)
        context = error.ctx if isinstance(error, click.UsageError) else None
        if context is not None and context.info_name == "check":
            # A monitoring system shows stdout, and takes 2 for CRITICAL.
            click.echo(f"EVS-SNAP UNKNOWN - {error.format_message()}")
            return UNKNOWN
        return error.exit_code
    except EvsSnapError as error:
        show_error(error)
        return error.exit_code
    except OSError as error:
        if error.filename is not None:
            raise
        click.echo(f"error: cannot write the result: {error.strerror or error}", err=True)
        # What could not be written would be tried again at exit, and end in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EvsSnapError.exit_code
    return int(code or 0)


def _open_streams() -> None:
    """Have both streams take any text, and be there at all."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # a name outside the locale's alphabet is no reason to die
            reconfigure(errors="backslashreplace")


def main() -> NoReturn:
    """Run the program."""
    exit_on_sigterm()
    if sys.stdout is None:
        click.echo("error: stdout is closed: the result would be lost", err=True)
        sys.exit(EvsSnapError.exit_code)
    code = run()
    if code in {INTERRUPTED, TERMINATED}:
        sys.stdout.flush()
        os._exit(code)  # a request in a thread may take a minute to give up
    sys.exit(code)
