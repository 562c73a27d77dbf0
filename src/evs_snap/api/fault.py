"""What a refusal says: its code, message and request ID, whatever shape its body has."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from evs_snap.api.redaction import mask

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


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal as the service worded it.

    ``name`` is the key under which it came, as Cinder's ``itemNotFound``. ``message`` is one
    printable line without secrets, and may be empty.
    """

    status: int
    name: str | None
    code: str | None
    message: str
    request_id: str | None

    @classmethod
    def of(cls, response: httpx.Response, *, secrets: Iterable[str]) -> Fault:
        """Find code and message in any body, however malformed. Never raises."""
        text = response.content.decode("utf-8-sig", errors="replace")
        name, code, message, request_id = None, None, text, None
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        else:
            name, code, message = _told(document, otherwise=text)
        if isinstance(document, dict):
            request_id = _request_id(document.get("request_id"))
        for header in _REQUEST_ID_HEADERS:
            request_id = request_id or _request_id(response.headers.get(header))
        return cls(
            status=response.status_code,
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
    # Secrets go first: cut in two, one is no longer recognised.
    cut = mask(text, secrets=secrets)[: 20 * MESSAGE_LENGTH]
    title = re.search(r"<title[^<>]*>([^<]*)", cut, re.IGNORECASE)
    if title:
        cut = title.group(1)
    # Cut before unescaping: int() raises for a reference of thousands of digits (&#999...;).
    cut = re.sub(r"<[^<>]{0,200}>", " ", cut)[: 4 * MESSAGE_LENGTH]
    plain = "".join(c if c.isprintable() else " " for c in html.unescape(cut))
    line = mask(" ".join(plain.split()), secrets=secrets)
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"
