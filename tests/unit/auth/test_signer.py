"""Signatures: the known answers, the vendor's own signer, and what really leaves the machine."""

from __future__ import annotations

import importlib
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evs_snap.api.transport import open_http
from evs_snap.auth.aksk import GivenKeys, SignatureAuth
from evs_snap.auth.signer import sign
from evs_snap.settings import Settings
from evs_snap.settings.credentials import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FakeClock

Untyped = Any

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = Keys("AKEXAMPLE", "SKEXAMPLE")
TEMPORARY = Keys("AKTEMPORARY", "SK+/temporary=", "t0ken+/with=odd==", NOW)
PROJECT = "0123456789abcdef0123456789abcdef"
HOST = "https://evs.example-1.example.com"


# --- known answers ------------------------------------------------------------------


def signature(request: httpx.Request) -> str:
    return request.headers["Authorization"].rpartition("Signature=")[2]


def test_the_known_answer_for_a_get() -> None:
    """Both known answers came out of two implementations: the vendor's SDK and one by hand."""
    url = f"{HOST}/v3/{PROJECT}/snapshots/detail"
    query = "volume_id=11111111-2222-3333-4444-555555555555&name=a%20b%2Fc&limit=50"
    request = httpx.Request("GET", f"{url}?{query}")
    sign(request, KEYS, now=NOW)
    assert request.headers["Authorization"] == (
        "SDK-HMAC-SHA256 Access=AKEXAMPLE, SignedHeaders=host;x-sdk-date, "
        "Signature=0826bbd726e8bca76b2d2434558f41aaa8f65dfd092bec61478ecdf8b00c633a"
    )
    assert request.headers["X-Sdk-Date"] == "20260102T030405Z"


def test_the_known_answer_for_a_post() -> None:
    request = httpx.Request(
        "POST",
        f"{HOST}/v3/{PROJECT}/snapshots",
        headers={"Content-Type": "application/json"},
        content=b'{"snapshot":{"volume_id":"v","name":"n"}}',
    )
    sign(request, KEYS, now=NOW)
    assert request.headers["Authorization"] == (
        "SDK-HMAC-SHA256 Access=AKEXAMPLE, SignedHeaders=content-type;host;x-sdk-date, "
        "Signature=3e2668d382dcc494dca76d0363e2bb58358a715370ba059f1caa5a5e74bfef2c"
    )


def test_signing_again_replaces_what_an_earlier_signing_left() -> None:
    request = httpx.Request("GET", HOST)
    sign(request, TEMPORARY, now=NOW)
    first = dict(request.headers)
    sign(request, TEMPORARY, now=NOW.replace(minute=5))
    assert request.headers["X-Sdk-Date"] == "20260102T030505Z"
    assert len(request.headers.get_list("Authorization")) == 1
    assert signature(request) not in first["authorization"]
    sign(request, TEMPORARY, now=NOW)
    assert dict(request.headers) == first


def test_what_a_proxy_may_change_stays_unsigned() -> None:
    headers = {"User-Agent": "x", "Accept": "y", "Accept-Encoding": "z", "Via": "v", "TE": "t"}
    request = httpx.Request("POST", HOST, headers=headers, content=b"body")
    sign(request, KEYS, now=NOW)
    assert "SignedHeaders=host;x-sdk-date," in request.headers["Authorization"]


# --- the vendor's own signer --------------------------------------------------------


@dataclass(frozen=True)
class Vendor:
    """The vendor's signer; it has no types."""

    signer: Untyped
    request: Untyped

    def authorization(
        self,
        keys: Keys,
        *,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
    ) -> str:
        """Return its Authorization header for a request as it is on the wire."""
        path, _, query = target.partition("?")
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
        request = self.request(
            method=method,
            schema="https",
            host=headers["host"],
            resource_path=path,
            query_params=pairs,
            header_params=dict(headers),
            body=body,
        )
        credentials = SimpleNamespace(ak=keys.access_key, sk=keys.secret_key)
        signed: str = self.signer(credentials).sign(request).header_params["Authorization"]
        return signed


@pytest.fixture(name="vendor", scope="module")
def _vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    """Import the SDK: doing so may write an ID for this machine into the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return Vendor(
            importlib.import_module("huaweicloudsdkcore.signer.signer").Signer,
            importlib.import_module("huaweicloudsdkcore.sdk_request").SdkRequest,
        )


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
odd = st.sampled_from(
    ["", " ", "a b", "a/b", "%2F", "%", "100%", "größe", "数据", "a+b", "~", "-_.~", "a&b=c", "#",
     "?", "'\"", "\\", ";", ",", "*()!", "\x00", "😀", "a=b", "=", "+", "\n"]
)  # fmt: skip
words = odd | text
header_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@dataclass(frozen=True)
class Asked:
    """A request to be signed."""

    method: str
    host: str
    segments: list[str]
    slash: bool
    pairs: list[tuple[str, str]]
    project: str | None
    typed: bool
    body: bytes
    keys: Keys

    @property
    def url(self) -> str:
        path = "".join(f"/{quote(segment, safe='')}" for segment in self.segments)
        query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in self.pairs)
        return f"https://{self.host}{path}{'/' * self.slash}{'?' * bool(query)}{query}"


asked = st.builds(
    Asked,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
    host=st.sampled_from(
        ["evs.example.com", "evs.example.com:8443", "10.0.0.1:443", "[::1]:8776", "EVS.Example.com"]
    ),
    segments=st.lists(words, max_size=4),
    slash=st.booleans(),
    pairs=st.lists(st.tuples(words, words), max_size=5)
    | st.lists(st.tuples(st.sampled_from("ab"), words), max_size=5),
    project=st.none() | header_words,
    typed=st.booleans(),
    body=st.binary(max_size=64),
    keys=st.builds(
        Keys,
        access_key=header_words,
        secret_key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
        security_token=st.none() | header_words,
    ),
)


@example(
    asked=Asked(
        method="GET",
        host="h",
        segments=["v3", "a/b", "%2F"],
        slash=True,
        pairs=[("k", "2"), ("k", "1"), ("", "")],
        project="p",
        typed=True,
        body=b"",
        keys=TEMPORARY,
    )
)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=asked)
def test_the_vendors_own_signer_agrees(asked: Asked, vendor: Vendor) -> None:
    """Property: on any method, path, query, body, port, project and security token."""
    headers = {"Content-Type": "application/json"} if asked.typed else {}
    if asked.project is not None:
        headers["X-Project-Id"] = asked.project
    request = httpx.Request(asked.method, asked.url, headers=headers, content=asked.body)
    sign(request, asked.keys, now=NOW)
    signed = request.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert set(signed) >= {"host", "x-sdk-date"}
    assert ("x-security-token" in signed) is (asked.keys.security_token is not None)
    assert ("x-project-id" in signed) is (asked.project is not None)
    assert request.headers["Authorization"] == vendor.authorization(
        asked.keys,
        method=asked.method,
        target=request.url.raw_path.decode("ascii"),
        headers={name: request.headers[name] for name in signed},
        body=asked.body,
    )


# --- what is signed is what is sent -------------------------------------------------


@dataclass
class Wiretap:
    """A socket that keeps each request's very bytes, and answers 200."""

    address: tuple[str, int]
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


def _listen(listener: socket.socket, tap: Wiretap) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # no more to come
            return
        with connection:
            heard = b""
            while b"\r\n\r\n" not in heard:
                heard += connection.recv(65536)
            head, _, body = heard.partition(b"\r\n\r\n")
            length = next(
                (int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if b"length:" in x), 0
            )
            while len(body) < length:
                body += connection.recv(65536)
            tap.heard.append(head + b"\r\n\r\n" + body)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
            connection.sendall(b"Connection: close\r\n\r\n{}")


@contextmanager
def tapped() -> Iterator[Wiretap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tap = Wiretap(listener.getsockname())
        thread = threading.Thread(target=_listen, args=(listener, tap), daemon=True)
        thread.start()
        yield tap
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


@pytest.fixture(name="tap")
def _tap() -> Iterator[Wiretap]:
    with tapped() as tap:
        yield tap


TRICKY = [
    ("GET", "", b""),
    ("GET", "?x", b""),
    ("GET", "/", b""),
    ("GET", "/snapshots/detail?limit=50&name=a%20b%2Fc&limit=7&limit=", b""),
    ("GET", "/snapshots/a%2Fb%20c/~x", b""),
    ("GET", "/a/../b/./c//d", b""),
    ("GET", "/größe/数据?name=größe&name=数据", b""),
    ("GET", "/a b?c d=e f", b""),
    ("GET", "/x?a=1&&b&=c&&", b""),
    ("GET", "/x?q=a+b&r=%2B&s=%252F", b""),
    ("GET", "/x?quote=%27'\"&star=*()!&pipe=|&tilde=~%7E", b""),
    ("GET", "/x?ids=['a','b']&sort={a;b}", b""),
    ("GET", "/x#fragment?y=1", b""),
    ("GET", "/%e6%95%b0?k=%c3%a9", b""),
    ("DELETE", "/snapshots/1", b""),
    ("POST", "/snapshots", '{"snapshot": {"name": "größe \\"x\\""}}'.encode()),
    ("POST", "/snapshots", b""),
    ("PUT", "/x?y=%00", bytes(range(256)) * 40),
    ("PATCH", "/x:y@z;p=1,2?a:b=@c", b"{}"),
]


@pytest.mark.parametrize(("method", "target", "body"), TRICKY, ids=range(len(TRICKY)))
def test_what_is_signed_is_what_leaves_the_machine(
    *,
    method: str,
    target: str,
    body: bytes,
    tap: Wiretap,
    vendor: Vendor,
    fake: FakeClock,
) -> None:
    """The vendor's signer makes the same of the bytes that a socket received."""
    keys = TEMPORARY
    # No certificates are read: that takes long, and it is plain http.
    given = Settings("", keys, project_id=PROJECT, endpoint=tap.url, verify=False)
    auth = SignatureAuth(given, clock=fake.clock, keys=GivenKeys(keys))
    headers = {"Content-Type": "application/json"} if body else {}
    with open_http(verify=given.verify, clock=fake.clock) as http:
        assert auth.volume_url(http.send) == f"{tap.url}/v3/{PROJECT}"
        url = f"{tap.url}{target}"
        answer = http.request(method, url, content=body, headers=headers, auth=auth)
    assert answer.status_code == 200
    (heard,) = tap.heard
    head, _, sent = heard.partition(b"\r\n\r\n")
    line, *rows = head.decode("ascii").split("\r\n")
    parts = [row.partition(":") for row in rows]
    received = {name.lower(): value.strip() for name, _, value in parts}
    assert len(received) == len(rows)
    names = received["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert received["x-project-id"] == PROJECT
    assert received.get("x-security-token") == keys.security_token
    assert "x-auth-token" not in received
    assert sent == body
    assert received["authorization"] == vendor.authorization(
        keys,
        method=line.split(" ")[0],
        target=line.split(" ")[1],
        headers={name: received[name] for name in names},
        body=sent,
    )
