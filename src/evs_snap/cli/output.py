"""What reaches stdout and stderr: the result on the one, words for people on the other."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from evs_snap.errors import EvsSnapError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from typing_extensions import Buffer

    from evs_snap.cli.context import Context
    from evs_snap.render.columns import Column
    from evs_snap.runs.record import Item, RunRecord

R = TypeVar("R")

_DOCUMENTS = ("json", "yaml")


class OutputError(EvsSnapError):
    """stdout takes no more: the result, or the rest of it, is lost."""


class Stderr(io.FileIO):
    """The error stream; drops what it cannot take, as no message is worth the exit code."""

    def write(self, data: Buffer, /) -> int:
        """Write what can be written; say that all was."""
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


def write_result(text: str, *, colour: bool = False) -> None:
    """Write to stdout. Raises OutputError."""
    try:
        click.echo(text, nl=False, color=colour or None)
    except OSError as error:
        # What could not be written would be tried again at exit, and end in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write the result: {error.strerror or error}") from error


def is_document(context: Context) -> bool:
    """Whether the result is to be one JSON or YAML document."""
    return context.format in _DOCUMENTS


def show_document(context: Context, document: object) -> None:
    """Print a document as JSON or YAML."""
    from evs_snap.render.documents import to_json, to_yaml

    write_result(to_yaml(document) if context.format == "yaml" else to_json(document))


def show_rows(
    context: Context,
    rows: Sequence[R],
    columns: Sequence[Column[R]],
    *,
    document: Callable[[R], dict[str, object]],
) -> None:
    """Print rows in the format asked for. ``document`` makes one row's JSON object."""
    from evs_snap.render.columns import chosen

    shown = chosen(columns, context.column)
    if is_document(context):
        documents = [document(row) for row in rows]
        if context.column:
            documents = [{c.key: d[c.key] for c in shown} for d in documents]
        show_document(context, documents)
    else:
        show_table(context, rows, shown)


def show_table(context: Context, rows: Sequence[R], columns: Sequence[Column[R]]) -> None:
    """Print rows as a table, CSV or bare values."""
    from evs_snap.render import tables

    colour = is_coloured(context, sys.stdout)
    if context.format == "value":
        write_result(tables.values(rows, columns))
    elif context.format == "csv":
        write_result(tables.comma_separated(rows, columns))
    elif not sys.stdout.isatty():
        write_result(tables.plain(rows, columns, colour=colour), colour=colour)
    else:
        room = shutil.get_terminal_size().columns
        text, left_out = tables.fitted(
            rows, columns, room=room, colour=colour, fit=not context.column
        )
        write_result(text, colour=colour)
        if left_out:
            note(context, f"(no room for {', '.join(left_out)}: widen the terminal, or use -c)")


@contextmanager
def reporting(context: Context, command: str) -> Iterator[Callable[[RunRecord], int]]:
    """Give what prints a run's record and returns its exit code."""
    from evs_snap.render.columns import chosen, item_columns

    chosen(item_columns(command), context.column)  # a wrong column must not be found out afterwards
    yield lambda record: show_record(context, record)


def show_record(context: Context, record: RunRecord) -> int:
    """Print a record; return its exit code."""
    from evs_snap.render.columns import chosen, item_columns
    from evs_snap.render.documents import record_document

    try:
        if is_document(context):
            show_document(context, record_document(record))
        else:
            columns = chosen(item_columns(record.command), context.column)
            show_table(context, _lines(record), columns)
    except OutputError as lost:
        if record.exit_code == 0:
            raise
        show_error(context, lost)
    _show_errors(context, record.items)
    if record.remark:
        note(context, record.remark)
    if record.items and is_watched(context):
        note(context, ", ".join(f"{count} {action}" for action, count in record.summary.items()))
    return record.exit_code


def _lines(record: RunRecord) -> list[Item]:
    """Return the items to show as lines: `create` prints one a disk, so that its ID is alone."""
    if record.command != "create" or record.dry_run:
        return list(record.items)
    return [item for item in record.items if item.action != "deleted"]


def _show_errors(context: Context, items: Sequence[Item]) -> None:
    """Say what went wrong: equal errors once, with what they concern, and equal hints once."""
    from evs_snap.health.findings import some_of

    errors: dict[tuple[object, ...], tuple[EvsSnapError, list[str]]] = {}
    for item in items:
        if item.error is not None:
            error = item.error
            same = (error.message, error.details, getattr(error, "request_id", None), error.hint)
            errors.setdefault(same, (error, []))[1].append(item.label)
    hints = [error.hint for error, _ in errors.values()]
    for number, (error, labels) in enumerate(errors.values(), start=1):
        show_error(
            context, error, about=some_of(labels), with_hint=error.hint not in hints[number:]
        )


def show_error(
    context: Context, error: EvsSnapError, *, about: str = "", with_hint: bool = True
) -> None:
    """Say on stderr what happened and why, and what to do about it."""
    prefix = f"{about}: " if about else ""
    write_line(context, "error:", prefix + error.message)
    for line in error.details:
        write_line(context, " ", line)
    if isinstance(error, ServiceError) and error.request_id:
        write_line(context, " ", f"request ID: {error.request_id}")
    if error.hint and with_hint:
        write_line(context, "hint:", context.pasteable(error.hint))


def write_line(context: Context, mark: str, text: str) -> None:
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
    colour = is_coloured(context, sys.stderr)
    if colour and mark.strip():
        mark = click.style(mark, fg="red" if mark == "error:" else None, bold=True)
    click.echo(f"{mark} {line}", err=True, color=colour)


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
