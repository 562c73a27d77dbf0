"""EVS on the wire, played by respx: a test says what it answers, and sees what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

import httpx
import pytest
import respx

from evs_snap.api.identity import Identity
from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.services.client import EvsClient
from evs_snap.services.legacy import Legacy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.conftest import FakeClock

    Play = httpx.Response | Exception | int

PROJECT = "0123456789abcdef0123456789abcdef"


class Known(Identity):
    """Somebody who is signed in already."""

    secrets = ("token-1", "s3cret-p4ssword")

    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:  # noqa: ARG002 - nothing is asked
        return f"https://evs.example.com/v3/{PROJECT}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Auth-Token"] = "token-1"
        yield request


@dataclass(frozen=True)
class Service:
    """The only host that answers; a request to any other fails the test."""

    http: httpx.Client
    client: EvsClient
    route: respx.Route

    def plays(self, *plays: Play) -> None:
        """Answer with these in turn, with the last one for ever; a number is a status."""
        made = [httpx.Response(play) if isinstance(play, int) else play for play in plays]
        self.route.side_effect = chain(made, repeat(made[-1]))
        self.route.reset()

    def plays_by(self, handler: Callable[[httpx.Request], httpx.Response]) -> None:
        """Answer each request with what ``handler`` makes of it."""
        self.route.side_effect = handler
        self.route.reset()

    @property
    def sent(self) -> list[httpx.Request]:
        return [call.request for call in self.route.calls]

    @property
    def targets(self) -> list[str]:
        """What was asked for, byte for byte, below the project."""
        return [r.url.raw_path.decode().removeprefix(f"/v3/{PROJECT}") for r in self.sent]


@pytest.fixture(name="known")
def _known() -> Known:
    return Known()


@pytest.fixture(name="service")
def _service(fake: FakeClock) -> Iterator[Service]:
    with (
        respx.mock(assert_all_called=False) as router,
        open_http(verify=False, clock=fake.clock) as http,
    ):
        evs = EvsClient(Project(http, auth=Known(), clock=fake.clock), kind=Legacy)
        yield Service(http, evs, router.route(host="evs.example.com"))
