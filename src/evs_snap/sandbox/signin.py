"""What a sign-in body asks for, or Keystone's refusal of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, validation
from evs_snap.sandbox.authentication import find_token
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.authentication import Token
    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.wire import Request


def read_auth(request: Request) -> dict[str, object]:
    """Return the body's auth object."""
    if not validation.is_json(request):
        raise _expected("application/json", place="Content-Type header")
    try:
        body = validation.parse(request.body)
    except faults.FaultError:
        raise _expected("valid JSON", place="request body") from None
    return _part(body, name="auth", place="request body")


def check_identity(auth: dict[str, object], *, call: Call) -> Token | None:
    """Check password or token; a token is returned, for the new one builds on it."""
    identity = _part(auth, name="identity", place="auth")
    methods = identity.get("methods")
    if methods == ["password"]:
        password = _part(identity, name="password", place="identity")
        user = _part(password, name="user", place="password")
        known = _is(user, place="user", item=ACCOUNT.user_id, name=ACCOUNT.user_name) and (
            user.get("password") == ACCOUNT.password
        )
        if not known:
            raise faults.unauthorized(call.request)
        return None
    if methods == ["token"]:
        given = _part(identity, name="token", place="identity")
        token = find_token(call, token_id=given.get("id"))
        if token is None:
            raise faults.keystone(HTTPStatus.NOT_FOUND, message="Could not recognize Fernet token")
        return token
    raise faults.keystone(
        HTTPStatus.UNAUTHORIZED, message="Attempted to authenticate with an unsupported method."
    )


def check_scope(auth: dict[str, object], *, call: Call) -> bool:
    """Tell whether the token is to be for the project; other scopes are refused."""
    scope = auth.get("scope")
    if scope is None or scope == "unscoped":
        return False
    if isinstance(scope, dict) and "unscoped" in scope:
        return False
    if not isinstance(scope, dict) or "project" not in scope:
        raise faults.unauthorized(call.request)
    project = _part(scope, name="project", place="scope")
    if not _is(project, place="project", item=ACCOUNT.project_id, name=ACCOUNT.project_name):
        raise faults.unauthorized(call.request)
    return True


def _is(given: dict[str, object], *, place: str, item: str, name: str) -> bool:
    if "id" in given:
        return given["id"] == item
    domain = _part(given, name="domain", place=place)
    if "id" in domain:
        return given.get("name") == name and domain["id"] == ACCOUNT.domain_id
    return given.get("name") == name and domain.get("name") == ACCOUNT.domain_name


def _part(parent: object, *, name: str, place: str) -> dict[str, object]:
    part = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(part, dict):
        raise _expected(name, place=place)
    return part


def _expected(what: str, *, place: str) -> faults.FaultError:
    return faults.keystone(
        HTTPStatus.BAD_REQUEST,
        message=f"Expecting to find {what} in {place}. The server could not comply with the "
        "request since it is either malformed or otherwise incorrect. The client is "
        "assumed to be in error.",
    )
