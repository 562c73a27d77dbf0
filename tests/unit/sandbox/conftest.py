"""A pretend cloud with a clock that moves when told, and a client that is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import httpx
import pytest

from evs_snap.sandbox import ACCOUNT, Rules, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import FakeClock

PROJECT = f"/volume/v3/{ACCOUNT.project_id}"

Json = Any


def sign_in_body(**user: str) -> dict[str, Json]:
    domain = {"name": ACCOUNT.domain_name}
    known = {"name": ACCOUNT.user_name, "domain": domain, "password": ACCOUNT.password, **user}
    identity = {"methods": ["password"], "password": {"user": known}}
    scope = {"project": {"name": ACCOUNT.project_name, "domain": domain}}
    return {"auth": {"identity": identity, "scope": scope}}


@dataclass
class Pretend:
    """Paths are those below the project, without the slash, or whole ones with it."""

    app: Sandbox
    fake: FakeClock
    client: httpx.Client

    def sign_in(self) -> None:
        answer = self.client.post("/identity/v3/auth/tokens", json=sign_in_body())
        assert answer.status_code == 201, answer.text
        self.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = path if path.startswith("/") else f"{PROJECT}/{path}"
        return self.client.request(method, url, **options)

    def get(self, path: str) -> Json:
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def volume_id(self, name: str) -> str:
        (volume,) = self.get(f"volumes?name={name}")["volumes"]
        return str(volume["id"])

    def make_volume(self, name: str) -> str:
        answer = self.send("POST", "volumes", json={"volume": {"size": 1, "name": name}})
        self.fake.advance(2)
        return str(answer.json()["volume"]["id"])

    def post(self, volume_id: str, **fields: object) -> httpx.Response:
        snapshot = {"volume_id": volume_id, **fields}
        return self.send("POST", "snapshots", json={"snapshot": snapshot})

    def create(self, volume_id: str, **fields: object) -> str:
        answer = self.post(volume_id, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["snapshot"]["id"])

    def status(self, snapshot_id: str) -> str | int:
        answer = self.send("GET", f"snapshots/{snapshot_id}")
        if answer.status_code != 200:
            return answer.status_code
        return str(answer.json()["snapshot"]["status"])

    def snapshots(self, volume_id: str) -> list[Json]:
        found: list[Json] = self.get(f"snapshots/detail?volume_id={volume_id}")["snapshots"]
        return found


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


@pytest.fixture(name="opened")
def _opened(path: Path, fake: FakeClock) -> Callable[..., Pretend]:
    """Give a function that opens the file anew; each answer is held to the WSGI standard."""

    def opened(**rules: Any) -> Pretend:
        app = Sandbox(path, now=fake.clock.now, rules=Rules(**rules))
        transport = httpx.WSGITransport(app=validator(app))
        client = httpx.Client(transport=transport, base_url="http://sandbox.localhost")
        return Pretend(app, fake, client)

    return opened


@pytest.fixture(name="cloud")
def _cloud(opened: Callable[..., Pretend]) -> Pretend:
    cloud = opened()
    cloud.sign_in()
    return cloud
