"""Legacy snapshots on the wire: the calls as they are documented, and what follows a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from evs_snap.errors import (
    BadAnswerError,
    NotFoundError,
    QuotaError,
    RestoreFailedError,
    ServiceError,
)
from evs_snap.services.interface import Stamp, Volume

if TYPE_CHECKING:
    from tests.unit.api.conftest import Service

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
VOLUME, SNAPSHOT = "9b787ef7-0898-4f7e-93ac-1be5073c6ce1", "4414fdb8-62a0-447c-b759-5d14075cb92a"
ACCEPTED = httpx.Response(202, json={"rollback": {"volume_id": VOLUME}})
NO_SUCH_PATH = httpx.Response(404, json={"error_code": "APIGW.0101", "error_msg": "no such API"})
MISSING = httpx.Response(404, json={"itemNotFound": {"code": 404, "message": "no snapshot"}})


def paths(service: Service) -> list[str]:
    return [
        f"{r.method} {r.url.path.split('/')[1]} {r.url.path.split('/')[3]}" for r in service.sent
    ]


def test_a_disk_from_a_snapshot_is_asked_for_as_documented(service: Service) -> None:
    service.plays(httpx.Response(202, json={"volume": {"id": "new", "snapshot_id": SNAPSHOT}}))
    made = service.client.create_volume(
        size=40,
        name="copy",
        snapshot_id=SNAPSHOT,
        availability_zone="eu-de-01",
        volume_type="SSD",
        multiattach=True,
        metadata={"k": "v"},
    )
    assert (made.id, made.snapshot_id) == ("new", SNAPSHOT)
    assert service.targets == ["/volumes"]
    assert json.loads(service.sent[0].content) == {
        "volume": {
            "size": 40,
            "name": "copy",
            "snapshot_id": SNAPSHOT,
            "availability_zone": "eu-de-01",
            "volume_type": "SSD",
            "multiattach": True,
            "metadata": {"k": "v"},
        }
    }


def test_a_rollback_is_asked_for_as_documented(service: Service) -> None:
    service.plays(ACCEPTED)
    service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    (sent,) = service.sent
    assert sent.url.path.startswith("/v2/")
    assert sent.url.path.endswith(f"/cloudsnapshots/{SNAPSHOT}/rollback")
    assert json.loads(sent.content) == {"rollback": {"volume_id": VOLUME}}


@pytest.mark.parametrize("missing", [NO_SUCH_PATH, 405, httpx.Response(404, html="<p>?</p>")])
def test_only_where_the_newer_path_is_surely_missing_the_older_is_tried(
    service: Service, missing: httpx.Response | int
) -> None:
    service.plays(missing, ACCEPTED)
    service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    assert paths(service) == ["POST v2 cloudsnapshots", "POST v3 os-vendor-snapshots"]


@pytest.mark.parametrize(
    "answer",
    [
        MISSING,
        httpx.Response(404, json={"error": {"code": "EVS.5404", "message": "gone"}}),
        httpx.Response(400, json={"badRequest": {"code": 400, "message": "status"}}),
        httpx.Response(403, json={"error_code": "APIGW.0302", "error_msg": "no"}),
        httpx.Response(500),
        httpx.Response(302),
        httpx.Response(202, html="<p>Welcome to the hotel's network</p>"),
        httpx.Response(202, json={"rollback": {"volume_id": "another"}}),
        httpx.Response(202, json={}),
    ],
)
def test_any_other_answer_ends_it_there(service: Service, answer: httpx.Response) -> None:
    service.plays(answer)
    with pytest.raises((ServiceError, BadAnswerError)):
        service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    assert len(service.sent) == 1


def test_where_evs_own_paths_are_missing_cinder_is_asked_to_revert(service: Service) -> None:
    service.plays(NO_SUCH_PATH, NO_SUCH_PATH, httpx.Response(202))
    service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    assert service.targets[2:] == [f"/volumes/{VOLUME}/action"]
    sent = service.sent[2]
    assert sent.headers["OpenStack-API-Version"] == "volume 3.40"
    assert json.loads(sent.content) == {"revert": {"snapshot_id": SNAPSHOT}}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, html="<p>Please log in</p>"), BadAnswerError),
        (httpx.Response(406), RestoreFailedError),
        (NO_SUCH_PATH, RestoreFailedError),
        (httpx.Response(400, json={"badRequest": {"message": "not the newest"}}), ServiceError),
    ],
)
def test_a_revert_that_was_not_accepted_is_no_success(
    service: Service, answer: httpx.Response, kind: type[Exception]
) -> None:
    service.plays(NO_SUCH_PATH, NO_SUCH_PATH, answer)
    with pytest.raises(kind):
        service.client.service.roll_back(VOLUME, snapshot_id=SNAPSHOT)
    assert len(service.sent) == 3


@pytest.mark.parametrize(
    ("answers", "known"),
    [
        ([httpx.Response(200, json={"snapshot": {"id": SNAPSHOT}})], True),
        ([NO_SUCH_PATH, httpx.Response(200, json={"snapshot": {"id": SNAPSHOT}})], True),
        ([NO_SUCH_PATH, 405], False),
        ([MISSING], True),
        ([403], True),
    ],
)
def test_whether_the_cloud_knows_evs_own_paths_is_seen_by_reading(
    service: Service,
    answers: list[httpx.Response | int],
    known: bool,  # noqa: FBT001 - pytest's
) -> None:
    service.plays(*answers)
    assert service.client.service.rolls_back_to_any(SNAPSHOT) is known
    assert {r.method for r in service.sent} == {"GET"}


@pytest.mark.parametrize(
    ("status", "code", "kind", "what_to_do"),
    [
        (400, "EVS.2054", ServiceError, "zone"),
        (400, "EVS.2096", ServiceError, "--in-place"),
        (400, "EVS.1043", ServiceError, "--property"),
        (400, "EVS.1034", QuotaError, "quota raised"),
        (400, "EVS.1042", QuotaError, "quota raised"),
        (413, "EVS.5413", QuotaError, "quota raised"),
        (404, "EVS.5404", NotFoundError, "deleted meanwhile"),
    ],
)
def test_what_evs_refuses_is_told_with_what_to_do(
    service: Service, status: int, code: str, kind: type[ServiceError], what_to_do: str
) -> None:
    service.plays(httpx.Response(status, json={"error": {"code": code, "message": "no"}}))
    with pytest.raises(kind) as caught:
        service.client.create_volume(size=1, snapshot_id=SNAPSHOT)
    assert what_to_do in (caught.value.hint or "")


@pytest.mark.parametrize("strange", ["", "..", "detail"])
def test_what_is_no_id_never_reaches_the_service(service: Service, strange: str) -> None:
    with pytest.raises(NotFoundError):
        service.client.service.roll_back(VOLUME, snapshot_id=strange)
    assert service.sent == []


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
    assert json.loads(request.content) == {
        "snapshot": {
            "volume_id": disk,
            "name": "größe",
            "description": "",
            "metadata": {
                "owner": "me",
                "evs_snap_key": "k",
                "evs_snap_policy": "nightly",
                "evs_snap_bucket": "2026-11-23",
            },
            "force": True,
        }
    }


def test_only_what_is_given_is_sent_and_force_for_attached_disks_alone(service: Service) -> None:
    service.plays(httpx.Response(202, json={"snapshot": {"id": "s", "volume_id": "v"}}))
    service.client.create_snapshot(Volume(id="v", status="available"))
    service.client.create_snapshot(Volume(id="v", status="error"), name="\ud800", properties={})
    assert [json.loads(request.content)["snapshot"] for request in service.sent] == [
        {"volume_id": "v"},
        {"volume_id": "v", "name": "\ud800"},
    ]
