"""The vendor's SDK, and a pretend cloud that is served to it behind a gateway."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import pytest
from tests.signature_check import KEYS, KeyPair, SignatureCheck

from evs_snap.clock import system_clock
from evs_snap.sandbox import ACCOUNT, STANDARD_REGION, Rules, Sandbox
from evs_snap.sandbox.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Untyped = Any

_AT_ONCE = Rules(settle=0, delete_settle=0, first_upload=0, later_upload=0)


@dataclass(frozen=True)
class Sdk:
    """What is used of the SDK; it has no types."""

    evs: Untyped
    credentials: Untyped
    errors: Untyped
    region: Untyped


@pytest.fixture(name="sdk", scope="module")
def _sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    """Import the SDK: doing so writes an ID for this machine into the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        home = str(tmp_path_factory.mktemp("home"))
        patch.setenv("HOME", home)
        patch.setenv("USERPROFILE", home)
        core = "huaweicloudsdkcore"
        return Sdk(
            evs=importlib.import_module("huaweicloudsdkevs.v2"),
            credentials=importlib.import_module(f"{core}.auth.credentials"),
            errors=importlib.import_module(f"{core}.exceptions.exceptions"),
            region=importlib.import_module(f"{core}.region.region"),
        )


class Asked(NamedTuple):
    """A request, field by field; IDs in its path are ``ID``."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Untyped


@dataclass(frozen=True)
class Served:
    """A pretend cloud behind the gateway on loopback, and the SDK to talk to it."""

    sdk: Sdk
    url: str
    second_url: str
    """The region of standard snapshots."""

    asked: list[Asked]
    """What that region was asked, in order."""

    def basic(self, keys: KeyPair = KEYS, project_id: str | None = ACCOUNT.project_id) -> Untyped:
        return self.sdk.credentials.BasicCredentials(*keys, project_id)

    def client(self, credentials: Untyped, *, region: str | None = None) -> Untyped:
        builder = self.sdk.evs.EvsClient.new_builder().with_credentials(credentials)
        if region is None:
            return builder.with_endpoint(self.url).build()
        return builder.with_region(self.sdk.region.Region(region, self.url)).build()

    def names(self, client: Untyped, **filters: object) -> list[str | None]:
        answer = client.list_volumes(self.sdk.evs.ListVolumesRequest(**filters))
        return [volume.name for volume in answer.volumes]

    def refusal(self, client: Untyped) -> Untyped:
        with pytest.raises(self.sdk.errors.ClientRequestException) as caught:
            self.names(client)
        return caught.value


@pytest.fixture(name="served")
def _served(sdk: Sdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(sdk.credentials.Credentials, "_CACHE", {})  # of project IDs, for ever
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    now = system_clock().now
    app = Sandbox(tmp_path / "sandbox.db", now=now, rules=_AT_ONCE)
    asked: list[Asked] = []
    with (
        serving(SignatureCheck(app, now=now)) as port,
        serving(SignatureCheck(_second_region(app, asked), now=now)) as second_port,
    ):
        url, second_url = (f"http://127.0.0.1:{p}" for p in (port, second_port))
        yield Served(sdk, url, second_url, asked)


def _second_region(app: WSGIApplication, asked: list[Asked]) -> WSGIApplication:
    """Give the second region a host of its own, as Huawei's have: the SDK takes no prefix."""

    def at_the_root(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/v3/auth"):  # the gateway's own
            return app(environ, start_response)
        environ = {**environ, "SCRIPT_NAME": f"/{STANDARD_REGION}"}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ = {**environ, "wsgi.input": BytesIO(body)}
        path = re.sub("(?<=/)([0-9a-f-]{36}|[0-9a-f]{32})(?=/|$)", "ID", environ["PATH_INFO"])
        query = sorted(parse_qsl(environ.get("QUERY_STRING", "")))
        document = json.loads(body) if body else None
        asked.append(Asked(environ["REQUEST_METHOD"], path, query, document))
        return app(environ, start_response)

    return at_the_root
