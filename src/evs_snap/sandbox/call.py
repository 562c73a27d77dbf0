"""One request, what its handler knows beside it, and its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from evs_snap.sandbox.rules import ACCOUNT, STANDARD_REGION

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime
    from wsgiref.types import WSGIEnvironment

    from evs_snap.sandbox.rules import Rules

MAX_BODY = 114_688
"""Bytes; Cinder's own limit (oslo.middleware, max_request_body_size)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole and in memory."""

    method: str
    path: str
    query: dict[str, str]
    """In order; the last of equal names counts."""

    headers: dict[str, str]
    """By lower-case name."""

    body: bytes
    host: str
    """As in the Host header: 127.0.0.1:8776."""

    origin: str
    """Scheme and host: http://127.0.0.1:8776."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request inside its transaction."""

    request: Request
    db: sqlite3.Connection
    now: datetime
    rules: Rules
    item: str = ""
    """The ID in the path, where the route has one."""

    region: str = ACCOUNT.region
    base: str = ""
    """The address up to the project: http://127.0.0.1:8776/volume/v3/9c3f."""

    @property
    def is_detail(self) -> bool:
        """Whether the path is that of a list with details."""
        return self.request.path.endswith("/detail")

    @property
    def has_standard(self) -> bool:
        """Whether the region has standard snapshots in place of legacy ones."""
        return self.region == STANDARD_REGION


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


def ok(**document: object) -> Response:
    """Answer 200."""
    return Response(HTTPStatus.OK, document)


def accepted(**document: object) -> Response:
    """Answer 202; with nothing to tell it has no body."""
    return Response(HTTPStatus.ACCEPTED, document or None)


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request to its end: closing a connection with unread data resets it."""
    length = environ.get("CONTENT_LENGTH") or ""
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
        body=environ["wsgi.input"].read(int(length) if length.isdecimal() else 0),
        host=host,
        origin=f"{environ['wsgi.url_scheme']}://{host}",
    )
