"""The pretend Keystone: signing in, and the catalog.

A token carries the time at which it ends, so that none needs to be stored. Anybody can forge
one: the password is public, too.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import bodies, faults
from evs_snap.sandbox.call import Response, ok
from evs_snap.sandbox.rules import ACCOUNT, STANDARD_REGION

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

_TOKEN = "gAAAAAB-{end}-{noise}"  # noqa: S105 - a form, which begins as Keystone's tokens do
_TOKEN_FORM = re.compile(r"gAAAAAB-([0-9]{8}T[0-9]{6})-.+")
_TOKEN_END = "%Y%m%dT%H%M%S"  # noqa: S105 - as above
_TOKEN_NOISE = 120
"""Bytes; it makes a token as long as Keystone's."""

_DOMAIN = {"id": ACCOUNT.domain_id, "name": ACCOUNT.domain_name}
_ROLES = (
    {"id": "b1f46d2c90e84a7d8b53c6e0a9f7d214", "name": "reader"},
    {"id": "3e7a05c8d1b94f62a4e9b7d6c0f81523", "name": "member"},
)
_BLOCK_STORAGE = f"/volume/v3/{ACCOUNT.project_id}"
_SERVICES = (
    ("identity", "keystone", "1c0f3ff2b7d64f3e9d0a7a50c4f2e861", "/identity/v3"),
    ("volumev3", "cinderv3", "7a94c2d1e5b84c0f8f36d9e2b1a07c45", _BLOCK_STORAGE),
    ("block-storage", "cinder", "e82b6f09d3a74e51a1c5f47b90d2386c", _BLOCK_STORAGE),
)
_REGIONS = {ACCOUNT.region: "", STANDARD_REGION: f"/{STANDARD_REGION}"}
"""What each region's addresses begin with; Keystone is the same for both."""


def versions(call: Call) -> Response:
    """GET /identity: which versions there are."""
    return Response(HTTPStatus.MULTIPLE_CHOICES, {"versions": {"values": [_version(call)]}})


def version(call: Call) -> Response:
    """GET /v3: what version 3 is."""
    return ok(version=_version(call))


def sign_in(call: Call) -> Response:
    """POST /auth/tokens: a token for the project, by password or by another token."""
    body = bodies.parse(call.request)
    auth = _part({"body": body}, "body", "auth")
    identity = _part(auth, "identity")
    methods = identity.get("methods")
    issued_at = call.now.replace(microsecond=0)
    if methods == ["password"]:
        user = _part(identity, "password", "user")
        known = _is(user, item=ACCOUNT.user_id, name=ACCOUNT.user_name)
        if not known or user.get("password") != ACCOUNT.password:
            raise faults.unauthorized(call.request)
        end = issued_at + call.rules.token_lifetime
    elif methods == ["token"]:
        parent_end = _end(_part(identity, "token").get("id"))
        if parent_end is None or call.now >= parent_end:
            message = "Could not recognize Fernet token"
            raise faults.keystone(HTTPStatus.NOT_FOUND, message=message)
        end = parent_end
    else:
        message = "Attempted to authenticate with an unsupported method."
        raise faults.keystone(HTTPStatus.UNAUTHORIZED, message=message)
    project = _part(auth, "scope", "project")
    if not _is(project, item=ACCOUNT.project_id, name=ACCOUNT.project_name):
        raise faults.unauthorized(call.request)
    return _token(call, methods=methods, issued_at=issued_at, end=end)


def check_token(call: Call) -> None:
    """Refuse a caller without a token, or with one that has expired."""
    end = _end(call.request.headers.get("x-auth-token"))
    if end is None or call.now >= end:
        raise faults.unauthorized(call.request)


def _token(call: Call, *, methods: list[str], issued_at: datetime, end: datetime) -> Response:
    token = {
        "methods": methods,
        "user": {
            "domain": _DOMAIN,
            "id": ACCOUNT.user_id,
            "name": ACCOUNT.user_name,
            "password_expires_at": None,
        },
        "audit_ids": [secrets.token_urlsafe(16)],
        "expires_at": _zulu(end),
        "issued_at": _zulu(issued_at),
        "project": {"domain": _DOMAIN, "id": ACCOUNT.project_id, "name": ACCOUNT.project_name},
        "is_domain": False,
        "roles": _ROLES,
        "catalog": _catalog(call.request.origin),
    }
    end_text = end.astimezone(UTC).strftime(_TOKEN_END)
    subject = _TOKEN.format(end=end_text, noise=secrets.token_urlsafe(_TOKEN_NOISE))
    return Response(HTTPStatus.CREATED, {"token": token}, {"X-Subject-Token": subject})


def _catalog(origin: str) -> list[dict[str, object]]:
    return [
        {
            "endpoints": [
                {
                    "id": sha256(f"{region} {service_id}".encode()).hexdigest()[:32],
                    "interface": "public",
                    "region_id": region,
                    "url": f"{origin}{'' if kind == 'identity' else prefix}{path}",
                    "region": region,
                }
                for region, prefix in _REGIONS.items()
            ],
            "id": service_id,
            "type": kind,
            "name": name,
        }
        for kind, name, service_id, path in _SERVICES
    ]


def _version(call: Call) -> dict[str, object]:
    url = f"{call.request.origin}{call.request.path.removesuffix('/').removesuffix('/v3')}/v3/"
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": url}],
        "media-types": [],
    }


def _end(token: object) -> datetime | None:
    match = _TOKEN_FORM.fullmatch(token) if isinstance(token, str) else None
    try:
        return datetime.strptime(match[1], _TOKEN_END).replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def _is(given: dict[str, object], *, item: str, name: str) -> bool:
    if "id" in given:
        return given["id"] == item
    domain = _part(given, "domain")
    known = (domain.get("id", ACCOUNT.domain_id), domain.get("name", ACCOUNT.domain_name))
    return given.get("name") == name and known == (ACCOUNT.domain_id, ACCOUNT.domain_name)


def _part(parent: dict[str, object], *names: str) -> dict[str, object]:
    part: object = parent
    for name in names:
        part = part.get(name) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            message = f"Expecting to find {name}. The server could not comply with the request."
            raise faults.keystone(HTTPStatus.BAD_REQUEST, message=message)
    return part if isinstance(part, dict) else {}


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
