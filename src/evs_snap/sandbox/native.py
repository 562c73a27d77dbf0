"""The vendors' own paths under /v2: the same disks and snapshots in another dress.

Shapes: https://docs.otc.t-systems.com/elastic-volume-service/api-ref/apis_recommended/
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, paging, records, snapshots, volumes
from evs_snap.sandbox.call import Route
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call
    from evs_snap.sandbox.records import Snapshot, Volume

_MAX_IDS = 60
_NO_CHOICE = {"service_type": "EVS", "enterprise_project_id": "all_granted_eps"}
"""Filters that let everything pass, if they have this value."""

_UNSPOKEN = (
    "metadata",
    "not_metadata",
    "multiattach",
    "volume_type_id",
    "dedicated_storage_id",
    "dedicated_storage_name",
)


def list_volumes(call: Call) -> Response:
    """GET /cloudvolumes: IDs, names and links; it has no count."""
    found, _ = _volumes(call)
    rows = [volumes.summary(volume, call=call) for volume in found]
    return Response(HTTPStatus.OK, {"volumes": rows})


def list_volume_details(call: Call) -> Response:
    """GET /cloudvolumes/detail: everything about each, and how many there are."""
    found, count = _volumes(call)
    rows = [_volume(volume, call=call) for volume in found]
    # The links name Cinder's path, with EVS too.
    links = paging.links(found, call=call, path="/volumes/detail")
    document = {"count": count, "volumes": rows, **({"volumes_links": links} if links else {})}
    return Response(HTTPStatus.OK, document)


def show_volume(call: Call) -> Response:
    """GET /cloudvolumes/{item}: one disk."""
    volume = records.volume(call, item=call.item)
    return Response(HTTPStatus.OK, {"volume": _volume(volume, call=call)})


def create_snapshot(call: Call) -> Response:
    """POST /cloudsnapshots: as Cinder's, but it answers with all fields."""
    document = {"snapshot": snapshots.detail(snapshots.begin(call))}
    return Response(HTTPStatus.ACCEPTED, document)


def list_snapshot_details(call: Call) -> Response:
    """GET /cloudsnapshots/detail: each of them, and how many there are."""
    _check_filters(call, unspoken=(*_UNSPOKEN, "availability_zone"))
    filters = (*snapshots.FILTERS, "id")
    everything = records.snapshots(call)
    found = snapshots.page(everything, call=call, filters=filters)
    links = paging.links(found, call=call, path="/snapshots/detail")
    document = {
        "count": paging.count(everything, call=call, filters=filters),
        "snapshots": [_snapshot(snapshot) for snapshot in found],
        **({"snapshots_links": links} if links else {}),
    }
    return Response(HTTPStatus.OK, document)


ROUTES = (
    Route("GET", "/cloudvolumes", list_volumes),
    Route("GET", "/cloudvolumes/detail", list_volume_details),
    Route("GET", "/cloudvolumes/{item}", show_volume),
    Route("POST", "/cloudsnapshots", create_snapshot),
    Route("GET", "/cloudsnapshots/detail", list_snapshot_details),
    Route("GET", "/cloudsnapshots/{item}", snapshots.show),
    Route("DELETE", "/cloudsnapshots/{item}", snapshots.delete),
)


def _volumes(call: Call) -> tuple[list[Volume], int]:
    _check_filters(call, unspoken=_UNSPOKEN)
    everything = records.volumes(call)
    filters = [*volumes.FILTERS, "server_id"]
    if "ids" in call.request.query:
        wanted = _ids(call.request.query["ids"])
        everything = [volume for volume in everything if volume.id in wanted]
    else:
        filters.append("id")
    found = volumes.page(everything, call=call, filters=filters)
    return found, paging.count(everything, call=call, filters=filters)


def _ids(text: str) -> list[str]:
    """Read ['a','b'], as the reference writes it."""
    if not re.fullmatch(r"\[\s*'[^',]*'(\s*,\s*'[^',]*')*\s*\]", text):
        raise faults.bad_request(f"Invalid input received: ids {text}")
    ids = re.findall(r"'([^']*)'", text)
    if len(ids) > _MAX_IDS:
        raise faults.bad_request(f"Invalid input received: more than {_MAX_IDS} ids")
    return ids


def _check_filters(call: Call, *, unspoken: tuple[str, ...]) -> None:
    for name, value in call.request.query.items():
        if name in unspoken or _NO_CHOICE.get(name, value) != value:
            raise faults.bad_request(f"the sandbox does not speak the filter {name}={value}")


def _volume(volume: Volume, *, call: Call) -> dict[str, object]:
    return volumes.detail(volume, call=call) | {
        "shareable": False,
        "volume_image_metadata": {},
        "os-vol-host-attr:host": None,
        "os-vol-mig-status-attr:migstat": None,
        "os-vol-mig-status-attr:name_id": None,
        "os-volume-replication:extended_status": None,
        "service_type": "EVS",
        "dedicated_storage_id": None,
        "dedicated_storage_name": None,
        "tags": {},
        "wwn": f"6888603{volume.id.replace('-', '')[:25]}",
        "enterprise_project_id": "0",
    }


def _snapshot(snapshot: Snapshot) -> dict[str, object]:
    return snapshots.detail(snapshot) | {
        "service_type": "EVS",
        "dedicated_storage_id": None,
        "dedicated_storage_name": None,
    }
