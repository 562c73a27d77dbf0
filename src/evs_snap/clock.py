"""The only door to time and chance."""

from __future__ import annotations

import random  # noqa: TID251 - the door itself
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance as arguments, so that tests need no patching.

    ``now`` is aware UTC; ``monotonic`` and ``sleep`` count seconds; ``jitter``
    lies in [0, 1); ``new_id`` is a fresh random UUID in text.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]
    new_id: Callable[[], str]


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the door itself


def _new_id() -> str:
    return str(uuid.uuid4())


def system_clock() -> Clock:
    """Return the machine's own time and chance."""
    return Clock(
        now=_now,
        monotonic=time.monotonic,  # noqa: TID251 - the door itself
        sleep=time.sleep,  # noqa: TID251 - the door itself
        jitter=random.random,
        new_id=_new_id,
    )
