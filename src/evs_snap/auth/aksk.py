"""Signing in with AK/SK: each request is signed; the project's ID is asked for if not set.

Sources: https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html and
https://support.huaweicloud.com/intl/en-us/api-iam/iam_06_0001.html (listing projects)
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from evs_snap.api.http import httpx
from evs_snap.api.identity import Identity
from evs_snap.api.refusals import refused
from evs_snap.auth.catalog import endpoint_base
from evs_snap.auth.flow import Flow, require_host_of, run_flow
from evs_snap.auth.signer import sign
from evs_snap.clock import Clock
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    ServerError,
    ServiceError,
    SignInError,
    ThrottledError,
)
from evs_snap.settings import Settings
from evs_snap.settings.addresses import evs_url, require_safe
from evs_snap.settings.credentials import Keys

_EXPIRED = "IAM.1108"
_IAM_HINT = "Check OS_AUTH_URL (auth_url in clouds.yaml): it must be the address of IAM."
_PROJECT_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class KeySource(Protocol):
    """Where keys come from."""

    def current(self, *, refused: Keys | None = None) -> Keys:
        """Return the keys to use now. Where there are others, not the ``refused`` ones."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""


class GivenKeys:
    """Keys from the settings. They never change."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def current(self, *, refused: Keys | None = None) -> Keys:  # noqa: ARG002 - there are no others
        """Return the keys, refused or not."""
        return self._keys

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return self._keys.secrets


class SignatureAuth(Identity):
    """Signs each request each time it is sent. Renews expired temporary keys once.

    Shared by all threads of a run. Until the first answer shows that the keys are good, one
    request is sent at a time. If the keys are refused, no other request is sent: the
    clouds lock a user after a few wrong tries.
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
        """Return the base of the project's volume API. Asks for the project's ID if needed."""
        require_safe(
            self._endpoint, allow_http=self._settings.allow_http, what="the volume endpoint"
        )
        with self._looking_up:
            if self._project_id is None:
                self._project_id = self._look_up(send)
        if not _PROJECT_ID.fullmatch(self._project_id):
            raise ConfigurationError(
                f"{self._project_id!r} is not a project ID",
                hint="Correct OS_PROJECT_ID (project_id in clouds.yaml), or set OS_PROJECT_NAME "
                "instead.",
            )
        return f"{self._endpoint}/{self._settings.api_version}/{self._project_id}"

    def auth_flow(self, request: httpx.Request) -> Flow[None]:
        """Send the request signed, and again with new keys if temporary ones have expired."""
        require_host_of(self._endpoint, request=request, what="a signed request")
        yield from self._signed(request)

    def refresh(self, request: httpx.Request) -> None:
        """Sign a request again before it is sent again."""
        if "X-Sdk-Date" in request.headers:
            sign(request, self._keys.current(), now=self._clock.now())

    def _signed(self, request: httpx.Request) -> Flow[httpx.Response]:
        with self._proving:
            if self._refusal:
                raise self._refusal
            if not self._proven:
                return (yield from self._first(request))
        return (yield from self._sent(request))

    def _first(self, request: httpx.Request) -> Flow[httpx.Response]:
        try:
            response = yield from self._sent(request)
        except SignInError as error:  # there are no keys
            self._refusal = error
            raise
        if response.is_success:
            self._proven = True
            return response
        refusal = self._refused(response)
        if isinstance(refusal, SignInError):
            self._refusal = refusal
        self._proven = not isinstance(refusal, SignInError | ServerError | ThrottledError)
        return response

    def _sent(self, request: httpx.Request) -> Flow[httpx.Response]:
        """Send the request once, or twice if the keys had to be renewed."""
        keys = self._keys.current()
        self._sign(request, keys)
        response = yield request
        if response.is_success or self._refused(response).code != _EXPIRED:
            return response
        renewed = self._keys.current(refused=keys)
        if renewed is keys:
            return response
        self._sign(request, renewed)
        return (yield request)

    def _refused(self, response: httpx.Response) -> ServiceError:
        return refused(response, doing="signing in with AK/SK", secrets=self.secrets)

    def _sign(self, request: httpx.Request, keys: Keys) -> None:
        if self._project_id is not None:
            request.headers["X-Project-Id"] = self._project_id
        sign(request, keys, now=self._clock.now())

    def _look_up(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Ask IAM for the project's ID. A region's main project has the region's name."""
        name = self._settings.project_name or self._settings.region or ""
        request = httpx.Request(
            "GET",
            f"{self._settings.auth_url}/v3/projects?name={quote(name, safe='')}",
            headers={"Accept": "application/json"},
        )
        response = run_flow(self._signed(request), send=send)
        if not response.is_success:
            raise refused(
                response,
                doing=f"looking up the project {name!r}",
                secrets=self.secrets,
                wrong_address=_IAM_HINT,
            )
        return _only_project(response.content, name=name)


def _only_project(body: bytes, *, name: str) -> str:
    try:
        projects = json.loads(body)["projects"]
        ids = [p["id"] for p in projects if p.get("name") == name]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadAnswerError(
            "looking up the project: the answer has no list of projects",
            hint=_IAM_HINT,
        ) from error
    if len(ids) == 1 and isinstance(ids[0], str) and ids[0]:
        return ids[0]
    count = f"{len(ids)} projects are" if ids else "no project is"
    raise ConfigurationError(
        f"{count} called {name!r} for these keys",
        details=tuple(str(id_) for id_ in ids),
        hint="Set OS_PROJECT_ID, or correct OS_PROJECT_NAME and OS_REGION_NAME "
        "(a sub-project has a name such as eu-de_prod).",
    )
