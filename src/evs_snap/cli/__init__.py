"""The command line, one file for each command: parse, make one call, render, exit.

Nothing is decided here about disks and snapshots. A command's file is loaded when it is called.
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

from evs_snap.cli.command import Command, Group
from evs_snap.cli.context import Context
from evs_snap.cli.guesses import did_you_mean
from evs_snap.cli.output import OutputError, Stderr, is_document, show_error, show_record
from evs_snap.cli.signals import ENDED, INTERRUPTED, StoppedError, handle_signals
from evs_snap.clock import Clock, system_clock
from evs_snap.errors import ConfigurationError, EvsSnapError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "volumes": "List disks and how full of snapshots they are.",
    "snapshots": "List snapshots.",
    "show": "Show all about a disk or snapshot: fields, rules, a line of time.",
    "create": "Take a snapshot of each disk, and wait until it can be used.",
    "rotate": "For cron: create, wait until it can be used, then prune.",
    "prune": "Delete our snapshots that no KEEP rule keeps.",
    "delete": "Delete the snapshots named.",
    "pin": "Put snapshots out of every rule's reach.",
    "unpin": "Give pinned snapshots back to their rules.",
    "restore": "Make a new disk of a snapshot, or roll its disk back.",
    "wait": "Wait until the snapshots named can be used.",
    "check": "Monitoring plugin: are the snapshots fresh?",
    "doctor": "Find out what stands between you and a snapshot.",
    "simulate": "Offline: what KEEP rules hold, day by day, and how far back they reach.",
    "freeze": "A holder for --hold: file systems stand still until its stdin ends.",
    "help": "Show the help of a command.",
    "completion": "The script that completes commands in a shell.",
    "sandbox": "The built-in pretend cloud: serve it, or begin anew.",
}
_ALIASES = {"disks": "volumes", "list": "volumes"}
_PROGRAM = "evs-snap"


class _Root(Group):
    """Loads each command from the module of its name when it is called."""

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
            meant = did_you_mean(args[0], (*_COMMANDS, *_ALIASES))
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        # Variables are named after the command itself, not after an alias.
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
    """Run one command line and return the exit code. Only here errors become exit codes."""
    args = list(sys.argv[1:] if args is None else args)
    clock = clock or system_clock()
    _accept_any_text()
    if instruction := os.environ.get("_EVS_SNAP_COMPLETE"):
        from evs_snap.cli.completion import answer

        return answer(root, Context(clock), program=_PROGRAM, instruction=instruction)
    try:
        with handle_signals(clock.stop):
            code = root.main(args, prog_name=_PROGRAM, standalone_mode=False, obj=Context(clock))
        return int(code or 0)
    except StoppedError as stopped:
        return _stopped(stopped.code, args, clock)
    except click.exceptions.Abort:  # Ctrl-C, where our handlers are not set
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
    """Tell what ended the program before it had a result, and return the exit code."""
    name, context = _intent(args, clock)
    is_lost = isinstance(error, OutputError)
    if not isinstance(error.__cause__, BrokenPipeError):  # nobody reads on
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
    """Return the command and the global options of a line, even if the rest of it is wrong."""
    lenient = Command(
        _PROGRAM, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
    )

    def parsed(prefix: str) -> click.Context:
        return lenient.make_context(
            _PROGRAM, list(args), resilient_parsing=True, auto_envvar_prefix=prefix
        )

    # The first word is the command: a later one that is called like a command is its argument.
    words = (word for word in parsed("EVS_SNAP").args if not word.startswith("-"))
    name = next(words, "")
    name = _ALIASES.get(name, name)
    name = name if name in _COMMANDS else ""
    return name, Context(clock).merged(parsed(f"EVS_SNAP_{name.upper()}"))


def _message(error: click.ClickException) -> str:
    """Return what was wrong, and what may have been meant if a known word is close."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        wrong = error.option_name
        known = (name for param in error.ctx.command.params for name in param.opts)
        return f"No such option {wrong!r}.{did_you_mean(wrong, known) or _taken_by(wrong)}"
    message = error.format_message()
    # Click writes each choice on a line of its own.
    return " ".join(message.split()) if isinstance(error, click.MissingParameter) else message


def _taken_by(option: str) -> str:
    """Return which commands take an option that the one typed does not, "" where none does."""
    ctx = click.Context(root)
    commands = (root.get_command(ctx, name) for name in _COMMANDS)
    names = [f"`{c.name}`" for c in commands if c and any(option in p.opts for p in c.params)]
    return f" It is an option of {', '.join(names)}." if names else ""


def _way_on(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path} --help` shows how it is written." if context else None


def _accept_any_text() -> None:
    """Let both streams take any text: a name that the locale cannot encode must not stop a run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def main() -> NoReturn:
    """Run the program."""
    for number in range(3):
        # Reopen closed descriptors 0 to 2: else the next file opened, say a lock, becomes stdout.
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    # There may be tens of thousands of rows, and none is part of a reference cycle. Collecting
    # after every 700 of them, as is the default, would take longer than reading them.
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
        os._exit(code)  # do not wait for a thread: its request may take a minute to end
    sys.exit(code)
