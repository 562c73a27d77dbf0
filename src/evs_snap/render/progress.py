"""What a command is doing, shown on a terminal's stderr and nowhere else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from evs_snap.render.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from rich.status import Status


class Progress:
    """One line that says what is being done; nothing where nobody can see it."""

    def __init__(self, status: Status | None = None) -> None:
        self._status = status

    def show(self, sentence: str) -> None:
        """Show what is being done. Any thread may call it."""
        if self._status is not None:
            from rich.text import Text  # noqa: PLC0415 - only terminals pay for it

            self._status.update(Text(printable(sentence)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal alone while a question is asked."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()


@contextmanager
def progress_line(out: TextIO, *, shown: bool, colour: bool) -> Iterator[Progress]:
    """Give a progress line, which is shown until the end of the block."""
    if not shown:
        yield Progress()
        return
    from rich.console import Console  # noqa: PLC0415 - only terminals pay for it

    console = Console(file=out, no_color=not colour, highlight=False)
    with console.status("asking the service") as status:
        yield Progress(status)
