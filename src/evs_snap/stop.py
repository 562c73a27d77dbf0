"""A wish to stop, raised by a signal and heeded between steps; sleeps end early on it."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Stop:
    """``code`` is the exit code of the signal that asked (130 or 143), or None."""

    def __init__(self) -> None:
        # No Event: asked for by a signal amid its wait() it would wait for its own lock.
        # SimpleQueue.put alone is documented to bear that.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self.code: int | None = None
        self.begun = False

    def begin(self) -> None:
        """Say that from now on things are being changed, and a stop must be an orderly one."""
        self.begun = True

    def ask(self, code: int) -> None:
        """Ask everybody to finish what is in flight and begin nothing new."""
        self.code = code
        self._wake.put(None)

    @property
    def asked(self) -> bool:
        """Whether to begin nothing new."""
        return self.code is not None

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until somebody asks to stop."""
        with suppress(Empty):
            self._wake.get(timeout=max(0.0, seconds))
            self._wake.put(None)  # for the next sleeper
