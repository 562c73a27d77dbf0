"""How the text written for an option is read as a value: durations and labels."""

from __future__ import annotations

import re
from typing import Any

import click

_DURATION = re.compile("".join(rf"(?:([0-9]{{1,6}}){unit})?" for unit in "ywdhms"))
_SECONDS = (31536000, 604800, 86400, 3600, 60, 1)
_LONGEST = 100 * 365 * 86400


class WholeNumber(click.IntRange):
    """A number within bounds. Click would call it an "integer range"."""

    name = "whole number"


def duration(value: str) -> float:
    """Read ``90s``, ``15m``, ``1h30m``, ``7d``, ``2w`` or ``1y`` (365 days) as seconds."""
    match = _DURATION.fullmatch(value)
    if not match or not value:
        raise click.BadParameter(f"{value!r} is no duration: write 90s, 15m, 1h30m, 7d or 2w")
    seconds = sum(
        int(count or 0) * size for count, size in zip(match.groups(), _SECONDS, strict=True)
    )
    if seconds > _LONGEST:
        raise click.BadParameter(f"{value!r} is more than a hundred years")
    return float(seconds)


def key_and_value(value: str) -> tuple[str, str]:
    """Read ``K=V``."""
    key, equals, rest = value.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{value!r} is not of the form K=V")
    return key, rest


def key_or_pair(value: str) -> tuple[str, str | None]:
    """Read ``K=V``, or ``K`` alone: the key with any value."""
    return key_and_value(value) if "=" in value else (value, None)


def refuse_empty(value: Any) -> Any:
    """Return the value. An empty one is a usage error: often a shell variable was not set."""
    if value == "" or (isinstance(value, tuple | list) and "" in value):
        raise click.BadParameter("it is empty")
    return value
