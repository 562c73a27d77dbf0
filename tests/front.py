"""A sandbox on a port that checks signatures, with a hand in its answers and in its clock.

It is a metadata address too, which gives the keys of an agency.
"""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from tests.signature_check import KEYS, SECURITY_TOKEN, TEMPORARY, SignatureCheck

from evs_snap.sandbox import ACCOUNT, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.conftest import FakeClock

    Answer = tuple[int, object]


class Front:
    """The service. ``refuse`` may answer in its place; ``role`` is the user's, if set.

    ``ahead`` is how far its clock is off; ``life`` is that of an agency's keys, which it counts
    in ``fetched``; after ``keys_end`` temporary keys are refused. ``granted`` are its tokens.
    """

    def __init__(self, folder: Path, fake: FakeClock) -> None:
        self.fake = fake
        self.asked: list[str] = []
        self.granted: list[str] = []
        self.ahead = timedelta()
        self.refuse: Callable[[WSGIEnvironment], Answer | None] = lambda _: None
        self.role = ""
        self.keys_end: datetime | None = None
        self.life = timedelta(hours=1)
        self.fetched = 0
        self.url = ""
        self._path = folder / "sandbox.db"
        self._lock = threading.Lock()

    @property
    def changes(self) -> list[str]:
        """All requests but those that read."""
        return [line for line in self.asked if not line.startswith("GET ")]

    def now(self) -> datetime:
        """Return the service's time."""
        return self.fake.moment + self.ahead

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        with self._lock:
            if path.startswith(("/meta-data/", "/openstack/")):
                return self._metadata(path, start_response)
            self.asked.append(f"{environ['REQUEST_METHOD']} {path}")
            refusal = self.refuse(environ)
        if refusal:
            # What is left unread would pass for the next request.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _answer(start_response, *refusal)

        def with_date(
            status: str, headers: list[tuple[str, str]], _failure: object = None, /
        ) -> Callable[[bytes], object]:
            self.granted += [value for name, value in headers if name == "X-Subject-Token"]
            kept = [(k, v) for k, v in headers if k != "Content-Length"]
            date = format_datetime(self.now(), usegmt=True)
            return start_response(status, [*kept, ("Date", date)])

        app = Sandbox(self._path, now=self.now)
        checked = SignatureCheck(app, now=self.now, keys_end=self.keys_end)
        body = b"".join(checked(environ, with_date))
        if self.role and path.endswith("/auth/tokens"):
            document = json.loads(body)
            document["token"]["roles"] = [{"id": "1", "name": self.role}]
            body = json.dumps(document).encode()
        return [body]

    def _metadata(self, path: str, start_response: StartResponse) -> Iterable[bytes]:
        if path.endswith("/token"):
            return _answer(start_response, 404, None)
        self.fetched += 1
        end = self.fake.moment + self.life
        credential = {
            "access": TEMPORARY[0],
            "secret": TEMPORARY[1],
            "securitytoken": SECURITY_TOKEN,
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return _answer(start_response, 200, {"credential": credential})


def by_password(front: Front, **more: str) -> dict[str, str]:
    """Return the variables of a sign-in there by password."""
    return {
        "OS_AUTH_URL": f"{front.url}/identity/v3",
        "OS_USERNAME": ACCOUNT.user_name,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain_name,
        **_place(),
        **more,
    }


def by_keys(front: Front, keys: tuple[str, ...] = KEYS, **more: str) -> dict[str, str]:
    """Return the variables of those who sign with these keys."""
    names = ("OS_ACCESS_KEY", "OS_SECRET_KEY")
    return {**for_signers(front), **dict(zip(names, keys, strict=True)), **more}


def for_signers(front: Front, **more: str) -> dict[str, str]:
    """Return what says where it is, and which project, for those who sign."""
    return {
        "OS_AUTH_URL": f"{front.url}/identity/v3",
        "OS_VOLUME_ENDPOINT_OVERRIDE": front.url,
        **_place(),
        **more,
    }


def by_agency(front: Front) -> dict[str, str]:
    """Return the variables of a machine that has an agency."""
    return for_signers(front, OS_AUTH_TYPE="agency", EVS_SNAP_METADATA_URL=front.url)


def _place() -> dict[str, str]:
    return {
        "OS_PROJECT_NAME": ACCOUNT.project_name,
        "OS_REGION_NAME": ACCOUNT.region,
        "OS_INSECURE": "1",  # no CAs are read: it is plain http
    }


def _answer(start_response: StartResponse, status: int, document: object) -> list[bytes]:
    body = json.dumps(document).encode()
    phrase = f"{status} {HTTPStatus(status).phrase}"
    start_response(phrase, [("Content-Length", str(len(body)))])
    return [body]
