"""The signature SDK-HMAC-SHA256: what it covers, and whether it is right.

Written from the vendors' description alone, so that it shares no mistake with
whoever signs: https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.sandbox.wire import Request

ALGORITHM = "SDK-HMAC-SHA256"

_FORM = re.compile(
    rf"{ALGORITHM} +Access=(?P<access_key>[^,\s]+), *"
    r"SignedHeaders=(?P<signed_headers>[^,\s]+), *"
    r"Signature=(?P<signature>[^,\s]+)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an Authorization header says."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def read_claim(header: str) -> Claim | None:
    """Read an Authorization header; None is for one that is not of the form."""
    match = _FORM.fullmatch(header.strip())
    if match is None:
        return None
    names = tuple(match["signed_headers"].split(";"))
    return Claim(match["access_key"], names, match["signature"])


def canonical_request(request: Request, *, signed_headers: Sequence[str]) -> str:
    """Return the text that is signed, made from the request as it was received."""
    headers = [f"{name}:{request.headers[name].strip()}\n" for name in signed_headers]
    return "\n".join(
        (
            request.method,
            _path(request.raw_path),
            _query(request.query_string),
            "".join(headers),
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def is_right(claim: Claim, *, canonical: str, date: str, secret_key: str) -> bool:
    """Tell whether whoever made the claim has the secret key."""
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{digest}"
    expected = hmac.new(secret_key.encode(), text.encode("latin-1"), hashlib.sha256)
    given = claim.signature.encode("latin-1")
    return hmac.compare_digest(expected.hexdigest().encode(), given)


def _path(raw_path: str) -> str:
    # Split first: a %2F is no slash. (The vendor's SDK decodes first; IDs have none.)
    path = "/".join(_coded(_octets(part)) for part in raw_path.split("/"))
    return path if path.endswith("/") else f"{path}/"


def _query(raw_query: str) -> str:
    pairs = [part.partition("=") for part in raw_query.split("&") if part]
    # The order is that of the names and values themselves, not of how they are coded.
    ordered = sorted((_octets(key), _octets(value)) for key, _, value in pairs)
    return "&".join(f"{_coded(key)}={_coded(value)}" for key, value in ordered)


def _octets(text: str) -> bytes:
    """Decode a part, in whichever of several ways it was sent.

    A plus is a plus here: it stands for a blank in forms only, and whoever sends
    one for a blank has signed something else.
    """
    return unquote_to_bytes(text.encode("latin-1"))


def _coded(octets: bytes) -> str:
    """Write a part in the one form that is signed."""
    return quote(octets, safe="")
