"""What reaches stdout and stderr: the result on the one, words for people on the other."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from evs_snap.errors import EvsSnapError, LimitError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from typing import TextIO

    from typing_extensions import Buffer

    from evs_snap.cli.context import Context
    from evs_snap.render.columns import Column
    from evs_snap.render.timeline import Mark
    from evs_snap.runs.record import Item, RunRecord

R = TypeVar("R")

_DOCUMENTS = ("json", "yaml")
_ANSWER = len(" [y/N]: ")
_TOLD = 5
"""Disks of which the details of an error are told, where several have the same error."""


class OutputError(EvsSnapError):
    """stdout takes no more: the result, or the rest of it, is lost."""


class Stderr(io.FileIO):
    """The error stream; drops what it cannot take, as no message is worth the exit code."""

    def write(self, data: Buffer, /) -> int:
        """Write what can be written, and report all of it as written."""
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


def write_result(text: str, *, colour: bool = False) -> None:
    """Write to stdout. Raises OutputError."""
    try:
        click.echo(text, nl=False, color=colour or None)
    except OSError as error:
        # Python would try to write the rest again at exit, which ends in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write the result: {error.strerror or error}") from error


def is_document(context: Context) -> bool:
    """Whether the result is to be one JSON or YAML document."""
    return context.format in _DOCUMENTS


def show_document(context: Context, document: object) -> None:
    """Print a document as JSON or YAML, in UTF-8 where stdout takes it, else in ASCII."""
    from evs_snap.render.documents import encoded

    write_result(encoded(document, form=context.format, ascii_only=not takes_unicode()))


def takes_unicode() -> bool:
    """Whether stdout takes every character."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "ascii").name == "utf-8"


def is_picture(context: Context) -> bool:
    """Whether the result is for somebody's eyes: a table on a terminal, with all its columns."""
    return context.format == "table" and sys.stdout.isatty() and not context.column


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
        room = width()
        text, left_out = tables.fitted(
            rows, columns, room=room, colour=colour, fit=not context.column
        )
        write_result(text, colour=colour)
        if left_out:
            note(context, f"(no room for {', '.join(left_out)}: widen the terminal, or use -c)")


def show_timeline(context: Context, marks: Sequence[Mark], *, now: datetime) -> None:
    """Draw marks as a line of time that ends ``now``."""
    from evs_snap.render.timeline import timeline

    colour = is_coloured(context, sys.stdout)
    room = width()
    picture = timeline(marks, now=now, room=room, ascii_only=not takes_unicode(), colour=colour)
    write_result(picture, colour=colour)


def width() -> int:
    """Return the terminal's width, or COLUMNS; 80 where there is neither.

    As `shutil.get_terminal_size`, which loads three compression libraries first (2 ms).
    """
    if (given := os.environ.get("COLUMNS", "")).isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80


@contextmanager
def reporting(
    context: Context, command: str, *, only: Collection[str] = (), brief: bool = False
) -> Iterator[Callable[[RunRecord], int]]:
    """Give a function that prints a run's record and returns its exit code.

    ``only`` are the actions of which tables and values have a line, all where none is named.
    With ``brief`` an error takes one line.

    Raises ConfigurationError for a column that does not exist, before anything is done.
    """
    from evs_snap.render.columns import chosen, item_columns

    chosen(item_columns(command), context.column)
    yield lambda record: show_record(context, record, only=only, brief=brief)


def show_record(
    context: Context, record: RunRecord, *, only: Collection[str] = (), brief: bool = False
) -> int:
    """Print a record; return its exit code."""
    from evs_snap.render.columns import chosen, item_columns
    from evs_snap.render.documents import record_document

    try:
        if is_document(context):
            show_document(context, record_document(record, context.pasteable))
        elif record.items or context.format != "table":
            columns = item_columns(record.command, on_terminal=is_picture(context))
            lines = [item for item in _lines(record) if not only or item.action in only]
            show_table(context, lines, chosen(columns, context.column))
    except OutputError as lost:
        if not isinstance(lost.__cause__, BrokenPipeError):
            _show_instead(record)
        if record.exit_code == 0:
            raise
        show_error(context, lost)
    _show_errors(context, record.items, brief=brief)
    if record.remark:
        note(context, record.remark)
    if record.items:
        counts = (f"{n} {action.replace('-', ' ')}" for action, n in record.summary.items())
        note(context, ", ".join(counts))
    return record.exit_code


def _lines(record: RunRecord) -> list[Item]:
    """Return the items to show as lines: `create` prints one a disk, so that its ID is alone."""
    if record.command != "create" or record.dry_run:
        return list(record.items)
    return [item for item in record.items if item.action != "deleted"]


def _show_instead(record: RunRecord) -> None:
    """Say on stderr what stdout did not take: the IDs of what was made must not be lost."""
    from evs_snap.render.columns import item_columns
    from evs_snap.render.tables import plain

    _write_stderr(plain(record.items, item_columns(record.command)))


def _show_errors(context: Context, items: Sequence[Item], *, brief: bool) -> None:
    """Say what went wrong: equal errors once, with all disks they concern, and equal hints once.

    With ``brief`` a line for each error, without what belongs to it; so it is of full disks
    always where there are several, as the holders of all their slots fill a screen.
    """
    from evs_snap.health.words import some_of

    alike: dict[tuple[str, str | None], list[tuple[str, EvsSnapError]]] = {}
    for item in items:
        if item.error is not None:
            same = (item.error.message, item.error.hint)
            alike.setdefault(same, []).append((item.label, item.error))
    hints = [hint for _, hint in alike]
    for number, concerned in enumerate(alike.values(), start=1):
        about = some_of(list(dict.fromkeys(label for label, _ in concerned if label)))
        _, error = concerned[0]
        write_line(context, "error:", f"{about}: {error.message}" if about else error.message)
        if brief:
            continue
        if len(concerned) == 1 or not isinstance(error, LimitError):
            _show_details(context, concerned)
        if error.hint and error.hint not in hints[number:]:
            write_line(context, "hint:", error.hint)


def _show_details(context: Context, concerned: Sequence[tuple[str, EvsSnapError]]) -> None:
    """Say what belongs to an error; where that differs from disk to disk, a line for each."""
    from evs_snap.health.words import some_of

    if len({error.details for _, error in concerned}) == 1:
        lines = list(concerned[0][1].details)
    else:
        heads = [(label, next(iter(error.details), "")) for label, error in concerned[:_TOLD]]
        lines = [f"{label}: {head.rstrip(':')}" for label, head in heads]
        more = len(concerned) - len(heads)
        lines += [f"and {more} more"] if more else []
    ids = [e.request_id for _, e in concerned if isinstance(e, ServiceError) and e.request_id]
    if ids:
        lines.append(f"request ID: {some_of(list(dict.fromkeys(ids)))}")
    for line in lines:
        write_line(context, " ", line)


def show_error(context: Context, error: EvsSnapError) -> None:
    """Say on stderr what happened and why, and what to do about it."""
    write_line(context, "error:", error.message)
    _show_details(context, [("", error)])
    if error.hint:
        write_line(context, "hint:", error.hint)


def write_line(context: Context, mark: str, text: str) -> None:
    """Write a line to stderr; a command in it has the options of this one that name the cloud."""
    line = _wrapped(context.pasteable(text), after=mark)
    colour = is_coloured(context, sys.stderr)
    if colour and mark.strip():
        mark = click.style(mark, fg="red" if mark == "error:" else None, bold=True)
    _write_stderr(f"{mark} {line}\n", colour=colour)


def note(context: Context, text: str) -> None:
    """Write lines for people to stderr, unless they asked for quiet."""
    if not context.quiet:
        lines = context.pasteable(text).split("\n")
        _write_stderr("".join(f"{_wrapped(line)}\n" for line in lines))


def ask(question: str) -> bool:
    """Ask on stderr for yes or no. The end of the input is no."""
    try:
        return click.confirm(_wrapped(question, spare=_ANSWER), err=True)
    except click.Abort:
        return False


def ask_for_text(question: str) -> str:
    """Ask on stderr for a text. The end of the input is the empty one."""
    try:
        answer: str = click.prompt(_wrapped(question, spare=_ANSWER), err=True)
    except click.Abort:
        return ""
    return answer


def show_on_stderr(context: Context, rows: Sequence[R], columns: Sequence[Column[R]]) -> None:
    """Show rows as a table to somebody at the terminal, before a question."""
    from evs_snap.render.tables import fitted

    room = width()
    colour = is_coloured(context, sys.stderr)
    table, _ = fitted(rows, columns, room=room, colour=colour, fit=True)
    _write_stderr(table, colour=colour)


def _write_stderr(text: str, *, colour: bool = False) -> None:
    """Write text that was made printable. With the questions, the one door to stderr."""
    click.echo(text, nl=False, err=True, color=colour or None)


def _printable(text: str) -> str:
    from evs_snap.render.text import printable

    return printable(text)


def _wrapped(text: str, *, after: str = "", spare: int = 0) -> str:
    """Return the text printable; on a terminal broken between words, never inside an ID.

    ``after`` stands before it in the first line, and ``spare`` cells are left free in each.
    """
    line = _printable(text)
    if not sys.stderr.isatty():
        return line
    import textwrap

    return "\n".join(
        textwrap.wrap(
            line,
            width=width() - spare,
            initial_indent=" " * (len(after) + 1 if after else 0),
            subsequent_indent="    " if after else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ).lstrip()


def is_watched(context: Context) -> bool:
    """Whether somebody sits at the terminal and did not ask for quiet."""
    return sys.stderr.isatty() and not context.quiet


def is_coloured(context: Context, stream: TextIO) -> bool:
    """Whether to colour: as asked, else on terminals that want it (no-color.org)."""
    if context.color != "auto":
        return context.color == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
