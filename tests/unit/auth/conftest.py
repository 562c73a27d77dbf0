"""A cloud on the wire that grants tokens and keys, every kind of sign-in, and eight threads."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx

from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.auth import identify
from evs_snap.settings import Settings
from evs_snap.settings.credentials import (
    METADATA_ADDRESS,
    AgencyCredentials,
    ApplicationCredentials,
    Keys,
    PasswordCredentials,
    TokenCredentials,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock

    from evs_snap.auth.cache import TokenCache

PASSWORD = "s3cret-p4ssword"
PROJECT = "0123456789abcdef0123456789abcdef"
IAM, EVS = "https://iam.example.com", "https://evs.example.com"
USER = PasswordCredentials(User("cron", domain_name="OTC-1"), PASSWORD)
SETTINGS = Settings(IAM, USER, project_name="eu-de_prod", region="eu-de")
GIVEN = Settings("", Keys("AK1", "sk-s3cret"), region="eu-de", project_id=PROJECT, endpoint=EVS)
LOOKED_UP = Settings(IAM, Keys("AK1", "sk-s3cret"), region="eu-de", endpoint=EVS)
AGENCY = AgencyCredentials(METADATA_ADDRESS)
TOKENS = {
    "password": SETTINGS,
    "token": Settings(IAM, TokenCredentials("old"), project_id=PROJECT, region="eu-de"),
    "application credential": Settings(IAM, ApplicationCredentials("a1", PASSWORD)),
}
AGENCIES = {
    "agency": Settings("", AGENCY, region="eu-de", project_id=PROJECT, endpoint=EVS),
    "agency, looked up": Settings(IAM, AGENCY, region="eu-de", endpoint=EVS),
}
KINDS = {**TOKENS, "AK/SK": GIVEN, "AK/SK, looked up": LOOKED_UP, **AGENCIES}
LIFE = timedelta(hours=1)
"""How long an agency's keys last."""


def answered(status: int, body: object = None) -> httpx.Response:
    return httpx.Response(status, content=b"" if body is None else json.dumps(body).encode())


def granted(
    token: str = "token-1", *, url: str = f"{EVS}/v2/{PROJECT}", **changes: object
) -> httpx.Response:
    endpoint = {"interface": "public", "region_id": "eu-de", "url": url}
    body = {
        "project": {"id": PROJECT, "name": "eu-de_prod"},
        "expires_at": "2026-11-24T02:17:00.000000Z",
        "catalog": [{"type": "volumev3", "endpoints": [endpoint]}],
        **changes,
    }
    return httpx.Response(201, headers={"X-Subject-Token": token}, json={"token": body})


class Cloud:
    """Keystone, IAM, EVS and the metadata address.

    Tokens and keys are numbered as they are granted. IAM and EVS take the number ``valid``
    alone, or any where it is None; to others they answer ``refusal``. ``tokens_answer`` and
    ``keys_answer`` come in place of what is granted, ``projects`` are those that IAM lists.
    """

    def __init__(self, wire: respx.MockRouter, fake: FakeClock) -> None:
        self.fake = fake
        self.count = 0
        self.valid: int | None = None
        self.refusal = answered(401)
        self.tokens_answer: httpx.Response | None = None
        self.keys_answer: httpx.Response | Exception | None = None
        self.projects = answered(200, {"projects": [{"id": PROJECT, "name": "eu-de"}]})
        self.meanwhile: Callable[[], object] = lambda: None
        self.plays: list[httpx.Response] = []
        metadata, iam = "169.254.169.254", "iam.example.com"
        self.metadata_token = wire.put(host=metadata, path__regex="/meta-data/latest/api/token$")
        self.metadata_token.return_value = httpx.Response(200, text="metadata-t0ken\n")
        self.keys = wire.get(host=metadata, path__regex="/openstack/latest/securitykey$")
        self.keys.side_effect = self.grant_keys
        self.tokens = wire.post(host=iam, path__regex="/v3/auth/tokens$")
        self.tokens.side_effect = self._grant_token
        self.look_ups = wire.get(host=iam, path="/v3/projects")
        self.look_ups.side_effect = lambda request: self._serve(request, self.projects)
        self.evs = wire.route(host="evs.example.com")
        self.evs.side_effect = lambda request: self._serve(request, answered(200, {"volumes": []}))
        self._routes = (self.tokens, self.keys, self.look_ups, self.evs)

    def grant_keys(self, _: object = None) -> httpx.Response:
        if isinstance(self.keys_answer, Exception):
            raise self.keys_answer
        if self.keys_answer is not None:
            return self.keys_answer
        self.count += 1
        end = self.fake.moment + LIFE
        credential = {
            "access": f"AK{self.count}",
            "secret": f"sk{self.count}-s3cret",
            "securitytoken": f"t0ken{self.count}-s3cret",
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return answered(200, {"credential": credential})

    def _grant_token(self, _: object) -> httpx.Response:
        if self.tokens_answer is not None:
            return self.tokens_answer
        self.count += 1
        return granted(f"token-{self.count}")

    def _serve(self, request: httpx.Request, good: httpx.Response) -> httpx.Response:
        self.meanwhile()
        if self.valid not in {None, proof_of(request)}:
            return self.refusal
        return self.plays.pop(0) if self.plays else good

    def client(self, settings: Settings, *, cache: TokenCache | None = None) -> Project:
        auth = identify(settings, clock=self.fake.clock, cache=cache)
        # No CAs are read: that is slow.
        http = open_http(verify=False, clock=self.fake.clock, refresh=auth.refresh)
        return Project(http, auth=auth, clock=self.fake.clock)

    def fail(self, error: Exception) -> None:
        for route in (self.metadata_token, *self._routes):
            route.side_effect = error

    @property
    def sign_ins(self) -> list[Any]:
        """What Keystone was asked."""
        return [json.loads(call.request.content) for call in self.tokens.calls]

    @property
    def tried(self) -> list[httpx.Request]:
        """All requests that show a proof or ask for one."""
        return [call.request for route in self._routes for call in route.calls]


def proof_of(request: httpx.Request) -> int:
    """Return the number of the token or key that the request shows."""
    shown = request.headers.get("X-Auth-Token") or request.headers["Authorization"].split(",")[0]
    return int(re.findall(r"\d+", shown)[-1])


@pytest.fixture(name="wire")
def _wire() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture(name="cloud")
def _cloud(wire: respx.MockRouter, fake: FakeClock) -> Cloud:
    return Cloud(wire, fake)


def in_eight_threads(task: Callable[[], object]) -> list[Any]:
    """Run a task eight times at once; return results and errors."""
    ready = threading.Barrier(8)

    def run(_: int) -> object:
        ready.wait()
        try:
            return task()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            return error

    pool = ThreadPoolExecutor(8)
    outcomes = [pool.submit(run, n) for n in range(8)]
    try:
        return [outcome.result(timeout=10) for outcome in outcomes]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
