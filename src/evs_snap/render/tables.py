"""Rows as lines: a table for eyes, plain columns, CSV, or bare values."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from evs_snap.render.text import fold, printable, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.render.columns import Column

R = TypeVar("R")

_GAP = 2
_NARROWER = ((_GAP, 24), (1, 24), (1, 16), (1, 12))
"""Ways to fit a terminal, the widest first: the gap between columns, and the least width of
columns that fold. 24 holds the names that we give."""

_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_SHORT = 8
_BOLD, _RED, _GREEN, _YELLOW, _CYAN = 1, 31, 32, 33, 36
_COLOURS = {
    "available": _GREEN, "in-use": _GREEN, "created": _GREEN, "reused": _GREEN, "ready": _GREEN,
    "restored": _GREEN, "pinned": _GREEN, "unpinned": _GREEN,
    "creating": _YELLOW, "deleting": _YELLOW, "deleted": _YELLOW,
    "create": _CYAN, "delete": _CYAN, "restore": _CYAN,
    "error": _RED, "error_deleting": _RED, "failed": _RED, "refused": _RED, "full": _RED,
    "pass": _GREEN, "warn": _YELLOW, "fail": _RED, "skip": _YELLOW,
}  # fmt: skip
"""ANSI colours (ECMA-48, SGR) of a cell by its last word, in columns that have such words."""


def values(rows: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """Return tab-separated lines without a header, one a row."""
    return "".join("\t".join(_cells(row, columns)) + "\n" for row in rows)


def comma_separated(rows: Sequence[R], columns: Sequence[Column[R]]) -> str:
    """Return CSV with a header (RFC 4180, but for its line ends)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c.title for c in columns])
    writer.writerows(_cells(row, columns) for row in rows)
    return out.getvalue()


def plain(rows: Sequence[R], columns: Sequence[Column[R]], *, colour: bool = False) -> str:
    """Return aligned columns as wide as they need: no boxes, no cutting, whole IDs."""
    cells = [[_human(c, row) for c in columns] for row in rows]
    layout = _Layout(list(range(len(columns))), _widths(cells, columns), _GAP, cells, [])
    return _drawn(layout, columns, colour=colour)


def fitted(
    rows: Sequence[R], columns: Sequence[Column[R]], *, room: int, colour: bool, fit: bool
) -> tuple[str, list[str]]:
    """Return a table of at most ``room`` cells a line, and the titles it had no room for.

    Where it is too wide, IDs are shortened first, to as much as tells them apart. With ``fit``,
    columns are left out next: empty ones, and spare ones that would make a row longer than one
    line. What is still too wide goes on in the next line.
    """
    layout = _layout(rows, columns, room=room, fit=fit)
    lost = [columns[i].title for i in layout.left_out if not columns[i].implied]
    return _drawn(layout, columns, colour=colour), lost


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns are shown, how wide, and the cells of each row in them."""

    shown: list[int]
    widths: list[int]
    gap: int
    lines: list[list[str]]
    left_out: list[int]


def _drawn(layout: _Layout, columns: Sequence[Column[R]], *, colour: bool) -> str:
    drawn = []
    header = [columns[i].title for i in layout.shown]
    for number, line in enumerate((header, *layout.lines)):
        styles = [
            _BOLD if number == 0 else _style(text, columns[i].has_words)
            for i, text in zip(layout.shown, line, strict=True)
        ]
        folded = [fold(text, size) for text, size in zip(line, layout.widths, strict=True)]
        for row in zip_longest(*folded, fillvalue=""):
            parts = [
                _aligned(part, size, right=columns[i].right)
                for i, part, size in zip(layout.shown, row, layout.widths, strict=True)
            ]
            if colour:
                parts = [_coloured(text, style) for text, style in zip(parts, styles, strict=True)]
            drawn.append((" " * layout.gap).join(parts).rstrip() + "\n")
    return "".join(drawn)


def _style(text: str, has_words: bool) -> int:  # noqa: FBT001 - read beside its call
    return _COLOURS.get(text.rpartition(" ")[2], 0) if has_words else 0


def _coloured(text: str, style: int) -> str:
    word = text.strip()
    return text.replace(word, f"\x1b[{style}m{word}\x1b[0m") if style and word else text


def _layout(rows: Sequence[R], columns: Sequence[Column[R]], *, room: int, fit: bool) -> _Layout:
    everything = list(range(len(columns)))
    whole = [[_human(c, row) for c in columns] for row in rows]
    for cells in (whole, _with_short_ids(whole, columns)):
        widths = _widths(cells, columns)
        if _total(widths, everything, gap=_GAP) <= room:
            return _Layout(everything, widths, _GAP, cells, [])
    cells = _with_short_ids([[_brief(c, row) for c in columns] for row in rows], columns)
    sizes = [[width(text) for text in line] for line in cells]
    widths = _widths(cells, columns)
    wanted = everything
    if fit:
        wanted = [i for i in everything if any(line[i] for line in cells)] or everything
    shown = [i for i in wanted if not (fit and columns[i].spare)]
    gap, given = _narrowed(widths, columns, shown, room=room)
    for i in sorted(set(wanted) - set(shown), key=lambda i: columns[i].spare):
        more = sorted([*shown, i])
        wider_gap, wider = _narrowed(widths, columns, more, room=room)
        fits = _total(wider, more, gap=wider_gap) <= room and wider_gap == gap
        if fits and _folded(sizes, more, wider) <= _folded(sizes, shown, given):
            shown, given = more, wider
    return _Layout(
        shown,
        [given[i] for i in shown],
        gap,
        [[line[i] for i in shown] for line in cells],
        [i for i in wanted if i not in shown],
    )


def _narrowed(
    widths: Sequence[int], columns: Sequence[Column[R]], shown: Sequence[int], *, room: int
) -> tuple[int, list[int]]:
    """Return the gap, and how wide each column is so that those ``shown`` fit, if they can."""
    gap, given = _GAP, list(widths)
    for gap, narrowest in _NARROWER:
        given = [
            min(size, max(narrowest, width(c.title))) if c.folds else size
            for c, size in zip(columns, widths, strict=True)
        ]
        if _total(given, shown, gap=gap) <= room:
            break
    left = room - _total(given, shown, gap=gap)
    for i in shown:
        more = max(0, min(left, widths[i] - given[i]))
        given[i] += more
        left -= more
    return gap, given


def _folded(sizes: Sequence[Sequence[int]], shown: Sequence[int], given: Sequence[int]) -> int:
    """Return how many rows take more than one line."""
    return sum(any(line[i] > given[i] for i in shown) for line in sizes)


def _with_short_ids(
    cells: Sequence[Sequence[str]], columns: Sequence[Column[R]]
) -> list[list[str]]:
    """Return the cells with IDs cut to eight characters, or to as many as tell them apart."""
    ids = {id_ for line in cells for text in line for id_ in _ID.findall(text)}
    size = _SHORT
    while len({id_[:size] for id_ in ids}) < len(ids):
        size += 1
    return [
        [
            _ID.sub(lambda id_: id_[0][:size], text) if column.has_ids else text
            for column, text in zip(columns, line, strict=True)
        ]
        for line in cells
    ]


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
