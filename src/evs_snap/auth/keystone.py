"""Signing in at Keystone (IAM): a token for the project, and a new one when it is refused.

Sources: https://docs.openstack.org/api-ref/identity/v3/ ("password authentication with scoped
authorization") and https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from math import inf

from evs_snap.api.bounds import UNTIL
from evs_snap.api.http import httpx
from evs_snap.api.identity import REPEATABLE, Identity
from evs_snap.api.refusals import is_stale_token, refused
from evs_snap.api.wire import parse_time
from evs_snap.auth.cache import ScopedToken, TokenCache, is_token
from evs_snap.auth.catalog import endpoint_base, find_endpoint
from evs_snap.auth.flow import Flow, require_host_of, run_flow
from evs_snap.clock import Clock
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NoEndpointError,
    ServerError,
    ServiceError,
    ThrottledError,
    WrongEndpointError,
)
from evs_snap.settings import Settings
from evs_snap.settings.addresses import require_safe
from evs_snap.settings.credentials import KeystoneCredentials, reference


class KeystoneAuth(Identity):
    """Puts a token on each request. Signs in when needed, and again when the token is refused.

    Shared by all threads of a run. A refused sign-in is remembered and not tried again:
    the clouds lock a user after a few wrong passwords.
    """

    requires_response_body = True

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: KeystoneCredentials,
        clock: Clock,
        cache: TokenCache | None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._key = cache_key(settings, credentials)
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
        """Send the request with the token, and again with a new one if the token is refused."""
        until = request.extensions.get(UNTIL, inf)
        scoped = yield from self._current(refused=None, until=until)
        self._put_token(request, scoped)
        response = yield request
        if response.is_success:
            return
        refusal = self._refused(response)
        if isinstance(refusal, WrongEndpointError) and self._cache:
            # A wrong project or address must not stay in the cache until the token ends.
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
            # Even the new token is refused, so no other thread needs to try.
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
                if not isinstance(error, ServerError | ThrottledError):
                    self._refusal = error
                raise
            if self._cache:
                self._cache.save(self._key, self._scoped, secret=self._secret)
            return self._scoped

    def _sign_in(self, *, until: float) -> Flow[ScopedToken]:
        request = token_request(self._settings, self._credentials)
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
                hint="Check OS_AUTH_URL (auth_url in clouds.yaml), and that no proxy or log-in "
                "page answers in its place.",
            )
        self._require_project(id_=project_id, name=project_name)
        return ScopedToken(
            token=token,
            expires_at=parse_time(document.get("expires_at")) or self._clock.now(),
            project_id=project_id,
            endpoint=self._endpoint(catalog, project_id=project_id),
            roles=_role_names(document.get("roles")),
        )

    def _require_project(self, *, id_: str, name: object) -> None:
        """Refuse an application credential that is for another project than the one set."""
        wanted = self._settings.project_id or self._settings.project_name
        if not self._credentials.has_project or not wanted:
            return
        if wanted != (id_ if self._settings.project_id else name):
            raise ConfigurationError(
                f"the application credential is for project {name or id_!r}, not for {wanted!r}",
                hint="Remove the project (OS_PROJECT_NAME, OS_PROJECT_ID, or in clouds.yaml), or "
                "use another credential.",
            )

    def _refused(self, response: httpx.Response, *, doing: str = "") -> ServiceError:
        return refused(
            response,
            doing=doing,
            secrets=self.secrets,
            wrong_address="Check OS_AUTH_URL (auth_url in clouds.yaml): it must be the address of "
            "Keystone v3 (IAM).",
        )

    def _endpoint(self, catalog: object, *, project_id: str) -> str:
        settings = self._settings
        url = settings.endpoint or find_endpoint(
            catalog,
            region=settings.region,
            interface=settings.interface,
            service_type=settings.service_type,
            service_name=settings.service_name,
        )
        try:
            require_safe(url, allow_http=settings.allow_http, what="the volume endpoint")
        except ConfigurationError as error:
            raise NoEndpointError(error.message, hint=error.hint) from error
        return endpoint_base(url, project_id=project_id)

    @property
    def _secret(self) -> str:
        return self._settings.secrets[0]


def _role_names(roles: object) -> tuple[str, ...]:
    rows = roles if isinstance(roles, list) else []
    return tuple(str(row["name"]) for row in rows if isinstance(row, dict) and row.get("name"))


def token_request(settings: Settings, credentials: KeystoneCredentials) -> httpx.Request:
    """Return the request that signs in as the settings say.

    Raises ConfigurationError where a project's name has no domain.
    """
    auth: dict[str, object] = {"identity": credentials.identity}
    if not credentials.has_project:
        auth["scope"] = {"project": _project(settings, credentials)}
    return httpx.Request(
        "POST",
        f"{settings.auth_url}/v3/auth/tokens",
        json={"auth": auth},
        headers={"Accept": "application/json"},
        extensions={REPEATABLE: True},
    )


def cache_key(settings: Settings, credentials: KeystoneCredentials) -> Sequence[str]:
    """Return all settings, except the secret, that a cached token depends on."""
    shown = (getattr(credentials, f.name) for f in fields(credentials) if f.repr)
    # The endpoint is kept with the token. A run that trusts less must not use the endpoint that
    # a run found which trusts more: so allow_http and verify are part of the key.
    parts = (
        settings.auth_url,
        settings.region,
        settings.interface,
        settings.endpoint,
        settings.service_type,
        settings.service_name,
        settings.allow_http,
        settings.verify,
        credentials.kind,
        *shown,
        settings.project_name,
        settings.project_id,
        settings.project_domain_name,
        settings.project_domain_id,
    )
    return [str(part or "") for part in parts]


def _project(settings: Settings, credentials: KeystoneCredentials) -> dict[str, object]:
    if settings.project_id:
        return {"id": settings.project_id}
    domain_id, domain_name = settings.project_domain_id, settings.project_domain_name
    if not (domain_id or domain_name):
        domain_id, domain_name = credentials.user.domain_id, credentials.user.domain_name
    if not (domain_id or domain_name):
        raise ConfigurationError(
            "the project has a name but no domain, and only both together name a project",
            hint="Set OS_PROJECT_ID instead of the name, or OS_PROJECT_DOMAIN_NAME (for a cloud of "
            "clouds.yaml, project_domain_name in its entry).",
        )
    return {"name": settings.project_name, "domain": reference(domain_id, domain_name)}
