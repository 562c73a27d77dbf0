"""Which versions there are, and which one a request may ask for."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.wire import Request

_MINIMUM = (3, 0)
_MAXIMUM = (3, 50)
"""What OTC serves: API version description and usage instructions."""


def identity_versions(call: Call) -> Response:
    """List Keystone's versions, of which there is one."""
    document = {"versions": {"values": [_identity(call)]}}
    headers = {"Location": f"{call.service_url}/v3/"}
    return Response(HTTPStatus.MULTIPLE_CHOICES, document, headers)


def identity_version(call: Call) -> Response:
    """Describe Keystone's version 3."""
    document = {"version": _identity(call)}
    return Response(HTTPStatus.OK, document)


def volume_versions(call: Call) -> Response:
    """List Cinder's versions, of which there is one."""
    document = {"versions": [_volume(call)]}
    return Response(HTTPStatus.MULTIPLE_CHOICES, document)


def volume_version(call: Call) -> Response:
    """Describe Cinder's version 3, in the shape of the list."""
    return Response(HTTPStatus.OK, {"versions": [_volume(call)]})


def check(request: Request) -> None:
    """Refuse a volume API version that is not served; without a header it is 3.0."""
    service, version = _asked_for(request)
    if service != "volume":
        raise faults.bad_request(
            "The server could not comply with the request since it is either "
            "malformed or otherwise incorrect."
        )
    match = re.fullmatch(r"([1-9]\d{0,8})\.(0|[1-9]\d{0,8})", version)
    if match is None:
        raise faults.bad_request(
            f"API Version String {version} is of invalid format. Must be of format "
            "MajorNum.MinorNum."
        )
    if not _MINIMUM <= (int(match[1]), int(match[2])) <= _MAXIMUM:
        raise faults.cinder(
            HTTPStatus.NOT_ACCEPTABLE,
            message=f"Version {version} is not supported by the API. Minimum is "
            f"{_written(_MINIMUM)} and maximum is {_written(_MAXIMUM)}.",
        )


def headers(request: Request) -> dict[str, str]:
    """Return the headers that say which version answers."""
    service, version = _asked_for(request)
    return {
        "Openstack-Api-Version": f"{service} {version}",
        "Vary": "OpenStack-API-Version",
    }


def _asked_for(request: Request) -> tuple[str, str]:
    header = request.headers.get("openstack-api-version", "volume 3.0")
    service, _, version = header.strip().partition(" ")
    return service, _written(_MAXIMUM) if version == "latest" else version


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _identity(call: Call) -> dict[str, object]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.service_url}/v3/"}],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
    }


def _volume(call: Call) -> dict[str, object]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": _written(_MAXIMUM),
        "min_version": _written(_MINIMUM),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {
                "rel": "describedby",
                "type": "text/html",
                "href": "https://docs.openstack.org/",
            },
            {"rel": "self", "href": f"{call.service_url}/v3/"},
        ],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.volume+json;version=3",
            }
        ],
    }
