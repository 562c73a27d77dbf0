"""Rows as lines: a table for eyes, plain columns, CSV, or bare values."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import zip_longest
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TypeVar

from evs_snap.render.text import fold, printable, width

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from evs_snap.render.columns import Column

R = TypeVar("R")

_GAP = 2
_TIGHTER = ((_GAP, 24), (1, 24), (1, 16), (1, 12))
"""Ways to fit a terminal, the roomiest first: the gap between columns, and how narrow
those that fold may become. 24 holds the names that we give."""

_COLOURS = {
    "available": "green", "in-use": "green", "created": "green", "reused": "green",
    "restored": "green",
    "creating": "yellow", "deleting": "yellow", "planned": "cyan", "deleted": "yellow",
    "error": "red", "error_deleting": "red", "failed": "red", "refused": "red",
    "pass": "green", "warn": "yellow", "fail": "red", "skip": "yellow",
}  # fmt: skip


def values(rows: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """Return tab-separated lines without a header; a row with nothing in it is left out."""
    lines = (_cells(row, columns) for row in rows)
    return "".join("\t".join(cells) + "\n" for cells in lines if any(cells))


def comma_separated(rows: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """Return CSV with a header (RFC 4180, but for its line ends)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c.title for c in columns])
    writer.writerows(_cells(row, columns) for row in rows)
    return out.getvalue()


def plain(rows: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """Return aligned columns as wide as they need: no colour, no boxes, no cutting."""
    cells = [_cells(row, columns) for row in rows]
    widths = _widths(cells, columns)
    return "".join(
        (" " * _GAP)
        .join(
            _aligned(text, size, right=column.right)
            for text, size, column in zip(line, widths, columns, strict=True)
        )
        .rstrip()
        + "\n"
        for line in ([c.title for c in columns], *cells)
    )


def on_terminal(
    rows: Sequence[R], columns: Sequence[Column[R]], *, out: TextIO, colour: bool, fit: bool
) -> list[str]:
    """Print a table for a terminal; return the titles of columns it had no room for.

    Names that are too long go on in the next line; nothing is cut. With ``fit``,
    columns are left out until the rest has room: empty ones first, then spare ones.
    """
    from rich.console import Console  # noqa: PLC0415 - only terminals pay for it
    from rich.text import Text  # noqa: PLC0415

    console = Console(
        file=out,
        no_color=not colour,
        highlight=False,
        force_terminal=colour,
        width=get_terminal_size().columns,  # rich takes a dumb terminal for 80 wide
    )
    layout = _layout(rows, columns, room=console.width, fit=fit)
    header = [columns[i].title for i in layout.shown]
    for number, line in enumerate((header, *layout.lines)):
        folded = [fold(text, size) for text, size in zip(line, layout.widths, strict=True)]
        for row in zip_longest(*folded, fillvalue=""):
            printed = Text()
            for i, part, whole, size in zip(layout.shown, row, line, layout.widths, strict=True):
                style = "bold" if number == 0 else _COLOURS.get(whole, "")
                printed.append(_aligned(part, size, right=columns[i].right), style)
                printed.append(" " * layout.gap)
            printed.rstrip()
            console.print(printed, soft_wrap=True)
    return [columns[i].title for i in layout.left_out]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns are shown, how wide, and the cells of each row in them."""

    shown: list[int]
    widths: list[int]
    gap: int
    lines: list[list[str]]
    left_out: list[int]


def _layout(rows: Sequence[R], columns: Sequence[Column[R]], *, room: int, fit: bool) -> _Layout:
    everything = list(range(len(columns)))
    cells = [[_human(c, row) for c in columns] for row in rows]
    widths = _widths(cells, columns)
    if sum(widths) + _GAP * (len(columns) - 1) <= room:
        return _Layout(everything, widths, _GAP, cells, [])
    cells = [[_brief(c, row) for c in columns] for row in rows]
    widths = _widths(cells, columns)
    wanted = everything
    if fit:
        wanted = [i for i in everything if any(line[i] for line in cells)] or everything
    shown, least, gap = wanted, widths, _GAP
    for gap, narrowest in _TIGHTER:  # the last one is taken where none fits
        least = [
            min(size, max(narrowest, width(c.title))) if c.folds else size
            for c, size in zip(columns, widths, strict=True)
        ]
        shown = _with_room(columns, wanted, least, gap=gap, room=room) if fit else wanted
        if _total(least, shown, gap=gap) <= room:
            break
    left = room - _total(least, shown, gap=gap)
    for i in shown:
        more = max(0, min(left, widths[i] - least[i]))
        least[i] += more
        left -= more
    return _Layout(
        shown,
        [least[i] for i in shown],
        gap,
        [[line[i] for i in shown] for line in cells],
        [i for i in wanted if i not in shown],
    )


def _with_room(
    columns: Sequence[Column[R]],
    wanted: Sequence[int],
    widths: Sequence[int],
    *,
    gap: int,
    room: int,
) -> list[int]:
    """Return the columns that must be shown, and as many spare ones as there is room for."""
    shown: list[int] = []
    for i in sorted(wanted, key=lambda i: columns[i].spare):
        if not columns[i].spare or _total(widths, [*shown, i], gap=gap) <= room:
            shown.append(i)
    return sorted(shown)


def _total(widths: Sequence[int], shown: Sequence[int], *, gap: int) -> int:
    return sum(widths[i] + gap for i in shown) - gap


def _widths(cells: Sequence[Sequence[str]], columns: Sequence[Column[R]]) -> list[int]:
    return [
        max([width(c.title), *(width(line[i]) for line in cells)]) for i, c in enumerate(columns)
    ]


def _cells(row: R, columns: Sequence[Column[R]]) -> list[str]:
    return [printable(c.value(row)) for c in columns]


def _human(column: Column[R], row: R) -> str:
    return printable((column.human or column.value)(row))


def _brief(column: Column[R], row: R) -> str:
    return printable(column.brief(row)) if column.brief else _human(column, row)


def _aligned(text: str, size: int, *, right: bool) -> str:
    fill = " " * (size - width(text))
    return fill + text if right else text + fill
