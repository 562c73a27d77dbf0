"""Signing in at Keystone (IAM): a token for the project, and a new one when it is refused.

Sources: https://docs.openstack.org/api-ref/identity/v3/ ("password authentication with scoped
authorization") and https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
"""

from __future__ import annotations

import json
import threading
from math import inf
from typing import TYPE_CHECKING

from evs_snap.api.bounds import UNTIL
from evs_snap.api.http import httpx
from evs_snap.api.identity import REPEATABLE, Identity
from evs_snap.api.refusals import is_stale_token, refused
from evs_snap.api.wire import parse_time
from evs_snap.auth.cache import ScopedToken, TokenCache, is_token
from evs_snap.auth.catalog import endpoint_base, find_endpoint
from evs_snap.auth.flow import Flow, require_host_of, run_flow
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    ServerError,
    ServiceError,
    WrongEndpointError,
)
from evs_snap.settings.addresses import require_safe
from evs_snap.settings.credentials import (
    ApplicationCredentials,
    PasswordCredentials,
    TokenCredentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evs_snap.clock import Clock
    from evs_snap.settings import Settings


class KeystoneAuth(Identity):
    """Puts a token on each request. Signs in when needed, and once more when it is refused.

    Shared by all threads of a run. A refused sign-in is remembered and not tried again:
    the clouds lock a user after a few wrong passwords.
    """

    requires_response_body = True

    def __init__(self, settings: Settings, *, clock: Clock, cache: TokenCache | None) -> None:
        self._settings = settings
        self._key = cache_key(settings)
        self._clock = clock
        self._cache = cache
        self._lock = threading.Lock()
        self._scoped: ScopedToken | None = None
        self._refusal: EvsSnapError | None = None

    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Return the base of the project's volume API, signing in if need be."""
        scoped = run_flow(self._current(refused=None), send=send)
        return f"{scoped.endpoint}/{self._settings.api_version}/{scoped.project_id}"

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles in the project."""
        return self._scoped.roles if self._scoped else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        token = (self._scoped.token,) if self._scoped else ()
        return (*self._settings.secrets, *token)

    def auth_flow(self, request: httpx.Request) -> Flow[None]:
        """Send with the token; if it may be too old, once more with a new one."""
        until = request.extensions.get(UNTIL, inf)
        scoped = yield from self._current(refused=None, until=until)
        self._put_token(request, scoped)
        response = yield request
        if response.is_success:
            return
        refusal = self._refused(response)
        if isinstance(refusal, WrongEndpointError) and self._cache:
            # Kept, a wrong project or address would spoil every run until the token ends.
            self._cache.forget(self._key)
        if not is_stale_token(refusal):
            return
        renewed = yield from self._current(refused=scoped, until=until)
        self._put_token(request, renewed)
        response = yield request
        if response.is_success:
            return
        refusal = self._refused(response, doing="using the new token")
        if is_stale_token(refusal):
            # A new token is refused too: no other thread needs to try.
            with self._lock:
                self._refusal = refusal

    def _put_token(self, request: httpx.Request, scoped: ScopedToken) -> None:
        require_host_of(scoped.endpoint, request=request, what="the token")
        request.headers["X-Auth-Token"] = scoped.token

    def _current(self, *, refused: ScopedToken | None, until: float = inf) -> Flow[ScopedToken]:
        """Return a token other than the ``refused`` one, signing in if need be.

        ``until`` is when the request that needs the token ends.
        """
        with self._lock:
            if self._refusal:
                raise self._refusal
            if self._scoped is None and self._cache:
                kept = self._cache.load(self._key, secret=self._secret)
                self._scoped = kept if kept and kept.is_fresh(self._clock.now()) else None
            if self._scoped and self._scoped is not refused:
                return self._scoped
            try:
                self._scoped = yield from self._sign_in(until=until)
            except (ServiceError, ConfigurationError) as error:
                if not isinstance(error, ServerError):
                    self._refusal = error
                raise
            if self._cache:
                self._cache.save(self._key, self._scoped, secret=self._secret)
            return self._scoped

    def _sign_in(self, *, until: float) -> Flow[ScopedToken]:
        request = token_request(self._settings)
        request.extensions[UNTIL] = until
        response = yield request
        if not response.is_success:
            raise self._refused(response, doing=f"signing in at {self._settings.auth_url}")
        token = response.headers.get("X-Subject-Token")
        try:
            document = json.loads(response.content)["token"]
            project_id = document["project"]["id"]
            project_name = document["project"].get("name")
            catalog = document.get("catalog") or []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            project_id = project_name = None
            catalog = []
        if not token or not is_token(token) or not isinstance(project_id, str):
            raise BadAnswerError(
                f"{self._settings.auth_url} answered the sign-in with something "
                "that is not a token for a project",
                hint="Check OS_AUTH_URL, and that no proxy or log-in page answers in its place.",
            )
        self._require_project(id_=project_id, name=project_name)
        return ScopedToken(
            token=token,
            expires_at=parse_time(document.get("expires_at")) or self._clock.now(),
            project_id=project_id,
            endpoint=self._endpoint(catalog),
            roles=_role_names(document.get("roles")),
        )

    def _require_project(self, *, id_: str, name: object) -> None:
        """Refuse an application credential that is for another project than the one set."""
        wanted = self._settings.project_id or self._settings.project_name
        if not isinstance(self._settings.credentials, ApplicationCredentials) or not wanted:
            return
        if wanted != (id_ if self._settings.project_id else name):
            raise ConfigurationError(
                f"the application credential is for project {name or id_!r}, not for {wanted!r}",
                hint="Unset OS_PROJECT_NAME and OS_PROJECT_ID, or use another credential.",
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
    """Return the request that signs in as the settings say.

    Raises ConfigurationError where a project's name has no domain.
    """
    auth: dict[str, object] = {"identity": _identity(settings)}
    if not isinstance(settings.credentials, ApplicationCredentials):  # which has its own project
        auth["scope"] = {"project": _project(settings)}
    return httpx.Request(
        "POST",
        f"{settings.auth_url}/v3/auth/tokens",
        json={"auth": auth},
        headers={"Accept": "application/json"},
        extensions={REPEATABLE: True},
    )


def cache_key(settings: Settings) -> Sequence[str]:
    """Return all settings, except the secret, that a cached token depends on."""
    credentials = settings.credentials
    user: tuple[str | None, ...] = ()
    if isinstance(credentials, PasswordCredentials | ApplicationCredentials):
        domain = (credentials.domain_name, credentials.domain_id)
        user = (credentials.username, credentials.user_id, *domain)
    if isinstance(credentials, ApplicationCredentials):
        user = (*user, credentials.id, credentials.name)
    project = (
        settings.project_name,
        settings.project_id,
        settings.project_domain_name,
        settings.project_domain_id,
    )
    # A run that trusts less must not use the endpoint that a run found which trusts more.
    place = (
        settings.auth_url,
        settings.region,
        settings.interface,
        settings.endpoint,
        str(settings.allow_http),
        str(settings.verify),
    )
    return [value or "" for value in (*place, credentials.kind, *user, *project)]


def _identity(settings: Settings) -> dict[str, object]:
    credentials = settings.credentials
    if isinstance(credentials, TokenCredentials):
        return {"methods": ["token"], "token": {"id": credentials.token}}
    if isinstance(credentials, ApplicationCredentials):
        proof: dict[str, object] = {"secret": credentials.secret}
        if credentials.id:
            proof["id"] = credentials.id
        else:
            proof |= {"name": credentials.name, "user": _user(credentials)}
        return {"methods": ["application_credential"], "application_credential": proof}
    if not isinstance(credentials, PasswordCredentials):
        raise TypeError(f"{credentials.kind} is not a sign-in at Keystone")
    user = _user(credentials) | {"password": credentials.password}
    return {"methods": ["password"], "password": {"user": user}}


def _user(credentials: PasswordCredentials | ApplicationCredentials) -> dict[str, object]:
    if credentials.user_id:
        return {"id": credentials.user_id}
    domain = _reference(credentials.domain_id, credentials.domain_name)
    return {"name": credentials.username, "domain": domain}


def _project(settings: Settings) -> dict[str, object]:
    if settings.project_id:
        return {"id": settings.project_id}
    domain_id, domain_name = settings.project_domain_id, settings.project_domain_name
    credentials = settings.credentials
    if not (domain_id or domain_name) and isinstance(credentials, PasswordCredentials):
        domain_id, domain_name = credentials.domain_id, credentials.domain_name
    if not (domain_id or domain_name):
        raise ConfigurationError(
            "the project has a name but no domain, and only both together name a project",
            hint="Set OS_PROJECT_DOMAIN_NAME, or OS_PROJECT_ID instead of the name.",
        )
    return {"name": settings.project_name, "domain": _reference(domain_id, domain_name)}


def _reference(id_: str | None, name: str | None) -> dict[str, str | None]:
    return {"id": id_} if id_ else {"name": name}
