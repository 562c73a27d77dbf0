"""A line of time: snapshots as signs between the first one and now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

from evs_snap.render.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

_ROOM = 60
"""Cells that the line takes, where the terminal has them."""

_MARGIN = "  "
_LEAST_SPAN = timedelta(hours=1)
_DAYS = timedelta(days=3)
"""Of a span up to this the hour is told too."""

_SIGNS, _ASCII_SIGNS = "●■▲◆▼★", "o#^*v+"
_COLOURS = ("green", "cyan", "yellow", "magenta", "blue", "red")
_FOREIGN, _ASCII_FOREIGN = "○", "."


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment (UTC) on the line, and what its sign and colour stand for.

    All that is not ours has the same sign.
    """

    moment: datetime
    label: str
    is_ours: bool = True


def timeline(
    marks: Sequence[Mark], *, now: datetime, room: int, ascii_only: bool, colour: bool
) -> str:
    """Draw the marks between the oldest one and ``now``, with the legend; "" without marks.

    ``room`` is the terminal's width. Where several would stand in one cell, their number does.
    """
    if not marks:
        return ""
    from rich.console import Console  # noqa: PLC0415 - only for this picture

    cells = max(10, min(_ROOM, room - 2 * len(_MARGIN)))
    start = min(mark.moment for mark in marks)
    span = max(now - start, _LEAST_SPAN)
    out = StringIO()
    console = Console(
        file=out, width=room, force_terminal=colour, highlight=False,
        color_system="standard" if colour else None,
    )  # fmt: skip
    for line in (
        _line(marks, start, span, cells=cells, ascii_only=ascii_only),
        _axis(start, span, cells=cells),
        _legend(marks, cells=cells, ascii_only=ascii_only),
    ):
        console.print(line, soft_wrap=False)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _line(
    marks: Sequence[Mark], start: datetime, span: timedelta, *, cells: int, ascii_only: bool
) -> Text:
    from rich.text import Text  # noqa: PLC0415

    styles = _styles(marks, ascii_only=ascii_only)
    in_cell: dict[int, list[Mark]] = {}
    for mark in marks:
        place = min(cells - 1, max(0, round((mark.moment - start) / span * (cells - 1))))
        in_cell.setdefault(place, []).append(mark)
    dash = "-" if ascii_only else "─"
    text, blank = Text(_MARGIN), 0
    for place in range(cells):
        here = in_cell.get(place, [])
        if not here:
            blank += 1
            continue
        text.append(dash * blank, style="dim")
        blank = 0
        sign, style = styles[here[-1].label]
        text.append(sign if len(here) == 1 else str(len(here)) if len(here) <= 9 else "+", style)  # noqa: PLR2004 - one digit
    return text.append(dash * blank, style="dim")


def _axis(start: datetime, span: timedelta, *, cells: int) -> Text:
    from rich.text import Text  # noqa: PLC0415

    pattern = "%Y-%m-%d" if span > _DAYS else "%m-%d %H:%M"
    first, middle = (moment.strftime(pattern) for moment in (start, start + span / 2))
    line = first
    if cells > 3 * len(middle):
        line = line.ljust(cells // 2 - len(middle) // 2) + middle
    return Text(_MARGIN + line.ljust(cells - len("now")) + "now", style="dim")


def _legend(marks: Sequence[Mark], *, cells: int, ascii_only: bool) -> Text:
    from rich.text import Text  # noqa: PLC0415

    styles = _styles(marks, ascii_only=ascii_only)
    counts = Counter(mark.label for mark in marks)
    text = Text(_MARGIN)
    used = 0
    for number, (label, (sign, style)) in enumerate(styles.items()):
        told = f" {printable(label)} {counts[label]}"
        if number and used + len(told) + 4 > cells:
            text.append(f"\n{_MARGIN}")
            used = 0
        elif number:
            text.append("   ")
        text.append(sign, style)
        text.append(told)
        used += len(told) + 4
    return text


def _styles(marks: Sequence[Mark], *, ascii_only: bool) -> dict[str, tuple[str, str]]:
    """Return each label's sign and colour; the labels in the order of their first marks."""
    signs = _ASCII_SIGNS if ascii_only else _SIGNS
    in_order = sorted(marks, key=lambda mark: mark.moment)
    ours = dict.fromkeys(mark.label for mark in in_order if mark.is_ours)
    last = len(signs) - 1
    styles = {label: (signs[min(n, last)], _COLOURS[min(n, last)]) for n, label in enumerate(ours)}
    foreign = (_ASCII_FOREIGN if ascii_only else _FOREIGN, "white")
    return styles | {mark.label: foreign for mark in in_order if not mark.is_ours}
