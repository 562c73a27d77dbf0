"""A project of any size that costs nothing to ask: its rows become JSON only as they are read.

It counts what it is asked. A snapshot that is asked for is usable after five seconds, one that is
deleted is gone after three.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.tools.bench import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from wsgiref.types import StartResponse, WSGIEnvironment

SETTLE, LINGER = timedelta(seconds=5), timedelta(seconds=3)
NIGHTS = 4
"""How many of a disk's snapshots are under the policy ``default``; the last is the oldest."""

Row = dict[str, Any]


class BigProject:
    """``disks`` disks with ``per_disk`` snapshots each, the youngest 25 hours old."""

    def __init__(self, disks: int, *, now: Callable[[], datetime], per_disk: int = 6) -> None:
        self.now = now
        self.asked: Counter[str] = Counter()
        disk = server.volume(1)
        self.volumes = {
            id_: {**disk, "id": id_, "name": f"disk-{number:05}"}
            for number in range(disks)
            for id_ in [_id("d", number)]
        }
        self.snapshots = {}
        for age in range(per_disk):
            row = server.snapshot(age, disk=0, age=age, now=now() - timedelta(days=1))
            for number, volume_id in enumerate(self.volumes):
                id_ = _id(f"a{age}", number)
                self.snapshots[id_] = {**row, "id": id_, "volume_id": volume_id}
        self.settle = SETTLE
        self.posted: list[Row] = []
        self._usable: dict[str, datetime] = {}
        self._gone: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
        headers = [("Date", format_datetime(self.now(), usegmt=True))]
        if path.endswith("/auth/tokens"):
            status, body = HTTPStatus.CREATED, server.token(environ["HTTP_HOST"])
            headers.append(("X-Subject-Token", "t"))
        else:
            path = re.sub("^/v3/[0-9a-f]{32}/?", "", path)
            with self._lock:
                self.asked[f"{method} {re.sub('/[0-9a-f-]{32,36}', '/ID', path)}"] += 1
                self._settle()
                status, document = self._answered(method, path.split("/"), query, sent)
                body = b"" if document is None else json.dumps(document).encode()
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _settle(self) -> None:
        now = self.now()
        for id_ in [id_ for id_, moment in self._usable.items() if moment <= now]:
            del self._usable[id_]
            self.snapshots[id_]["status"] = "available"
        for id_ in [id_ for id_, moment in self._gone.items() if moment <= now]:
            del self._gone[id_]
            del self.snapshots[id_]

    def _answered(
        self, method: str, path: list[str], query: dict[str, str], sent: bytes
    ) -> tuple[HTTPStatus, Row | None]:
        kind, *rest = path
        rows = {"volumes": self.volumes, "snapshots": self.snapshots}.get(kind)
        if rows is None:
            usage = {"limit": -1, "in_use": 0}
            quota = {"snapshots": usage, "volumes": usage, "gigabytes": usage}
            return HTTPStatus.OK, {"quota_set": quota}
        if method == "POST":
            return HTTPStatus.ACCEPTED, {"snapshot": self._made(json.loads(sent)["snapshot"])}
        if not rest or rest == ["detail"]:
            return HTTPStatus.OK, _page(kind, rows, query)
        row = rows.get(rest[0])
        if row is None:
            return HTTPStatus.NOT_FOUND, {"itemNotFound": {"code": 404, "message": "not here"}}
        if method == "DELETE":
            row["status"] = "deleting"
            self._gone[row["id"]] = self.now() + LINGER
            return HTTPStatus.ACCEPTED, None
        return HTTPStatus.OK, {kind.removesuffix("s"): row}

    def _made(self, wanted: Row) -> Row:
        number = 10**7 + len(self.posted)
        row = server.snapshot(number, disk=0, age=0, now=self.now() + timedelta(hours=1))
        row |= {key: wanted[key] for key in ("name", "volume_id", "metadata")}
        row["status"] = "creating"
        self.posted.append(row)
        self._usable[row["id"]] = self.now() + self.settle
        self.snapshots = {row["id"]: row, **self.snapshots}
        return row


def _id(kind: str, number: int) -> str:
    return f"{kind:0<8}-0000-4000-8000-{number:012}"


def _page(kind: str, rows: dict[str, Row], query: dict[str, str]) -> Row:
    """Return a page of the list, the newest row first, as Cinder does."""
    wanted = {key: query[key] for key in ("name", "volume_id", "status") if key in query}
    found = [row for row in rows.values() if all(row[k] == v for k, v in wanted.items())]
    if "marker" in query:
        last = next(n for n, row in enumerate(found) if row["id"] == query["marker"])
        found = found[last + 1 :]
    limit = min(server.PAGE, int(query.get("limit", server.PAGE)))
    document: Row = {kind: found[:limit]}
    if len(found) > limit:
        document[f"{kind}_links"] = [{"rel": "next", "href": "https://evs.internal:8776/next"}]
    return document
