"""What Keystone is asked for: whose token, and for which project.

Source: Keystone v3 "password authentication with scoped authorization", "token
authentication with scoped authorization"; evs-api.md, section 5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from evs_snap.api.identity import REPEATABLE
from evs_snap.errors import ConfigurationError
from evs_snap.settings.credentials import PasswordCredentials, TokenCredentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.settings import Settings


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
