"""The only door to time and chance; and how a span of time is said in words."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Stop:
    """A request to stop, made by a signal and looked at between steps.

    ``code`` is the exit code of the signal that asked (130, 143 or 129), or None.
    """

    def __init__(self) -> None:
        # `threading.Event` can deadlock if a signal handler calls `set()` during `wait()`;
        # `SimpleQueue.put` is documented to be safe there.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self.code: int | None = None
        self.begun = False

    def begin(self) -> None:
        """Say that from now on things are being changed: a stop must let them end in order."""
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)  # loaded by --help
class Clock:
    """Time and chance as arguments, so that tests need no patching.

    ``now`` is aware UTC; ``monotonic`` and ``sleep`` count seconds; ``jitter``
    lies in [0, 1); ``new_id`` is a fresh random UUID in text. ``sleep`` ends early when
    ``stop`` is asked for.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]
    new_id: Callable[[], str]
    stop: Stop


def in_words(seconds: float) -> str:
    """Say a span of time as the options take it, in its two largest units: ``1m20s``, ``1h``."""
    parts = []
    left = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts[:2]) or "0s"


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the door itself


def _jitter() -> float:
    import random  # noqa: PLC0415, TID251 - the door itself, loaded when needed

    return random.random()  # noqa: S311 - no secret is made of it


def _new_id() -> str:
    import uuid  # noqa: PLC0415 - loaded when needed

    return str(uuid.uuid4())


def system_clock() -> Clock:
    """Return the machine's own time and chance."""
    stop = Stop()
    return Clock(
        now=_now,
        monotonic=time.monotonic,  # noqa: TID251 - the door itself
        sleep=stop.sleep,
        jitter=_jitter,
        new_id=_new_id,
        stop=stop,
    )
