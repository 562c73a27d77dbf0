"""Ctrl-C and SIGTERM: finish what is in flight at the first, leave at the second."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from evs_snap.clock import Stop

UNKNOWN = 3
"""Of `check`: it could not be found out (Monitoring Plugins guidelines)."""

INTERRUPTED = 130
TERMINATED = 143

_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
_STDERR = 2


class TerminatedError(Exception):
    """SIGTERM came while nothing was being changed."""


def exit_on_sigterm() -> None:
    """Let SIGTERM end the program in order, where nothing is being changed."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise TerminatedError

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Within, a first signal asks ``stop``; a second one ends the program at once.

    Before anything is being changed there is nothing to finish: the first one ends it.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if not stop.begun:
            raise KeyboardInterrupt if code == INTERRUPTED else TerminatedError
        if stop.asked:
            os._exit(code)
        stop.ask(code)
        # No print: the signal may have come amid one, and sys.stderr is not reentrant.
        with suppress(OSError):
            os.write(_STDERR, b"stopping: requests in flight end first; once more stops at once\n")

    before = {number: signal.signal(number, handle) for number in _CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
