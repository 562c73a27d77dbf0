"""What reaches stdout and stderr: the result on the one, words for people on the other."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from evs_snap.errors import EvsSnapError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from evs_snap.cli.context import Context
    from evs_snap.render.columns import Column
    from evs_snap.runs.report import Item, RunRecord

R = TypeVar("R")


def show_rows(
    context: Context,
    rows: Sequence[R],
    columns: Sequence[Column[R]],
    *,
    document: Callable[[R], dict[str, object]],
) -> None:
    """Print rows in the format asked for. ``document`` makes one row's JSON object."""
    from evs_snap.render.columns import chosen
    from evs_snap.render.documents import to_json

    shown = chosen(columns, context.column)
    if context.format == "json":
        documents = [document(row) for row in rows]
        if context.column:
            documents = [{c.key: d[c.key] for c in shown} for d in documents]
        click.echo(to_json(documents))
        return
    show_table(context, rows, shown)


def show_table(context: Context, rows: Sequence[R], columns: Sequence[Column[R]]) -> None:
    """Print rows as a table, CSV or bare values."""
    from evs_snap.render import tables

    if context.format == "value":
        click.echo(tables.values(rows, columns), nl=False)
    elif context.format == "csv":
        click.echo(tables.comma_separated(rows, columns), nl=False)
    elif not sys.stdout.isatty():
        click.echo(tables.plain(rows, columns), nl=False)
    else:
        left_out = tables.on_terminal(
            rows,
            columns,
            out=sys.stdout,
            colour=is_coloured(context, sys.stdout),
            fit=not context.column,
        )
        if left_out:
            note(context, f"(no room for {', '.join(left_out)}: widen the terminal, or use -c)")


@contextmanager
def reporting(context: Context, command: str) -> Iterator[Callable[[RunRecord], int]]:
    """Print a run's record, also that of a run which failed before it had a plan."""
    from evs_snap.render.columns import chosen, item_columns
    from evs_snap.runs.report import RunRecord

    chosen(item_columns(command), context.column)  # a wrong column must not be found out afterwards
    try:
        yield lambda record: _show_record(context, record)
    except EvsSnapError as error:
        if context.format == "json":
            _show_record(context, RunRecord(command, error=error))
        raise


def _show_record(context: Context, record: RunRecord) -> int:
    """Print a record; return its exit code."""
    from evs_snap.render.columns import chosen, item_columns
    from evs_snap.render.documents import record_document, to_json

    columns = chosen(item_columns(record.command), context.column)
    if context.format == "json":
        click.echo(to_json(record_document(record)))
    else:
        show_table(context, _lines(record), columns)
    for item in record.items:
        if item.error is not None:
            show_error(item.error, about=item.label)
    return record.exit_code


def _lines(record: RunRecord) -> list[Item]:
    """Return the items to show as lines: `create` prints one a disk, so that its ID is alone."""
    if record.command != "create" or record.dry_run:
        return list(record.items)
    return [item for item in record.items if item.action != "deleted"]


def show_error(error: EvsSnapError, *, about: str = "") -> None:
    """Say on stderr what happened and why, and what to do about it."""
    prefix = f"{about}: " if about else ""
    write_line("error:", prefix + error.message)
    for line in error.details:
        write_line(" ", line)
    if isinstance(error, ServiceError) and error.request_id:
        write_line(" ", f"request ID: {error.request_id}")
    if error.hint:
        write_line("hint:", error.hint)


def show_usage_error(error: click.ClickException) -> None:
    """Say what was wrong with the command line, in the same form as any other error."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    write_line("error:", error.format_message())
    if context is not None:
        write_line("hint:", _way_on(error, context))


def _way_on(error: click.ClickException, context: click.Context) -> str:
    root = context.find_root()
    known = {name for param in root.command.params for name in param.opts}
    if isinstance(error, click.NoSuchOption) and error.option_name in known:
        return f"It stands before the command: {root.info_name} {error.option_name} ..."
    return f"`{context.command_path} --help` shows how it is written."


def write_line(mark: str, text: str) -> None:
    """Write a line to stderr; on a terminal, broken between words, never inside an ID."""
    from evs_snap.render.text import printable

    line = printable(text)
    if sys.stderr.isatty():
        line = "\n".join(
            textwrap.wrap(
                line,
                width=shutil.get_terminal_size().columns,
                initial_indent=" " * (len(mark) + 1),
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        ).lstrip()
    colour = "red" if mark == "error:" else None
    click.echo(f"{click.style(mark, fg=colour, bold=bool(mark.strip()))} {line}", err=True)


def note(context: Context, text: str) -> None:
    """Write a line for people to stderr, unless they asked for quiet."""
    if not context.quiet:
        click.echo(text, err=True)


def is_watched(context: Context) -> bool:
    """Whether somebody sits at the terminal and did not ask for quiet."""
    return sys.stderr.isatty() and not context.quiet


def is_coloured(context: Context, stream: TextIO) -> bool:
    """Whether to colour: as asked, else on terminals that want it (no-color.org)."""
    if context.color != "auto":
        return context.color == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
