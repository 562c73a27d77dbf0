"""The sandbox behind `run("--sandbox ...")`, seen past the command line."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.factories import made_past
from tests.front import Front

from evs_snap import connect
from evs_snap.sandbox import Sandbox
from evs_snap.sandbox.server import serving
from evs_snap.settings import sandbox_settings
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock

    from evs_snap.services.client import EvsClient

SETTLED = 3.0
"""Seconds after which nothing of the sandbox's is in progress any more."""


@dataclass(frozen=True)
class Pretend:
    """The pretend cloud's disks, to be made and looked at by hand."""

    client: EvsClient
    fake: FakeClock

    def disk(self, name: str | None, *, metadata: dict[str, str] | None = None) -> str:
        """Make a disk of 1 GiB that is available; return its ID."""
        wanted = {"size": 1, "name": name, "metadata": metadata or {}}
        answer = self.client.project.send("POST", "volumes", body={"volume": wanted})
        volume_id: str = json.loads(answer.content)["volume"]["id"]
        self.fake.advance(SETTLED)
        return volume_id

    def snapshot(self, volume_id: str, name: str) -> str:
        """Make a snapshot that carries no stamp; return its ID."""
        made_id = made_past(self.client, volume_id, name)
        self.fake.advance(SETTLED)
        return made_id

    def named(self, name: str) -> str:
        """Return the ID of the one disk of that name."""
        (volume,) = self.client.volumes(name=name)
        return volume.id


class Terminal(io.StringIO):
    """Somebody's answers, typed ahead."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(name="pretend")
def _pretend(fake: FakeClock) -> Iterator[Pretend]:
    app = Sandbox(state_folder(os.environ) / "sandbox.db", now=fake.clock.now)
    with connect(settings=sandbox_settings(), app=app, clock=fake.clock) as client:
        yield Pretend(client, fake)


@pytest.fixture(name="front")
def _front(fake: FakeClock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("service"), fake)
    with serving(front) as port:
        front.url = f"http://127.0.0.1:{port}"
        yield front


@pytest.fixture(name="requests")
def _requests() -> Callable[[str], list[str]]:
    """Give a function that reads the requests, less sign-ins, out of what -v says."""

    def requests(stderr: str) -> list[str]:
        told = re.findall(r"^([A-Z]+) \S*/volume/v3/[0-9a-f]+/(\S*) -> ", stderr, re.MULTILINE)
        return [f"{method} {path}" for method, path in told]

    return requests
