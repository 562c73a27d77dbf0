"""One function that waits: for snapshots to be usable or gone, for disks to be available."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import Protocol, TypeVar

from evs_snap.api.paging import PAGE_SIZE
from evs_snap.clock import in_words
from evs_snap.errors import EvsSnapError, SnapshotFailedError, WaitTimeoutError
from evs_snap.runs.work import PASSING, Tally, Work, find
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Job, Snapshot

PAUSES = (1.0, 2.0, 3.0, 5.0)
"""Seconds between looks, the last one repeated."""

_OF_OTHERS = 50
"""Rows of a look beyond those awaited: somebody else makes snapshots too."""

_TOLD = 5
"""IDs that a hint names; where there are more, each error has its own."""

NO_NAMES: Mapping[str, str] = {}

GONE_AFTER = 30.0
"""Seconds without a sight of something after which it counts as deleted: lists lag behind, and
a new snapshot may enter them late."""


class Watched(Protocol):
    """Anything with an ID and a status."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102


W = TypeVar("W", bound=Watched)


def pauses() -> Iterator[float]:
    """Yield the seconds between looks, without end."""
    return chain(PAUSES, repeat(PAUSES[-1]))


def watch(  # noqa: C901, PLR0913 - what waiting consists of
    work: Work,
    rows: Sequence[W],
    *,
    look: Callable[[EvsClient, Mapping[str, W], Mapping[str, float]], Mapping[str, W | None]],
    judge: Callable[[W, W | None, float], W | EvsSnapError | None],
    timeout: float,
    noun: str,
    goal: str,
    hint: str,
    every: Iterable[float] | None = None,
    is_news: bool = False,
    disks: Mapping[str, str] = NO_NAMES,
) -> dict[str, W | EvsSnapError]:
    """Return, by ID, how each of ``rows`` came to its end.

    ``look`` is given a client whose requests end with ``timeout`` (seconds, for all together),
    those pending by ID, and for how many seconds each has not been seen. It returns those that
    it looked for as they are now; None for one that is not there. ``judge`` is given what was
    known of one, what was seen now, and for how long it has not been seen. It returns the end,
    the row or an error; None while it is pending. With ``is_news``, ``rows`` were seen just
    now, and are judged at once. An error of ``look`` that asking again cannot mend ends them
    all.

    What is pending at the end, or when the run is asked to stop, is left alone: its result is
    a WaitTimeoutError that tells the time that has really passed, and ``hint``, with the IDs of
    all these in place of ``{ids}``. ``noun`` is what the rows are, ``goal`` what they are to
    become, ``disks`` the names of their disks, by the row's ID: by these it is told what is in
    trouble.
    """
    clock = work.clock
    began = clock.monotonic()
    client = work.client.until(began + timeout)
    settled: dict[str, W | EvsSnapError] = {}
    pending = {row.id: row for row in rows}
    names = {row.id: str(getattr(row, "name", None) or row.id) for row in rows}
    last_seen = dict.fromkeys(pending, began)
    trouble = ""

    def settle(seen: Mapping[str, W | None]) -> None:
        now = clock.monotonic()
        for id_, row in seen.items():
            known = pending[id_]
            if row is not None:
                pending[id_], last_seen[id_] = row, now
            result = judge(known, row, now - last_seen[id_])
            if result is not None:
                del pending[id_]
                settled[id_] = result

    if is_news:
        settle(dict(pending))
    looked = is_news
    for pause in every or pauses():
        passed = clock.monotonic() - began
        if pending:
            bad = [id_ for id_, result in settled.items() if isinstance(result, EvsSnapError)]
            troubled = tuple(disks.get(id_) or names[id_] for id_ in bad)
            work.progress(
                _so_far(names, len(settled), troubled, noun, goal, passed=passed, timeout=timeout)
            )
        # What was just asked for is looked at once, also after a stop.
        if not pending or passed >= timeout or (work.stop.asked and looked):
            break
        clock.sleep(min(timeout - passed, pause))
        unseen = {id_: clock.monotonic() - last_seen[id_] for id_ in pending}
        looked = True
        try:
            settle(look(client, pending, unseen))
            trouble = ""
        except PASSING as error:
            trouble = f"; the last look failed: {error.message}"
        except EvsSnapError as error:
            return settled | dict.fromkeys(pending, error)
    when = f"after {in_words(clock.monotonic() - began)}"
    if work.stop.asked:
        when = f"when the run was stopped, {when}"
    else:
        hint = f"{hint} A longer --timeout waits longer."
    hint = hint.replace("{ids}", " ".join(pending) if len(pending) <= _TOLD else "ID...")
    for id_, row in pending.items():
        text = f"{noun} {id_} was still {row.status!r} {when}{trouble}"
        settled[id_] = WaitTimeoutError(text, hint=hint, seen=row.status)
    return settled


def _so_far(  # noqa: PLR0913 - what the sentence tells
    names: Mapping[str, str],
    settled: int,
    troubled: tuple[str, ...],
    noun: str,
    goal: str,
    *,
    passed: float,
    timeout: float,
) -> Tally:
    """Say how far the wait has come; ``names`` are those of all that is waited for, by ID.

    ``settled`` is how many have come to their end, ``troubled`` what to call those that failed.
    """
    time = f"{in_words(passed)} of {in_words(timeout)}"
    total = len(names)
    done = settled - len(troubled)
    sentence = f"{done} of {total} {noun}s {goal}, {time}"
    if total == 1:
        sentence = f"waiting for {noun} {next(iter(names.values()))}, {time}"
    return Tally.of(sentence, done=settled, total=total, passed=passed, troubled=troubled)


def await_usable(
    work: Work,
    snapshots: Sequence[Snapshot],
    *,
    timeout: float,
    every: Iterable[float] | None = None,
    disks: Mapping[str, str] = NO_NAMES,
) -> dict[str, Snapshot | EvsSnapError]:
    """Return, by ID, each snapshot once it is usable, or the error that it met.

    ``timeout`` is in seconds for all together, ``every`` the seconds between looks, ``disks`` the
    names of their disks by the snapshot's ID. A look costs
    two requests, whatever the size of the project: a page of the list, which begins with the
    newest, and one by its ID. The job that makes one is asked where it is not found or in error.
    """
    jobs = {row.id: row.job_id for row in snapshots if row.job_id}

    def judge(
        known: Snapshot, seen: Snapshot | None, unseen: float
    ) -> Snapshot | EvsSnapError | None:
        job = None
        if known.id in jobs and (seen is None or seen.is_broken):
            with suppress(EvsSnapError):
                job = work.client.service.job(jobs[known.id])
        return _usable(known, seen, unseen, job=job)

    def look(
        client: EvsClient, pending: Mapping[str, Snapshot], unseen: Mapping[str, float]
    ) -> dict[str, Snapshot | None]:
        seen: dict[str, Snapshot | None] = {}
        if len(pending) > 1:
            # Rows cost the service time; those awaited are among the newest.
            size = min(PAGE_SIZE, 2 * len(pending) + _OF_OTHERS)
            for number, page in enumerate(client.snapshot_pages(size=size), start=1):
                seen |= {row.id: row for row in page.rows if row.id in pending}
                if len(seen) == len(pending) or number > len(pending) // size:
                    break
        # A list may lag behind: the one unseen for longest is asked for by its ID, and with it
        # all that would count as deleted.
        missing = sorted(pending.keys() - seen.keys(), key=lambda id_: -unseen[id_])
        asked = [id_ for id_ in missing if unseen[id_] >= GONE_AFTER] or missing[:1]
        found = work.side_by_side(lambda id_: find(client, id_), asked)
        return seen | dict(zip(asked, found, strict=True))

    return watch(
        work,
        snapshots,
        look=look,
        judge=judge,
        timeout=timeout,
        noun="snapshot",
        goal="available",
        hint="It goes on being made; `evs-snap wait {ids}` waits for it again.",
        every=every,
        is_news=True,
        disks=disks,
    )


def _usable(
    known: Snapshot, seen: Snapshot | None, unseen: float, *, job: Job | None
) -> Snapshot | EvsSnapError | None:
    why = f": {job.failure}" if job and job.failure else ""
    if seen is None:
        if why:
            return SnapshotFailedError(
                f"snapshot {known.id} could not be made{why}",
                hint="Try again; if it fails again, ask the cloud's support.",
                seen="error",
            )
        if unseen < GONE_AFTER or (job and not job.is_over):
            return None
        return SnapshotFailedError(
            f"snapshot {known.id} is gone: somebody deleted it while it was being made",
            seen="deleted",
        )
    if seen.is_usable:
        return seen
    if seen.is_broken or seen.status == "deleting":
        return SnapshotFailedError(
            f"snapshot {seen.id} ended in status {seen.status!r}{why}",
            hint="It still holds one of the disk's slots: `evs-snap delete "
            f"{seen.id}` removes it. Then try again; if it fails again, ask the cloud's support.",
            seen=seen.status,
        )
    return None
