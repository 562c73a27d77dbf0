"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the run in order, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from evs_snap.clock import Stop

INTERRUPTED = 130

ENDED = {INTERRUPTED: "interrupted", 143: "terminated", 129: "hung up"}
"""Exit codes of the signals, and what to call each ending."""

_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 143, signal.SIGHUP: 129}
_STDERR = 2


class StoppedError(BaseException):
    """A signal came while nothing was being changed; ``code`` is its exit code.

    It is not an Exception, as KeyboardInterrupt is not: no handler of failures may catch it.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def handle_signals(stop: Stop) -> Iterator[None]:
    """Handle signals inside: the first one asks ``stop``, a second one ends the program at once.

    Before a run has begun to change anything, the first one raises StoppedError instead: there
    is nothing to finish. A SIGHUP that is ignored, as under nohup, stays ignored.
    """
    raised: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if stop.asked:
            os._exit(code)
        if not stop.begun:
            raised.append(code)
            raise StoppedError(code)
        stop.ask(code)
        # Not print(): the signal may have interrupted one, and sys.stderr is not reentrant.
        with suppress(OSError):
            os.write(_STDERR, b"stopping: requests in flight end first; once more stops at once\n")

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {
        number: signal.signal(number, handle)
        for number in _CODES
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    # __main__ blocks them while modules are loaded; those that came meanwhile are handled now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _CODES)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if raised and sys.exception() is not None:
            # Python turns it into a RuntimeError if it is raised while a class is being made.
            raise StoppedError(raised[0]) from None
