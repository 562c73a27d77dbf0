"""Legacy snapshots on the wire: the calls as they are documented, and what follows a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from evs_snap.errors import BadAnswerError, EvsSnapError, RestoreFailedError, ServiceError
from evs_snap.services.interface import Stamp, Volume

if TYPE_CHECKING:
    from tests.unit.api.conftest import Play, Service

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
VOLUME, SNAPSHOT = "9b787ef7-0898-4f7e-93ac-1be5073c6ce1", "4414fdb8-62a0-447c-b759-5d14075cb92a"


def json_(status: int, **document: Any) -> httpx.Response:
    return httpx.Response(status, json=document)


ACCEPTED = json_(202, rollback={"volume_id": VOLUME})
NOWHERE = json_(404, error_code="APIGW.0101", error_msg="no such API")
MISSING = json_(404, itemNotFound={"code": 404, "message": "no snapshot"})
KNOWN = json_(200, snapshot={"id": SNAPSHOT})
WAYS = ["POST v2 cloudsnapshots", "POST v3 os-vendor-snapshots", "POST v3 volumes"]


def test_a_disk_from_a_snapshot_is_asked_for_as_documented(service: Service) -> None:
    service.plays(json_(202, volume={"id": "new", "snapshot_id": SNAPSHOT}))
    fields: dict[str, Any] = {
        "size": 40,
        "name": "copy",
        "snapshot_id": SNAPSHOT,
        "availability_zone": "eu-de-01",
        "volume_type": "SSD",
        "multiattach": True,
        "metadata": {"k": "v"},
    }
    made = service.client.create_volume(**fields)
    assert (made.id, made.snapshot_id) == ("new", SNAPSHOT)
    assert service.targets == ["/volumes"]
    assert json.loads(service.sent[0].content) == {"volume": fields}


@pytest.mark.parametrize(
    ("plays", "asked", "error"),
    [
        ([ACCEPTED], 1, None),
        # Only where the newer path is surely missing the older is tried, and then Cinder's.
        *(([missing, ACCEPTED], 2, None) for missing in (NOWHERE, 405)),
        ([httpx.Response(404, html="<p>?</p>"), ACCEPTED], 2, None),
        ([NOWHERE, NOWHERE, 202], 3, None),
        # Any other answer ends it there.
        ([MISSING], 1, ServiceError),
        ([json_(404, error={"code": "EVS.5404", "message": "gone"})], 1, ServiceError),
        ([json_(400, badRequest={"code": 400, "message": "status"})], 1, ServiceError),
        ([json_(403, error_code="APIGW.0302", error_msg="no")], 1, ServiceError),
        *(([status], 1, ServiceError) for status in (500, 302)),
        ([httpx.Response(202, html="<p>Welcome to the hotel's network</p>")], 1, BadAnswerError),
        ([json_(202, rollback={"volume_id": "another"})], 1, BadAnswerError),
        ([json_(202)], 1, BadAnswerError),
        # A revert that was not accepted is no success.
        ([NOWHERE, NOWHERE, httpx.Response(200, html="<p>Log in</p>")], 3, BadAnswerError),
        ([NOWHERE, NOWHERE, 406], 3, RestoreFailedError),
        ([NOWHERE, NOWHERE, NOWHERE], 3, RestoreFailedError),
        ([NOWHERE, NOWHERE, json_(400, badRequest={"message": "old"})], 3, ServiceError),
    ],
    ids=str,
)
def test_a_rollback_goes_the_first_way_that_exists(
    plays: list[Play], asked: int, error: type[EvsSnapError] | None, service: Service
) -> None:
    service.plays(*plays)
    if error is None:
        service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    else:
        with pytest.raises(error):
            service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    parts = [(r.method, r.url.path.split("/")) for r in service.sent]
    assert [f"{method} {path[1]} {path[3]}" for method, path in parts] == WAYS[:asked]
    bodies = [json.loads(request.content) for request in service.sent]
    assert bodies[:2] == [{"rollback": {"volume_id": VOLUME}}] * min(asked, 2)
    assert service.targets[0].endswith(f"/cloudsnapshots/{SNAPSHOT}/rollback")
    if asked == 3:
        assert service.targets[2] == f"/volumes/{VOLUME}/action"
        assert service.sent[2].headers["OpenStack-API-Version"] == "volume 3.40"
        assert bodies[2] == {"revert": {"snapshot_id": SNAPSHOT}}


@pytest.mark.parametrize(
    ("plays", "known"),
    [
        ([KNOWN], True),
        ([NOWHERE, KNOWN], True),
        ([NOWHERE, 405], False),
        ([MISSING], True),
        ([403], True),
    ],
)
def test_whether_the_cloud_knows_evs_own_paths_is_seen_by_reading(
    service: Service, plays: list[Play], *, known: bool
) -> None:
    service.plays(*plays)
    assert service.client.service.rolls_back_to_any(SNAPSHOT) is known
    assert {r.method for r in service.sent} == {"GET"}


def test_a_snapshot_is_asked_for_as_documented(service: Service) -> None:
    created = json.loads((SAMPLES / "047-snapshot-create.json").read_text())["response"]["body"]
    service.plays(httpx.Response(202, json=created))
    disk = created["snapshot"]["volume_id"]
    made = service.client.create_snapshot(
        Volume(id=disk, status="in-use"),
        name="größe",
        description="",
        properties={"owner": "me"},
        stamp=Stamp("k", "nightly", "2026-11-23"),
    )
    assert (made.snapshot.id, made.snapshot.status) == (created["snapshot"]["id"], "creating")
    assert made.sent == 1
    (request,) = service.sent
    assert (request.method, service.targets) == ("POST", ["/snapshots"])
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Auth-Token"] == "token-1"
    assert "OpenStack-API-Version" not in request.headers
    stamp = {"evs_snap_key": "k", "evs_snap_policy": "nightly", "evs_snap_bucket": "2026-11-23"}
    assert json.loads(request.content)["snapshot"] == {
        "volume_id": disk,
        "name": "größe",
        "description": "",
        "metadata": {"owner": "me", **stamp},
        "force": True,
    }


def test_only_what_is_given_is_sent_and_force_for_attached_disks_alone(service: Service) -> None:
    service.plays(json_(202, snapshot={"id": "s", "volume_id": "v"}))
    service.client.create_snapshot(Volume(id="v", status="available"))
    service.client.create_snapshot(Volume(id="v", status="error"), name="\ud800", properties={})
    assert [json.loads(request.content)["snapshot"] for request in service.sent] == [
        {"volume_id": "v"},
        {"volume_id": "v", "name": "\ud800"},
    ]
