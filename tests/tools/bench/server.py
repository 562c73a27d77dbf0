"""A fast cloud of any size for measuring: ``server.py DISKS``, on a free port, which it prints.

It answers the two lists from bytes that are ready before the first request, so that what is
measured is the client. Each disk has 7 snapshots (the last tenth has 6), of which this tool made 4.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROJECT = "0" * 32
PAGE = 1000


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}"))


def _links(kind: str, id_: str) -> list[dict[str, str]]:
    return [
        {"rel": rel, "href": f"https://evs.internal:8776/{rel}/{PROJECT}/{kind}/{id_}"}
        for rel in ("self", "bookmark")
    ]


def volume(number: int) -> dict[str, Any]:
    """Return a row as Cinder 29 sends it; every fifth disk is attached."""
    id_, made = _id("volume", number), "2025-01-01T00:00:00.000000"
    attachment = {
        "id": id_, "attachment_id": _id("attachment", number), "volume_id": id_,
        "server_id": _id("server", number), "host_name": None, "device": "/dev/vdb",
        "attached_at": made,
    }  # fmt: skip
    return {
        "id": id_, "status": "available" if number % 5 else "in-use", "size": 10 + number % 500,
        "availability_zone": "eu-de-01", "created_at": made, "updated_at": made,
        "name": f"disk-{number:06}", "description": None, "volume_type": "SSD",
        "snapshot_id": None, "source_volid": None, "metadata": {"env": "prod"},
        "links": _links("volumes", id_), "user_id": "u" * 32, "bootable": "false",
        "encrypted": False, "replication_status": None, "consistencygroup_id": None,
        "multiattach": False, "attachments": [] if number % 5 else [attachment],
        "os-vol-tenant-attr:tenant_id": PROJECT,
    }  # fmt: skip


def snapshot(number: int, *, disk: int, age: int, now: datetime) -> dict[str, Any]:
    """Return a row as Cinder 29 sends it, ``age`` days and an hour old."""
    made = (now - timedelta(days=age, hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    id_ = _id("snapshot", number)
    stamp = {"evs_snap_key": _id("key", number), "evs_snap_policy": "default"}
    return {
        "id": id_, "created_at": made, "updated_at": made, "name": f"disk-{disk:06}-{age}",
        "description": None, "volume_id": _id("volume", disk), "status": "available",
        "size": 10 + disk % 500, "metadata": stamp if age < 4 else {}, "user_id": "u" * 32,
        "os-extended-snapshot-attributes:progress": "100%",
        "os-extended-snapshot-attributes:project_id": PROJECT, "group_snapshot_id": None,
        "consumes_quota": True,
    }  # fmt: skip


def pages(key: str, rows: list[dict[str, Any]]) -> dict[str | None, bytes]:
    """Return the pages by the marker that asks for them."""
    found: dict[str | None, bytes] = {}
    marker: str | None = None
    for start in range(0, len(rows), PAGE):
        page: dict[str, Any] = {key: rows[start : start + PAGE]}
        if start + PAGE < len(rows):
            page[f"{key}_links"] = [{"rel": "next", "href": "https://evs.internal:8776/next"}]
        found[marker] = json.dumps(page).encode()
        marker = page[key][-1]["id"]
    return found


def lists(disks: int, *, now: datetime) -> dict[str, dict[str | None, bytes]]:
    """Return both lists' pages, by resource; 6.9 snapshots a disk."""
    snapshots = [
        snapshot(disk * 7 + age, disk=disk, age=age, now=now)
        for disk in range(disks)
        for age in range(7 if disk < disks * 9 // 10 else 6)
    ]
    return {
        "volumes": pages("volumes", [volume(number) for number in range(disks)]),
        "snapshots": pages("snapshots", snapshots),
    }


def token(host: str) -> bytes:
    """Return what Keystone answers to a sign-in; Cinder is at this host too."""
    endpoint = {"interface": "public", "region": "bench", "region_id": "bench"}
    endpoints = [{**endpoint, "url": f"http://{host}/v3/{PROJECT}"}]
    granted = {
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "project": {"id": PROJECT, "name": "bench", "domain": {"id": "d", "name": "Default"}},
        "catalog": [{"type": "volumev3", "name": "cinderv3", "endpoints": endpoints}],
    }
    return json.dumps({"token": granted}).encode()


class Handler(BaseHTTPRequestHandler):
    """Keystone and Cinder, as far as reading needs them."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True
    lists: dict[str, dict[str | None, bytes]]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        resource = "".join(address.path.split("/")[3:4])
        marker = parse_qs(address.query).get("marker", [None])[0]
        if resource not in self.lists:  # the quota; and `doctor` asks whether anybody is there
            self._answer(b'{"quota_set": {"snapshots": {"limit": -1, "in_use": 0}}}')
        else:
            # A full last page is no sign of the end: the client asks for one more.
            self._answer(self.lists[resource].get(marker, b'{"%s": []}' % resource.encode()))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(token(self.headers["Host"]), status=201, subject="t")

    def _answer(self, body: bytes, *, status: int = 200, subject: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if subject:
            self.send_header("X-Subject-Token", subject)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is there
        """Say nothing."""


if __name__ == "__main__":
    now = datetime.now(UTC)  # noqa: TID251 - no test
    Handler.lists = lists(int(sys.argv[1]), now=now)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)  # noqa: T201 - its result
    server.serve_forever()
