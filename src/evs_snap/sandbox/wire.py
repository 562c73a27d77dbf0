"""One request and one answer, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from http import HTTPStatus
    from wsgiref.types import InputStream, WSGIEnvironment

MAX_BODY = 114_688
"""Bytes; oslo.middleware's max_request_body_size, which Cinder uses."""

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole and in memory."""

    method: str
    path: str
    raw_path: str
    """With its percent signs, as it was sent."""

    query_string: str
    headers: dict[str, str]
    """By lower-case name."""

    body: bytes
    origin: str
    """Scheme and host as the caller wrote them: http://127.0.0.1:8776."""

    @property
    def query(self) -> dict[str, str]:
        """The query's pairs in order; of equal names the last counts."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))


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

    def with_headers(self, headers: dict[str, str]) -> Response:
        """Return the same answer with more headers."""
        return Response(self.status, self.document, {**self.headers, **headers})


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request; of a body that is too large only the start is kept."""
    host = environ.get("HTTP_HOST") or (f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    headers = {
        name[len("HTTP_") :].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = str(environ[name])
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return Request(
        method=str(environ["REQUEST_METHOD"]),
        path=path,
        raw_path=_raw_path(environ, path=path),
        query_string=str(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=_read_body(environ["wsgi.input"], length=environ.get("CONTENT_LENGTH")),
        origin=f"{environ['wsgi.url_scheme']}://{host}",
    )


def _raw_path(environ: WSGIEnvironment, *, path: str) -> str:
    """Return the path as sent, if the server tells; else as it is usually written.

    Then a slash inside a segment cannot be told from one between segments. So it is
    under httpx.WSGITransport, which also decodes UTF-8 where WSGI says Latin-1.
    """
    target = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "")
    if target.startswith("/"):
        return target.partition("?")[0]
    try:
        octets = path.encode("latin-1")
        octets.decode()
    except UnicodeError:
        octets = path.encode()
    return quote(octets)


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
