"""One loop that watches all snapshots in progress until each is usable or has failed."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

from evs_snap.errors import (
    BadAnswerError,
    EvsSnapError,
    ServerError,
    SnapshotFailedError,
    ThrottledError,
    UnreachableError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evs_snap.api.models import Snapshot
    from evs_snap.clock import Stop
    from evs_snap.runs.work import Work

PAUSES = (1.0, 2.0, 3.0, 5.0)
"""Seconds between looks, the last one repeated."""

PASSING = (UnreachableError, BadAnswerError, ServerError, ThrottledError)
"""What a later look may not meet again."""

GONE_AFTER = 30.0
"""Seconds that a snapshot must not be found for before it counts as deleted: lists lag
behind, and a new snapshot may enter them late."""


def pauses() -> Iterator[float]:
    """Yield the seconds between looks, without end."""
    return chain(PAUSES, repeat(PAUSES[-1]))


def await_available(
    work: Work, snapshots: Sequence[Snapshot], *, timeout: float
) -> dict[str, Snapshot | EvsSnapError]:
    """Return, by ID, each snapshot once it is available, or the error that it met.

    ``timeout`` is in seconds for all together. A snapshot still in progress at the end, or
    when the run is asked to stop, is left alone: its result is a WaitTimeoutError.
    """
    clock, stop = work.clock, work.stop
    deadline = clock.monotonic() + timeout
    looking = replace(work, client=work.client.until(deadline))
    settled: dict[str, Snapshot | EvsSnapError] = {}
    pending: dict[str, Snapshot] = {}
    trouble: EvsSnapError | None = None
    last_seen = {s.id: clock.monotonic() for s in snapshots}
    fresh: Mapping[str, Snapshot | None] = {s.id: s for s in snapshots}
    for pause in pauses():
        for id_, row in fresh.items():
            if row is not None:
                pending[id_], last_seen[id_] = row, clock.monotonic()
            unseen = clock.monotonic() - last_seen[id_]
            result = _judge(pending[id_], unseen=unseen)
            if result is not None:
                del pending[id_]
                settled[id_] = result
        if pending:
            elapsed = clock.monotonic() - (deadline - timeout)
            work.progress(_so_far(pending, settled, elapsed=elapsed, timeout=timeout))
        left = deadline - clock.monotonic()
        if not pending or left <= 0 or stop.asked:
            break
        clock.sleep(min(left, pause))
        try:
            fresh, trouble = _look(looking, pending), None
        except PASSING as error:
            fresh, trouble = {}, error
        except EvsSnapError as error:
            settled.update(dict.fromkeys(pending, error))
            return settled
    for id_, row in pending.items():
        settled[id_] = _left(row, stop=stop, timeout=timeout, trouble=trouble)
    return settled


def _look(work: Work, pending: Mapping[str, Snapshot]) -> dict[str, Snapshot | None]:
    """Read those pending: one by its ID, several from one paged list."""
    rows = {}
    if len(pending) > 1:
        rows = {row.id: row for row in work.client.snapshots()}
    return {id_: rows.get(id_) or work.snapshot(id_) for id_ in pending}


def _so_far(
    pending: Mapping[str, Snapshot],
    settled: Mapping[str, Snapshot | EvsSnapError],
    *,
    elapsed: float,
    timeout: float,
) -> str:
    time = f"{in_words(elapsed)} of {in_words(timeout)}"
    if len(pending) + len(settled) == 1:
        return f"waiting for {''.join(s.name or s.id for s in pending.values())}, {time}"
    usable = sum(not isinstance(result, EvsSnapError) for result in settled.values())
    return f"{usable} of {len(pending) + len(settled)} available, {time}"


def in_words(seconds: float) -> str:
    """Say a span of time as the options take it, in its two largest units: ``1m20s``, ``1h``."""
    parts = []
    left = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts[:2]) or "0s"


def _judge(row: Snapshot, *, unseen: float) -> Snapshot | EvsSnapError | None:
    """Return how it ended, or None while it is in progress. ``unseen`` is in seconds."""
    if unseen >= GONE_AFTER:
        return SnapshotFailedError(
            f"snapshot {row.id} is gone: somebody deleted it while it was being made",
            seen="deleted",
        )
    if row.is_usable:
        return row
    if row.status.startswith("error") or row.status == "deleting":
        return SnapshotFailedError(
            f"snapshot {row.id} ended in status {row.status!r}",
            hint="It still holds one of the disk's slots: `evs-snap delete "
            f"{row.id}` removes it. Then try again; if it fails again, ask the cloud's support.",
            seen=row.status,
        )
    return None


def _left(
    row: Snapshot, *, stop: Stop, timeout: float, trouble: EvsSnapError | None
) -> WaitTimeoutError:
    when = "when the run was stopped" if stop.asked else f"after {timeout:.0f} s"
    seen = f"; the last look failed: {trouble.message}" if trouble else ""
    return WaitTimeoutError(
        f"snapshot {row.id} was still {row.status!r} {when}{seen}",
        hint="It goes on being made; `evs-snap wait ID` waits for it again."
        + ("" if stop.asked else " A longer --timeout waits longer."),
        seen=row.status,
    )
