"""Signing in at Keystone (IAM): a scoped token, the catalog, and renewal when refused.

Sources: https://docs.openstack.org/api-ref/identity/v3/ ("password authentication with scoped
authorization") and https://docs.otc.t-systems.com/identity-access-management/api-ref/
("obtaining a user token").
"""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import httpx

from evs_snap.api.identity import REPEATABLE, Identity
from evs_snap.api.models import parse_time
from evs_snap.api.refusals import is_stale_token, refused
from evs_snap.auth.cache import Session, TokenCache, is_token
from evs_snap.auth.catalog import endpoint_base, find_endpoint
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    ServerError,
    ServiceError,
)
from evs_snap.settings.addresses import require_safe
from evs_snap.settings.credentials import PasswordCredentials, TokenCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from evs_snap.clock import Clock
    from evs_snap.settings import Settings


class KeystoneAuth(Identity):
    """Puts a token on each request; signs in when needed, anew once when refused.

    Shared by all threads of a run. A refused sign-in is remembered: the clouds lock
    users after a few wrong passwords, so there is one attempt a run.
    """

    requires_response_body = True

    def __init__(self, settings: Settings, *, clock: Clock, cache: TokenCache | None) -> None:
        self._settings = settings
        self._key = sign_in_key(settings)
        self._clock = clock
        self._cache = cache
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._refusal: EvsSnapError | None = None

    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Return the base of the project's volume API, signing in if need be."""
        # Closed at once when sending fails: it holds the lock all others wait for.
        with closing(self._current(refused=None)) as flow:
            try:
                request = next(flow)
                while True:
                    request = flow.send(send(request))
            except StopIteration as stop:
                session: Session = stop.value
        return f"{session.endpoint}/{self._settings.api_version}/{session.project_id}"

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles in the project."""
        return self._session.roles if self._session else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        token = (self._session.token,) if self._session else ()
        return (*self._settings.secrets, *token)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the token at hand; where it is refused as stale, once more with a new one."""
        session = yield from self._current(refused=None)
        self._put_token(request, session)
        response = yield request
        if response.is_success or not is_stale_token(self._refused(response)):
            return
        renewed = yield from self._current(refused=session)
        self._put_token(request, renewed)
        response = yield request
        if response.is_success:
            return
        refusal = self._refused(response, doing="using the new token")
        if is_stale_token(refusal):
            # A token just fetched will not do either: no thread need try another.
            with self._lock:
                self._refusal = refusal

    def _put_token(self, request: httpx.Request, session: Session) -> None:
        place = httpx.URL(session.endpoint)
        if (place.scheme, place.netloc) != (request.url.scheme, request.url.netloc):
            raise ConfigurationError(
                f"refusing to send the token to {request.url.host}: it is for {place.host}"
            )
        request.headers["X-Auth-Token"] = session.token

    def _current(
        self, *, refused: Session | None
    ) -> Generator[httpx.Request, httpx.Response, Session]:
        """Yield sign-in requests if need be; return a session that was not refused."""
        with self._lock:
            if self._refusal:
                raise self._refusal
            if self._session is None and self._cache:
                kept = self._cache.load(self._key, secret=self._secret)
                self._session = kept if kept and kept.is_fresh(self._clock.now()) else None
            if self._session and self._session is not refused:
                return self._session
            try:
                self._session = yield from self._sign_in()
            except ServiceError as error:
                if not isinstance(error, ServerError):
                    self._refusal = error
                raise
            if self._cache:
                self._cache.save(self._key, self._session, secret=self._secret)
            return self._session

    def _sign_in(self) -> Generator[httpx.Request, httpx.Response, Session]:
        response = yield token_request(self._settings)
        if not response.is_success:
            raise self._refused(response, doing=f"signing in at {self._settings.auth_url}")
        token = response.headers.get("X-Subject-Token")
        try:
            document = json.loads(response.content)["token"]
            project_id = document["project"]["id"]
            catalog = document.get("catalog") or []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            project_id = None
            catalog = []
        if not token or not is_token(token) or not isinstance(project_id, str):
            raise BadAnswerError(
                f"{self._settings.auth_url} answered the sign-in with something "
                "that is no project-scoped token",
                hint="Check OS_AUTH_URL, and that no proxy or log-in page stands between.",
            )
        return Session(
            token=token,
            expires_at=parse_time(document.get("expires_at")) or self._clock.now(),
            project_id=project_id,
            endpoint=self._endpoint(catalog),
            roles=_role_names(document.get("roles")),
        )

    def _refused(self, response: httpx.Response, *, doing: str = "") -> ServiceError:
        return refused(
            response,
            doing=doing,
            secrets=self.secrets,
            wrong_address="Check OS_AUTH_URL: it must be the address of Keystone v3 (IAM).",
        )

    def _endpoint(self, catalog: object) -> str:
        settings = self._settings
        url = settings.endpoint or find_endpoint(
            catalog, region=settings.region, interface=settings.interface
        )
        require_safe(url, allow_http=settings.allow_http, what="the volume endpoint")
        return endpoint_base(url)

    @property
    def _secret(self) -> str:
        return self._settings.secrets[0]


def _role_names(roles: object) -> tuple[str, ...]:
    rows = roles if isinstance(roles, list) else []
    return tuple(str(row["name"]) for row in rows if isinstance(row, dict) and row.get("name"))


def token_request(settings: Settings) -> httpx.Request:
    """Return the sign-in that the settings describe.

    Raises ConfigurationError where a project's name has no domain.
    """
    scope = {"project": _project(settings)}
    return httpx.Request(
        "POST",
        f"{settings.auth_url}/v3/auth/tokens",
        json={"auth": {"identity": _identity(settings), "scope": scope}},
        headers={"Accept": "application/json"},
        extensions={REPEATABLE: True},
    )


def sign_in_key(settings: Settings) -> Sequence[str]:
    """Return all that makes one sign-in another's, without the secret: a cached token's name."""
    credentials = settings.credentials
    user: tuple[str | None, ...] = ("token",)
    if isinstance(credentials, PasswordCredentials):
        domain = (credentials.domain_name, credentials.domain_id)
        user = (credentials.username, credentials.user_id, *domain)
    project = (
        settings.project_name,
        settings.project_id,
        settings.project_domain_name,
        settings.project_domain_id,
    )
    # allow_http, too: what it let in must not outlive it.
    place = (
        settings.auth_url,
        settings.region,
        settings.interface,
        settings.endpoint,
        str(settings.allow_http),
    )
    return [value or "" for value in (*place, *user, *project)]


def _identity(settings: Settings) -> dict[str, object]:
    credentials = settings.credentials
    if isinstance(credentials, TokenCredentials):
        return {"methods": ["token"], "token": {"id": credentials.token}}
    if not isinstance(credentials, PasswordCredentials):
        raise TypeError(f"{credentials.kind} is no sign-in at Keystone")
    user: dict[str, object] = {"password": credentials.password}
    if credentials.user_id:
        user["id"] = credentials.user_id
    else:
        user["name"] = credentials.username
        user["domain"] = _reference(credentials.domain_id, credentials.domain_name)
    return {"methods": ["password"], "password": {"user": user}}


def _project(settings: Settings) -> dict[str, object]:
    if settings.project_id:
        return {"id": settings.project_id}
    domain_id, domain_name = settings.project_domain_id, settings.project_domain_name
    credentials = settings.credentials
    if not (domain_id or domain_name) and isinstance(credentials, PasswordCredentials):
        domain_id, domain_name = credentials.domain_id, credentials.domain_name
    if not (domain_id or domain_name):
        raise ConfigurationError(
            "a project's name says nothing without its domain",
            hint="Set OS_PROJECT_DOMAIN_NAME, or OS_PROJECT_ID instead of the name.",
        )
    return {"name": settings.project_name, "domain": _reference(domain_id, domain_name)}


def _reference(id_: str | None, name: str | None) -> dict[str, str | None]:
    return {"id": id_} if id_ else {"name": name}
