"""Who sent a request, by signature or token; and the tokens that were issued."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, gateway, signature
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call


@dataclass(frozen=True, slots=True)
class Caller:
    """The user, signed in, for a project or for none."""

    project_id: str | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is valid now."""

    id: str
    scoped: bool
    methods: list[str]
    audit_ids: list[str]
    issued_at: datetime
    expires_at: datetime


def authenticate(call: Call) -> Caller:
    """Return who sent the request, or refuse with a 401."""
    if call.request.headers.get("authorization", "").startswith(signature.ALGORITHM):
        gateway.check(call)
        return Caller(project_id=ACCOUNT.project_id)
    token = find_token(call, token_id=call.request.headers.get("x-auth-token"))
    if token is None:
        raise faults.unauthorized(call.request)
    return Caller(project_id=ACCOUNT.project_id if token.scoped else None)


def find_token(call: Call, *, token_id: object) -> Token | None:
    """Return a token that was issued and has not expired."""
    if not isinstance(token_id, str):
        return None
    row = call.db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
    if row is None:
        return None
    token = Token(
        id=row["id"],
        scoped=bool(row["scoped"]),
        methods=json.loads(row["methods"]),
        audit_ids=json.loads(row["audit_ids"]),
        issued_at=datetime.fromisoformat(row["issued_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
    )
    return token if call.now < token.expires_at else None


def save_token(call: Call, *, token: Token) -> None:
    """Keep a token, and forget those that have expired."""
    call.db.execute("DELETE FROM tokens WHERE expires_at <= ?", (call.now.isoformat(),))
    call.db.execute(
        "INSERT INTO tokens (id, scoped, methods, audit_ids, issued_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            token.id,
            token.scoped,
            json.dumps(token.methods),
            json.dumps(token.audit_ids),
            token.issued_at.isoformat(),
            token.expires_at.isoformat(),
        ),
    )


def forget_token(call: Call, *, token: Token) -> None:
    """Revoke a token."""
    call.db.execute("DELETE FROM tokens WHERE id = ?", (token.id,))
