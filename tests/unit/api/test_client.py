"""Requests as they go out, rows as they come in, and nothing but clean errors."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.api import paging
from evs_snap.api.client import EvsClient
from evs_snap.api.transport import open_http
from evs_snap.auth.keystone import KeystoneAuth
from evs_snap.clock import system_clock
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    QuotaError,
    ServiceError,
    SignInError,
    WrongEndpointError,
)
from evs_snap.settings import Settings
from evs_snap.settings.credentials import PasswordCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import FakeClock

    Handler = Callable[[httpx.Request], httpx.Response]

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
PROJECT = "0123456789abcdef0123456789abcdef"
HOST = "https://evs.example.com"
BASE = f"{HOST}/v3/{PROJECT}"
PASSWORD = "s3cret-p4ssword"
SETTINGS = Settings(
    "https://iam.example.com",
    PasswordCredentials("cron", None, "OTC-1", None, PASSWORD),
    project_name="eu-de_prod",
)


def granted(token: str) -> httpx.Response:
    endpoint = {"interface": "public", "region_id": "eu-de", "url": f"{HOST}/v2/{PROJECT}"}
    catalog = [{"type": "evs", "endpoints": [endpoint]}]
    body = {"project": {"id": PROJECT}, "expires_at": "2030-01-01T00:00:00Z", "catalog": catalog}
    return httpx.Response(201, headers={"X-Subject-Token": token}, json={"token": body})


@dataclass
class Service:
    """Keystone, and behind it whatever ``handler`` plays."""

    handler: Handler
    requests: list[httpx.Request] = field(default_factory=list)
    sign_ins: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "iam.example.com":
            self.sign_ins += 1
            return granted(f"token-{self.sign_ins}")
        assert request.url.host == "evs.example.com", "the token left its host"
        self.requests.append(request)
        return self.handler(request)

    @property
    def client(self) -> EvsClient:
        http = httpx.Client(transport=httpx.MockTransport(self))
        auth = KeystoneAuth(SETTINGS, clock=system_clock(), cache=None)
        return EvsClient(http, auth=auth, clock=system_clock())

    @property
    def targets(self) -> list[str]:
        """What was asked of the service, byte for byte, below the project."""
        return [r.url.raw_path.decode().removeprefix(f"/v3/{PROJECT}") for r in self.requests]


def playing(*answers: httpx.Response) -> Service:
    left = list(answers)
    return Service(lambda _: left.pop(0) if len(left) > 1 else left[0])


def rows(key: str, *found: dict[str, object], links: object = None) -> httpx.Response:
    return httpx.Response(200, json={key: list(found), f"{key}_links": links})


NAMES = {
    "data 01": "data%2001",
    "größe-中": "gr%C3%B6%C3%9Fe-%E4%B8%AD",
    "a#b": "a%23b",
    "a&limit=1": "a%26limit%3D1",
    "a+b": "a%2Bb",
    "100%": "100%25",
    "%20": "%2520",
    "a/b?c": "a%2Fb%3Fc",
    "x'\"<>": "x%27%22%3C%3E",
    "two\nlines": "two%0Alines",
    "": "",
}


@pytest.mark.parametrize(("name", "sent"), NAMES.items())
def test_a_name_goes_out_as_one_value_whatever_is_in_it(name: str, sent: str) -> None:
    service = playing(rows("volumes", {"id": "v", "name": name}, {"id": "w", "name": "other"}))
    assert [v.id for v in service.client.volumes(name=name)] == ["v"]
    assert [v.id for v in service.client.volume_summaries(name=name)] == ["v"]
    assert service.targets == [
        f"/volumes/detail?name={sent}&limit=1000",
        f"/volumes?name={sent}&limit=1000",
    ]


def test_a_name_that_is_no_text_is_found_nowhere() -> None:
    """The locale of a terminal may hand over bytes that are no UTF-8."""
    service = playing(rows("volumes", {"id": "v", "name": "caf?"}))
    assert service.client.volumes(name="caf\udce9") == []
    assert service.targets == ["/volumes/detail?name=caf%3F&limit=1000"]


IDS = {
    "a b": "a%20b",
    "a/b": "a%2Fb",
    "a?b#c": "a%3Fb%23c",
    "größe": "gr%C3%B6%C3%9Fe",
    "%2e%2e": "%252e%252e",
    "...": "...",
    "\udce9": "%3F",
}


@pytest.mark.parametrize(("id_", "sent"), IDS.items())
def test_an_id_goes_out_as_one_segment(id_: str, sent: str) -> None:
    service = playing(
        httpx.Response(200, json={"volume": {"id": id_.encode("ascii", "replace").decode()}}),
        httpx.Response(200, json={"snapshot": {"id": "s"}}),
        httpx.Response(202),
    )
    client = service.client
    client.volume(id_)
    client.snapshot(id_)
    client.delete_snapshot(id_)
    assert service.targets == [f"/volumes/{sent}", f"/snapshots/{sent}", f"/snapshots/{sent}"]
    assert [r.method for r in service.requests] == ["GET", "GET", "DELETE"]


@pytest.mark.parametrize("id_", ["", ".", "..", "detail", "summary"])
def test_what_would_be_another_address_is_no_id(id_: str) -> None:
    """DELETE .../snapshots/.. would go to the project itself."""
    service = playing(httpx.Response(202))
    for call in (service.client.volume, service.client.snapshot, service.client.delete_snapshot):
        with pytest.raises(NotFoundError, match="is no ID"):
            call(id_)
    assert service.requests == []


def test_a_snapshot_is_asked_for_as_documented() -> None:
    created = json.loads((SAMPLES / "047-snapshot-create.json").read_text())["response"]["body"]
    service = playing(httpx.Response(202, json=created))
    snapshot = service.client.create_snapshot(
        "v1", name="größe", description="", metadata={"evs_snap_key": "k"}, force=True
    )
    assert (snapshot.id, snapshot.status) == (created["snapshot"]["id"], "creating")
    (request,) = service.requests
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/snapshots")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Auth-Token"] == "token-1"
    assert "OpenStack-API-Version" not in request.headers
    assert json.loads(request.content) == {
        "snapshot": {
            "volume_id": "v1",
            "name": "größe",
            "description": "",
            "metadata": {"evs_snap_key": "k"},
            "force": True,
        }
    }


def test_force_and_description_are_left_out_unless_needed() -> None:
    service = playing(httpx.Response(202, json={"snapshot": {"id": "s"}}))
    service.client.create_snapshot("v", name="\ud800", description=None, metadata={}, force=False)
    assert json.loads(service.requests[0].content) == {
        "snapshot": {"volume_id": "v", "name": "\ud800", "metadata": {}}
    }


def test_quotas_are_asked_for_with_the_literal_true() -> None:
    body = json.loads((SAMPLES / "111-quota-usage-as-member.json").read_text())["response"]["body"]
    service = playing(httpx.Response(200, json=body))
    assert service.client.quota().snapshots.limit is not None
    assert service.targets == [f"/os-quota-sets/{PROJECT}?usage=True"]


def test_a_service_that_ignores_filters_is_filtered_here() -> None:
    """A prune must never see the rest of the project."""
    service = playing(
        rows("snapshots", {"id": "a", "volume_id": "v"}, {"id": "b", "volume_id": "w"}, {"id": "c"})
    )
    assert [s.id for s in service.client.snapshots(volume_id="v")] == ["a"]
    assert service.targets == ["/snapshots/detail?volume_id=v&limit=1000"]
    assert len(service.client.snapshots()) == 3


# Paging.


@dataclass
class Paged:
    """A project's disks, newest first, in pages of at most ``clamp``, as Cinder serves them."""

    ids: list[str]
    clamp: int
    link: object = "internal"
    deleted_on_the_way: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())
        limit = min(int(query["limit"][0]), self.clamp)
        start = 0
        if "marker" in query:
            if self.deleted_on_the_way:
                self.deleted_on_the_way = False
                self.ids.remove(query["marker"][0])
            if query["marker"][0] not in self.ids:
                return httpx.Response(404, json={"itemNotFound": {"message": "no marker"}})
            start = self.ids.index(query["marker"][0]) + 1
        page = self.ids[start : start + limit]
        body: dict[str, object] = {"volumes": [{"id": id_, "name": id_} for id_ in page]}
        if len(page) == limit:
            href = f"https://volume.localdomain.com:8776/v2/x/volumes?limit=1&marker={page[-1]}"
            body["volumes_links"] = [{"rel": "next", "href": href}]
        elif self.link is not None:
            body["volumes_links"] = None
        return httpx.Response(200, json=body)


@given(
    count=st.integers(0, 40),
    clamp=st.integers(1, 20) | st.just(5000),
    link=st.sampled_from(["internal", None]),
)
def test_pages_concatenate_to_the_set_and_end(count: int, clamp: int, link: object) -> None:
    """Property: also where the last page is full, and where the service clamps our limit."""
    ids = [f"id-{number}" for number in range(count)]
    service = Service(Paged(ids, clamp, link=link))
    assert [v.id for v in service.client.volumes()] == ids
    assert len(service.requests) == count // clamp + 1


def test_a_page_as_large_as_asked_for_is_followed_without_any_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    service = playing(
        httpx.Response(200, json={"volumes": [{"id": "a"}, {"id": "b"}]}),
        httpx.Response(200, json={"volumes": []}),
    )
    assert [v.id for v in service.client.volumes()] == ["a", "b"]
    assert service.targets[1] == "/volumes/detail?limit=2&marker=b"


@pytest.mark.parametrize(
    "links",
    [
        [{"rel": "next", "href": "http://evil.example.com/v3/p/volumes?marker=zzz"}],
        [{"rel": "next", "href": "https://172.28.9.185:8776/v2/p/volumes/detail?limit=1"}],
        [{"rel": "next", "href": None}],
        [{}],
        "odd",
        7,
        {"next": "odd"},
    ],
)
def test_a_link_is_a_sign_and_never_an_address(links: object) -> None:
    """The handler of this test fails if any other host is asked."""
    service = playing(rows("volumes", {"id": "a"}, links=links), rows("volumes"))
    assert [v.id for v in service.client.volumes()] == ["a"]
    assert service.targets == ["/volumes/detail?limit=1000", "/volumes/detail?limit=1000&marker=a"]


@pytest.mark.parametrize("links", [None, [], "", 0, {}])
def test_no_link_is_the_end(links: object) -> None:
    service = playing(rows("volumes", {"id": "a"}, links=links))
    assert len(service.client.volumes()) == 1
    assert len(service.requests) == 1


def test_a_filter_goes_out_with_every_page() -> None:
    service = playing(
        rows("snapshots", {"id": "a", "volume_id": "v"}, links=[{}]), rows("snapshots")
    )
    service.client.snapshots(volume_id="v")
    assert service.targets[1] == "/snapshots/detail?volume_id=v&limit=1000&marker=a"


def test_a_row_on_two_pages_counts_once() -> None:
    service = playing(
        rows("volumes", {"id": "a"}, {"id": "b"}, links=[{}]),
        rows("volumes", {"id": "b"}, {"id": "c"}),
    )
    assert [v.id for v in service.client.volumes()] == ["a", "b", "c"]


def test_the_same_page_again_is_a_bad_answer() -> None:
    service = playing(rows("volumes", {"id": "a"}, links=[{}]))
    with pytest.raises(BadAnswerError, match="again and again"):
        service.client.volumes()
    assert len(service.requests) == 2


def test_pages_without_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_MOST_PAGES", 50)
    numbers: Iterator[int] = iter(range(10**9))
    service = Service(lambda _: rows("volumes", {"id": str(next(numbers))}, links=[{}]))
    with pytest.raises(BadAnswerError, match="no end after 50 pages"):
        service.client.volumes()
    assert len(service.requests) == 50


def test_a_marker_deleted_meanwhile_starts_the_listing_anew() -> None:
    ids = [f"id-{number}" for number in range(7)]
    service = Service(Paged(list(ids), 3, deleted_on_the_way=True))
    assert [v.id for v in service.client.volumes()] == [i for i in ids if i != "id-2"]


def test_markers_that_are_always_gone_are_an_error_in_the_end() -> None:
    gone = httpx.Response(404, json={"itemNotFound": {"message": "no marker"}})
    service = Service(
        lambda r: gone if b"marker" in r.url.query else rows("volumes", {"id": "a"}, links=[{}])
    )
    with pytest.raises(NotFoundError):
        service.client.volumes()
    assert len(service.requests) == 8


# Answers that are none.

CALLS: dict[str, Callable[[EvsClient], object]] = {
    "volumes": lambda c: c.volumes(),
    "volume_summaries": lambda c: c.volume_summaries(),
    "volume": lambda c: c.volume("v"),
    "snapshots": lambda c: c.snapshots(volume_id="v"),
    "snapshot": lambda c: c.snapshot("s"),
    "create": lambda c: c.create_snapshot("v", name="n", description=None, metadata={}, force=True),
    "quota": lambda c: c.quota(),
}
NO_ANSWERS: dict[str, bytes] = {
    "html": b"<html><title>Log in</title></html>",
    "empty": b"",
    "cut off": b'{"volumes": [{"id": "a"',
    "array": b"[]",
    "number": b"7",
    "huge number": b"1" * 5000,
    "huge number inside": b'{"volumes": ' + b"1" * 5000 + b"}",
    "text": b'"volumes"',
    "null": b"null",
    "nan": b"NaN",
    "no keys": b"{}",
    "null keys": b'{"volumes": null, "volume": null, "snapshots": null, "snapshot": null}',
    "odd keys": b'{"volumes": {}, "volume": [], "snapshots": 1, "snapshot": "s"}',
    "odd rows": b'{"volumes": [null, 1], "volume": 1, "snapshots": [[]], "snapshot": true}',
    "no id": b'{"volumes": [{}], "volume": {}, "snapshots": [{"name": "x"}], "snapshot": {}}',
    "empty id": b'{"volumes": [{"id": ""}], "volume": {"id": ""}, "snapshots": [{"id": ""}]}',
    "odd id": b'{"volumes": [{"id": 1}], "volume": {"id": []}, "snapshots": [{"id": {}}]}',
    "deep": b'{"volumes": ' + b"[" * 100_000,
    "not utf-8": b'{"volumes": [{"id": "\xff\xfe"}]}',
    "nulls": b"\x00" * 100,
    "half utf-16": b"\xff\xfe{\x00}",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_not_this_api_is_a_bad_answer(name: str, call: str) -> None:
    service = playing(httpx.Response(200, content=NO_ANSWERS[name]))
    with pytest.raises(BadAnswerError) as caught:
        CALLS[call](service.client)
    assert len(caught.value.message) < 450


ROW = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(CALLS)),
    st.binary()
    | st.dictionaries(
        st.sampled_from(["volumes", "volume", "snapshots", "snapshot", "quota_set"]),
        ROW | st.dictionaries(st.sampled_from(["id", "size", "created_at"]), ROW),
    ).map(lambda document: json.dumps(document).encode()),
    st.sampled_from([200, 202, 204, 300, 302, 400, 401, 404, 413, 429, 500, 503]),
)
def test_any_answer_is_a_result_or_a_clean_error(call: str, body: bytes, status: int) -> None:
    """Property: no service, however broken, ends in a traceback."""
    service = playing(httpx.Response(status, content=body))
    try:
        CALLS[call](service.client)
    except EvsSnapError as error:
        message = error.message
        assert message


def test_one_odd_row_does_not_spoil_the_listing() -> None:
    odd: dict[str, object] = {
        "id": "a",
        "name": None,
        "size": "many",
        "created_at": "0000-00-00",
        "metadata": None,
        "attachments": None,
        "status": None,
    }
    body = json.dumps({"volumes": [odd, {"id": "b", "size": float("inf"), "name": "\ud83d"}]})
    service = playing(httpx.Response(200, content=body))
    assert [v.id for v in service.client.volumes()] == ["a", "b"]


def test_a_bad_answer_says_what_came_instead() -> None:
    service = playing(httpx.Response(200, html="<html>\n<title>Log in</title></html>"))
    with pytest.raises(BadAnswerError, match="Log in") as caught:
        service.client.volumes()
    assert "text/html" in caught.value.message
    assert "log-in page" in (caught.value.hint or "")


def test_a_bad_answer_that_echoes_the_token_is_not_quoted_on_it() -> None:
    service = playing(httpx.Response(200, content=b"X-Auth-Token: token-1 " + PASSWORD.encode()))
    with pytest.raises(BadAnswerError) as caught:
        service.client.volumes()
    assert "token-1" not in caught.value.message
    assert "s3cret" not in caught.value.message


def test_deletion_needs_no_body() -> None:
    playing(httpx.Response(202)).client.delete_snapshot("s")
    playing(httpx.Response(204)).client.delete_snapshot("s")


def test_only_the_services_own_404_means_missing() -> None:
    found = {"error": {"code": "EVS.5404", "message": "gone"}}
    for body in ({"itemNotFound": {"message": "gone"}}, found):
        with pytest.raises(NotFoundError, match="deleting the snapshot"):
            playing(httpx.Response(404, json=body)).client.delete_snapshot("s")
    for answer in (
        httpx.Response(404, html="<title>404</title>"),
        httpx.Response(404, json={"error_code": "APIGW.0101", "error_msg": "no API"}),
        httpx.Response(404, json={"message": "could not be found", "code": "404 Not Found"}),
    ):
        with pytest.raises(WrongEndpointError):
            playing(answer).client.delete_snapshot("s")


def test_a_refusal_carries_what_support_asks_for() -> None:
    sample = json.loads((SAMPLES / "113-snapshot-create-over-quota.json").read_text())["response"]
    answer = httpx.Response(413, headers=sample["headers"], content=sample["body_raw"])
    with pytest.raises(QuotaError, match="Maximum number of snapshots") as caught:
        CALLS["create"](playing(answer).client)
    assert caught.value.request_id == sample["headers"]["X-Openstack-Request-Id"]


# Signing in, seen through the client.


def test_a_token_refused_is_renewed_once_and_the_post_repeated() -> None:
    stale = httpx.Response(400, json={"code": "Common.0013", "message": "token expired"})
    service = playing(stale, httpx.Response(202, json={"snapshot": {"id": "s"}}))
    CALLS["create"](service.client)
    assert (service.sign_ins, len(service.requests)) == (2, 2)
    assert service.requests[0].content == service.requests[1].content


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, content=b"Authentication required"),
        httpx.Response(400, json={"error": {"code": "EVS.0002", "message": "invalid"}}),
    ],
)
def test_a_token_refused_twice_is_a_sign_in_error(answer: httpx.Response) -> None:
    service = playing(answer)
    with pytest.raises(SignInError):
        service.client.volume("v")
    assert (service.sign_ins, len(service.requests)) == (2, 2)


def test_eight_threads_with_an_expired_token_do_not_fail() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["X-Auth-Token"] == "token-1":
            return httpx.Response(401)
        return httpx.Response(200, json={"volume": {"id": "v"}})

    service = Service(handler)
    client = service.client
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(client.volume, ["v"] * 40))
    assert {v.id for v in found} == {"v"}
    assert service.sign_ins == 2


# On the wire as it is, retries included.


@pytest.fixture(name="wire")
def _wire() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.post("https://iam.example.com/v3/auth/tokens").mock(
            side_effect=[granted("token-1"), granted("token-2")]
        )
        yield router


@pytest.fixture(name="client")
def _client(fake: FakeClock) -> Iterator[EvsClient]:
    with open_http(verify=True, clock=fake.clock, connections=2) as http:
        yield EvsClient(
            http, auth=KeystoneAuth(SETTINGS, clock=fake.clock, cache=None), clock=fake.clock
        )


def test_a_listing_survives_a_bad_minute(
    wire: respx.MockRouter, client: EvsClient, fake: FakeClock
) -> None:
    route = wire.get(url__startswith=f"{BASE}/volumes/detail").mock(
        side_effect=[
            httpx.ConnectError("refused"),
            httpx.ReadTimeout("slow"),
            httpx.Response(401),
            httpx.Response(503),
            rows("volumes", {"id": "a"}),
        ]
    )
    assert [v.id for v in client.volumes()] == ["a"]
    assert route.call_count == 5
    assert len(fake.slept) == 3


def test_a_post_without_an_answer_is_sent_once(wire: respx.MockRouter, client: EvsClient) -> None:
    route = wire.post(f"{BASE}/snapshots").mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(AnswerLostError):
        CALLS["create"](client)
    assert route.call_count == 1


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_takes_no_token_along(
    status: int, wire: respx.MockRouter, client: EvsClient
) -> None:
    evil = wire.route(host="evil.example.com").mock(return_value=httpx.Response(200))
    wire.get(url__startswith=BASE).mock(
        return_value=httpx.Response(status, headers={"Location": "https://evil.example.com/"})
    )
    with pytest.raises(WrongEndpointError, match=str(status)):
        client.volumes()
    assert not evil.called


@pytest.mark.parametrize(
    "cookie", ["a=b; Domain=.example.com", "x" * 5000, "a=b; Expires=Sat, 99 Foo 99999", "=;;=\x01"]
)
def test_cookies_are_not_kept(cookie: str, wire: respx.MockRouter, client: EvsClient) -> None:
    route = wire.get(url__startswith=BASE).mock(
        return_value=httpx.Response(
            200, headers={"Set-Cookie": cookie}, json={"volume": {"id": "v"}}
        )
    )
    client.volume("v")
    client.volume("v")
    assert all("Cookie" not in call.request.headers for call in route.calls)


def test_an_error_of_the_service_is_one_of_ours(wire: respx.MockRouter, client: EvsClient) -> None:
    answer: Any = json.loads((SAMPLES / "080-snapshot-create-no-body.json").read_text())["response"]
    wire.get(url__startswith=BASE).mock(
        return_value=httpx.Response(500, content=answer["body_raw"])
    )
    with pytest.raises(ServiceError, match="listing snapshots"):
        client.snapshots()
