"""Whatever bytes come back, each call ends in a result or in one of our errors."""

from __future__ import annotations

import gzip
import json
import operator
import os
import zlib
from typing import TYPE_CHECKING

import httpcore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.errors import EvsSnapError
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Stamp, Volume
from evs_snap.services.legacy import Legacy
from evs_snap.services.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock

    from evs_snap.api.identity import Identity
    from evs_snap.services.interface import SnapshotService

EXAMPLES = int(os.environ.get("EVS_SNAP_EXAMPLES", "200"))

DISK = Volume(id="v", status="in-use")
CALLS: list[Callable[[EvsClient], object]] = [
    lambda c: c.volumes(),
    lambda c: c.volumes(name="n"),
    lambda c: c.volume_summaries(),
    lambda c: c.volume("v"),
    lambda c: c.snapshots(),
    lambda c: c.snapshots(volume_id="v"),
    lambda c: c.snapshot("s"),
    lambda c: c.create_snapshot(DISK, name="n", stamp=Stamp("key", "policy")),
    lambda c: c.create_volume(size=1, name="n", snapshot_id="s"),
    lambda c: c.service.roll_back("v", snapshot_id="s"),
    lambda c: c.service.job("j"),
    lambda c: c.kinds_listed(),
    lambda c: c.delete_snapshot("s"),
    lambda c: c.quota(),
    lambda c: c.project.probe("https://evs.example.com/"),
]

ROW_KEYS = st.sampled_from(
    ["id", "volume_id", "name", "status", "size", "metadata", "attachments", "server_id",
     "created_at", "bootable", "tags", "category", "snapshot_chains", "capacity", "retention_at",
     "code", "message", "limit", "in_use"]
)  # fmt: skip
LIKELY = ["v", "s", "available", "FAIL", "2026-01-02T03:04:05", 10**400, "x" * 5000, "\ud800"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(LIKELY),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | ROW_KEYS, inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["volumes", "snapshots", "volume", "snapshot", "quota_set", "volumes_links", "snapshot_id",
     "job_id", "status", "fail_reason", "error", "rollback"]
)  # fmt: skip
ROW = st.builds(
    operator.or_,
    st.sampled_from([{}, {"id": "v"}, {"id": "s", "volume_id": "v"}]),
    st.dictionaries(ROW_KEYS, ANY, max_size=4),
)
DOCUMENT = st.dictionaries(KEYS, ROW | st.lists(ROW, max_size=3) | ANY, max_size=2)
BODY = (
    st.binary()
    | (DOCUMENT | ANY).map(lambda document: json.dumps(document).encode())
    | st.sampled_from([500, 100_000]).map(lambda levels: b'{"volumes": ' + b"[" * levels)
)
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "br": bytes,
    "GZIP": bytes,  # a lie
}
STATUS = st.sampled_from([200, 202, 204, 300, 302, 400, 401, 404, 409, 413, 429, 500, 503, 599])
HEADER = st.tuples(
    st.sampled_from([b"Content-Type", b"Retry-After", b"X-Request-Id", b"Location", b"Set-Cookie"]),
    st.binary(max_size=40)
    | st.sampled_from(
        [b"30", b"9" * 99, b"text/html; charset=\xff", b"application/json; charset=rot13"]
    ),
)


@st.composite
def wires(draw: st.DrawFn) -> bytes:
    """All that a server may send: a whole answer, a part of one, or anything at all."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary())
    packing = draw(st.sampled_from(sorted(PACKINGS)))
    body = PACKINGS[packing](draw(BODY))
    lines = [b"HTTP/1.1 %d Any" % draw(STATUS), b"Content-Encoding: " + packing.encode()]
    lines += [b": ".join(header) for header in draw(st.lists(HEADER, max_size=3))]
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % max(0, len(body) + draw(st.integers(-2, 2))))
    elif draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    wire = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return wire[: draw(st.integers(0, len(wire)))] if draw(st.booleans()) else wire


@pytest.fixture(name="sent")
def _sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Bytes that each connection to the network finds waiting for it."""
    sent: list[bytes] = []

    def connect(*_args: object, **_options: object) -> httpcore.NetworkStream:
        return httpcore.MockStream(list(sent))

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return sent


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.sampled_from(CALLS), wire=wires(), kind=st.sampled_from([Legacy, Standard]))
def test_any_answer_is_a_result_or_a_clean_error(
    sent: list[bytes],
    fake: FakeClock,
    known: Identity,
    call: Callable[[EvsClient], object],
    wire: bytes,
    kind: type[SnapshotService],
) -> None:
    """Property: no service, however broken, ends in a traceback."""
    sent[:] = [wire]
    message = "a result"
    with open_http(verify=False, clock=fake.clock) as http:
        try:
            call(EvsClient(Project(http, auth=known, clock=fake.clock), kind=kind))
        except EvsSnapError as error:
            message = error.message
    assert 0 < len(message) < 1000
