"""A year of nightly rotations: failures, nights missed, duplicates in wait, others' snapshots."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.factories import DAY
from tests.factories import request as asked

from evs_snap import cli
from evs_snap.errors import QuotaError
from evs_snap.plan.retention import Keep
from evs_snap.plan.simulate import Run, Schedule, play, repeatable, simulate, summary
from evs_snap.sandbox import Rules, Sandbox
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock

    from evs_snap.services.interface import Snapshot

NIGHTS = 365
LIMIT = 7
COMMAND = "--sandbox rotate --volume data-01 --name 's-{utc}' --once-per day -f json"
RULES = (
    ("--keep-last 2 --keep-daily 3 --keep-weekly 1", Keep(last=2, daily=3, weekly=1)),
    ("--keep-daily 4 --keep-weekly 2 --keep-monthly 1", Keep(daily=4, weekly=2, monthly=1)),
    ("--keep-daily 2 --keep-weekly 2 --keep-yearly 2", Keep(daily=2, weekly=2, yearly=2)),
)
CALM = Rules(fail_word="no disk is called so")
STORM = Rules(fail_word="data")
"""Rules by which every snapshot of data-01 ends in error."""


@dataclass
class Weather:
    """The sandbox on a good or a bad night; notes how each POST for a snapshot ended.

    ``kind``: calm; storm, snapshots end in error; down, it answers nothing but 503;
    deaf, it does so to each POST alone; lost, it makes the snapshot, and answers 502.
    """

    fake: FakeClock
    kind: str = "calm"
    posts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        path, now = state_folder(os.environ) / "sandbox.db", self.fake.clock.now
        self.calm, self.storm = (Sandbox(path, now=now, rules=rules) for rules in (CALM, STORM))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = self.storm if self.kind == "storm" else self.calm
        is_post = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("snapshots")
        if self.kind == "down" or (is_post and self.kind == "deaf"):
            start_response("503 Service Unavailable", [("Content-Type", "text/html")])
            return [b"<html>the service is down</html>"]
        if not is_post:
            return app(environ, start_response)
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> object:
            told.append((status, headers))
            return None

        body = app(environ, note)  # type: ignore[arg-type]  # the sandbox writes nothing itself
        status, headers = told[0]
        self.posts[status.split()[0]] += 1
        if self.kind == "lost":
            start_response("502 Bad Gateway", [("Content-Type", "text/html")])
            return [b"<html>bad gateway</html>"]
        start_response(status, headers)
        return body

    def check(self) -> None:
        self.calm.check()


def chance(night: int, what: str) -> float:
    """Return a number in [0, 1) that is the same in every run."""
    digest = hashlib.sha256(f"{what} {night}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def weather_of(night: int) -> str:
    luck = chance(night, "weather")
    for kind, share in (("storm", 0.08), ("down", 0.03), ("deaf", 0.03), ("lost", 0.06)):
        if luck < share:
            return kind
        luck -= share
    return "calm"


class Others:
    """Everybody else with snapshots on the disk: people, and a backup service."""

    def __init__(self, pretend: Pretend, volume_id: str) -> None:
        self._pretend = pretend
        self._volume_id = volume_id
        self.theirs: dict[str, str] = {}

    def live(self, night: int) -> None:
        """Make and delete some, as chance will have it."""
        if chance(night, "by hand") < 0.3:
            self._make(f"data-01-by-hand-{night}")
        if chance(night, "backup") < 0.1:
            self._make(f"autobk_snapshot_{night}")
        hand_made = sum("by-hand" in name for name in self.theirs.values())
        for id_, name in list(self.theirs.items()):
            if chance(night, name) < (0.3 if hand_made > 3 else 0.05):
                self._pretend.client.delete_snapshot(id_)
                self.theirs.pop(id_)

    def _make(self, name: str) -> None:
        try:
            self.theirs[self._pretend.snapshot(self._volume_id, name)] = name
        except QuotaError:
            assert "by-hand" in name, "the backup service has no such limit"


@dataclass
class Nights:
    """The whole program, run once a night (or twice) on the sandbox's data-01."""

    pretend: Pretend
    fake: FakeClock
    weather: Weather
    command: str
    others: Others | None = None
    ended: Counter[int] = field(default_factory=Counter)
    reused: int = 0
    had_one: bool = False

    def __post_init__(self) -> None:
        self.volume_id = self.pretend.named("data-01")
        self.first = self.fake.moment

    def held(self) -> tuple[Snapshot, ...]:
        rows = self.pretend.client.snapshots(volume_id=self.volume_id)
        return tuple(s for s in rows if not s.is_system)

    def calm(self, _held: tuple[Snapshot, ...], moment: datetime) -> Run:
        """Run it once; nothing goes wrong."""
        self.fake.moment = moment
        before = self.held()
        assert self._rotate("calm") == 0
        after = self.held()
        return Run(moment, before, after, most=max(len(before), len(after)))

    def any_weather(self, _held: tuple[Snapshot, ...], moment: datetime) -> Run:
        """Run it in the night's weather, on some nights once more; check what is left."""
        self.fake.moment = moment
        night = (moment - self.first).days
        if self.others:
            self.others.live(night)
        first = before = self.held()
        most = len(before)
        again = ["calm"] if chance(night, "twice") < 0.1 else []
        for kind in (weather_of(night), *again):
            before, posts = self.held(), self.weather.posts.total()
            code = self._rotate(kind)
            after = self.held()
            most = max(most, len(after))
            self._check(before, after, code, kind=kind)
            if code == 0 and self._of_tonight(after)[0] in before:
                self.reused += 1
                assert self.weather.posts.total() == posts
        return Run(moment, first, after, most=most)

    def _rotate(self, kind: str) -> int:
        self.tonight = f"{self.fake.moment:%Y-%m-%d}"
        self.weather.kind = kind
        code = cli.run(shlex.split(self.command), clock=self.fake.clock)
        self.weather.kind = "calm"
        self.ended[code] += 1
        self.fake.advance(60)
        return code

    def _of_tonight(self, rows: Sequence[Snapshot]) -> list[Snapshot]:
        return [s for s in rows if s.is_usable and s.stamp and s.stamp.bucket == self.tonight]

    def _check(
        self, before: Sequence[Snapshot], after: Sequence[Snapshot], code: int, *, kind: str
    ) -> None:
        usable = [s for s in after if s.is_usable]
        self.had_one |= bool(usable)
        assert len(after) <= LIMIT
        assert usable or not self.had_one
        assert len(self._of_tonight(after)) == (code == 0)
        assert code in ({0, 1, 3, 6} if kind != "calm" else {0, 6})
        assert code != 6 or len(before) == LIMIT
        present = {s.id for s in self.pretend.client.snapshots(volume_id=self.volume_id)}
        assert set(self.others.theirs if self.others else ()) <= present


@pytest.fixture(name="weather")
def _weather(fake: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Weather:
    weather = Weather(fake)
    monkeypatch.setattr("evs_snap.sandbox.Sandbox", lambda _path, *, now: weather)  # noqa: ARG005
    return weather


@pytest.mark.timeout(300)  # 20 s on two free cores; on a loaded machine as many times more
@pytest.mark.slow
def test_a_year_never_above_the_limit_never_without_one_never_at_anothers(
    pretend: Pretend, fake: FakeClock, weather: Weather
) -> None:
    others = Others(pretend, pretend.named("data-01"))
    nights = Nights(pretend, fake, weather, f"{COMMAND} {RULES[0][0]}", others)
    schedule = Schedule(fake.moment, every=DAY, span=NIGHTS * DAY, miss=0.05)
    seen = summary(list(play(schedule.moments(repeatable("missed")), nights.any_weather)))

    ended = nights.ended
    assert set(weather.posts) == {"202"}, "no POST was sent that had to be refused"
    assert ended[0] > 0.75 * NIGHTS
    assert ended[1] + ended[3] > 0.05 * NIGHTS
    assert nights.reused > 0
    assert seen.peak == LIMIT, "it was full at times"
    assert ended[6] > 0, "full of others' snapshots, too"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "keep"), RULES)
def test_what_simulate_foretells_is_what_the_program_leaves(
    options: str, keep: Keep, pretend: Pretend, fake: FakeClock, weather: Weather
) -> None:
    """The same schedule and the same records; the planner alone, and the whole program."""
    schedule = Schedule(fake.moment, every=DAY, span=45 * DAY, miss=0.1)
    foretold = simulate(asked(keep=keep), schedule, chance=repeatable("x"))
    nights = Nights(pretend, fake, weather, f"{COMMAND} {options}")
    real = list(play(schedule.moments(repeatable("x")), nights.calm))

    def days(run: Run) -> list[date]:
        return sorted(s.created_at.date() for s in run.after if s.created_at)

    assert [days(run) for run in foretold.runs] == [days(run) for run in real]
    assert foretold.summary.by_day == summary(real).by_day
