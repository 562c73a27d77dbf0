"""A run: what was asked for, the means, and what its steps share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from evs_snap.clock import Clock, Stop
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    NotFoundError,
    ServerError,
    ThrottledError,
    UnreachableError,
)
from evs_snap.plan.request import TAKEN, Command, Request
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot, Volume

T = TypeVar("T")
R = TypeVar("R")
Record = TypeVar("Record", Volume, Snapshot)

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

    def looked_for(self, snapshot_id: str) -> Snapshot | None:
        """Return a snapshot as it is now, or None where two looks agree that there is none."""
        return self.snapshot(snapshot_id) or self.snapshot(snapshot_id)

    def side_by_side(self, step: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Return what the step returns for each, in the order given; no more than ``parallel``."""
        with ThreadPoolExecutor(max_workers=self.request.parallel) as pool:
            return list(pool.map(step, things))


def asked_for(
    evs: EvsClient,
    command: Command,
    said: Mapping[str, Any],
    *,
    progress: Callable[[str], None] = no_progress,
    note: Callable[[str], None] = no_progress,
) -> Work:
    """Return the run that a caller's words ask for, with the cloud's limit where none was said.

    Raises ConfigurationError for words that the command does not take, or that cannot work.
    """
    if not isinstance(evs, EvsClient):
        raise ConfigurationError(
            f"{evs!r} is no client", hint="`with connect() as evs:` gives one."
        )
    words = dict(said)
    for name in words.keys() - TAKEN[command]:
        raise ConfigurationError(
            f"{command} takes no {name}: {words[name]!r}",
            hint=f"It takes {', '.join(sorted(TAKEN[command]))}.",
        )
    if words.get("limit") is None:
        words["limit"] = evs.limit
    if words.get("timeout") is None:
        words["timeout"] = evs.service.timeout
    for name in ("properties", "policy"):
        if words.get(name) is None:
            words.pop(name, None)
    request = Request(command=command, **words)
    if request.hold is not None and not evs.service.can_hold:
        raise ConfigurationError(
            f"--hold and --kind {evs.service.kind} contradict each other: such a snapshot takes "
            "minutes, and nothing can be held so long",
            hint="Hold for a legacy snapshot, where the region makes them: --kind legacy.",
        )
    if request.together and not evs.service.most_together:
        raise ConfigurationError(
            f"--together and --kind {evs.service.kind} contradict each other: such snapshots are "
            "made one by one",
            hint="Where the region makes standard snapshots, those can: --kind standard.",
        )
    evs.service.refuse(
        # Those of `restore` are for a disk.
        properties=request.properties if command != "restore" else {},
        policy=request.policy,
        expire_after=request.expire_after,
    )
    return Work(client=evs, request=request, progress=progress, note=note)


def ids_of(things: Sequence[str | Record], record: type[Record]) -> tuple[str, ...]:
    """Return the IDs of records, and texts as they are. Raises ConfigurationError for all else."""
    for thing in things:
        if not isinstance(thing, str | record):
            is_many = isinstance(thing, Iterable)
            raise ConfigurationError(
                f"{thing!r} is no name, no ID and no {record.__name__}",
                hint="Give each by itself: *names in place of names." if is_many else None,
            )
    return tuple(t if isinstance(t, str) else t.id for t in things)
