"""The sandbox behind `run("--sandbox ...")`, seen past the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from evs_snap.api.client import EvsClient
from evs_snap.api.transport import open_http
from evs_snap.auth.keystone import KeystoneAuth
from evs_snap.cli.context import Surroundings
from evs_snap.cli.sandbox import sandbox_settings
from evs_snap.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock

SETTLED = 3.0
"""Seconds after which nothing of the sandbox's is in progress any more."""


@dataclass(frozen=True)
class Pretend:
    """The pretend cloud's disks, to be made and looked at by hand."""

    client: EvsClient
    fake: FakeClock
    _post: Callable[[dict[str, object]], str]

    def disk(self, name: str | None, *, metadata: dict[str, str] | None = None) -> str:
        """Make a disk of 1 GiB that is available; return its ID."""
        volume_id = self._post({"size": 1, "name": name, "metadata": metadata or {}})
        self.fake.advance(SETTLED)
        return volume_id

    def snapshot(self, volume_id: str, name: str) -> str:
        """Make a snapshot that carries no stamp; return its ID."""
        made = self.client.create_snapshot(
            volume_id, name=name, description=None, metadata={}, force=True
        )
        self.fake.advance(SETTLED)
        return made.id

    def named(self, name: str) -> str:
        """Return the ID of the one disk of that name."""
        (volume,) = self.client.volumes(name=name)
        return volume.id


@pytest.fixture(name="pretend")
def _pretend(fake: FakeClock) -> Iterator[Pretend]:
    app = Sandbox(Surroundings(clock=fake.clock).state / "sandbox.db", now=fake.clock.now)
    settings = sandbox_settings()
    auth = KeystoneAuth(settings, clock=fake.clock, cache=None)
    with open_http(verify=True, clock=fake.clock, connections=4, app=app) as http:
        client = EvsClient(http, auth=auth)
        base = auth.volume_url(lambda r: http.send(r, auth=None))

        def post(volume: dict[str, object]) -> str:
            answer = http.post(f"{base}/volumes", json={"volume": volume}, auth=auth)
            assert answer.is_success, answer.text
            volume_id: str = answer.json()["volume"]["id"]
            return volume_id

        yield Pretend(client, fake, post)


@pytest.fixture(name="requests")
def _requests() -> Callable[[str], list[str]]:
    """Give a function that reads the requests, less sign-ins, out of what -v says."""

    def requests(stderr: str) -> list[str]:
        told = re.findall(r"^([A-Z]+) \S*/volume/v3/[0-9a-f]+/(\S*) -> ", stderr, re.MULTILINE)
        return [f"{method} {path}" for method, path in told]

    return requests
