"""Takes secrets out of headers, bodies and texts before people see them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_HEADERS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-auth-token",
        "x-metadata-token",
        "x-security-token",
        "x-service-token",
        "x-subject-token",
    }
)
_BODY_KEYS = frozenset(
    {
        "access",
        "adminpass",
        "passcode",
        "password",
        "secret",
        "secret_key",
        "security_token",
        "securitytoken",
        "sk",
        "token",
    }
)
_IN_BROKEN_JSON = re.compile(
    rf'("(?:{"|".join(sorted(_BODY_KEYS))})"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE
)
_ESCAPE = re.compile("%[0-9A-F]{2}")
_SHORTEST = 4  # a shorter one stands in half of all texts by accident


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with credentials replaced."""
    return {k: HIDDEN if k.lower() in _HEADERS else v for k, v in headers.items()}


def redact_body(body: bytes) -> str:
    """Return a body as text. In JSON, even cut off, the values of secret keys are replaced."""
    text = body.decode("utf-8", errors="replace")
    try:
        return json.dumps(_without_secrets(json.loads(text)))
    except (ValueError, RecursionError):
        return _IN_BROKEN_JSON.sub(rf"\g<1>{HIDDEN}", text)


def _without_secrets(value: object) -> object:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: HIDDEN if _is_secret(key, item) else _without_secrets(item)
        for key, item in value.items()
    }


def _is_secret(key: str, value: object) -> bool:
    if isinstance(value, dict):
        return key == "token" and "id" in value  # as in a sign-in with a token at Keystone
    return key.lower() in _BODY_KEYS


def mask(text: str, *, secrets: Iterable[str]) -> str:
    """Return the text with every known secret in it replaced, however it is escaped."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> set[str]:
    """Return how a secret looks as it is, in JSON, in JSON in JSON, in a URL, and in HTML."""
    in_json = json.dumps(secret)[1:-1]
    in_html = html.escape(secret)
    in_urls = (
        quote(secret, errors="replace"),
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
    )
    return {
        secret,
        in_json,
        json.dumps(in_json)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        *in_urls,
        *(_ESCAPE.sub(lambda escape: escape[0].lower(), form) for form in in_urls),
        in_html,
        in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    }
