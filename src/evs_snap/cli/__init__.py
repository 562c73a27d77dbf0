"""The command line, a command a file: parse, one call, render, exit code.

No decision about disks and snapshots is made here. Each command is loaded when it is called.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from evs_snap.cli.context import Context
from evs_snap.cli.options import Command, Group
from evs_snap.cli.output import OutputError, Stderr, is_document, show_error, show_record
from evs_snap.cli.signals import ENDED, INTERRUPTED, StoppedError, handle_signals
from evs_snap.clock import Clock, system_clock
from evs_snap.errors import ConfigurationError, EvsSnapError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COMMANDS = {
    "volumes": "List disks and how full of snapshots they are.",
    "snapshots": "List snapshots.",
    "create": "Take a snapshot of each disk, and wait until it can be used.",
    "rotate": "For cron: create, wait until it can be used, then prune.",
    "prune": "Delete our snapshots that no KEEP rule keeps.",
    "delete": "Delete the snapshots named.",
    "restore": "Make a new disk of a snapshot, or roll its disk back.",
    "wait": "Wait until the snapshots named can be used.",
    "check": "Monitoring plugin: are the snapshots fresh?",
    "doctor": "Find out what stands between you and a snapshot.",
    "simulate": "Offline: what KEEP rules hold, day by day, and how far back they reach.",
    "help": "Show the help of a command.",
    "completion": "The script that completes commands in a shell.",
    "sandbox": "The built-in pretend cloud: serve it, or begin anew.",
}
_ALIASES = {"disks": "volumes", "list": "volumes"}
_PROGRAM = "evs-snap"


class _Root(Group):
    """Finds each command in the module of its name, when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        module = import_module(f"evs_snap.cli.{name}")
        command: click.Command = getattr(module, name)
        command.short_help = _COMMANDS[name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            meant = _close(args[0], (*_COMMANDS, *_ALIASES))
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        # The command's own name, not the alias, makes the names of its variables.
        return command.name if command else None, command, args[1:]


root = _Root(
    _PROGRAM,
    help="Take snapshots of EVS disks, wait until they can be used, and keep the right ones.",
    context_settings={"auto_envvar_prefix": "EVS_SNAP"},
    examples=(
        "evs-snap --sandbox create data-01   try it: no account needed",
        "evs-snap volumes                    list disks and their snapshots",
        "evs-snap create data-01             take a snapshot of one",
        "evs-snap rotate --all --keep-daily 4 --once-per day      for cron",
    ),
)


def run(args: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command line; return the exit code. The one place where errors become codes."""
    args = list(sys.argv[1:] if args is None else args)
    clock = clock or system_clock()
    _accept_any_text()
    try:
        with handle_signals(clock.stop):
            code = root.main(args, prog_name=_PROGRAM, standalone_mode=False, obj=Context(clock))
        return int(code or 0)
    except StoppedError as stopped:
        return _stopped(stopped.code, args, clock)
    except click.exceptions.Abort:  # Ctrl-C in a thread of a caller's own, who handles signals
        return _stopped(INTERRUPTED, args, clock)
    except click.ClickException as wrong:
        hint = _way_on(wrong)
        return _failed(ConfigurationError(_message(wrong), hint=hint), args, clock)
    except EvsSnapError as failure:
        return _failed(failure, args, clock)


def _stopped(code: int, args: list[str], clock: Clock) -> int:
    error = InterruptedRunError(f"{ENDED[code]}; nothing was changed")
    return _failed(error, args, clock, signal_code=code)


def _failed(
    error: EvsSnapError, args: list[str], clock: Clock, *, signal_code: int | None = None
) -> int:
    """Say what ended the program before it had a result; return the exit code."""
    name, context = _intent(args, clock)
    is_lost = isinstance(error, OutputError)
    if not isinstance(error.__cause__, BrokenPipeError):  # who reads no further wants no message
        show_error(context, error)
    if name == "check":
        from evs_snap.cli.check import show_unknown

        return show_unknown(context, error, is_lost=is_lost)
    from evs_snap.render.columns import RECORDED

    if name in RECORDED and is_document(context) and not is_lost:
        from evs_snap.runs.record import RunRecord

        return show_record(context, RunRecord(name, error=error, signal_code=signal_code))
    return signal_code or error.exit_code


def _intent(args: list[str], clock: Clock) -> tuple[str, Context]:
    """Return the command and the global options that a line means, however wrong the rest is."""
    lenient = Command(
        _PROGRAM, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
    )

    def parsed(prefix: str) -> click.Context:
        return lenient.make_context(
            _PROGRAM, list(args), resilient_parsing=True, auto_envvar_prefix=prefix
        )

    words = (_ALIASES.get(word, word) for word in parsed("EVS_SNAP").args)
    name = next((word for word in words if word in _COMMANDS), "")
    return name, Context(clock).merged(parsed(f"EVS_SNAP_{name.upper()}"))


def _message(error: click.ClickException) -> str:
    """Return what was wrong, with what may have been meant where that is close."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        known = (name for param in error.ctx.command.params for name in param.opts)
        return f"No such option {error.option_name!r}.{_close(error.option_name, known)}"
    message = error.format_message()
    # Click lists what may be chosen one a line.
    return " ".join(message.split()) if isinstance(error, click.MissingParameter) else message


def _close(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    names = sorted(known)
    close = get_close_matches(word, names, n=2, cutoff=0.75)
    close = close or [name for name in names if word.strip("-")[2:] and name.startswith(word)]
    return f" Did you mean {' or '.join(repr(name) for name in close[:3])}?" if close else ""


def _way_on(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path} --help` shows how it is written." if context else None


def _accept_any_text() -> None:
    """Have both streams take any text: a name outside the locale's alphabet stops nothing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def main() -> NoReturn:
    """Run the program."""
    for number in range(3):
        # A stream that is closed leaves its number to the next file opened: say, to a lock.
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    # Rows come by the ten thousand and refer to nothing in a circle: a collection after every
    # 700 of them would take longer than reading them.
    gc.set_threshold(30_000)
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    raw = io.BufferedWriter(Stderr(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(
        raw, encoding=encoding, errors="backslashreplace", line_buffering=True
    )
    if sys.stdout is None:
        lost = OutputError("stdout is closed: the result would be lost")
        sys.exit(_failed(lost, sys.argv[1:], system_clock()))
    code = run()
    if code in ENDED:
        os._exit(code)  # a request in a thread may take a minute to give up
    sys.exit(code)
