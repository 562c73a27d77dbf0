"""A year of nightly rotations: failures, nights missed, duplicates in wait, others' snapshots."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from evs_snap import cli
from evs_snap.errors import QuotaError
from evs_snap.sandbox import Rules, Sandbox
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    import pytest
    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock

    from evs_snap.api.models import Snapshot

NIGHTS = 365
LIMIT = 7
COMMAND = (
    "--sandbox rotate --volume data-01 --name 's-{utc}' --once-per day "
    "--keep-last 2 --keep-daily 3 --keep-weekly 1 -f json"
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

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        rules = STORM if self.kind == "storm" else CALM
        path = state_folder(os.environ) / "sandbox.db"
        app = Sandbox(path, now=self.fake.clock.now, rules=rules)
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


def test_a_year_never_above_the_limit_never_without_one_never_at_anothers(
    pretend: Pretend,
    fake: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weather = Weather(fake)
    monkeypatch.setattr("evs_snap.sandbox.Sandbox", lambda _path, *, now: weather)  # noqa: ARG005
    volume_id = pretend.named("data-01")
    others = Others(pretend, volume_id)
    ended: Counter[int] = Counter()
    reused, most, had_one = 0, 0, False

    def held() -> list[Snapshot]:
        return [s for s in pretend.client.snapshots(volume_id=volume_id) if not s.is_system]

    first = fake.moment
    for night in range(NIGHTS):
        fake.moment = first + timedelta(days=night)
        others.live(night)
        if chance(night, "missed") < 0.05:
            continue
        again = ["calm"] if chance(night, "twice") < 0.1 else []
        for kind in (weather_of(night), *again):
            before, posts = held(), weather.posts.total()
            tonight = f"{fake.moment:%Y-%m-%d}"
            weather.kind = kind
            code = cli.run(shlex.split(COMMAND), clock=fake.clock)
            weather.kind = "calm"
            capsys.readouterr()
            ended[code] += 1
            fake.advance(60)
            after = held()
            usable = [s for s in after if s.is_usable]
            of_tonight = [s for s in usable if s.metadata.get("evs_snap_bucket") == tonight]
            if code == 0 and of_tonight[0] in before:
                reused += 1
                assert weather.posts.total() == posts
            most = max(most, len(after))
            had_one |= bool(usable)

            assert len(after) <= LIMIT
            assert usable or not had_one
            assert len(of_tonight) == 1 if code == 0 else not of_tonight
            assert code in ({0, 1, 3, 6} if kind != "calm" else {0, 6})
            assert code != 6 or len(before) == LIMIT
            present = {s.id for s in pretend.client.snapshots(volume_id=volume_id)}
            assert set(others.theirs) <= present

    assert set(weather.posts) == {"202"}, "no POST was sent that had to be refused"
    assert ended[0] > 0.75 * NIGHTS
    assert ended[1] + ended[3] > 0.05 * NIGHTS
    assert reused > 0
    assert most == LIMIT, "it was full at times"
    assert ended[6] > 0, "full of others' snapshots, too"
