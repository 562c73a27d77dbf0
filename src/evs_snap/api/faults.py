"""From a refusal's status, headers and bytes to one plain record.

The clouds answer in eight shapes and sometimes in none (evs-api.md, section 4):
``{"error": {...}}``, a fault name such as ``{"badRequest": {...}}``, flat
``error_code``/``error_msg`` of the gateway, ``errorCode``/``errorMsg``, Keystone's
``title``, webob's HTML in JSON, plain HTML, nothing at all.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_snap.api.redaction import mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MESSAGE_LENGTH = 400
_KEYS = (("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message"))
_CODE = re.compile(r"[A-Za-z][\w-]{0,60}(?:\.[A-Za-z][\w-]{0,60})*\.\d{1,10}", re.ASCII)
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_REQUEST_ID_HEADERS = (
    "x-request-id",
    "x-openstack-request-id",
    "x-compute-request-id",
    "x-iam-trace-id",
)

RENEWABLE_CODES = frozenset({"Common.0013", "EVS.0002", "EVS.5401", "IAM.1108"})
"""Refusals that a fresh token may cure, whatever their HTTP status."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal as the service worded it. ``name`` is Cinder's, as ``itemNotFound``."""

    status: int
    name: str | None
    code: str | None
    message: str
    request_id: str | None

    @property
    def may_be_stale_token(self) -> bool:
        """Whether signing in anew is worth one try."""
        return self.status == 401 or self.code in RENEWABLE_CODES  # noqa: PLR2004


def read_fault(
    *, status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str] = ()
) -> Fault:
    """Find code and message in any body, however malformed. Never raises.

    A service that repeats one of ``secrets`` in its message is not quoted on it.
    """
    text = body.decode("utf-8-sig", errors="replace")
    name, code, message, request_id = None, None, text, None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    else:
        name, code, message = _told(document, otherwise=text)
    if isinstance(document, dict):
        request_id = _request_id(document.get("request_id"))
    lowered = {key.lower(): value for key, value in headers.items()}
    for header in _REQUEST_ID_HEADERS:
        request_id = request_id or _request_id(lowered.get(header))
    return Fault(
        status=status,
        name=name,
        code=code,
        message=_one_line(message, secrets=tuple(secrets)),
        request_id=request_id,
    )


def _told(document: object, *, otherwise: str) -> tuple[str | None, str | None, str]:
    """Return the fault's name, code and message, as far as the document has them."""
    for name, found in _candidates(document):
        code, message = _code_and_message(found)
        if message or code:
            inner_code, message = _unwrapped(message)
            return name, code or inner_code, message
    if isinstance(document, str):
        return None, None, document
    return None, None, otherwise if document else ""


def _candidates(document: object) -> Iterator[tuple[str | None, dict[str, object]]]:
    if not isinstance(document, dict):
        return
    yield None, document
    for key, value in document.items():
        if isinstance(value, dict):
            yield key, value


def _code_and_message(found: dict[str, object]) -> tuple[str | None, str]:
    for code_key, message_key in _KEYS:
        code, message = found.get(code_key), found.get(message_key)
        named = code if isinstance(code, str) and _CODE.fullmatch(code) else None
        if named or isinstance(message, str):
            return named, message if isinstance(message, str) else ""
    return None, ""


def _unwrapped(message: str) -> tuple[str | None, str]:
    """Take the inner code and message where a service sends JSON inside its message."""
    if message.lstrip().startswith("{"):
        try:
            inner = json.loads(message)
        except (ValueError, RecursionError):
            return None, message
        for _, found in _candidates(inner):
            code, text = _code_and_message(found)
            if text:
                return code, text
    return None, message


def _request_id(value: object) -> str | None:
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def _one_line(text: str, *, secrets: tuple[str, ...]) -> str:
    # Secrets go first: a cut through one would leave a part that no longer looks like it.
    cut = mask(text, secrets=secrets)[: 20 * MESSAGE_LENGTH]
    title = re.search(r"<title[^<>]*>([^<]*)", cut, re.IGNORECASE)
    if title:
        cut = title.group(1)
    # Short before unescaping: int() refuses the digits of an endless &#999...;
    cut = re.sub(r"<[^<>]{0,200}>", " ", cut)[: 4 * MESSAGE_LENGTH]
    plain = "".join(c if c.isprintable() else " " for c in html.unescape(cut))
    line = mask(" ".join(plain.split()), secrets=secrets)
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"
