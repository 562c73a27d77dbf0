"""Whom the gateway before the services lets in: the holder of a key who signs now."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, signature
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.signature import Claim

_MAX_SKEW = timedelta(minutes=15)
_MUST_BE_SIGNED = ("host", "x-sdk-date")
_DATE_FORM = "%Y%m%dT%H%M%SZ"
_SECRETS = {
    ACCOUNT.access_key: ACCOUNT.secret_key,
    ACCOUNT.temporary_access_key: ACCOUNT.temporary_secret_key,
}


def check(call: Call) -> None:
    """Refuse a signed request unless its signature is right."""
    claim = signature.read_claim(call.request.headers.get("authorization", ""))
    if claim is None:
        raise _refusal("the Authorization header is malformed")
    secret_key = _SECRETS.get(claim.access_key)
    if secret_key is None:
        raise _refusal(f"ak {claim.access_key} not exist")
    if claim.access_key == ACCOUNT.temporary_access_key:
        _check_security_token(call)
    _check_signed_headers(claim, call=call)
    date = call.request.headers["x-sdk-date"].strip()
    _check_date(date, now=call.now)
    canonical = signature.canonical_request(call.request, signed_headers=claim.signed_headers)
    if not signature.is_right(claim, canonical=canonical, date=date, secret_key=secret_key):
        # The gateway, too, says what it saw.
        seen = canonical.replace("\n", "|")
        raise _refusal(f"verify aksk signature fail, canonicalRequest:{seen}")
    _check_project(call)


def _check_security_token(call: Call) -> None:
    token = call.request.headers.get("x-security-token", "").strip()
    if not token:
        raise _refusal("x-security-token not found")
    if not hmac.compare_digest(token.encode(), ACCOUNT.security_token.encode()):
        raise _refusal("the security token does not belong to the ak")
    end = call.rules.temporary_keys_end
    if end is not None and call.now >= end:
        raise faults.gateway(
            HTTPStatus.BAD_REQUEST, code="IAM.1108", message="The security token has expired."
        )


def _check_signed_headers(claim: Claim, *, call: Call) -> None:
    names = claim.signed_headers
    if list(names) != sorted({name.lower() for name in names}):
        raise _refusal("verify aksk signature fail, SignedHeaders are not lower-case and sorted")
    for name in _MUST_BE_SIGNED:
        if name not in names:
            raise _refusal(f"verify aksk signature fail, header {name} is not signed")
    for name in names:
        if name not in call.request.headers:
            raise _refusal(f"verify aksk signature fail, signed header {name} not found")


def _check_date(date: str, *, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, _DATE_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise _refusal(f"x-sdk-date {date} is malformed") from None
    if signed_at.strftime(_DATE_FORM) != date:  # strptime takes single digits, too
        raise _refusal(f"x-sdk-date {date} is malformed")
    if abs(now - signed_at) > _MAX_SKEW:
        server_time = now.astimezone(UTC).strftime(_DATE_FORM)
        raise _refusal(f"signature expired, signature time:{date},server time:{server_time}")


def _check_project(call: Call) -> None:
    wanted = call.place.project_id or ACCOUNT.project_id
    if call.request.headers.get("x-project-id", wanted).strip() != wanted:
        raise _refusal("x-project-id is not the project of the path")


def _refusal(reason: str) -> faults.FaultError:
    return faults.gateway(
        HTTPStatus.UNAUTHORIZED,
        code="APIGW.0301",
        message=f"Incorrect IAM authentication information: {reason}",
    )
