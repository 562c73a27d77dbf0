"""One request and one answer, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from http import HTTPStatus
    from wsgiref.types import InputStream, WSGIEnvironment

MAX_BODY = 114_688
"""Bytes; Cinder's own limit (oslo.middleware, max_request_body_size)."""

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole and in memory."""

    method: str
    path: str
    query: dict[str, str]
    """In order; of equal names the last counts."""

    headers: dict[str, str]
    """By lower-case name."""

    body: bytes
    origin: str
    """Scheme and host as the caller wrote them: http://127.0.0.1:8776."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; without a document it has no body."""

    status: HTTPStatus
    document: object = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The document in JSON."""
        return b"" if self.document is None else json.dumps(self.document).encode()


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request; of a body that is too large only the start is kept."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }
    return Request(
        method=str(environ["REQUEST_METHOD"]),
        path=f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}",
        query=dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)),
        headers=headers,
        body=_read_body(environ["wsgi.input"], length=environ.get("CONTENT_LENGTH")),
        origin=f"{environ['wsgi.url_scheme']}://{host}",
    )


def _read_body(stream: InputStream, *, length: str | None) -> bytes:
    remaining = int(length) if length and length.isdecimal() else 0
    body = bytearray()
    while remaining > 0:
        chunk = stream.read(min(_CHUNK, remaining))
        if not chunk:
            break
        remaining -= len(chunk)
        # The rest is read too, or it would pass for the next request.
        body += chunk[: MAX_BODY + 1 - len(body)]
    return bytes(body)
