"""Counts and lists in words, for findings, messages and questions."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5


def some_of(texts: Sequence[str], *, separator: str = ", ") -> str:
    """Return the first five of the texts, and how many more there are."""
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return separator.join(texts[:_NAMED]) + more


def count_of(number: int, noun: str) -> str:
    """Say how many there are: ``1 disk``, ``2 disks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
