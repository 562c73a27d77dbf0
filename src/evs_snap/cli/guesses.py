"""Which known word was probably meant by one that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return " Did you mean 'x'?", or "" where no known word is close.

    All words begin with ``prefix``, which does not make them any closer.
    """
    from difflib import get_close_matches

    word = word.removeprefix(prefix)
    names = sorted(name.removeprefix(prefix) for name in known)
    close = get_close_matches(word, names, n=2, cutoff=0.75)
    close = close or [name for name in names if word.strip("-")[2:] and name.startswith(word)]
    meant = " or ".join(repr(prefix + name) for name in close[:3])
    return f" Did you mean {meant}?" if meant else ""
