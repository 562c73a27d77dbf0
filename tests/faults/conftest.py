"""A pretend cloud behind a network that fails on request, and what is left on it.

Its time is the test's FakeClock, and it is reached in process, so that nothing here waits.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import uuid4

import httpx
import pytest
from tests.factories import made_past
from tests.standard_knobs import StandardKnobs

from evs_snap import connect, connection
from evs_snap.api.bounds import DEADLINE
from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.auth import identify
from evs_snap.errors import ServiceError
from evs_snap.sandbox import ACCOUNT, STANDARD_REGION, Rules, Sandbox
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Stamp
from evs_snap.services.legacy import Legacy
from evs_snap.services.standard import Standard
from evs_snap.settings import sandbox_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.conftest import FakeClock, Run

    from evs_snap.services.interface import Snapshot
    from evs_snap.settings import Kind

REGIONS: dict[str, str] = {"legacy": ACCOUNT.region, "standard": STANDARD_REGION}

SETTLED = 10.0
"""Seconds after which nothing of the sandbox's is in progress any more."""

_STALLED = 60.0

How = str | int | Callable[[httpx.Response], httpx.Response]


@dataclass
class Mishap:
    """What befalls the next ``times`` requests like ``on``, once ``skip`` have passed.

    ``how`` is an HTTP status, or what happens to the connection: ``drop`` (closed, no
    answer), ``reset``, ``half`` (of the answer), ``stall`` (no answer at all), ``refuse``
    (no connection), ``drip`` (in process: an answer that never ends); or to the body:
    ``garbage``, ``cut``, ``nothing``; or it is given the answer and returns another.
    ``acts`` says whether the service does what it was asked: before it fails, never, or so
    many seconds later.
    """

    on: str
    how: How
    acts: bool | float = True
    times: int = 1
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class KilledError(BaseException):
    """kill -9: nothing catches it."""


class BrokenError(Exception):
    """The connection broke: ``how``, and the answer of which a part may have come."""

    def __init__(self, how: str, response: httpx.Response | None) -> None:
        super().__init__(how)
        self.how = how
        self.response = response

    def as_httpx(self) -> httpx.TransportError:
        """Return what httpx makes of it."""
        kind = {
            "drop": httpx.RemoteProtocolError,
            "half": httpx.RemoteProtocolError,
            "reset": httpx.ReadError,
            "stall": httpx.ReadTimeout,
            "drip": httpx.ReadTimeout,
            "refuse": httpx.ConnectError,
        }[self.how]
        return kind(f"made up: {self.how}")


class Service:
    """The pretend cloud, the mishaps on the way to it, and the means to look past them."""

    def __init__(self, path: Path, fake: FakeClock, *, kind: Kind = "legacy") -> None:
        self.fake = fake
        self.kind = kind
        self.skew = timedelta()
        """How far the service's clock is ahead."""

        self.list_lag = 0.0
        """Seconds until a new snapshot is in the lists."""

        self.read_lag = 0.0
        """Seconds until a new snapshot is found by its ID."""

        self.ghosts = 0.0
        """Seconds for which the lists go on to show as available what is gone."""

        self.stale = 0.0
        """Seconds for which the lists go on to show as creating what is done."""

        self.drops_metadata = False
        self.is_plain = False
        """Whether it is a plain Cinder, which reverts and knows no path of EVS's own."""

        self.forbidden: dict[str, tuple[int, bytes]] = {}
        """How each deletion of these snapshots is refused, by ID."""

        self.requests: list[str] = []
        self.hooks: list[tuple[str, Callable[[], object]]] = []
        """Once called when a request like this comes in."""

        self.witness: Callable[[httpx.Request, httpx.Response], None] = lambda _asked, _told: None
        """Called after each request that was carried out, with the service's answer."""

        self._script: list[Mishap] = []
        self._expiry: tuple[str, int] | None = None
        self._expired: str | None = None
        self._late: list[tuple[datetime, httpx.Request]] = []
        self._due: datetime | None = None
        self._known: dict[str, tuple[dict[str, Any], datetime]] = {}
        self._lock = threading.RLock()
        rules = Rules(first_upload=SETTLED / 2, later_upload=SETTLED / 2)
        self.path = path
        self.sandbox: WSGIApplication = Sandbox(path, now=lambda: self.now, rules=rules)
        self._sandbox = httpx.WSGITransport(app=self._behind)
        self._settings = sandbox_settings(region=REGIONS[kind], kind=kind)
        auth = identify(self._settings, clock=fake.clock, cache=None)
        http = httpx.Client(transport=self._sandbox)
        service = {"legacy": Legacy, "standard": Standard}[kind]
        self.client = EvsClient(Project(http, auth=auth, clock=fake.clock), kind=service)
        """Past all mishaps."""

    @property
    def now(self) -> datetime:
        """The service's own time."""
        return (self._due or self.fake.moment) + self.skew

    @property
    def date(self) -> str:
        """The service's own time, as its Date header."""
        return format_datetime(self.now, usegmt=True)

    # -- what a test says --------------------------------------------------------------

    def mishap(self, on: str, how: How, **fields: Any) -> Mishap:
        """Plan a `Mishap` for requests like ``on``: ``POST snapshots``, a regular expression."""
        self._script.append(Mishap(on, how, **fields))
        return self._script[-1]

    def once(self, on: str, then: Callable[[], object]) -> None:
        """Do something of our own at the next request like ``on``, before it is answered."""
        self.hooks.append((on, then))

    def expire_after(self, on: str, count: int) -> None:
        """Let the token used so far be refused once ``count`` requests like this have come."""
        self._expiry = (on, count)

    def calm(self) -> None:
        """Let no more mishaps happen, and everything in progress come to its end."""
        self._script.clear()
        for _ in range(3):
            self.fake.advance(200)
            self._act_late()

    def disk(self, name: str, *, full: int = 0) -> str:
        """Make a disk, with so many of others' snapshots on it; return its ID."""
        answer = self._post("volumes", {"volume": {"size": 1, "name": name}})
        volume_id = answer["volume"]["id"]
        self.fake.advance(SETTLED)
        for number in range(full):
            self.snapshot(volume_id, f"by-hand-{number}")
        return volume_id

    def delete_disk(self, volume_id: str) -> None:
        """Delete a disk that holds nothing."""
        self.client.project.send("DELETE", f"volumes/{volume_id}")
        self.fake.advance(SETTLED)

    def snapshot(
        self, volume_id: str, name: str, *, policy: str | None = None, bucket: str | None = None
    ) -> str:
        """Make a snapshot that is available, with our stamp where a policy is named."""
        made_id = made_past(
            self.client, volume_id, name, Stamp(str(uuid4()), policy, bucket) if policy else None
        )
        self.fake.advance(SETTLED)
        return made_id

    def set(self, volume_ids: Sequence[str], *, bucket: str) -> str:
        """Make a usable set of these disks, stamped as `rotate` does."""
        stamp = Stamp(str(uuid4()), bucket=bucket, members=len(volume_ids))
        volumes = [self.client.volume(volume_id) for volume_id in volume_ids]
        made = self.client.create_set(volumes, name=f"set-{bucket}", stamp=stamp).set
        self.fake.advance(SETTLED)
        for row in self.client.set_members(made.id):
            self.client.label_snapshot(row.id, stamp.labels())
        return made.id

    def left(self, volume_id: str) -> list[Snapshot]:
        """Return what the disk really holds, oldest first."""
        rows = self.client.snapshots(volume_id=volume_id)
        return sorted(rows, key=lambda s: (str(s.created_at), s.id))

    def count(self, on: str) -> int:
        """Return how many requests like this have come."""
        return sum(re.fullmatch(on, line) is not None for line in self.requests)

    # -- what the client meets -----------------------------------------------------------

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the script has it. Raises BrokenError where no whole answer comes."""
        line = line_of(request)
        with self._lock:
            self.requests.append(line)
            due = [hook for hook in self.hooks if re.fullmatch(hook[0], line)]
            self.hooks = [hook for hook in self.hooks if hook not in due]
        for _, then in due:
            then()
        with self._lock:
            self._act_late()
            if self._is_expired(request):
                return httpx.Response(401, json={"error": {"code": 401, "message": "expired"}})
            mishap = self._next(line)
            if mishap is None:
                return self._seen(request, self._act(request))
            response = None
            if mishap.acts is True:
                response = self._seen(request, self._act(request))
            elif mishap.acts is not False:
                moment = self.fake.moment + timedelta(seconds=mishap.acts)
                self._late.append((moment, request))
        return self._failed(mishap, response)

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer in process; a broken connection is the error that httpx would raise."""
        query = environ.get("QUERY_STRING", "")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        request = httpx.Request(
            environ["REQUEST_METHOD"],
            f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}" + (query and f"?{query}"),
            headers=_headers(environ),
            content=environ["wsgi.input"].read(length) if length else b"",
        )
        try:
            response = self.answer(request)
        except BrokenError as broken:
            self.fake.advance({"stall": _STALLED, "drip": DEADLINE}.get(broken.how, 0.0))
            raise broken.as_httpx() from broken
        headers = {"date": self.date, **response.headers}
        start_response(f"{response.status_code} made up", list(headers.items()))
        return [response.content]

    def _behind(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the sandbox, or what a test has put in its place."""
        return self.sandbox(environ, start_response)

    def _is_expired(self, request: httpx.Request) -> bool:
        token = request.headers.get("X-Auth-Token")
        if self._expiry and token and self.count(self._expiry[0]) > self._expiry[1]:
            self._expired, self._expiry = token, None
        return token is not None and token == self._expired

    def _next(self, line: str) -> Mishap | None:
        for mishap in self._script:
            if re.fullmatch(mishap.on, line) and mishap.times:
                if mishap.skip:
                    mishap.skip -= 1
                    continue
                mishap.times -= 1
                return mishap
        return None

    def _act(self, request: httpx.Request) -> httpx.Response:
        line = line_of(request)
        refusal = self.forbidden.get(request.url.path.rsplit("/", 1)[-1])
        if refusal and request.method == "DELETE":
            return httpx.Response(refusal[0], content=refusal[1])
        if self.is_plain and re.search("(cloud|os-vendor-)snapshots/", line):
            return httpx.Response(404, content=b"<html><title>404 Not Found</title></html>")
        if self.is_plain and line == "POST volumes/ID/action":
            return self._revert(request)
        if self.drops_metadata and line in {"POST snapshots", "POST volumes"}:
            content = re.sub(rb'"metadata": \{[^}]*\}', b'"metadata": {}', request.content)
            headers = {k: v for k, v in request.headers.items() if k != "content-length"}
            request = httpx.Request(request.method, request.url, headers=headers, content=content)
        response = self._sandbox.handle_request(request)
        response.read()
        self.witness(request, response)
        return response

    def _revert(self, request: httpx.Request) -> httpx.Response:
        """Do what Cinder does for ``revert``: its answer is empty."""
        volume_id = request.url.path.split("/")[-2]
        snapshot_id = json.loads(request.content)["revert"]["snapshot_id"]
        assert request.headers["OpenStack-API-Version"] == "volume 3.40"
        try:
            self.client.service.roll_back(volume_id, snapshot_id=snapshot_id)
        except ServiceError as error:
            fault = {"code": error.status, "message": error.message}
            return httpx.Response(error.status or 500, json={"badRequest": fault})
        return httpx.Response(202)

    def _act_late(self) -> None:
        for entry in [entry for entry in self._late if entry[0] <= self.fake.moment]:
            self._late.remove(entry)
            self._due = entry[0]  # as of then, although nobody has asked since
            self._act(entry[1])
            self._due = None

    def _failed(self, mishap: Mishap, response: httpx.Response | None) -> httpx.Response:
        if isinstance(mishap.how, int):
            fault = b'{"computeFault": {"code": %d, "message": "made up"}}' % mishap.how
            return httpx.Response(mishap.how, headers=mishap.headers, content=mishap.body or fault)
        if callable(mishap.how):
            return mishap.how(response or httpx.Response(200, json={}))
        whole = response.content if response else b"{}"
        status = response.status_code if response else 200
        bodies = {
            "garbage": b"<html>Welcome to the hotel's network</html>",
            "cut": whole[: len(whole) // 2],
            "nothing": b"",
        }
        if mishap.how in bodies:
            return httpx.Response(status, content=bodies[mishap.how])
        raise BrokenError(mishap.how, response)

    def _seen(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        """Return the answer as a replica that lags behind gives it."""
        line = line_of(request)
        if not response.is_success or not (self.list_lag or self.read_lag or self.ghosts or
                                           self.stale):  # fmt: skip
            return response
        if line == "GET snapshots/detail":
            document = response.json()
            document["snapshots"] = self._lagging(request, document["snapshots"])
            return httpx.Response(200, json=document)
        if line == "GET snapshots/ID":
            row = response.json()["snapshot"]
            if self._age(row["created_at"]) < self.read_lag:
                fault = {"itemNotFound": {"code": 404, "message": "not here yet"}}
                return httpx.Response(404, json=fault)
        return response

    def _lagging(self, request: httpx.Request, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wanted = request.url.params.get("volume_id")
        there = {row["id"] for row in rows if row["status"] != "deleting"}
        for row in rows:
            if row["status"] == "available":
                self._known[row["id"]] = (row, self.fake.moment)
        shown = []
        for row in rows:
            if self._age(row["created_at"]) < self.list_lag:
                continue
            fresh = row["status"] == "available" and self._age(row["created_at"]) < self.stale
            shown.append({**row, "status": "creating"} if fresh else row)
        for id_, (row, seen) in self._known.items():
            gone_for = (self.fake.moment - seen).total_seconds()
            if id_ not in there and gone_for < self.ghosts and wanted in {None, row["volume_id"]}:
                shown = [r for r in shown if r["id"] != id_] + [row]
        return shown

    def _age(self, text: str) -> float:
        return (self.now - datetime.fromisoformat(text).replace(tzinfo=UTC)).total_seconds()

    def _post(self, path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        answer = self.client.project.send("POST", path, body=body)
        document: dict[str, dict[str, str]] = json.loads(answer.content)
        return document

    # -- who calls -------------------------------------------------------------------------

    @contextmanager
    def calling(self, state: Path) -> Iterator[EvsClient]:
        """Give a client in process, on a machine whose state folder this is."""
        with (
            patch.dict(os.environ, XDG_STATE_HOME=str(state)),
            connect(
                settings=self._settings,
                app=self.app,
                clock=self.fake.clock,
                keep_token=False,
            ) as evs,
        ):
            yield evs


def line_of(request: httpx.Request) -> str:
    """Return method and path below the project: ``GET snapshots/ID``, ``POST auth/tokens``."""
    base = "^(/sandbox-2)?/(volume/v[1235]/[0-9a-f]+|identity/v3)/"
    path = re.sub(base, "", request.url.path)
    return f"{request.method} " + re.sub("/([0-9a-f-]{36}|[0-9a-f]{32})(?=/|$)", "/ID", path)


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    headers = {k[5:].replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    return headers


@pytest.fixture(name="service")
def _service(tmp_path: Path, fake: FakeClock) -> Service:
    return Service(tmp_path / "service.db", fake)


@pytest.fixture(name="new_service")
def _new_service(fake: FakeClock, tmp_path: Path) -> Callable[[], Service]:
    """Make one pretend cloud after the other, each with a time of its own."""
    return lambda: Service(tmp_path / f"{uuid4()}.db", type(fake)())


@pytest.fixture(name="online")
def _online(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment name the pretend cloud, which is reached in process."""
    for name, value in environment(80).items():
        monkeypatch.setenv(name, value)
    in_process(service.app, monkeypatch)


def in_process(app: WSGIApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every command line of this process reach this app, and no network."""
    monkeypatch.setattr(connection, "open_http", lambda **usual: open_http(**{**usual, "app": app}))
    # Slow on purpose, and thousands of times.
    monkeypatch.setattr(hashlib, "scrypt", lambda data, *, salt, **_cost: salt + data)


def environment(port: int) -> dict[str, str]:
    """Return the variables that name the pretend cloud on this port."""
    return {
        "OS_AUTH_URL": f"http://127.0.0.1:{port}/identity/v3",
        "OS_USERNAME": ACCOUNT.user_name,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain_name,
        "OS_PROJECT_NAME": ACCOUNT.project_name,
        "OS_PROJECT_DOMAIN_NAME": ACCOUNT.domain_name,
        "OS_REGION_NAME": ACCOUNT.region,
    }


@dataclass
class Region:
    """The region of standard snapshots, what is run there, and what is left there."""

    service: Service
    run: Run

    def disk(self, name: str = "d1") -> str:
        return self.service.disk(name)

    def full_disk(self, name: str, count: int) -> str:
        """Make a disk that holds so many of others' snapshots."""
        volume = self.service.client.volume(self.disk(name))
        for number in range(count):
            self.service.client.create_snapshot(volume, name=f"by-hand-{number}")
            self.service.fake.advance(SETTLED)
        return volume.id

    def turn(self, rules: Rules | None = None, **knobs: Any) -> None:
        """Answer what is left open in another way; with the real times where ``rules`` are."""
        now = lambda: self.service.now  # noqa: E731
        app = Sandbox(self.service.path, now=now, rules=rules) if rules else self.service.sandbox
        self.service.sandbox = StandardKnobs(app, now, **knobs)

    def names(self, volume_id: str) -> list[str | None]:
        return [s.name for s in self.service.left(volume_id)]

    def night(self, volume_id: str, name: str, **words: Any) -> str:
        """Make one of ours, and let a day pass."""
        volume = self.service.client.volume(volume_id)
        made = self.service.client.create_snapshot(
            volume, name=name, stamp=Stamp(str(uuid4())), **words
        )
        self.service.fake.advance(86400)
        return made.snapshot.id


@pytest.fixture(name="there")
def _there(tmp_path: Path, fake: FakeClock, run: Run, monkeypatch: pytest.MonkeyPatch) -> Region:
    service = Service(tmp_path / "service.db", fake, kind="standard")
    for name, value in environment(80).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OS_REGION_NAME", REGIONS["standard"])
    monkeypatch.setenv("EVS_SNAP_KIND", "standard")
    in_process(service.app, monkeypatch)
    return Region(service, run)
