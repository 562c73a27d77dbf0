"""Requests as they go out, rows as they come in, and nothing but clean errors."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.api import paging
from evs_snap.errors import (
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    QuotaError,
    ServerError,
    WrongEndpointError,
)
from evs_snap.services.interface import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock
    from tests.unit.api.conftest import Service

    from evs_snap.services.client import EvsClient

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
PROJECT = "0123456789abcdef0123456789abcdef"
BASE = f"https://evs.example.com/v3/{PROJECT}"

one_service = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


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
def test_a_name_goes_out_as_one_value_whatever_is_in_it(
    name: str, sent: str, service: Service
) -> None:
    service.plays(rows("volumes", {"id": "v", "name": name}, {"id": "w", "name": "other"}))
    assert [v.id for v in service.client.volumes(name=name)] == ["v"]
    assert [v.id for v in service.client.volume_summaries(name=name)] == ["v"]
    assert service.targets == [
        f"/volumes/detail?name={sent}&limit=1000",
        f"/volumes?name={sent}&limit=1000",
    ]


def test_a_name_that_is_no_text_is_found_nowhere(service: Service) -> None:
    """The locale of a terminal may hand over bytes that are no UTF-8."""
    service.plays(rows("volumes", {"id": "v", "name": "caf?"}))
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
def test_an_id_goes_out_as_one_segment(id_: str, sent: str, service: Service) -> None:
    service.plays(httpx.Response(404, json={"itemNotFound": {"message": "gone"}}))
    for call in (service.client.volume, service.client.snapshot, service.client.delete_snapshot):
        with pytest.raises(NotFoundError):
            call(id_)
    assert service.targets == [f"/volumes/{sent}", f"/snapshots/{sent}", f"/snapshots/{sent}"]
    assert [r.method for r in service.sent] == ["GET", "GET", "DELETE"]


@pytest.mark.parametrize("id_", ["", ".", "..", "detail", "summary"])
def test_what_would_be_another_address_is_no_id(id_: str, service: Service) -> None:
    """DELETE .../snapshots/.. would go to the project itself."""
    service.plays(httpx.Response(202))
    for call in (service.client.volume, service.client.snapshot, service.client.delete_snapshot):
        with pytest.raises(NotFoundError, match="is no ID"):
            call(id_)
    assert service.sent == []


@pytest.mark.parametrize("call", ["volume", "snapshot", "create"])
def test_an_answer_about_something_else_is_a_bad_answer(call: str, service: Service) -> None:
    """found: another disk's snapshot counted as made, and one with another ID was deleted."""
    other = {"id": "other", "volume_id": "other", "status": "available"}
    service.plays(httpx.Response(200, json={"volume": other, "snapshot": other}))
    with pytest.raises(BadAnswerError, match="about 'other', and not"):
        CALLS[call](service.client)


def test_the_service_may_spell_an_id_in_lower_case(service: Service) -> None:
    service.plays(httpx.Response(200, json={"volume": {"id": "abc-def"}}))
    assert service.client.volume("ABC-DEF").id == "abc-def"


def test_every_request_names_the_program_and_asks_for_gzip_alone(service: Service) -> None:
    """found: -vv showed no User-Agent, because none was sent."""
    service.plays(httpx.Response(200, json={"volume": {"id": "v"}}))
    service.client.volume("v")
    headers = service.sent[0].headers
    assert headers["User-Agent"] == f"evs-snap/{version('evs-snap')} httpx/{httpx.__version__}"
    assert headers["Accept-Encoding"] == "gzip"


def test_a_date_without_a_zone_is_utc(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """found: where TZ was set, such a date was read as this machine's local time."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        date = {"Date": "Mon, 23 Nov 2026 04:17:00"}
        service.plays(httpx.Response(200, headers=date, json={"volume": {"id": "v"}}))
        service.client.volume("v")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert service.client.service_now == datetime(2026, 11, 23, 4, 17, tzinfo=UTC)


def test_time_outs_are_in_seconds(service: Service) -> None:
    """found: a change to milliseconds was noticed by no test."""
    service.plays(httpx.Response(200, json={"volume": {"id": "v"}}))
    service.client.volume("v")
    waits = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 60.0}
    assert service.sent[0].extensions["timeout"] == waits


def test_nothing_is_repeated_beyond_the_moment_given(service: Service, fake: FakeClock) -> None:
    """found: --timeout 3 lasted 249 s, because a mute service was asked four times."""
    service.plays(503)
    hurried = service.client.until(fake.clock.monotonic() + 2.0)
    with pytest.raises(ServerError):
        hurried.volume("v")
    assert (len(service.sent), fake.slept) == (2, [0.75])
    with pytest.raises(ServerError):
        service.client.volume("v")
    assert len(service.sent) == 6


V5 = f"https://evs.example.com/v5/{PROJECT}/snapshots/detail?limit=50"


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        ([], set()),
        ([{"id": "s", "category": "standard"}, {"category": ["?"]}, "?"], {"standard"}),
        ([{"id": "s", "category": "flash"}], {"legacy"}),
    ],
)
def test_a_region_that_lists_by_v5_tells_which_kinds_it_has(
    found: list[object], kinds: set[str], service: Service
) -> None:
    service.plays(httpx.Response(200, json={"snapshots": found}))
    assert service.client.kinds_listed() == frozenset(kinds)
    (asked,) = service.sent
    assert (asked.method, str(asked.url)) == ("GET", V5)
    assert asked.headers["X-Auth-Token"] == "token-1"


def test_either_path_of_that_list_is_an_answer(service: Service) -> None:
    service.plays(httpx.Response(404), httpx.Response(200, json={"snapshots": []}))
    assert service.client.kinds_listed() == frozenset()
    assert [str(asked.url) for asked in service.sent] == [V5, V5.replace("/detail", "")]


NO_WORD: dict[str, httpx.Response | Exception | int] = {
    "the gateway's 404": httpx.Response(404, json={"error_code": "APIGW.0101", "error_msg": "x"}),
    "400": 400,
    "401": 401,
    "403": 403,
    "another list": httpx.Response(200, json={"volumes": []}),
    "no list": httpx.Response(200, json={"snapshots": {}}),
    "a log-in page": httpx.Response(200, html="<html>"),
    "a redirect": httpx.Response(307, headers={"Location": "https://evil.example.com/v5"}),
    "busy": 503,
    "throttled": 429,
    "no answer": httpx.ReadTimeout("slow"),
    "no connection": httpx.ConnectError("refused"),
}


@pytest.mark.parametrize("answer", NO_WORD.values(), ids=NO_WORD.keys())
def test_anything_else_says_nothing_and_is_not_waited_for(
    answer: httpx.Response | Exception | int, service: Service, fake: FakeClock
) -> None:
    service.plays(answer)
    assert service.client.kinds_listed() is None
    assert sum(fake.slept) < 5
    assert {str(request.url) for request in service.sent} <= {V5, V5.replace("/detail", "")}


def test_quotas_are_asked_for_with_the_literal_true(service: Service) -> None:
    body = json.loads((SAMPLES / "111-quota-usage-as-member.json").read_text())["response"]["body"]
    service.plays(httpx.Response(200, json=body))
    assert service.client.quota().snapshots.limit is not None
    assert service.targets == [f"/os-quota-sets/{PROJECT}?usage=True"]


def test_a_service_that_ignores_filters_is_filtered_here(service: Service) -> None:
    """A prune must never see the rest of the project."""
    service.plays(
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


@one_service
@given(
    count=st.integers(0, 40),
    clamp=st.integers(1, 20) | st.just(5000),
    link=st.sampled_from(["internal", None]),
)
def test_pages_concatenate_to_the_set_and_end(
    count: int, clamp: int, link: object, service: Service
) -> None:
    """Property: also where the last page is full, and where the service clamps our limit."""
    ids = [f"id-{number}" for number in range(count)]
    service.plays_by(Paged(ids, clamp, link=link))
    assert [v.id for v in service.client.volumes()] == ids
    assert len(service.sent) == count // clamp + 1


def test_a_page_as_large_as_asked_for_is_followed_without_any_link(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    service.plays(
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
def test_a_link_is_a_sign_and_never_an_address(links: object, service: Service) -> None:
    """The handler of this test fails if any other host is asked."""
    service.plays(rows("volumes", {"id": "a"}, links=links), rows("volumes"))
    assert [v.id for v in service.client.volumes()] == ["a"]
    assert service.targets == ["/volumes/detail?limit=1000", "/volumes/detail?limit=1000&marker=a"]


@pytest.mark.parametrize("links", [None, [], "", 0, {}])
def test_no_link_is_the_end(links: object, service: Service) -> None:
    service.plays(rows("volumes", {"id": "a"}, links=links))
    assert len(service.client.volumes()) == 1
    assert len(service.sent) == 1


def test_a_filter_goes_out_with_every_page(service: Service) -> None:
    service.plays(rows("snapshots", {"id": "a", "volume_id": "v"}, links=[{}]), rows("snapshots"))
    service.client.snapshots(volume_id="v")
    assert service.targets[1] == "/snapshots/detail?volume_id=v&limit=1000&marker=a"


def test_a_row_on_two_pages_counts_once(service: Service) -> None:
    service.plays(
        rows("volumes", {"id": "a"}, {"id": "b"}, links=[{}]),
        rows("volumes", {"id": "b"}, {"id": "c"}),
    )
    assert [v.id for v in service.client.volumes()] == ["a", "b", "c"]


def test_the_same_page_again_is_a_bad_answer(service: Service) -> None:
    service.plays(rows("volumes", {"id": "a"}, links=[{}]))
    with pytest.raises(BadAnswerError, match="again and again"):
        service.client.volumes()
    assert len(service.sent) == 2


def test_pages_without_end_end(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.setattr(paging, "_MOST_PAGES", 50)
    numbers = count()
    service.plays_by(lambda _: rows("volumes", {"id": str(next(numbers))}, links=[{}]))
    with pytest.raises(BadAnswerError, match="no end after 50 pages"):
        service.client.volumes()
    assert len(service.sent) == 50


def test_a_marker_deleted_meanwhile_starts_the_listing_anew(service: Service) -> None:
    ids = [f"id-{number}" for number in range(7)]
    service.plays_by(Paged(list(ids), 3, deleted_on_the_way=True))
    assert [v.id for v in service.client.volumes()] == ids


def test_markers_that_are_always_gone_are_an_error_in_the_end(service: Service) -> None:
    gone = httpx.Response(404, json={"itemNotFound": {"message": "no marker"}})
    service.plays_by(
        lambda r: gone if b"marker" in r.url.query else rows("volumes", {"id": "a"}, links=[{}])
    )
    with pytest.raises(NotFoundError):
        service.client.volumes()
    assert len(service.sent) == 8


# Answers that are none.

CALLS: dict[str, Callable[[EvsClient], object]] = {
    "volumes": lambda c: c.volumes(),
    "volume_summaries": lambda c: c.volume_summaries(),
    "volume": lambda c: c.volume("v"),
    "snapshots": lambda c: c.snapshots(volume_id="v"),
    "snapshot": lambda c: c.snapshot("s"),
    "create": lambda c: c.create_snapshot(Volume(id="v")),
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
def test_what_is_not_this_api_is_a_bad_answer(name: str, call: str, service: Service) -> None:
    service.plays(httpx.Response(200, content=NO_ANSWERS[name]))
    with pytest.raises(BadAnswerError) as caught:
        CALLS[call](service.client)
    assert len(caught.value.message) < 450


def test_one_odd_row_does_not_spoil_the_listing(service: Service) -> None:
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
    service.plays(httpx.Response(200, content=body))
    assert [v.id for v in service.client.volumes()] == ["a", "b"]


def test_a_bad_answer_says_what_came_instead(service: Service) -> None:
    service.plays(httpx.Response(200, html="<html>\n<title>Log in</title></html>"))
    with pytest.raises(BadAnswerError, match="Log in") as caught:
        service.client.volumes()
    assert "text/html" in caught.value.message
    assert "log-in page" in (caught.value.hint or "")


def test_a_bad_answer_that_echoes_the_token_is_not_quoted_on_it(service: Service) -> None:
    service.plays(httpx.Response(200, content=b"X-Auth-Token: token-1 s3cret-p4ssword"))
    with pytest.raises(BadAnswerError) as caught:
        service.client.volumes()
    assert "token-1" not in caught.value.message
    assert "s3cret" not in caught.value.message


def test_deletion_needs_no_body(service: Service) -> None:
    service.plays(202, 204)
    service.client.delete_snapshot("s")
    service.client.delete_snapshot("s")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(404, json={"itemNotFound": {"message": "gone"}}), NotFoundError),
        (httpx.Response(404, json={"error": {"code": "EVS.5404"}}), NotFoundError),
        (httpx.Response(404, html="<title>404</title>"), WrongEndpointError),
        (httpx.Response(404, json={"error_code": "APIGW.0101"}), WrongEndpointError),
        (httpx.Response(404, json={"message": "could not be found"}), WrongEndpointError),
    ],
)
def test_only_the_services_own_404_means_missing(
    answer: httpx.Response, kind: type[EvsSnapError], service: Service
) -> None:
    service.plays(answer)
    with pytest.raises(kind, match="deleting the snapshot"):
        service.client.delete_snapshot("s")


def test_a_refusal_carries_what_support_asks_for(service: Service) -> None:
    sample = json.loads((SAMPLES / "113-snapshot-create-over-quota.json").read_text())["response"]
    answer = httpx.Response(413, headers=sample["headers"], content=sample["body_raw"])
    service.plays(answer)
    with pytest.raises(QuotaError, match="Maximum number of snapshots") as caught:
        CALLS["create"](service.client)
    assert caught.value.request_id == sample["headers"]["X-Openstack-Request-Id"]


# What happens on the way.


def test_a_listing_survives_a_bad_minute(service: Service, fake: FakeClock) -> None:
    refused, slow = httpx.ConnectError("refused"), httpx.ReadTimeout("slow")
    service.plays(refused, slow, 503, rows("volumes", {"id": "a"}))
    assert [v.id for v in service.client.volumes()] == ["a"]
    assert (len(service.sent), len(fake.slept)) == (4, 3)


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed_and_takes_no_token_along(status: int, service: Service) -> None:
    service.plays(httpx.Response(status, headers={"Location": "https://evil.example.com/"}))
    with pytest.raises(WrongEndpointError, match=str(status)):
        service.client.volumes()


@pytest.mark.parametrize(
    "cookie", ["a=b; Domain=.example.com", "x" * 5000, "a=b; Expires=Sat, 99 Foo 99999", "=;;=\x01"]
)
def test_cookies_are_not_kept(cookie: str, service: Service) -> None:
    headers = {"Set-Cookie": cookie}
    service.plays(httpx.Response(200, headers=headers, json={"volume": {"id": "v"}}))
    service.client.volume("v")
    service.client.volume("v")
    assert all("Cookie" not in request.headers for request in service.sent)
