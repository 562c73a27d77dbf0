"""Requests as they go out, rows as they come in, and nothing but clean errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.unit.api.conftest import PROJECT

from evs_snap.errors import (
    BadAnswerError,
    NotFoundError,
    PermissionDeniedError,
    WrongEndpointError,
)
from evs_snap.services.interface import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock
    from tests.unit.api.conftest import Play, Service

    from evs_snap.services.client import EvsClient

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
GONE = httpx.Response(404, json={"itemNotFound": {"message": "gone"}})
CALLS: dict[str, Callable[[EvsClient], object]] = {
    "volumes": lambda c: c.volumes(),
    "volume_summaries": lambda c: c.volume_summaries(),
    "volume": lambda c: c.volume("v"),
    "snapshots": lambda c: c.snapshots(volume_id="v"),
    "snapshot": lambda c: c.snapshot("s"),
    "create": lambda c: c.create_snapshot(Volume(id="v")),
    "quota": lambda c: c.quota(),
}


def rows(key: str, *found: dict[str, Any], more: bool = False) -> httpx.Response:
    href = "https://volume.localdomain.com:8776/v2/x"
    links = [{"rel": "next", "href": href}] if more else []
    return httpx.Response(200, json={key: list(found), f"{key}_links": links})


# What goes out.


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("data 01", "data%2001"), ("größe-中", "gr%C3%B6%C3%9Fe-%E4%B8%AD"), ("a#b", "a%23b"),
        ("a&limit=1", "a%26limit%3D1"), ("a+b", "a%2Bb"), ("100%", "100%25"), ("%20", "%2520"),
        ("a/b?c", "a%2Fb%3Fc"), ("x'\"<>", "x%27%22%3C%3E"), ("two\nlines", "two%0Alines"),
        ("", ""),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    ("id_", "sent"),
    [
        ("a b", "a%20b"), ("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("größe", "gr%C3%B6%C3%9Fe"),
        ("%2e%2e", "%252e%252e"), ("...", "..."), ("\udce9", "%3F"),
        *((id_, None) for id_ in ("", ".", "..", "detail", "summary")),
    ],
)  # fmt: skip
def test_an_id_goes_out_as_one_segment_or_not_at_all(
    id_: str, sent: str | None, service: Service
) -> None:
    """DELETE .../snapshots/.. would go to the project itself."""
    service.plays(GONE)
    rolling = service.client.service.roll_back
    calls = (service.client.volume, service.client.snapshot, service.client.delete_snapshot)
    for call in (*calls, lambda id_: rolling("v", snapshot_id=id_)):
        with pytest.raises(NotFoundError):
            call(id_)
    if sent is None:
        assert service.sent == []
        return
    asked = [f"{r.method} {t}" for r, t in zip(service.sent, service.targets, strict=True)]
    paths = [f"GET /volumes/{sent}", f"GET /snapshots/{sent}", f"DELETE /snapshots/{sent}"]
    assert asked[:3] == paths
    assert f"/cloudsnapshots/{sent}/rollback" in asked[3]


def test_quotas_are_asked_for_with_the_literal_true(service: Service) -> None:
    body = json.loads((SAMPLES / "111-quota-usage-as-member.json").read_text())["response"]["body"]
    service.plays(httpx.Response(200, json=body))
    assert service.client.quota().snapshots.limit is not None
    assert service.targets == [f"/os-quota-sets/{PROJECT}?usage=True"]


def test_deletion_needs_no_body(service: Service) -> None:
    service.plays(202, 204)
    service.client.delete_snapshot("s")
    service.client.delete_snapshot("s")


# What comes in.


@pytest.mark.parametrize(
    "call",
    [
        *(CALLS[name] for name in ("volume", "snapshot", "create")),
        lambda client: client.create_volume(size=1, name="restored"),
    ],
)
def test_an_answer_about_something_else_is_a_bad_answer(
    call: Callable[[EvsClient], object], service: Service
) -> None:
    """found: another disk's snapshot counted as made, and one with another ID was deleted."""
    other = {"id": "other", "name": "other", "volume_id": "other", "status": "available"}
    service.plays(httpx.Response(200, json={"volume": other, "snapshot": other}))
    with pytest.raises(BadAnswerError, match="about 'other', and not"):
        call(service.client)


def test_the_service_may_spell_an_id_in_lower_case(service: Service) -> None:
    service.plays(httpx.Response(200, json={"volume": {"id": "abc-def"}}))
    assert service.client.volume("ABC-DEF").id == "abc-def"


def test_a_service_that_ignores_filters_is_filtered_here(service: Service) -> None:
    """A prune must never see the rest of the project."""
    service.plays(
        rows("snapshots", {"id": "a", "volume_id": "v"}, {"id": "b", "volume_id": "w"}, {"id": "c"})
    )
    assert [s.id for s in service.client.snapshots(volume_id="v")] == ["a"]
    assert service.targets == ["/snapshots/detail?volume_id=v&limit=1000"]
    assert len(service.client.snapshots()) == 3


def test_one_odd_row_does_not_spoil_the_listing(service: Service) -> None:
    nothing = dict.fromkeys(("name", "metadata", "attachments", "status"))
    odd = {"id": "a", "size": "many", "created_at": "0000-00-00", **nothing}
    body = json.dumps({"volumes": [odd, {"id": "b", "size": float("inf"), "name": "\ud83d"}]})
    service.plays(httpx.Response(200, content=body))
    assert [v.id for v in service.client.volumes()] == ["a", "b"]


NO_ANSWERS = [
    b"<html><title>Log in</title></html>",
    b"",
    b'{"volumes": [{"id": "a"',
    b"[]",
    b"7",
    b"1" * 5000,
    b'{"volumes": ' + b"1" * 5000 + b"}",
    b'"volumes"',
    b"null",
    b"NaN",
    b"{}",
    b'{"volumes": null, "volume": null, "snapshots": null, "snapshot": null}',
    b'{"volumes": {}, "volume": [], "snapshots": 1, "snapshot": "s"}',
    b'{"volumes": [null, 1], "volume": 1, "snapshots": [[]], "snapshot": true}',
    b'{"volumes": [{}], "volume": {}, "snapshots": [{"name": "x"}], "snapshot": {}}',
    b'{"volumes": [{"id": ""}], "volume": {"id": ""}, "snapshots": [{"id": ""}]}',
    b'{"volumes": [{"id": 1}], "volume": {"id": []}, "snapshots": [{"id": {}}]}',
    b'{"volumes": ' + b"[" * 100_000,
    b'{"volumes": [{"id": "\xff\xfe"}]}',
    b"\x00" * 100,
    b"\xff\xfe{\x00}",
    b"X-Auth-Token: token-1 s3cret-p4ssword",
]


@pytest.mark.parametrize("body", NO_ANSWERS, ids=range(len(NO_ANSWERS)))
def test_what_is_not_this_api_is_a_bad_answer(body: bytes, service: Service) -> None:
    """It is quoted, so that a log-in page is recognised, but for what is secret."""
    service.plays(httpx.Response(200, content=body, headers={"Content-Type": "text/html"}))
    for call in CALLS.values():
        with pytest.raises(BadAnswerError) as caught:
            call(service.client)
        told = f"{caught.value.message} {caught.value.hint}"
        assert len(caught.value.message) < 450
        assert "token-1" not in told
        assert "s3cret" not in told
        if b"Log in" in body:
            assert all(word in told for word in ("Log in", "text/html", "log-in page"))


# Which kinds the region lists, and EVS's tags.

V5 = f"https://evs.example.com/v5/{PROJECT}/snapshots/detail?limit=50"
EITHER = {V5, V5.replace("/detail", "")}


@pytest.mark.parametrize(
    ("plays", "kinds"),
    [
        ([[]], set()),
        ([[{"id": "s", "category": "standard"}, {"category": ["?"]}, "?"]], {"standard"}),
        ([[{"id": "s", "category": "flash"}]], {"legacy"}),
        ([404, []], set()),
    ],
)
def test_a_region_that_lists_by_v5_tells_which_kinds_it_has(
    plays: list[Any], kinds: set[str], service: Service
) -> None:
    """Editions differ in the path: either is an answer."""
    service.plays(*(p if p == 404 else httpx.Response(200, json={"snapshots": p}) for p in plays))
    assert service.client.kinds_listed() == frozenset(kinds)
    assert str(service.sent[0].url) == V5
    assert {str(asked.url) for asked in service.sent[1:]} <= EITHER - {V5}
    assert {asked.headers["X-Auth-Token"] for asked in service.sent} == {"token-1"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"error_code": "APIGW.0101", "error_msg": "x"}),
        *(400, 401, 403, 503, 429, "ReadTimeout slow", "ConnectError refused"),
        httpx.Response(200, json={"volumes": []}),
        httpx.Response(200, json={"snapshots": {}}),
        httpx.Response(200, html="<html>"),
        httpx.Response(307, headers={"Location": "https://evil.example.com/v5"}),
    ],
    ids=str,
)
def test_anything_else_says_nothing_and_is_not_waited_for(
    answer: Play, service: Service, fake: FakeClock
) -> None:
    service.plays(answer)
    assert service.client.kinds_listed() is None
    assert sum(fake.slept) < 5
    assert {str(request.url) for request in service.sent} <= EITHER


def test_the_list_with_tags_is_read_page_by_page_from_the_same_host(service: Service) -> None:
    first = {"id": "v", "name": "data-01", "tags": {"backup": "daily"}}
    service.plays(
        rows("volumes", first, more=True), rows("volumes", {"id": "w", "tags": {}}, {"id": "x"})
    )
    volumes = service.client.volumes_with_tags()
    assert [(v.id, v.tags) for v in volumes] == [("v", {"backup": "daily"}), ("w", {}), ("x", None)]
    path = f"https://evs.example.com/v2/{PROJECT}/cloudvolumes/detail"
    assert [str(request.url) for request in service.sent] == [
        f"{path}?limit=1000",
        f"{path}?limit=1000&marker=v",
    ]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error_code": "APIGW.0101", "error_msg": "no such API"}, WrongEndpointError),
        (404, {"message": "Not found.", "code": "404 Not Found"}, WrongEndpointError),
        (403, {"error_code": "APIGW.0302", "error_msg": "no"}, PermissionDeniedError),
    ],
)
def test_a_cloud_without_tags_is_told_with_the_way_on(
    status: int, body: Any, kind: type[Exception], service: Service
) -> None:
    service.plays(httpx.Response(status, json=body))
    with pytest.raises(kind) as refused:
        service.client.volumes_with_tags()
    without = "no EVS tags" in str(refused.value)
    assert without is ("--with-metadata" in str(getattr(refused.value, "hint", "")))
    assert without is (status == 404)
