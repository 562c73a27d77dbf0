"""Disks with their EVS tags, as the vendors' own list gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.unit.api.conftest import PROJECT

from evs_snap.errors import PermissionDeniedError, WrongEndpointError

if TYPE_CHECKING:
    from tests.unit.api.conftest import Service


def page(*rows: dict[str, Any], more: bool = False) -> httpx.Response:
    """Return a page as the vendors' reference shows it."""
    links = [{"rel": "next", "href": "https://volume.localdomain.com:8776/v2/x"}] if more else []
    body = {"count": len(rows), "volumes": list(rows), "volumes_links": links}
    return httpx.Response(200, json=body)


def test_the_list_with_tags_is_read_page_by_page_from_the_same_host(service: Service) -> None:
    service.plays(
        page({"id": "v", "name": "data-01", "tags": {"backup": "daily"}}, more=True),
        page({"id": "w", "tags": {}}, {"id": "x"}),
    )
    volumes = service.client.volumes_with_tags()
    assert [(v.id, v.tags) for v in volumes] == [("v", {"backup": "daily"}), ("w", {}), ("x", None)]
    path = f"https://evs.example.com/v2/{PROJECT}/cloudvolumes/detail"
    assert [str(request.url) for request in service.sent] == [
        f"{path}?limit=1000",
        f"{path}?limit=1000&marker=v",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "APIGW.0101", "error_msg": "The API does not exist", "request_id": "r"},
        {"message": "The resource could not be found.", "code": "404 Not Found"},
    ],
)
def test_a_cloud_without_tags_is_told_with_the_way_on(body: Any, service: Service) -> None:
    service.plays(httpx.Response(404, json=body))
    with pytest.raises(WrongEndpointError, match="no EVS tags") as refused:
        service.client.volumes_with_tags()
    assert "--with-metadata" in (refused.value.hint or "")


def test_another_refusal_is_told_as_it_is(service: Service) -> None:
    service.plays(httpx.Response(403, json={"error_code": "APIGW.0302", "error_msg": "no"}))
    with pytest.raises(PermissionDeniedError):
        service.client.volumes_with_tags()
