"""What KEEP rules come to over time: many runs on one pretend disk, and what they show.

What a run does is a parameter of `play`: `rotation` is the real planner, and a test may
take the whole program instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from evs_snap.errors import ConfigurationError, LimitError
from evs_snap.plan.plan import plan_disk
from evs_snap.plan.request import Request
from evs_snap.plan.retention import Keep, Verdict, judge
from evs_snap.plan.slots import holders
from evs_snap.services.interface import Snapshot, Volume

MOST_RUNS = 10_000
MOST_JUDGED = 2_000_000
"""Snapshots that may be judged in all: half a minute of work on a slow machine."""

RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly", "within")
_DISK = Volume(id="disk", name="disk", status="available")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run every so often, from ``start`` (UTC) and for ``span``, each missed by chance.

    ``miss`` is how likely a run is missed: 0 for never, less than 1.
    Raises ConfigurationError for a schedule without runs, or with more than MOST_RUNS.
    """

    start: datetime
    every: timedelta
    span: timedelta
    miss: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        if not timedelta(0) < self.every <= self.span:
            raise ConfigurationError("--every must be longer than 0 and not longer than --for")
        if not 0 <= self.miss < 1:
            raise ConfigurationError("--miss must be 0 or more, and less than 1")
        if self.span / self.every > MOST_RUNS:
            raise ConfigurationError(
                f"that is {self.span // self.every} runs, {MOST_RUNS} is the most",
                hint="Say a shorter --for or a longer --every.",
            )

    def moments(self, chance: Callable[[], float]) -> list[datetime]:
        """Return when runs take place. ``chance`` gives numbers from 0 to less than 1."""
        planned = (self.start + n * self.every for n in range(self.span // self.every))
        return [moment for moment in planned if chance() >= self.miss]


def repeatable(seed: str) -> Callable[[], float]:
    """Return a source of chance that gives the same numbers, 0 to less than 1, every time."""
    numbers = count()

    def chance() -> float:
        digest = sha256(f"{seed} {next(numbers)}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    return chance


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did: the snapshots before and after it, and the most held in between.

    ``judged`` are those that the rules judged, the new one among them.
    """

    moment: datetime
    before: tuple[Snapshot, ...]
    after: tuple[Snapshot, ...]
    most: int
    refused: bool = False
    judged: tuple[Snapshot, ...] = ()


def play(
    moments: Iterable[datetime], step: Callable[[tuple[Snapshot, ...], datetime], Run]
) -> Iterator[Run]:
    """Play one run after the other. ``step`` is given what the disk holds, and the moment."""
    held: tuple[Snapshot, ...] = ()
    for moment in moments:
        run = step(held, moment)
        held = run.after
        yield run


def rotation(
    request: Request,
) -> Callable[[tuple[Snapshot, ...], datetime], Run]:
    """Return the step that carries out what the planner decides for ``request``."""

    def step(held: tuple[Snapshot, ...], now: datetime) -> Run:
        plan = plan_disk(_DISK, held, request, now=now, new_id=now.isoformat)
        if isinstance(plan.refusal, LimitError):
            return Run(now, held, held, most=len(holders(held)), refused=True)
        if plan.refusal is not None:
            raise plan.refusal
        freed = {removal.snapshot.id for removal in plan.free_slots}
        pruned = {removal.snapshot.id for removal in plan.prune}
        present = [s for s in held if s.id not in freed]
        if plan.new is not None:
            present.append(plan.new.as_made(held, now=now))
        after = tuple(s for s in present if s.id not in pruned)
        most = max(len(holders(held)), len(holders(present)))
        return Run(now, held, after, most=most, judged=tuple(present))

    return step


@dataclass(frozen=True, slots=True)
class Summary:
    """What runs have shown.

    ``peak`` is the most snapshots held at any moment, between steps of a run too.
    ``by_day`` tells how many are held at the end of a kind of day, the least and the most,
    from the first deletion on (of all runs where there is none).
    ``best_reach`` is how far back one can go at the best moment, just before a run, and
    ``worst_reach`` at the worst, just after one. The worst counts from when the first
    snapshot is gone; None while it is still there, since history still grows then.
    """

    runs: int
    refused: int
    peak: int
    by_day: dict[str, tuple[int, int]]
    best_reach: timedelta
    worst_reach: timedelta | None


def summary(runs: Sequence[Run]) -> Summary:
    """Sum up runs, which are in order of time."""
    first = next((s.id for run in runs for s in run.after), None)
    grown = [r for r in runs if first not in _ids((*r.before, *r.after))]
    return Summary(
        runs=len(runs),
        refused=sum(run.refused for run in runs),
        peak=max((run.most for run in runs), default=0),
        by_day=_by_day(runs),
        best_reach=max((_reach(run.before, run.moment) for run in runs), default=timedelta(0)),
        worst_reach=min((_reach(run.after, run.moment) for run in grown), default=None),
    )


def _ids(snapshots: Iterable[Snapshot]) -> set[str]:
    return {s.id for s in snapshots}


def _reach(held: Iterable[Snapshot], moment: datetime) -> timedelta:
    made = [s.created_at for s in held if s.is_usable and s.created_at]
    return moment - min(made, default=moment)


def _by_day(runs: Sequence[Run]) -> dict[str, tuple[int, int]]:
    deletion = next((n for n, r in enumerate(runs) if not _ids(r.before) <= _ids(r.after)), 0)
    at_end = {run.moment.date(): len(holders(run.after)) for run in runs[deletion:]}
    by_weekday = sorted(at_end.items(), key=lambda item: item[0].weekday())
    kinds: dict[str, list[int]] = {}
    for kind, held in (
        *((f"{day:%A}", held) for day, held in by_weekday),
        *(("1st of a month", held) for day, held in by_weekday if day.day == 1),
    ):
        kinds.setdefault(kind, []).append(held)
    return {kind: (min(held), max(held)) for kind, held in kinds.items()}


@dataclass(frozen=True, slots=True)
class Simulation:
    """A request played over a schedule.

    ``kept`` are the snapshots at the end, newest first, with the rules that keep them.
    ``idle`` are the rules each of which can be dropped without any change over the time played
    (perhaps not all of them together).
    """

    summary: Summary
    runs: tuple[Run, ...]
    missed: int
    kept: tuple[Verdict, ...]
    idle: tuple[str, ...]


def simulate(request: Request, schedule: Schedule, *, chance: Callable[[], float]) -> Simulation:
    """Play ``request``, which has KEEP rules, on a disk that nobody else uses.

    Raises ConfigurationError for one that would take too long to play.
    """
    keep = request.keep
    others = _without_each(keep) if keep else []
    _require_playable(request, schedule, plays=1 + len(others))
    moments = schedule.moments(chance)
    runs = tuple(play(moments, rotation(request)))
    last = runs[-1] if runs else None
    decisive = {name for run in runs for name in _decisive(run, keep)} if keep else set()
    return Simulation(
        summary=summary(runs),
        runs=runs,
        missed=schedule.span // schedule.every - len(moments),
        kept=tuple(judge(last.after, keep, now=last.moment)) if keep and last else (),
        idle=tuple(
            name
            for name, without in others
            if name not in decisive or _ends_alike(runs, moments, replace(request, keep=without))
        ),
    )


def _decisive(run: Run, keep: Keep) -> Iterator[str]:
    """Yield the rules without which this run would have judged otherwise.

    Rules are ORed: such a rule is the only one that keeps some snapshot.
    """
    for verdict in (*judge(run.before, keep, now=run.moment),
                    *judge(run.judged, keep, now=run.moment)):  # fmt: skip
        words = {word for reason in verdict.reasons for word in reason.split()}
        by = [name for name in RULES if name in words]
        if verdict.keep and len(by) == 1:
            yield by[0]


def _ends_alike(runs: Sequence[Run], moments: Sequence[datetime], request: Request) -> bool:
    """Whether every run leaves the same snapshots if it is ``request`` that is played."""
    others = play(moments, rotation(request))
    return all(_ids(run.after) == _ids(o.after) for run, o in zip(runs, others, strict=True))


def _require_playable(request: Request, schedule: Schedule, *, plays: int) -> None:
    runs = schedule.span // schedule.every
    keep = request.keep
    within = (keep.within // schedule.every if keep.within else 0) if keep else 0
    held = min(request.limit, runs, (keep.most if keep else 0) + within + 1)
    if runs * held * plays > MOST_JUDGED:
        raise ConfigurationError(
            f"that is too much to play: {runs} runs with up to {held} snapshots each",
            hint="Say a shorter --for, a longer --every or a lower --limit.",
        )


def _without_each(keep: Keep) -> list[tuple[str, Keep]]:
    """Return each rule given, with the rules left when it is dropped."""
    nothing: Any = 0
    dropped = [(name, replace(keep, **{name: nothing})) for name, n in keep.counts if n]
    if keep.within:
        dropped.append(("within", replace(keep, within=None)))
    return [(name, rest) for name, rest in dropped if not rest.is_empty]
