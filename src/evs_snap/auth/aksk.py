"""Signing in with keys: each request is signed, the project looked up where not given."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import httpx

from evs_snap.api.identity import BEFORE_REPEAT, Identity
from evs_snap.api.refusals import refused
from evs_snap.auth.catalog import endpoint_base
from evs_snap.auth.signer import sign
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    ServerError,
    ServiceError,
    SignInError,
    ThrottledError,
)
from evs_snap.settings.addresses import evs_url, require_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from evs_snap.clock import Clock
    from evs_snap.settings import Settings
    from evs_snap.settings.credentials import Keys

_EXPIRED = "IAM.1108"
_PROJECT_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class KeySource(Protocol):
    """Where keys come from."""

    def current(self, *, refused: Keys | None = None) -> Keys:
        """Return keys to use now, other than the ``refused`` ones where there are others."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""


class GivenKeys:
    """Keys that the user gave: they stay what they are."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def current(self, *, refused: Keys | None = None) -> Keys:  # noqa: ARG002 - there are no others
        """Return them."""
        return self._keys

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return self._keys.secrets


class SignatureAuth(Identity):
    """Signs each request anew whenever it is sent; renews temporary keys once when refused.

    Shared by all threads of a run. Until the first answer shows that the keys are good,
    one request goes out at a time, and a refusal is remembered: the clouds lock those
    who try wrong keys, so there is one attempt a run.
    """

    requires_response_body = True

    def __init__(self, settings: Settings, *, clock: Clock, keys: KeySource) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._looking_up = threading.Lock()
        self._proving = threading.Lock()
        self._proven = False
        self._refusal: SignInError | None = None
        self._project_id = settings.project_id
        self._endpoint = endpoint_base(settings.endpoint or evs_url(settings.region or ""))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return self._keys.secrets

    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Return the base of the project's volume API, looking the project up if need be."""
        require_safe(
            self._endpoint, allow_http=self._settings.allow_http, what="the volume endpoint"
        )
        with self._looking_up:
            if self._project_id is None:
                self._project_id = self._look_up(send)
        if not _PROJECT_ID.fullmatch(self._project_id):
            raise ConfigurationError(
                f"{self._project_id!r} is no project ID",
                hint="Correct OS_PROJECT_ID, or set OS_PROJECT_NAME in its place.",
            )
        return f"{self._endpoint}/{self._settings.api_version}/{self._project_id}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send signed; where temporary keys are refused as expired, once more with new ones."""
        place = httpx.URL(self._endpoint)
        if (place.scheme, place.netloc) != (request.url.scheme, request.url.netloc):
            raise ConfigurationError(
                f"refusing to sign a request to {request.url.host}: the keys are for {place.host}"
            )
        yield from self._signed(request)

    def _signed(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        with self._proving:
            if self._refusal:
                raise self._refusal
            if not self._proven:
                yield from self._first(request)
                return
        yield from self._sent(request)

    def _first(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            refusal = yield from self._sent(request)
        except SignInError as error:  # there are no keys
            self._refusal = error
            raise
        if isinstance(refusal, SignInError):
            self._refusal = refusal
        elif not isinstance(refusal, ServerError | ThrottledError):
            self._proven = True

    def _sent(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, ServiceError | None]:
        """Yield the request once or, after a renewal, twice; return why it was refused."""
        keys = self._keys.current()
        self._prepare(request, keys)
        refusal = self._refusal_in((yield request))
        if refusal is None or refusal.code != _EXPIRED:
            return refusal
        renewed = self._keys.current(refused=keys)
        if renewed is keys:
            return refusal
        self._prepare(request, renewed)
        return self._refusal_in((yield request))

    def _refusal_in(self, response: httpx.Response) -> ServiceError | None:
        if response.is_success:
            return None
        return refused(response, doing="signing in with AK/SK", secrets=self.secrets)

    def _prepare(self, request: httpx.Request, keys: Keys) -> None:
        if self._project_id is not None:
            request.headers["X-Project-Id"] = self._project_id
        request.extensions[BEFORE_REPEAT] = lambda: sign(request, keys, now=self._clock.now())
        sign(request, keys, now=self._clock.now())

    def _look_up(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Ask IAM for the project called as set, or else as the region: its main project."""
        name = self._settings.project_name or self._settings.region or ""
        request = httpx.Request(
            "GET",
            f"{self._settings.auth_url}/v3/projects?name={quote(name, safe='')}",
            headers={"Accept": "application/json"},
        )
        # Closed at once when sending fails: it holds the lock all others wait for.
        with closing(self._signed(request)) as flow, suppress(StopIteration):
            request = next(flow)
            while True:
                response = send(request)
                request = flow.send(response)
        if not response.is_success:
            raise refused(
                response,
                doing=f"looking up the project {name!r}",
                secrets=self.secrets,
                wrong_address="Check OS_AUTH_URL: it must be the address of IAM.",
            )
        return _only_project(response.content, name=name)


def _only_project(body: bytes, *, name: str) -> str:
    try:
        projects = json.loads(body)["projects"]
        ids = [p["id"] for p in projects if p.get("name") == name]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadAnswerError(
            "looking up the project: the answer holds no list of projects",
            hint="Check OS_AUTH_URL: it must be the address of IAM.",
        ) from error
    if len(ids) == 1 and isinstance(ids[0], str) and ids[0]:
        return ids[0]
    count = f"{len(ids)} projects are" if ids else "no project is"
    raise ConfigurationError(
        f"{count} called {name!r} for these keys",
        details=tuple(str(id_) for id_ in ids),
        hint="Set OS_PROJECT_ID, or correct OS_PROJECT_NAME and OS_REGION_NAME "
        "(sub-projects are called like eu-de_prod).",
    )
