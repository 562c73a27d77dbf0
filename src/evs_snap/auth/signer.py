"""AK/SK signatures, ``SDK-HMAC-SHA256``, made from the very bytes that are sent.

Source: https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, unquote_to_bytes

import httpx

from evs_snap.settings.credentials import Keys

ALGORITHM = "SDK-HMAC-SHA256"
SKEW_ALLOWED = 15 * 60
"""Seconds that the date of a signed request may differ from the service's clock."""

_DATE = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"
# Headers that a proxy or httpx may change on the way are not signed.
_SIGNED = ("content-type", "host", "x-domain-id", "x-project-id", "x-sdk-date", "x-security-token")


def sign(request: httpx.Request, keys: Keys, *, now: datetime) -> None:
    """Put date and signature on a request that is otherwise complete.

    ``now`` is aware UTC. Date and signature of an earlier call are replaced.
    """
    request.headers["X-Sdk-Date"] = now.strftime(_DATE)
    if keys.security_token:
        request.headers["X-Security-Token"] = keys.security_token
    raw_path, _, query = request.url.raw_path.partition(b"?")
    signed = {name: request.headers[name] for name in _SIGNED if name in request.headers}
    request.headers["Authorization"] = authorization(
        keys,
        method=request.method,
        path=raw_path,
        query=query,
        headers=signed,
        body=request.content,
    )


def authorization(
    keys: Keys,
    *,
    method: str,
    path: bytes,
    query: bytes,
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    """Return the value of the Authorization header. ``headers`` are those to sign."""
    lines = sorted((name.lower(), value.strip()) for name, value in headers.items())
    names = ";".join(name for name, _ in lines)
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            _canonical_query(query),
            "".join(f"{name}:{value}\n" for name, value in lines),
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, dict(lines)["x-sdk-date"], digest))
    signature = hmac.new(keys.secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={keys.access_key}, SignedHeaders={names}, Signature={signature}"


def _canonical_path(path: bytes) -> str:
    """Return the path, unquoted and quoted again, with a slash at its end.

    The vendor's own signer does the same: the slash is signed though it is not sent, and %2F is
    signed as a slash.
    """
    quoted = quote(unquote_to_bytes(path), safe=f"/{_UNRESERVED}")
    return quoted if quoted.endswith("/") else f"{quoted}/"


def _canonical_query(query: bytes) -> str:
    """Return the pairs sorted by their unquoted text, then quoted, as the vendor's signer does."""
    pairs = []
    for item in filter(None, query.split(b"&")):
        key, _, value = item.partition(b"=")
        pairs.append((unquote_to_bytes(key), unquote_to_bytes(value)))
    return "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in sorted(pairs))


def _quoted(part: bytes) -> str:
    return quote(part, safe=_UNRESERVED)
