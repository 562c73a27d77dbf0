"""Signatures: the known answers, the vendor's own signer, and what really leaves the machine."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.api.conftest import answer, server
from tests.unit.auth.conftest import PROJECT

from evs_snap.api.transport import open_http
from evs_snap.auth import identify
from evs_snap.auth.signer import sign
from evs_snap.settings import Settings
from evs_snap.settings.credentials import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock

    Vendor = Callable[..., str]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = Keys("AKEXAMPLE", "SKEXAMPLE")
TEMPORARY = Keys("AKTEMPORARY", "SK+/temporary=", "t0ken+/with=odd==", NOW)
HOST = "https://evs.example-1.example.com"
QUERY = "volume_id=11111111-2222-3333-4444-555555555555&name=a%20b%2Fc&limit=50"
POSTED: dict[str, Any] = {
    "headers": {"Content-Type": "application/json"},
    "content": b'{"snapshot":{"volume_id":"v","name":"n"}}',
}


@pytest.mark.parametrize(
    ("request_", "signed", "signature"),
    [
        (
            httpx.Request("GET", f"{HOST}/v3/{PROJECT}/snapshots/detail?{QUERY}"),
            "host;x-sdk-date",
            "0826bbd726e8bca76b2d2434558f41aaa8f65dfd092bec61478ecdf8b00c633a",
        ),
        (
            httpx.Request("POST", f"{HOST}/v3/{PROJECT}/snapshots", **POSTED),
            "content-type;host;x-sdk-date",
            "3e2668d382dcc494dca76d0363e2bb58358a715370ba059f1caa5a5e74bfef2c",
        ),
    ],
)
def test_the_known_answers(request_: httpx.Request, signed: str, signature: str) -> None:
    """Both came out of two implementations: the vendor's SDK and one by hand."""
    sign(request_, KEYS, now=NOW)
    assert request_.headers["Authorization"] == (
        f"SDK-HMAC-SHA256 Access=AKEXAMPLE, SignedHeaders={signed}, Signature={signature}"
    )
    assert request_.headers["X-Sdk-Date"] == "20260102T030405Z"


def test_signing_again_replaces_what_an_earlier_signing_left() -> None:
    request = httpx.Request("GET", HOST)
    sign(request, TEMPORARY, now=NOW)
    first = dict(request.headers)
    sign(request, TEMPORARY, now=NOW.replace(minute=5))
    assert request.headers["X-Sdk-Date"] == "20260102T030505Z"
    (second,) = request.headers.get_list("Authorization")
    assert second != first["authorization"]
    sign(request, TEMPORARY, now=NOW)
    assert dict(request.headers) == first


# The vendor's own signer.


@pytest.fixture(name="vendor", scope="module")
def _vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    """Give what signs a request, as it is on the wire, by the vendor's SDK.

    To import the SDK may write an ID for this machine into the home directory.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        signer: Any = importlib.import_module("huaweicloudsdkcore.signer.signer").Signer
        sdk_request: Any = importlib.import_module("huaweicloudsdkcore.sdk_request").SdkRequest

    def authorization(
        keys: Keys, *, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> str:
        path, _, query = target.partition("?")
        request = sdk_request(
            method=method,
            schema="https",
            host=headers["host"],
            resource_path=path,
            query_params=parse_qsl(query.replace("+", "%2B"), keep_blank_values=True),
            header_params=dict(headers),
            body=body,
        )
        credentials = SimpleNamespace(ak=keys.access_key, sk=keys.secret_key)
        signed: str = signer(credentials).sign(request).header_params["Authorization"]
        return signed

    return authorization


def names_signed(authorization: str) -> list[str]:
    return authorization.split("SignedHeaders=")[1].split(",", maxsplit=1)[0].split(";")


words = st.sampled_from(
    ["", " ", "a b", "a/b", "%2F", "%", "100%", "größe", "数据", "a+b", "~", "-_.~", "a&b=c", "#",
     "?", "'\"", "\\", ";", ",", "*()!", "\x00", "😀", "a=b", "=", "+", "\n"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # fmt: skip
header_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
CHANGED_ON_THE_WAY = ["User-Agent", "Accept", "Accept-Encoding", "Via", "TE"]
hosts = [
    "evs.example.com", "evs.example.com:8443", "10.0.0.1:443", "[::1]:8776", "EVS.Example.com"
]  # fmt: skip


def url_of(host: str, segments: list[str], pairs: list[tuple[str, str]], slash: str) -> str:
    path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in pairs)
    return f"https://{host}{path}{slash}{'?' * bool(query)}{query}"


@example(
    method="GET",
    url=url_of("h", ["v3", "a/b", "%2F"], [("k", "2"), ("k", "1"), ("", "")], "/"),
    sent={"Content-Type": "application/json", "X-Project-Id": "p"},
    body=b"",
    keys=TEMPORARY,
)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
    url=st.builds(
        url_of,
        st.sampled_from(hosts),
        st.lists(words, max_size=4),
        st.lists(st.tuples(words | st.sampled_from("ab"), words), max_size=5),
        st.sampled_from(["", "/"]),
    ),
    sent=st.fixed_dictionaries(
        {},
        optional={"Content-Type": st.just("application/json"), "X-Project-Id": header_words}
        | dict.fromkeys(CHANGED_ON_THE_WAY, header_words),
    ),
    body=st.binary(max_size=64),
    keys=st.builds(
        Keys,
        access_key=header_words,
        secret_key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
        security_token=st.none() | header_words,
    ),
)
def test_the_vendors_own_signer_agrees(
    *, method: str, url: str, sent: dict[str, str], body: bytes, keys: Keys, vendor: Vendor
) -> None:
    """Property: on any method, path, query, body, port, project and security token.

    What a proxy may change on the way stays unsigned.
    """
    request = httpx.Request(method, url, headers=sent, content=body)
    sign(request, keys, now=NOW)
    token = {"x-security-token"} if keys.security_token is not None else set()
    signed = names_signed(request.headers["Authorization"])
    names = {name.lower() for name in sent if name not in CHANGED_ON_THE_WAY}
    assert {*signed} == {"host", "x-sdk-date", *token, *names}
    assert request.headers["Authorization"] == vendor(
        keys,
        method=method,
        target=request.url.raw_path.decode("ascii"),
        headers={name: request.headers[name] for name in signed},
        body=body,
    )


# What is signed is what is sent.

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
    method: str, target: str, body: bytes, vendor: Vendor, fake: FakeClock
) -> None:
    """The vendor's signer makes the same of the bytes that a socket received."""
    headers = {"Content-Type": "application/json"} if body else {}
    with server(answer(b"{}")) as (address, heard):
        root = address.removesuffix("/v3/p/volumes")
        given_ = Settings("", TEMPORARY, project_id=PROJECT, endpoint=root, region="eu-de")
        auth = identify(given_, clock=fake.clock, cache=None)
        with open_http(verify=False, clock=fake.clock) as http:
            url = f"{root}{target}"
            answered = http.request(method, url, content=body, headers=headers, auth=auth)
    assert answered.status_code == 200
    (whole,) = heard
    head, _, sent = whole.partition(b"\r\n\r\n")
    line, *rows = head.decode("ascii").split("\r\n")
    parts = [row.partition(":") for row in rows]
    received = {name.lower(): value.strip() for name, _, value in parts}
    assert len(received) == len(rows)
    assert received["x-project-id"] == PROJECT
    assert received.get("x-security-token") == TEMPORARY.security_token
    assert "x-auth-token" not in received
    assert sent == body
    assert received["authorization"] == vendor(
        TEMPORARY,
        method=line.split(" ")[0],
        target=line.split(" ")[1],
        headers={name: received[name] for name in names_signed(received["authorization"])},
        body=sent,
    )
