"""What a command is doing: a bar on a terminal's stderr, a few lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from evs_snap.clock import in_words
from evs_snap.health.words import some_of
from evs_snap.render.text import printable
from evs_snap.runs.work import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.status import Status
    from rich.text import Text

_CELLS = 20
"""How long the bar is."""

_EVERY = 300.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Says what is being done, as far as somebody sees it: on a terminal, or in a log."""

    def __init__(
        self, status: Status | None = None, *, write: Callable[[str], None] | None = None
    ) -> None:
        self._status = status
        self._write = write
        self._due = 0.0

    def show(self, sentence: str) -> None:
        """Show what is being done. Any thread may call it."""
        if self._status is not None:
            encoding = self._status.console.encoding
            self._status.update(_drawn(sentence, ascii_only=encoding != "utf-8"))
        elif self._write is not None and isinstance(sentence, Tally):
            self._log(sentence)

    def _log(self, tally: Tally) -> None:
        """Write a line when a wait begins, and every five minutes while it lasts."""
        if tally.passed == 0:
            self._due = 0.0
        if tally.passed >= self._due and tally.done < tally.total and self._write is not None:
            self._due = tally.passed + _EVERY
            self._write(_told(tally))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal alone while a question is asked."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()


def _told(tally: Tally) -> str:
    """Return the sentence, with the rest expected and what is in trouble."""
    rest = ""
    if 0 < tally.done < tally.total:
        left = tally.passed / tally.done * (tally.total - tally.done)
        rest = f", about {in_words(max(1.0, left))} left"
    trouble = f"; in trouble: {some_of(tally.troubled)}" if tally.troubled else ""
    return f"{tally}{rest}{trouble}"


def _drawn(sentence: str, *, ascii_only: bool) -> Text:
    from rich.text import Text  # noqa: PLC0415 - only terminals pay for it

    if not isinstance(sentence, Tally):
        return Text(printable(sentence))
    text = Text()
    if tally_is_many := sentence.total > 1:
        full = _CELLS * sentence.done // sentence.total
        text.append(("#" if ascii_only else "━") * full, style="green")
        text.append(("-" if ascii_only else "─") * (_CELLS - full), style="dim")
    text.append(f"{' ' if tally_is_many else ''}{printable(_told(sentence))}")
    return text


@contextmanager
def progress_line(
    out: TextIO, *, shown: bool, colour: bool, write: Callable[[str], None] | None = None
) -> Iterator[Progress]:
    """Give a progress line, which is shown until the end of the block.

    Where none is ``shown``, ``write`` gets a line now and then.
    """
    if not shown:
        yield Progress(write=write)
        return
    from rich.console import Console  # noqa: PLC0415 - only terminals pay for it

    console = Console(file=out, no_color=not colour, highlight=False)
    with console.status("asking the service") as status:
        yield Progress(status)
