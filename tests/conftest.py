"""Fixtures: a clock that never waits, clouds to act on, and `run("create --volume x")`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from evs_snap import cli, connect
from evs_snap.clock import Clock, Stop, system_clock
from evs_snap.errors import EvsSnapError
from evs_snap.sandbox import Sandbox
from evs_snap.settings import load_settings, sandbox_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evs_snap.services.client import EvsClient

hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")

# All times are in UTC: a local zone that is not UTC shows where one is read otherwise. Written so
# (POSIX, 4 hours west), it needs no time zone files.
os.environ["TZ"] = "VET4"
time.tzset()

# The processes that tests start run the compiled program, as a user's do: to compile it anew takes
# each of them as long as all the rest of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Under nohup the tests' own processes would inherit a SIGHUP that is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

REAL_CLOUD = {k: v for k, v in os.environ.items() if k.startswith("OS_")}
"""A real Cinder, where the one who runs the tests names one: see CONTRIBUTING."""


class FakeClock:
    """Time that passes only when somebody sleeps; ``slept`` keeps each sleep, in seconds."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
        self.slept: list[float] = []
        self.stop = Stop()
        self._start = self.moment
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> None:
        with self._lock:
            self.moment += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def _elapsed(self) -> float:
        return (self.moment - self._start).total_seconds()

    @property
    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.moment,
            monotonic=self._elapsed,
            sleep=self.sleep,
            jitter=lambda: 0.5,
            new_id=lambda: str(uuid.uuid4()),
            stop=self.stop,
        )


@dataclass(frozen=True)
class Result:
    """What a command line left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def ids(self) -> list[str]:
        """First words of the lines on stdout."""
        return [line.split()[0] for line in self.stdout.splitlines()]


class Run(Protocol):
    """Runs a command line in this process and checks its exit code."""

    def __call__(self, line: str, *, exit_code: int = 0) -> Result: ...


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give every test folders of its own and an environment that names no cloud."""
    for name in list(os.environ):
        if name.startswith(("OS_", "EVS_SNAP_", "HW_", "HUAWEICLOUD_", "OTC_")):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for kind in ("CACHE", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="fake")
def _fake() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="run")
def _run(fake: FakeClock, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(line: str, *, exit_code: int = 0) -> Result:
        code = cli.run(shlex.split(line), clock=fake.clock)
        out = capsys.readouterr()
        report = f"$ evs-snap {line}\nexit {code}\n-- stdout\n{out.out}\n-- stderr\n{out.err}"
        assert code == exit_code, report
        return Result(code, out.out, out.err)

    return run


@dataclass(frozen=True)
class Cloud:
    """A cloud to hold to its contract: a signed-in client, and the means to make disks.

    ``told`` has a line for each request that was sent.
    """

    name: str
    client: EvsClient
    clock: Clock
    post: Callable[[str, dict[str, object]], Any]
    remove: Callable[[str], None]
    told: list[str]
    made: list[str] = field(default_factory=list)

    def volume(self, name: str | None = None) -> str:
        """Make a disk of 1 GiB; return its ID once it is available."""
        answer = self.post("volumes", {"volume": {"size": 1, "name": name}})
        volume_id: str = answer["volume"]["id"]
        self.made.append(volume_id)
        self.until(lambda: self.client.volume(volume_id).status == "available")
        return volume_id

    def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(300):
            if holds():
                return
            self.clock.sleep(0.1)
        raise AssertionError("it never came true")


@pytest.fixture(name="cloud", params=["sandbox", *(["cinder"] if REAL_CLOUD else [])])
def _cloud(request: pytest.FixtureRequest, fake: FakeClock, tmp_path: Path) -> Iterator[Cloud]:
    """The sandbox always; a real Cinder too, where OS_* variables name one."""
    if request.param == "sandbox":
        clock, settings = fake.clock, sandbox_settings()
        app = Sandbox(tmp_path / "sandbox.db", now=clock.now)
    else:
        clock, settings, app = system_clock(), load_settings(REAL_CLOUD), None
    told: list[str] = []
    with connect(
        settings=settings, app=app, clock=clock, keep_token=False, trace=told.append
    ) as client:

        def post(path: str, body: dict[str, object]) -> Any:
            return json.loads(client.project.send("POST", path, body=body).content)

        def remove(path: str) -> None:
            with suppress(EvsSnapError):
                client.project.send("DELETE", path)

        cloud = Cloud(request.param, client, clock, post, remove, told)
        yield cloud
        for volume_id in cloud.made:
            for snapshot in client.snapshots(volume_id=volume_id):
                remove(f"snapshots/{snapshot.id}")
            cloud.until(lambda v=volume_id: not client.snapshots(volume_id=v))  # type: ignore[misc]
            remove(f"volumes/{volume_id}")
