"""The sandbox lets in who signs rightly and nobody else; what is signed is spelled out here."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import httpx
import pytest

from evs_snap.sandbox import ACCOUNT, Rules, Sandbox
from evs_snap.sandbox.server import serving
from evs_snap.sandbox.signature import canonical_request, is_right, read_claim
from evs_snap.sandbox.wire import Request

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 7, 0, 0, tzinfo=UTC)
PROJECT = f"/v3/{ACCOUNT.project_id}"
VOLUMES = f"{PROJECT}/volumes"
SNAPSHOTS = f"{PROJECT}/snapshots"
DATA_01 = "5072a9e5-66eb-42a2-9120-e78b6dbedc9f"
GATEWAY = "Incorrect IAM authentication information: "


def write_date(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs what it is told to sign; it works nothing out."""

    access_key: str = ACCOUNT.access_key
    secret_key: str = ACCOUNT.secret_key
    date: str = write_date(NOW)
    host: str = "sandbox.test"

    def headers(
        self, method: str, path: str, *, query: str = "", body: bytes = b"", **more: str
    ) -> dict[str, str]:
        """Return the headers of a request with this canonical path and query."""
        signed = {"host": self.host, "x-sdk-date": self.date}
        signed |= {name.replace("_", "-"): value for name, value in more.items()}
        return signed | self.authorization(method, path, query=query, body=body, signed=signed)

    def authorization(
        self, method: str, path: str, *, query: str, body: bytes, signed: dict[str, str]
    ) -> dict[str, str]:
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        names = ";".join(sorted(signed))
        digest = hashlib.sha256(body).hexdigest()
        canonical = "\n".join((method, path, query, *lines, "", names, digest))
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"SDK-HMAC-SHA256\n{self.date}\n{hashed}"
        signature = hmac.new(self.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {
            "Authorization": f"SDK-HMAC-SHA256 Access={self.access_key}, "
            f"SignedHeaders={names}, Signature={signature}"
        }


SIGNER = Signer()
TEMPORARY = Signer(access_key=ACCOUNT.temporary_access_key, secret_key=ACCOUNT.temporary_secret_key)


def connect(path: Path, rules: Rules | None = None) -> httpx.Client:
    app = Sandbox(path / "sandbox.db", now=lambda: NOW, rules=rules or Rules())
    transport = httpx.WSGITransport(app=validator(app))
    return httpx.Client(transport=transport, base_url="http://sandbox.test")


@pytest.fixture(name="client")
def _client(tmp_path: Path) -> httpx.Client:
    return connect(tmp_path)


def refusal(answer: httpx.Response) -> str:
    """Return the reason, having checked that it is the gateway that refuses."""
    document = answer.json()
    assert answer.status_code == 401
    assert list(document) == ["error_msg", "error_code", "request_id"]
    assert document["error_code"] == "APIGW.0301"
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert "OpenStack-API-Version" not in answer.headers
    assert "X-OpenStack-Request-Id" not in answer.headers
    message = str(document["error_msg"])
    assert message.startswith(GATEWAY)
    return message.removeprefix(GATEWAY)


# --- known answers ------------------------------------------------------------------

KNOWN_PROJECT = "/v3/0123456789abcdef0123456789abcdef"
KNOWN_DATE = "20260102T030405Z"
KNOWN_HOST = "evs.example-1.example.com"
GET_SIGNATURE = "0826bbd726e8bca76b2d2434558f41aaa8f65dfd092bec61478ecdf8b00c633a"
POST_SIGNATURE = "3e2668d382dcc494dca76d0363e2bb58358a715370ba059f1caa5a5e74bfef2c"


def known(
    method: str,
    path: str,
    query: str = "",
    *,
    body: bytes = b"",
    content_type: str = "text/plain",
) -> Request:
    return Request(
        method=method,
        path=f"{KNOWN_PROJECT}{path}",
        raw_path=f"{KNOWN_PROJECT}{path}",
        query_string=query,
        headers={
            "host": KNOWN_HOST,
            "x-sdk-date": KNOWN_DATE,
            "content-type": content_type,
        },
        body=body,
        origin=f"https://{KNOWN_HOST}",
    )


def is_accepted(request: Request, signed_headers: str, signature: str) -> bool:
    claim = read_claim(
        f"SDK-HMAC-SHA256 Access=AKEXAMPLE, SignedHeaders={signed_headers}, Signature={signature}"
    )
    assert claim is not None
    assert claim.access_key == "AKEXAMPLE"
    canonical = canonical_request(request, signed_headers=claim.signed_headers)
    return is_right(claim, canonical=canonical, date=KNOWN_DATE, secret_key="SKEXAMPLE")


@pytest.mark.parametrize(
    "query",
    [
        "volume_id=11111111-2222-3333-4444-555555555555&name=a%20b%2Fc&limit=50",
        "limit=50&name=%61%20b/c&volume_id=11111111-2222-3333-4444-555555555555",
    ],
)
def test_the_known_answer_for_a_get_is_right_in_whatever_order_it_was_sent(query: str) -> None:
    request = known("GET", "/snapshots/detail", query)
    canonical = canonical_request(request, signed_headers=("host", "x-sdk-date"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert digest == "08eb0b2ca66f9822cb4e8c72899fbd9b95838d3100cd1d0d9832703e93d42ead"
    assert is_accepted(request, "host;x-sdk-date", GET_SIGNATURE)
    assert not is_accepted(request, "host;x-sdk-date", POST_SIGNATURE)


def test_the_known_answer_for_a_post_is_right() -> None:
    body = b'{"snapshot":{"volume_id":"v","name":"n"}}'
    request = known("POST", "/snapshots", body=body, content_type="application/json")
    names = "content-type;host;x-sdk-date"
    assert is_accepted(request, names, POST_SIGNATURE)
    assert not is_accepted(request, names, POST_SIGNATURE.upper())
    assert not is_accepted(request, names, POST_SIGNATURE[:-1])


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("", ""),
        ("k", "k="),
        ("k=", "k="),
        ("&k=v&&", "k=v"),
        ("k=b&k=a&k", "k=&k=a&k=b"),
        ("b=1&a=2", "a=2&b=1"),
        ("a_=1&a=2&a-=3", "a=2&a-=3&a_=1"),
        ("k=a%20b", "k=a%20b"),
        ("k=a+b", "k=a%2Bb"),
        ("k=a%2Bb", "k=a%2Bb"),
        ("k=a=b", "k=a%3Db"),
        ("k=%7e%2d%5F%2E", "k=~-_."),
        ("k=a/b:c,d*e", "k=a%2Fb%3Ac%2Cd%2Ae"),
        ("k=100%", "k=100%25"),
        ("k=%2520", "k=%2520"),
        ("%c3%a4=%E6%95%B0", "%C3%A4=%E6%95%B0"),
        ("\xc3\xa4=1", "%C3%A4=1"),  # UTF-8 sent bare, as WSGI hands it on
    ],
)
def test_a_query_has_one_canonical_form(raw: str, canonical: str) -> None:
    request = known("GET", "/snapshots", raw)
    assert canonical_request(request, signed_headers=("host",)).split("\n")[2] == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("/snapshots", "/snapshots/"),
        ("/snapshots/", "/snapshots/"),
        ("/snap%73hots", "/snapshots/"),
        ("/a%2Fb", "/a%2Fb/"),
        ("/a%2fb/c", "/a%2Fb/c/"),
        ("/a b", "/a%20b/"),
        ("/a+b", "/a%2Bb/"),
        ("//a/../b", "//a/../b/"),
        ("/%E6%95%B0", "/%E6%95%B0/"),
    ],
)
def test_a_path_has_one_canonical_form_and_ends_in_a_slash(raw: str, canonical: str) -> None:
    lines = canonical_request(known("GET", raw), signed_headers=("host",)).split("\n")
    assert lines[1] == f"{KNOWN_PROJECT}{canonical}"


def test_header_values_are_trimmed() -> None:
    request = known("GET", "/", content_type="  b  c ")
    names = ("content-type", "host")
    lines = canonical_request(request, signed_headers=names).split("\n")
    assert lines[3:7] == ["content-type:b  c", f"host:{KNOWN_HOST}", "", "content-type;host"]


# --- let in -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        VOLUMES,
        f"/volume{VOLUMES}",
        f"/v2/{ACCOUNT.project_id}/volumes",
        f"/volume/v2/{ACCOUNT.project_id}/cloudvolumes/detail",
        f"{PROJECT}/limits",
        "/volume/v3/",
        "/v3/projects",
        "/v3/auth/projects",
        "/v3/auth/catalog",
        "/identity/v3/projects",
        "/identity/v3/auth/projects",
    ],
)
def test_a_signature_opens_block_storage_and_identity(path: str, client: httpx.Client) -> None:
    canonical = path if path.endswith("/") else f"{path}/"
    answer = client.get(path, headers=SIGNER.headers("GET", canonical))
    assert answer.status_code == 200, answer.text


def test_the_project_is_found_by_its_name(client: httpx.Client) -> None:
    def found(name: str) -> list[str]:
        headers = SIGNER.headers("GET", "/v3/projects/", query=f"name={name}")
        projects = client.get(f"/v3/projects?name={name}", headers=headers).json()["projects"]
        return [project["id"] for project in projects]

    assert found(ACCOUNT.project_name) == [ACCOUNT.project_id]
    assert found("other") == []


def test_a_signed_body_makes_a_snapshot(client: httpx.Client) -> None:
    body = json.dumps({"snapshot": {"volume_id": DATA_01, "name": "größe"}}).encode()
    headers = SIGNER.headers("POST", f"{SNAPSHOTS}/", body=body, content_type="application/json")
    answer = client.post(SNAPSHOTS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["snapshot"]["name"]) == (202, "größe")


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("name=a%20b", "name=a%20b"),
        ("limit=1&name=shared-name&limit=2", "limit=1&limit=2&name=shared-name"),
        ("name", "name="),
        ("name=%E6%95%B0%E6%8D%AE", "name=%E6%95%B0%E6%8D%AE"),
    ],
)
def test_a_query_is_signed_as_it_is_sent(sent: str, signed: str, client: httpx.Client) -> None:
    headers = SIGNER.headers("GET", f"{VOLUMES}/", query=signed)
    assert client.get(f"{VOLUMES}?{sent}", headers=headers).status_code == 200


def test_a_blank_sent_as_a_plus_is_not_the_blank_that_was_signed(client: httpx.Client) -> None:
    """What httpx makes of params, and what breaks the filters with a blank alone."""
    headers = SIGNER.headers("GET", f"{VOLUMES}/", query="name=a%20b")
    sent = client.get(VOLUMES, params={"name": "a b"}, headers=headers)
    assert sent.request.url.query == b"name=a+b"
    assert "name=a%2Bb" in refusal(sent)


def test_the_project_of_the_path_may_be_named_signed_or_not(client: httpx.Client) -> None:
    signed = SIGNER.headers("GET", f"{VOLUMES}/", x_project_id=ACCOUNT.project_id)
    beside = SIGNER.headers("GET", f"{VOLUMES}/") | {"X-Project-Id": ACCOUNT.project_id}
    for headers in (signed, beside):
        assert client.get(VOLUMES, headers=headers).status_code == 200


@pytest.mark.parametrize("skew", [-15, 15])
def test_a_clock_may_be_fifteen_minutes_off(skew: int, client: httpx.Client) -> None:
    signer = Signer(date=write_date(NOW + timedelta(minutes=skew)))
    assert client.get(VOLUMES, headers=signer.headers("GET", f"{VOLUMES}/")).status_code == 200


# --- kept out -----------------------------------------------------------------------


def test_an_unknown_key_is_named(client: httpx.Client) -> None:
    headers = Signer(access_key="NOBODY").headers("GET", f"{VOLUMES}/")
    assert refusal(client.get(VOLUMES, headers=headers)) == "ak NOBODY not exist"


def test_a_wrong_secret_is_told_what_should_have_been_signed(client: httpx.Client) -> None:
    headers = Signer(secret_key="wrong").headers("GET", f"{VOLUMES}/", query="limit=1")
    nothing = hashlib.sha256(b"").hexdigest()
    assert refusal(client.get(f"{VOLUMES}?limit=1", headers=headers)) == (
        f"verify aksk signature fail, canonicalRequest:GET|{VOLUMES}/|limit=1|"
        f"host:sandbox.test|x-sdk-date:20261123T070000Z||host;x-sdk-date|{nothing}"
    )


@pytest.mark.parametrize("path", ["/v3/projects", "/identity/v3/auth/projects"])
def test_identity_is_behind_the_gateway_too(path: str, client: httpx.Client) -> None:
    headers = Signer(secret_key="wrong").headers("GET", f"{path}/")
    assert refusal(client.get(path, headers=headers)).startswith("verify aksk signature fail")


@pytest.mark.parametrize("skew", [timedelta(minutes=-15, seconds=-1), timedelta(minutes=15.1)])
def test_a_clock_further_off_is_told_both_times(skew: timedelta, client: httpx.Client) -> None:
    signer = Signer(date=write_date(NOW + skew))
    answer = client.get(VOLUMES, headers=signer.headers("GET", f"{VOLUMES}/"))
    assert refusal(answer) == (
        f"signature expired, signature time:{signer.date},server time:20261123T070000Z"
    )


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "20261123T070000",
        "2026-11-23T07:00:00Z",
        "20261323T070000Z",
        "2026112T070000Z",
        "Mon, 23 Nov 2026 07:00:00 GMT",
    ],
)
def test_a_date_of_another_form_is_malformed(date: str, client: httpx.Client) -> None:
    answer = client.get(VOLUMES, headers=Signer(date=date).headers("GET", f"{VOLUMES}/"))
    assert refusal(answer) == f"x-sdk-date {date} is malformed"


BODY = json.dumps({"snapshot": {"volume_id": DATA_01}}).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"content": BODY.replace(b"}}", b"} }")},
        {"content": b""},
        {"url": f"{SNAPSHOTS}?a=b"},
        {"url": f"{SNAPSHOTS}/detail"},
        {"url": f"/volume{SNAPSHOTS}"},
        {"method": "PUT"},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"Host": "sandbox.test:80"}},
        {"headers": {"X-Sdk-Date": write_date(NOW + timedelta(seconds=1))}},
    ],
)
def test_whatever_is_changed_on_the_way_is_noticed(
    change: dict[str, Any], client: httpx.Client
) -> None:
    headers = SIGNER.headers("POST", f"{SNAPSHOTS}/", body=BODY, content_type="application/json")
    request = {"method": "POST", "url": SNAPSHOTS, "content": BODY} | change
    changed = httpx.Headers(headers)
    changed.update(change.get("headers"))
    request["headers"] = changed
    reason = refusal(client.request(**request))
    assert reason.startswith("verify aksk signature fail, canonicalRequest:")
    assert client.post(SNAPSHOTS, content=BODY, headers=headers).status_code == 202


def test_a_query_changed_or_dropped_is_noticed(client: httpx.Client) -> None:
    headers = SIGNER.headers("GET", f"{VOLUMES}/", query="limit=1&name=data-01")
    for sent in ("limit=2&name=data-01", "limit=1&name=data-01&name=data-01", "limit=1", ""):
        refusal(client.get(f"{VOLUMES}?{sent}", headers=headers))
    assert client.get(f"{VOLUMES}?name=data-01&limit=1", headers=headers).status_code == 200


@pytest.mark.parametrize("missing", ["host", "x-sdk-date"])
def test_host_and_date_must_be_signed(missing: str, client: httpx.Client) -> None:
    signed = {"host": "sandbox.test", "x-sdk-date": SIGNER.date}
    del signed[missing]
    headers = SIGNER.authorization("GET", f"{VOLUMES}/", query="", body=b"", signed=signed)
    answer = client.get(VOLUMES, headers=headers | {"X-Sdk-Date": SIGNER.date})
    assert refusal(answer) == f"verify aksk signature fail, header {missing} is not signed"


@pytest.mark.parametrize("name", ["x-sdk-date", "x-other", "content-type"])
def test_a_header_that_was_signed_must_be_sent(name: str, client: httpx.Client) -> None:
    headers = SIGNER.headers("GET", f"{VOLUMES}/", x_other="1", content_type="text/plain")
    del headers[name]
    reason = refusal(client.get(VOLUMES, headers=headers))
    assert reason == f"verify aksk signature fail, signed header {name} not found"


@pytest.mark.parametrize("names", ["Host;X-Sdk-Date", "x-sdk-date;host", "host;host;x-sdk-date"])
def test_signed_headers_have_one_order_and_case(names: str, client: httpx.Client) -> None:
    headers = SIGNER.headers("GET", f"{VOLUMES}/")
    headers["Authorization"] = headers["Authorization"].replace("host;x-sdk-date", names)
    assert refusal(client.get(VOLUMES, headers=headers)).endswith("not lower-case and sorted")


@pytest.mark.parametrize(
    "authorization",
    [
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 Access=A, SignedHeaders=host",
        "SDK-HMAC-SHA256 Access=, SignedHeaders=host, Signature=0",
        "SDK-HMAC-SHA256 Credential=A/20261123///sdk_request, SignedHeaders=host, Signature=0",
    ],
)
def test_a_header_of_another_form_is_malformed(authorization: str, client: httpx.Client) -> None:
    answer = client.get(VOLUMES, headers={"Authorization": authorization})
    assert refusal(answer) == "the Authorization header is malformed"


def test_a_signature_may_be_any_text_and_is_wrong(client: httpx.Client) -> None:
    headers = {**SIGNER.headers("GET", f"{VOLUMES}/")}
    start = headers["Authorization"].rpartition("=")[0]
    for signature in ("0", "0" * 64, "g" * 64):
        refusal(client.get(VOLUMES, headers=headers | {"Authorization": f"{start}={signature}"}))


def test_other_schemes_are_nobody_to_keystone(client: httpx.Client) -> None:
    answer = client.get(VOLUMES, headers={"Authorization": "Bearer x"})
    assert (answer.status_code, list(answer.json())) == (401, ["error"])


@pytest.mark.parametrize("path", [VOLUMES, "/v3/projects"])
def test_a_foreign_project_in_the_header_is_refused(path: str, client: httpx.Client) -> None:
    headers = SIGNER.headers("GET", f"{path}/", x_project_id="0" * 32)
    answer = client.get(path, headers=headers)
    assert refusal(answer) == "x-project-id is not the project of the path"


def test_a_foreign_project_in_the_path_is_for_cinder_to_refuse(client: httpx.Client) -> None:
    path = f"/v3/{'0' * 32}/volumes"
    headers = SIGNER.headers("GET", f"{path}/", x_project_id="0" * 32)
    answer = client.get(path, headers=headers)
    assert answer.json() == {"badRequest": {"code": 400, "message": "Malformed request url"}}


def test_a_token_beside_a_wrong_signature_does_not_help(client: httpx.Client) -> None:
    user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    auth = {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}
    signed_in = client.post("/v3/auth/tokens", json={"auth": auth})
    token = {"X-Auth-Token": signed_in.headers["X-Subject-Token"]}
    assert client.get(VOLUMES, headers=token).status_code == 200
    headers = Signer(secret_key="wrong").headers("GET", f"{VOLUMES}/")
    refusal(client.get(VOLUMES, headers=headers | token))


# --- temporary keys -----------------------------------------------------------------


def test_temporary_keys_open_with_their_token_signed_or_not(client: httpx.Client) -> None:
    signed = TEMPORARY.headers("GET", f"{VOLUMES}/", x_security_token=ACCOUNT.security_token)
    beside = TEMPORARY.headers("GET", f"{VOLUMES}/")
    beside |= {"X-Security-Token": ACCOUNT.security_token}
    for headers in (signed, beside):
        assert client.get(VOLUMES, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "x-security-token not found"),
        ("", "x-security-token not found"),
        ("wrong", "the security token does not belong to the ak"),
    ],
)
def test_temporary_keys_are_nothing_without_their_token(
    token: str | None, reason: str, client: httpx.Client
) -> None:
    headers = TEMPORARY.headers("GET", f"{VOLUMES}/")
    if token is not None:
        headers["X-Security-Token"] = token
    assert refusal(client.get(VOLUMES, headers=headers)) == reason


def test_the_token_alone_does_not_replace_the_secret(client: httpx.Client) -> None:
    signer = Signer(access_key=ACCOUNT.temporary_access_key, secret_key=ACCOUNT.secret_key)
    headers = signer.headers("GET", f"{VOLUMES}/", x_security_token=ACCOUNT.security_token)
    assert refusal(client.get(VOLUMES, headers=headers)).startswith("verify aksk signature fail")


@pytest.mark.parametrize(("left", "status"), [(1, 200), (0, 400)])
def test_temporary_keys_end(left: int, status: int, tmp_path: Path) -> None:
    client = connect(tmp_path, Rules(temporary_keys_end=NOW + timedelta(seconds=left)))
    headers = TEMPORARY.headers("GET", f"{VOLUMES}/", x_security_token=ACCOUNT.security_token)
    answer = client.get(VOLUMES, headers=headers)
    assert answer.status_code == status
    assert ("IAM.1108" in answer.text) is (status == 400)
    permanent = client.get(VOLUMES, headers=SIGNER.headers("GET", f"{VOLUMES}/"))
    assert permanent.status_code == 200


# --- the path as it was sent --------------------------------------------------------

ODD_PATHS = [
    (f"{SNAPSHOTS}/a%2Fb", f"{SNAPSHOTS}/a%2Fb/"),
    (f"{SNAPSHOTS}/a%20b", f"{SNAPSHOTS}/a%20b/"),
    (f"{SNAPSHOTS}/a+b", f"{SNAPSHOTS}/a%2Bb/"),
    (f"{SNAPSHOTS}/%E6%95%B0", f"{SNAPSHOTS}/%E6%95%B0/"),
    (f"{SNAPSHOTS}/%C3%A9", f"{SNAPSHOTS}/%C3%A9/"),
    (f"{SNAPSHOTS}/100%25", f"{SNAPSHOTS}/100%25/"),
]


@pytest.mark.parametrize(("sent", "signed"), ODD_PATHS)
def test_on_a_port_the_path_is_checked_as_it_was_sent(
    sent: str, signed: str, tmp_path: Path
) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=lambda: NOW)
    with serving(app) as port:
        base = f"http://127.0.0.1:{port}"
        headers = Signer(host=f"127.0.0.1:{port}").headers("GET", signed)
        answer = httpx.get(f"{base}{sent}", headers=headers, trust_env=False)
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(("sent", "signed"), ODD_PATHS[1:])
def test_in_process_the_path_is_put_together_again(
    sent: str, signed: str, client: httpx.Client
) -> None:
    assert client.get(sent, headers=SIGNER.headers("GET", signed)).status_code == 404


def test_in_process_a_slash_inside_a_segment_is_lost(client: httpx.Client) -> None:
    sent, signed = ODD_PATHS[0]
    assert "/a/b/|" in refusal(client.get(sent, headers=SIGNER.headers("GET", signed)))


def test_on_a_port_no_content_type_is_none(tmp_path: Path) -> None:
    """Where wsgiref would say text/plain."""
    app = Sandbox(tmp_path / "sandbox.db", now=lambda: NOW)
    with serving(app) as port:
        signer = Signer(host=f"127.0.0.1:{port}")
        headers = signer.headers("GET", f"{VOLUMES}/", content_type="text/plain")
        del headers["content-type"]
        answer = httpx.get(f"http://{signer.host}{VOLUMES}", headers=headers, trust_env=False)
    assert refusal(answer).endswith("signed header content-type not found")
