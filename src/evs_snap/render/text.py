"""Text that is safe to show on a terminal, and how wide it is there."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from evs_snap.clock import in_words

_JOINTS = "-_.,;:/"


def printable(text: str) -> str:
    """Return the text with every character that does not print written as an escape.

    Names come from strangers: else control and escape codes, newlines, right-to-left overrides
    and lone surrogates would reach the terminal, or break a row in two.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def width(text: str) -> int:
    """Return how many terminal cells a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def fold(text: str, size: int) -> list[str]:
    """Return a printable text as lines of at most ``size`` cells, with nothing lost but blanks.

    Lines end after a blank where there is one, else after a mark that joins words.
    """
    if width(text) <= size:
        return [text]
    lines, line, used = [], "", 0
    for char in text:
        cells = width(char)
        if line and used + cells > size:
            joint = line.rfind(" ") if " " in line else max(map(line.rfind, _JOINTS))
            kept = joint + 1 or len(line)
            lines.append(line[:kept].rstrip())
            line = line[kept:]
            used = width(line)
        if line or not lines or char != " ":
            line, used = line + char, used + cells
    return [*lines, line]


def rfc3339(moment: datetime | None) -> str | None:
    """Write a moment as ``2026-11-23T22:08:09Z``, whole seconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def age(moment: datetime | None, *, now: datetime) -> str:
    """Say how long ago a moment was: ``5m ago``, ``3h ago``, ``12d ago``."""
    text = elapsed(moment, now=now)
    return f"{text} ago" if text[:1].isdigit() else text


def elapsed(moment: datetime | None, *, now: datetime) -> str:
    """Say how much time has passed since, in the largest unit that fits: ``5m``, ``3h``, ``12d``.

    "" where the moment is unknown, "in future" where it has not come.
    """
    if moment is None:
        return ""
    if moment > now:
        return "in future"
    return re.split("(?<=[a-z])", in_words((now - moment).total_seconds()))[0]


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
