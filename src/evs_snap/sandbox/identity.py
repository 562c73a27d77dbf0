"""The pretend Keystone: tokens, projects and the catalog."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, signin, versions
from evs_snap.sandbox.authentication import (
    Token,
    authenticate,
    find_token,
    forget_token,
    save_token,
)
from evs_snap.sandbox.call import Route
from evs_snap.sandbox.rules import ACCOUNT
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from datetime import datetime

    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.wire import Request

_SERVICES = (
    ("identity", "keystone", "1c0f3ff2b7d64f3e9d0a7a50c4f2e861", "/identity/v3"),
    (
        "volumev3",
        "cinderv3",
        "7a94c2d1e5b84c0f8f36d9e2b1a07c45",
        f"/volume/v3/{ACCOUNT.project_id}",
    ),
    (
        "block-storage",
        "cinder",
        "e82b6f09d3a74e51a1c5f47b90d2386c",
        f"/volume/v3/{ACCOUNT.project_id}",
    ),
)
_ROLES = (
    {"id": "b1f46d2c90e84a7d8b53c6e0a9f7d214", "name": "reader"},
    {"id": "3e7a05c8d1b94f62a4e9b7d6c0f81523", "name": "member"},
)


def issue(call: Call) -> Response:
    """POST /auth/tokens: sign in."""
    auth = signin.read_auth(call.request)
    parent = signin.check_identity(auth, call=call)
    issued_at = call.now.replace(microsecond=0)
    token = Token(
        id=f"gAAAAAB{secrets.token_urlsafe(132)}",  # as long as Keystone's
        scoped=signin.check_scope(auth, call=call),
        methods=["token", *parent.methods] if parent else ["password"],
        audit_ids=[
            secrets.token_urlsafe(16),
            *(parent.audit_ids[-1:] if parent else ()),
        ],
        issued_at=issued_at,
        expires_at=(parent.expires_at if parent else issued_at + call.rules.token_lifetime),
    )
    save_token(call, token=token)
    return _token_answer(token, request=call.request, status=HTTPStatus.CREATED)


def validate(call: Call) -> Response:
    """GET /auth/tokens: show a token."""
    token = _subject(call, action="validate_token")
    return _token_answer(token, request=call.request, status=HTTPStatus.OK)


def revoke(call: Call) -> Response:
    """DELETE /auth/tokens: end a token."""
    forget_token(call, token=_subject(call, action="revoke_token"))
    return Response(HTTPStatus.NO_CONTENT)


def projects(call: Call) -> Response:
    """GET /auth/projects and /projects: the one project, if the name fits.

    Keystone forbids members the second; the IAM of the EVS clouds allows it.
    """
    authenticate(call)
    project = {
        "id": ACCOUNT.project_id,
        "name": ACCOUNT.project_name,
        "domain_id": ACCOUNT.domain_id,
        "description": "",
        "enabled": True,
        "parent_id": ACCOUNT.domain_id,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {"self": f"{call.service_url}/v3/projects/{ACCOUNT.project_id}"},
    }
    name = call.request.query.get("name", ACCOUNT.project_name)
    document = {
        "projects": [project] if name == ACCOUNT.project_name else [],
        "links": {
            "next": None,
            "self": f"{call.request.origin}{call.request.path}",
            "previous": None,
        },
    }
    return Response(HTTPStatus.OK, document)


def catalog(call: Call) -> Response:
    """GET /auth/catalog: where the services are."""
    if authenticate(call).project_id is None:
        raise faults.keystone(
            HTTPStatus.FORBIDDEN,
            message="A project-scoped token is required to produce a service catalog.",
        )
    document = {
        "catalog": _catalog(call.request.origin),
        "links": {"self": f"{call.service_url}/v3/auth/catalog"},
    }
    return Response(HTTPStatus.OK, document)


ROUTES = (
    Route("GET", "/?", versions.identity_version),
    Route("POST", "/auth/tokens", issue),
    Route("GET", "/auth/tokens", validate),
    Route("DELETE", "/auth/tokens", revoke),
    Route("GET", "/auth/projects", projects),
    Route("GET", "/projects", projects),
    Route("GET", "/auth/catalog", catalog),
)


def _subject(call: Call, *, action: str) -> Token:
    authenticate(call)
    subject = call.request.headers.get("x-subject-token")
    if subject is None:
        raise faults.keystone(
            HTTPStatus.FORBIDDEN,
            message=f"You are not authorized to perform the requested action: identity:{action}.",
        )
    token = find_token(call, token_id=subject)
    if token is None:
        raise faults.keystone(HTTPStatus.NOT_FOUND, message="Could not recognize Fernet token")
    return token


def _token_answer(token: Token, *, request: Request, status: HTTPStatus) -> Response:
    domain = {"id": ACCOUNT.domain_id, "name": ACCOUNT.domain_name}
    user = {
        "domain": domain,
        "id": ACCOUNT.user_id,
        "name": ACCOUNT.user_name,
        "password_expires_at": None,
    }
    body: dict[str, object] = {
        "methods": token.methods,
        "user": user,
        "audit_ids": token.audit_ids,
        "expires_at": _zulu(token.expires_at),
        "issued_at": _zulu(token.issued_at),
    }
    if token.scoped:
        body["project"] = {
            "domain": domain,
            "id": ACCOUNT.project_id,
            "name": ACCOUNT.project_name,
        }
        body["is_domain"] = False
        body["roles"] = _ROLES
        if "nocatalog" not in request.query:
            body["catalog"] = _catalog(request.origin)
    return Response(status, {"token": body}, {"X-Subject-Token": token.id})


def _catalog(origin: str) -> list[dict[str, object]]:
    return [
        {
            "endpoints": [
                {
                    "id": service_id[::-1],
                    "interface": "public",
                    "region_id": ACCOUNT.region,
                    "url": f"{origin}{path}",
                    "region": ACCOUNT.region,
                }
            ],
            "id": service_id,
            "type": kind,
            "name": name,
        }
        for kind, name, service_id, path in _SERVICES
    ]


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
