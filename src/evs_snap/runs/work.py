"""What every step of a run works with, and what steps share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from evs_snap.clock import Clock, Stop
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    NotFoundError,
    ServerError,
    ThrottledError,
    UnreachableError,
)
from evs_snap.plan.request import Request
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot

T = TypeVar("T")
R = TypeVar("R")

PASSING = (UnreachableError, BadAnswerError, ServerError, ThrottledError)
"""What may be over when the same is asked again."""


def find(client: EvsClient, snapshot_id: str) -> Snapshot | None:
    """Return a snapshot as it is now, or None where there is none."""
    try:
        return client.snapshot(snapshot_id)
    except NotFoundError:
        return None


class Tally(str):
    """A sentence on how far a wait has come, with its numbers.

    ``done`` of ``total`` have come to their end after ``passed`` seconds, and those named
    ``troubled`` met an error.
    """

    __slots__ = ("done", "passed", "total", "troubled")

    done: int
    total: int
    passed: float
    troubled: tuple[str, ...]

    @classmethod
    def of(
        cls,
        sentence: str,
        *,
        done: int,
        total: int,
        passed: float,
        troubled: tuple[str, ...] = (),
    ) -> Tally:
        """Return the sentence with its numbers."""
        tally = cls(sentence)
        tally.done, tally.total = done, total
        tally.passed, tally.troubled = passed, troubled
        return tally


def no_progress(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A run: what was asked for, and the means.

    ``progress`` is told a sentence at any news, ``note`` each line that a hold writes.
    """

    client: EvsClient
    request: Request
    progress: Callable[[str], None] = no_progress
    note: Callable[[str], None] = no_progress

    def __post_init__(self) -> None:
        """Refuse what cannot be told: it would fail after the first snapshot was made."""
        told: dict[str, object] = {"progress": self.progress, "note": self.note}
        for name, function in told.items():
            if not callable(function):
                raise ConfigurationError(f"{name} {function!r} is not a function")

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self.client.clock

    @property
    def stop(self) -> Stop:
        """The request to stop that ends the clock's pauses."""
        return self.client.clock.stop

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """Return a snapshot as it is now, or None where there is none."""
        return find(self.client, snapshot_id)

    def side_by_side(self, step: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Return what the step returns for each, in the order given; no more than ``parallel``."""
        with ThreadPoolExecutor(max_workers=self.request.parallel) as pool:
            return list(pool.map(step, things))
