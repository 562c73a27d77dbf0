"""The built-in pretend cloud, held to what a real Keystone and Cinder answered."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

import evs_snap
from evs_snap.sandbox import ACCOUNT, Rules, Sandbox
from evs_snap.sandbox.server import _Server, serve, serving

SAMPLES = Path(__file__).parent.parent / "samples" / "cinder"
ORIGIN = "http://sandbox.test"
VOLUMES = f"/volume/v3/{ACCOUNT.project_id}/volumes"
SNAPSHOTS = f"/volume/v3/{ACCOUNT.project_id}/snapshots"
START = datetime(2026, 11, 23, 7, 0, 0, 123456, tzinfo=UTC)

Json = Any


@dataclass
class FakeClock:
    """A clock that moves when told."""

    moment: datetime = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Cloud:
    """A sandbox with its clock and a client that is signed in."""

    app: Sandbox
    clock: FakeClock
    client: httpx.Client

    def get(self, path: str, **params: str | int) -> Json:
        # httpx drops the query in the path for any params, even for none.
        response = self.client.get(path, params=params or None)
        assert response.status_code == 200, response.text
        return response.json()

    def volume_id(self, name: str) -> str:
        (volume,) = self.get(VOLUMES, name=name)["volumes"]
        return str(volume["id"])

    def snapshots(self, volume_id: str) -> list[Json]:
        found: list[Json] = self.get(f"{SNAPSHOTS}/detail", volume_id=volume_id)["snapshots"]
        return found

    def post(self, volume_id: str, **fields: object) -> httpx.Response:
        return self.client.post(SNAPSHOTS, json={"snapshot": {"volume_id": volume_id, **fields}})

    def create(self, volume_id: str, **fields: object) -> str:
        response = self.post(volume_id, **fields)
        assert response.status_code == 202, response.text
        return str(response.json()["snapshot"]["id"])

    def status(self, snapshot_id: str) -> str | int:
        response = self.client.get(f"{SNAPSHOTS}/{snapshot_id}")
        if response.status_code != 200:
            return response.status_code
        return str(response.json()["snapshot"]["status"])

    def make_volume(self, **fields: object) -> str:
        response = self.client.post(VOLUMES, json={"volume": {"size": 1, **fields}})
        assert response.status_code == 202, response.text
        self.clock.advance(2)
        return str(response.json()["volume"]["id"])


def password_auth(password: str = ACCOUNT.password) -> dict[str, Json]:
    domain = {"name": ACCOUNT.domain_name}
    user = {"name": ACCOUNT.user_name, "domain": domain, "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": ACCOUNT.project_name, "domain": domain}}
    return {"auth": {"identity": identity, "scope": scope}}


def sign_in(client: httpx.Client) -> str:
    response = client.post("/identity/v3/auth/tokens", json=password_auth())
    assert response.status_code == 201, response.text
    return response.headers["X-Subject-Token"]


def connect(app: Sandbox) -> httpx.Client:
    transport = httpx.WSGITransport(app=validator(app))
    return httpx.Client(transport=transport, base_url=ORIGIN)


def open_cloud(path: Path, rules: Rules | None = None) -> Cloud:
    clock = FakeClock()
    app = Sandbox(path, now=clock, rules=rules or Rules())
    client = connect(app)
    client.headers["X-Auth-Token"] = sign_in(client)
    return Cloud(app, clock, client)


@pytest.fixture(name="cloud")
def _cloud(tmp_path: Path) -> Cloud:
    return open_cloud(tmp_path / "sandbox.db")


# --- held to the recorded answers -------------------------------------------------

# What stands here for what was there.
STAND_INS = {
    "ceab1efe53b642c6a1be239ada97e618": ACCOUNT.project_id,
    "2a6f6cb431d74977a9a79289c9d369e3": ACCOUNT.user_id,
    "testbed-demo": ACCOUNT.password,
    "maximum is 3.71": "maximum is 3.50",
}
DISKS = {
    "69194554-cdfd-4220-9282-53503f01aac6": "data-02",  # available
    "453162ad-45d2-4fb7-8750-3a51398465ce": "db-data",  # in-use
    "cca2d12a-2778-41fb-b572-71bbe31456c3": "broken-01",  # error
    "ca0ef416-b9c1-4739-8284-5056eac656c7": "backed-up",  # a marker
}


def sample(name: str, cloud: Cloud) -> Json:
    """Read a recorded exchange, with our IDs for theirs."""
    text = (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
    for theirs, ours in STAND_INS.items():
        text = text.replace(theirs, ours)
    for theirs, disk in DISKS.items():
        text = text.replace(theirs, cloud.volume_id(disk))
    return json.loads(text)


def replay(recorded: Json, cloud: Cloud) -> httpx.Response:
    """Send a recorded request to the sandbox."""
    request = recorded["request"]
    method, target, _ = request["line"].split(" ")
    prefix = {"keystone": "/identity", "cinder": "/volume"}[request["server"]]
    headers = dict(request["headers"])
    if headers.get("X-Auth-Token", "").startswith("<token"):
        headers["X-Auth-Token"] = cloud.client.headers["X-Auth-Token"]
    if "X-Subject-Token" in headers:
        headers["X-Subject-Token"] = headers["X-Auth-Token"]
    body = request["body"]
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    with connect(cloud.app) as client:
        return client.request(method, f"{prefix}{target}", headers=headers, content=content)


def recorded_status(recorded: Json) -> int:
    return int(recorded["response"]["status"].split(" ")[1])


@pytest.mark.parametrize(
    "name",
    [
        "006-token-bad-password",
        "007-token-unknown-user",
        "008-token-unknown-project",
        "015-discovery-cinder-v3-no-token",
        "024-volumes-limit-0",
        "025-volumes-limit-negative",
        "026-volumes-limit-word",
        "028-volumes-marker-unknown",
        "038-volumes-sort-bad",
        "040-volumes-microversion-too-high",
        "045-volume-get-unknown",
        "046-volume-get-not-uuid",
        "059-snapshot-create-name-256",
        "060-snapshot-create-description-256",
        "061-snapshot-create-name-number",
        "062-snapshot-create-in-use",
        "063-snapshot-create-in-use-force-false",
        "068-snapshot-create-force-bad",
        "069-snapshot-create-volume-error",
        "070-snapshot-create-volume-error-force",
        "071-snapshot-create-unknown-volume",
        "072-snapshot-create-volume-not-uuid",
        "073-snapshot-create-no-volume",
        "074-snapshot-create-extra-key",
        "075-snapshot-create-metadata-number",
        "076-snapshot-create-metadata-long",
        "077-snapshot-create-no-snapshot-key",
        "078-snapshot-create-empty-object",
        "079-snapshot-create-not-json",
        "080-snapshot-create-no-body",
        "081-snapshot-create-text-plain",
        "100-snapshots-of-unknown-volume",
        "103-snapshots-marker-unknown",
        "104-snapshot-get-unknown",
        "116-no-token",
        "117-bad-token",
        "118-wrong-project-in-url",
        "119-wrong-project-in-url-post",
        "129-snapshot-get-deleted",
        "130-snapshot-delete-deleted",
        "137-volume-delete-with-snapshots",
    ],
)
def test_refusals_are_cinders_word_for_word(name: str, cloud: Cloud) -> None:
    recorded = sample(name, cloud)
    answer = replay(recorded, cloud)
    assert answer.status_code == recorded_status(recorded)
    assert answer.json() == recorded["response"]["body"]
    assert answer.headers["X-Evs-Snap-Sandbox"] == "1"
    for header in ("Retry-After", "Openstack-Api-Version", "Vary"):
        expected = recorded["response"]["headers"].get(header)
        assert answer.headers.get(header) == expected, header
    assert ("Www-Authenticate" in answer.headers) == (
        "Www-Authenticate" in recorded["response"]["headers"]
    )


@pytest.mark.parametrize(
    "name",
    [
        "001-discovery-keystone-root",
        "002-discovery-keystone-v3",
        "003-token-password-project",
        "004-token-nocatalog",
        "005-token-unscoped",
        "011-token-validate",
        "012-projects-of-token",
        "014-discovery-cinder-root",
        "016-discovery-cinder-v3",
        "017-volumes-limit-2",
        "018-volumes-next-link",
        "019-volumes-detail-limit-3",
        "030-volumes-name-exact",
        "043-volume-get",
        "044-volume-get-in-use",
        "047-snapshot-create",
        "051-snapshot-create-same-name-again",
        "052-snapshot-create-minimal",
        "053-snapshot-create-empty-name",
        "054-snapshot-create-null-name",
        "055-snapshot-create-unicode-name",
        "056-snapshot-create-padded-name",
        "057-snapshot-create-name-255",
        "058-snapshot-create-name-255-unicode",
        "064-snapshot-create-in-use-force",
        "067-snapshot-create-force-string",
        "089-snapshots-detail-of-volume",
        "092-snapshots-summary",
        "110-limits",
        "124-token-revoke",
    ],
)
def test_answers_have_cinders_shape(name: str, cloud: Cloud) -> None:
    recorded = sample(name, cloud)
    answer = replay(recorded, cloud)
    theirs = recorded["response"]
    assert answer.status_code == recorded_status(recorded), answer.text
    if theirs["body"] == "":
        assert answer.content == b""
    else:
        assert_same_shape(theirs["body"], answer.json(), place=name)
    assert set(theirs["headers"]) <= {header.title() for header in answer.headers}


def assert_same_shape(theirs: Json, ours: Json, place: str) -> None:
    """Compare keys and types; of lists the first entries; metadata is free."""
    assert type(ours) is type(theirs), f"{place}: {ours!r} for {theirs!r}"
    if isinstance(theirs, dict) and not place.endswith(".metadata"):
        assert list(ours) == list(theirs), place
        for key, value in theirs.items():
            assert_same_shape(value, ours[key], f"{place}.{key}")
    elif isinstance(theirs, list) and theirs and ours:
        assert_same_shape(theirs[0], ours[0], f"{place}[]")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("053-snapshot-create-empty-name", ""),
        ("054-snapshot-create-null-name", None),
        ("055-snapshot-create-unicode-name", "снимок-数据-💾"),
        ("056-snapshot-create-padded-name", "padded"),
    ],
)
def test_names_are_kept_as_cinder_keeps_them(name: str, kept: str | None, cloud: Cloud) -> None:
    answer = replay(sample(name, cloud), cloud).json()["snapshot"]
    assert answer["name"] == kept
    assert cloud.get(f"{SNAPSHOTS}/{answer['id']}")["snapshot"]["name"] == kept


def test_a_body_too_large_is_a_413_that_is_no_quota(cloud: Cloud) -> None:
    recorded = sample("082-snapshot-create-body-too-large", cloud)
    answer = cloud.client.post(SNAPSHOTS, json={"snapshot": {"name": "n" * 120_000}})
    assert answer.status_code == recorded_status(recorded)
    assert answer.json() == recorded["response"]["body"]


def test_the_quota_set_has_cinders_keys(cloud: Cloud) -> None:
    path = f"/volume/v3/{ACCOUNT.project_id}/os-quota-sets/{ACCOUNT.project_id}"
    theirs = sample("111-quota-usage-as-member", cloud)["response"]["body"]["quota_set"]
    ours = cloud.get(path, usage="True")["quota_set"]
    assert {key for key in theirs if "__DEFAULT" not in key} <= set(ours)
    assert ours["snapshots"] == {"limit": 100, "in_use": 12, "reserved": 0}
    assert ours["snapshots_SSD"]["in_use"] == 7
    assert cloud.get(path)["quota_set"]["snapshots"] == 100
    foreign = cloud.client.get(path[:-1] + "0", params={"usage": "True"})
    assert foreign.status_code == 403


# --- time ---------------------------------------------------------------------------


def test_a_snapshot_is_creating_until_the_clock_says_it_is_settled(cloud: Cloud) -> None:
    volume_id = cloud.volume_id("data-01")
    snapshot_id = cloud.create(volume_id, name="nightly")
    cloud.clock.advance(1.999)
    creating = cloud.get(f"{SNAPSHOTS}/{snapshot_id}")["snapshot"]
    cloud.clock.advance(0.001)
    available = cloud.get(f"{SNAPSHOTS}/{snapshot_id}")["snapshot"]
    progress = "os-extended-snapshot-attributes:progress"
    assert (creating["status"], creating[progress], creating["updated_at"]) == (
        "creating",
        "0%",
        None,
    )
    assert (available["status"], available[progress]) == ("available", "100%")
    assert available["created_at"] == "2026-11-23T07:00:00.123456"
    assert available["updated_at"] == "2026-11-23T07:00:02.123456"


def test_a_snapshot_is_deleting_and_then_gone(cloud: Cloud) -> None:
    (snapshot,) = cloud.snapshots(cloud.volume_id("db-data"))
    answer = cloud.client.delete(f"{SNAPSHOTS}/{snapshot['id']}")
    assert (answer.status_code, answer.content) == (202, b"")
    assert cloud.status(snapshot["id"]) == "deleting"
    cloud.clock.advance(1)
    assert cloud.status(snapshot["id"]) == 404
    assert cloud.snapshots(snapshot["volume_id"]) == []


@pytest.mark.parametrize(
    ("name", "sample_name"),
    [
        ("nightly", "049-snapshot-delete-while-creating"),
        ("nightly", "128-snapshot-delete-again"),
        ("fail-on-delete", "136-snapshot-delete-error-deleting"),
    ],
)
def test_only_what_is_settled_can_be_deleted(name: str, sample_name: str, cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"), name=name)
    path = f"{SNAPSHOTS}/{snapshot_id}"
    if "creating" not in sample_name:
        cloud.clock.advance(2)
        assert cloud.client.delete(path).status_code == 202
    if "error" in sample_name:
        cloud.clock.advance(1)
        assert cloud.status(snapshot_id) == "error_deleting"
    answer = cloud.client.delete(path)
    recorded = sample(sample_name, cloud)
    assert answer.status_code == recorded_status(recorded)
    assert answer.json() == recorded["response"]["body"]


def test_a_snapshot_of_a_disk_called_fail_ends_in_error_and_can_be_deleted(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.make_volume(name="will-fail"), name="doomed")
    assert cloud.status(snapshot_id) == "creating"
    cloud.clock.advance(2)
    assert cloud.status(snapshot_id) == "error"
    assert cloud.client.delete(f"{SNAPSHOTS}/{snapshot_id}").status_code == 202
    cloud.clock.advance(1)
    assert cloud.status(snapshot_id) == 404


def test_rules_set_how_long_things_take(tmp_path: Path) -> None:
    cloud = open_cloud(tmp_path / "db", Rules(settle=0, delete_settle=60))
    snapshot_id = cloud.create(cloud.volume_id("data-01"))
    assert cloud.status(snapshot_id) == "available"
    cloud.client.delete(f"{SNAPSHOTS}/{snapshot_id}")
    cloud.clock.advance(59)
    assert cloud.status(snapshot_id) == "deleting"


# --- the limit ------------------------------------------------------------------------


def assert_limit_reached(answer: httpx.Response, *, limit: int, cloud: Cloud) -> None:
    recorded = sample("113-snapshot-create-over-quota", cloud)
    expected = json.dumps(recorded["response"]["body"]).replace("(13)", f"({limit})")
    assert answer.status_code == 413
    assert answer.json() == json.loads(expected)
    assert answer.headers["Retry-After"] == "0"


def test_the_eighth_snapshot_of_a_disk_is_refused(cloud: Cloud) -> None:
    assert_limit_reached(cloud.post(cloud.volume_id("full-01")), limit=7, cloud=cloud)


def test_a_deleting_snapshot_holds_its_slot_until_it_is_gone(cloud: Cloud) -> None:
    volume_id = cloud.volume_id("full-01")
    cloud.client.delete(f"{SNAPSHOTS}/{cloud.snapshots(volume_id)[-1]['id']}")
    assert cloud.post(volume_id).status_code == 413
    cloud.clock.advance(1)
    assert cloud.post(volume_id).status_code == 202


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "autobk_snapshot_vbs_1"},
        {"name": "manualbk_snapshot_csbs_1"},
        {"metadata": {"__system__enableActive": "true"}},
    ],
)
def test_snapshots_of_the_backup_services_take_no_slot(
    fields: dict[str, object], cloud: Cloud
) -> None:
    volume_id = cloud.volume_id("full-01")
    assert cloud.post(volume_id, **fields).status_code == 202
    assert cloud.post(volume_id).status_code == 413


def test_the_project_has_a_quota_of_snapshots(tmp_path: Path) -> None:
    cloud = open_cloud(tmp_path / "db", Rules(snapshot_quota=13))
    cloud.create(cloud.volume_id("data-01"))
    assert_limit_reached(cloud.post(cloud.volume_id("data-01")), limit=13, cloud=cloud)


def test_the_project_has_a_quota_of_gigabytes(tmp_path: Path) -> None:
    cloud = open_cloud(tmp_path / "db", Rules(gigabytes_quota=100))
    answer = cloud.client.post(VOLUMES, json={"volume": {"size": 1}})
    recorded = sample("115-snapshot-create-over-gigabytes", cloud)
    expected = recorded["response"]["body"]["overLimit"]
    used = cloud.get(f"/volume/v3/{ACCOUNT.project_id}/limits")["limits"]["absolute"]
    message = expected["message"].replace("quota is 5683G", "quota is 100G")
    expected["message"] = message.replace("5683G", f"{used['totalGigabytesUsed']}G")
    assert answer.status_code == 413
    assert answer.json()["overLimit"] == expected


def test_eight_threads_never_get_more_than_seven_snapshots(cloud: Cloud) -> None:
    volume_id = cloud.volume_id("data-01")
    barrier = threading.Barrier(8)

    def hammer(_: int) -> list[int]:
        barrier.wait()
        return [cloud.post(volume_id).status_code for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(status for found in pool.map(hammer, range(8)) for status in found)
    assert statuses == {202: 7, 413: 17}
    assert len(cloud.snapshots(volume_id)) == 7


# --- disks ------------------------------------------------------------------------------


def test_the_seed_has_the_disks_that_make_a_tool_stumble(cloud: Cloud) -> None:
    volumes = cloud.get(f"{VOLUMES}/detail")["volumes"]
    assert [volume["name"] for volume in volumes] == [
        "backed-up",
        "数据盘-größe",
        None,
        "full-01",
        "broken-01",
        "shared-name",
        "shared-name",
        "db-data",
        "data-02",
        "data-01",
    ]
    counts = Counter(s["volume_id"] for s in cloud.get(SNAPSHOTS)["snapshots"])
    by_name = {volume["name"]: volume for volume in volumes}
    expected = {"data-01": 0, "data-02": 2, "db-data": 1, "full-01": 7, "backed-up": 2}
    assert {name: counts[by_name[name]["id"]] for name in expected} == expected
    assert by_name["broken-01"]["status"] == "error"
    assert by_name["db-data"]["attachments"][0]["volume_id"] == by_name["db-data"]["id"]
    owned = [
        snapshot
        for snapshot in cloud.snapshots(by_name["full-01"]["id"])
        if snapshot["metadata"].get("evs_snap_policy") == "default"
    ]
    assert len(owned) == 2
    assert all(volume["created_at"] < "2026-11-23T07" for volume in volumes)


def test_the_bootable_flag_is_a_string(cloud: Cloud) -> None:
    volumes = cloud.get(f"{VOLUMES}/detail")["volumes"]
    assert {volume["bootable"] for volume in volumes} == {"true", "false"}


def test_a_disk_can_be_made_and_deleted(cloud: Cloud) -> None:
    answer = cloud.client.post(VOLUMES, json={"volume": {"size": "3", "name": " x "}})
    volume = answer.json()["volume"]
    assert (answer.status_code, volume["status"], volume["size"]) == (202, "creating", 3)
    assert volume["name"] == "x"
    path = f"{VOLUMES}/{volume['id']}"
    cloud.clock.advance(2)
    assert cloud.get(path)["volume"]["status"] == "available"
    assert cloud.client.delete(path).status_code == 202
    assert cloud.get(path)["volume"]["status"] == "deleting"
    cloud.clock.advance(1)
    assert cloud.client.get(path).status_code == 404
    # What is gone is removed by the next writer, and stays gone.
    cloud.create(cloud.volume_id("data-01"))
    assert cloud.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"size": 0}, 400, "0 is less than the minimum of 1"),
        ({"size": "x"}, 400, "'x' does not match '^[0-9]+$'"),
        ({"size": True}, 400, "True is not of type 'integer', 'string'"),
        ({}, 400, "either malformed or otherwise incorrect."),
        ({"size": 1, "name": "n" * 256}, 400, "name has 256 characters, more than 255."),
        ({"size": 1, "availability_zone": "zz"}, 400, "Availability zone 'zz' is invalid."),
        ({"size": 1, "volume_type": "zz"}, 404, "Volume type with name zz could not be found."),
        ({"size": 1, "imageRef": "zz"}, 400, "the sandbox does not speak volume imageRef"),
    ],
)
def test_a_disk_that_cannot_be_made_is_refused(
    fields: dict[str, object], status: int, message: str, cloud: Cloud
) -> None:
    answer = cloud.client.post(VOLUMES, json={"volume": fields})
    ((fault, text),) = answer.json().items()
    assert answer.status_code == status == text["code"], fault
    assert text["message"].endswith(message)


def test_a_disk_being_made_takes_no_snapshot_even_by_force(cloud: Cloud) -> None:
    answer = cloud.client.post(VOLUMES, json={"volume": {"size": 1}})
    volume_id = answer.json()["volume"]["id"]
    refusal = cloud.post(volume_id, force=True)
    assert refusal.status_code == 400
    assert refusal.json()["badRequest"]["message"].endswith("current status is: creating.")


# --- snapshots --------------------------------------------------------------------------


def test_an_attached_disk_takes_a_snapshot_by_force(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("db-data"), name="forced", force=True)
    cloud.clock.advance(2)
    assert cloud.status(snapshot_id) == "available"


def test_names_need_not_be_unique(cloud: Cloud) -> None:
    volume_id = cloud.volume_id("data-01")
    first, second = (cloud.create(volume_id, name="same") for _ in range(2))
    found = cloud.get(SNAPSHOTS, name="same")["snapshots"]
    assert {snapshot["id"] for snapshot in found} == {first, second}


def test_a_snapshot_can_be_renamed(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"), name="old", description="kept")
    cloud.clock.advance(5)
    path = f"{SNAPSHOTS}/{snapshot_id}"
    answer = cloud.client.put(path, json={"snapshot": {"name": " new "}})
    recorded = sample("108-snapshot-rename", cloud)["response"]["body"]
    assert_same_shape(recorded, answer.json(), place="renamed")
    after = cloud.get(path)["snapshot"]
    assert (after["name"], after["description"]) == ("new", "kept")
    assert after["updated_at"] == "2026-11-23T07:00:05.123456"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"snapshot": {}}, "{} is not valid under any of the given schemas"),
        ({"snapshot": {"metadata": {}}}, "('metadata' was unexpected)"),
        ({"snapshot": {"name": 7}}, "7 is not of type 'string', 'null'"),
        ({"snapshot": []}, "[] is not of type 'object'"),
        ({"snapshot": {"name": "x"}, "extra": 1}, "('extra' was unexpected)"),
        ([], "[] is not of type 'object'"),
    ],
)
def test_a_bad_renaming_is_refused(body: Json, message: str, cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"))
    answer = cloud.client.put(f"{SNAPSHOTS}/{snapshot_id}", json=body)
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].endswith(message)


def test_metadata_is_added_to_and_read(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"), metadata={"keep": "7", "a": "b"})
    path = f"{SNAPSHOTS}/{snapshot_id}/metadata"
    answer = cloud.client.post(path, json={"metadata": {"keep": "9"}})
    assert answer.json() == {"metadata": {"keep": "9", "a": "b"}} == cloud.get(path)
    assert cloud.client.post(path, json={"metadata": {"keep": 9}}).status_code == 400
    assert cloud.client.post(path, json={"metadata": None}).status_code == 400
    assert cloud.client.post(path, json={"metadata": {"k$": "v"}}).status_code == 400
    assert cloud.client.post(f"{SNAPSHOTS}/nope/metadata", json={"metadata": {}}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"volume_id": None}, 404, "Volume None could not be found."),
        ({"volume_id": 7}, 400, "7 is not valid under any of the given schemas"),
        ({"force": 1}, 400, "1 is not of type 'boolean', 'string'"),
        ({"metadata": []}, 400, "[] is not of type 'object', 'null'"),
        ({"metadata": {"k": None}}, 400, "None is not of type 'string'"),
    ],
)
def test_fields_of_a_wrong_type_are_refused(
    fields: dict[str, object], status: int, message: str, cloud: Cloud
) -> None:
    snapshot = {"volume_id": cloud.volume_id("data-01"), **fields}
    answer = cloud.client.post(SNAPSHOTS, json={"snapshot": snapshot})
    ((fault, text),) = answer.json().items()
    assert answer.status_code == status == text["code"], fault
    assert text["message"].endswith(message)


# --- lists --------------------------------------------------------------------------------


def test_pages_concatenate_to_the_list_and_the_last_may_be_empty(cloud: Cloud) -> None:
    everything = cloud.get(VOLUMES)
    assert "volumes_links" not in everything
    seen: list[str] = []
    sizes: list[int] = []
    params: dict[str, str | int] = {"limit": 5}
    while True:
        page = cloud.get(VOLUMES, **params)
        ids = [volume["id"] for volume in page["volumes"]]
        sizes.append(len(ids))
        seen += ids
        if "volumes_links" not in page:
            break
        params["marker"] = ids[-1]
    assert sizes == [5, 5, 0]
    assert seen == [volume["id"] for volume in everything["volumes"]]


def test_the_next_link_names_a_host_nobody_can_reach(cloud: Cloud) -> None:
    page = cloud.get(f"{SNAPSHOTS}/detail", limit=2, colour="red")
    (link,) = page["snapshots_links"]
    last = page["snapshots"][-1]["id"]
    assert link == {
        "rel": "next",
        "href": f"https://volume.localdomain.com:8776/v2/{ACCOUNT.project_id}"
        f"/snapshots/detail?limit=2&colour=red&marker={last}",
    }


def test_a_limit_above_the_maximum_is_clamped(tmp_path: Path) -> None:
    cloud = open_cloud(tmp_path / "db", Rules(page_maximum=3))
    for params in ({"limit": 5000}, {}):
        page = cloud.get(VOLUMES, **params)
        assert len(page["volumes"]) == 3
        assert len(page["volumes_links"]) == 1


def test_a_marker_works_though_its_row_does_not_fit_the_filter(cloud: Cloud) -> None:
    page = cloud.get(VOLUMES, marker=cloud.volume_id("full-01"), status="error")
    assert [volume["name"] for volume in page["volumes"]] == ["broken-01"]


def test_an_offset_skips_rows(cloud: Cloud) -> None:
    everything = [volume["id"] for volume in cloud.get(VOLUMES)["volumes"]]
    page = cloud.get(VOLUMES, limit=2, offset=2)
    assert [volume["id"] for volume in page["volumes"]] == everything[2:4]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("offset=-1", "offset must be >= 0"),
        ("offset=x", "offset must be an integer"),
        ("offset=99999999999", "offset must be <= 2147483647"),
        ("limit=", "limit param must be an integer"),
        ("sort_dir=up", "Unknown sort direction, must be 'desc' or 'asc'."),
        ("sort=", "Invalid sort key"),
        ("sort=name&sort_key=id", "cannot be used with the 'sort' parameter."),
    ],
)
def test_bad_list_parameters_are_refused(query: str, message: str, cloud: Cloud) -> None:
    answer = cloud.client.get(f"{VOLUMES}?{query}")
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].endswith(message)


def test_lists_are_sorted_as_asked_and_nulls_come_first(cloud: Cloud) -> None:
    def names(query: str) -> list[str | None]:
        return [row["name"] for row in cloud.get(f"{VOLUMES}?{query}")["volumes"]]

    ascending = names("sort=name:asc")
    assert ascending[:3] == [None, "backed-up", "broken-01"]
    assert names("sort_key=name&sort_dir=asc") == ascending
    assert names("sort=name") == ascending[::-1]
    assert names("sort=size:asc,name:desc")[:2] == ["shared-name", "broken-01"]


def test_snapshots_cannot_be_sorted_by_name(cloud: Cloud) -> None:
    assert cloud.client.get(f"{SNAPSHOTS}?sort=name:asc").status_code == 400
    assert cloud.client.get(f"{SNAPSHOTS}?sort=volume_size:asc").status_code == 200


def test_filters_are_exact_and_unknown_ones_are_ignored(cloud: Cloud) -> None:
    assert len(cloud.get(VOLUMES, name="shared-name")["volumes"]) == 2
    assert len(cloud.get(VOLUMES, name="数据盘-größe")["volumes"]) == 1
    assert cloud.get(VOLUMES, name="shared")["volumes"] == []
    assert cloud.get(VOLUMES, status="ERROR")["volumes"] == []
    assert len(cloud.get(VOLUMES, availability_zone="sandbox-1b")["volumes"]) == 4
    assert len(cloud.get(VOLUMES, colour="red")["volumes"]) == 10
    assert len(cloud.get(SNAPSHOTS, status="error")["snapshots"]) == 1


def test_a_filter_by_status_sees_the_status_of_the_moment(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"))
    creating = cloud.get(SNAPSHOTS, status="creating")["snapshots"]
    assert [snapshot["id"] for snapshot in creating] == [snapshot_id]
    cloud.clock.advance(2)
    assert cloud.get(SNAPSHOTS, status="creating")["snapshots"] == []


# --- signing in ---------------------------------------------------------------------------


def test_a_token_expires(cloud: Cloud) -> None:
    cloud.clock.advance(24 * 3600 - 1)
    assert cloud.client.get(VOLUMES).status_code == 200
    cloud.clock.advance(1)
    answer = cloud.client.get(VOLUMES)
    recorded = sample_without_cloud("138-expired-token")
    assert answer.status_code == recorded_status(recorded)
    assert answer.json() == recorded["response"]["body"]
    cloud.client.headers["X-Auth-Token"] = sign_in(cloud.client)
    assert cloud.client.get(VOLUMES).status_code == 200


def sample_without_cloud(name: str) -> Json:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def test_a_revoked_token_is_no_longer_good(cloud: Cloud) -> None:
    token = cloud.client.headers["X-Auth-Token"]
    answer = cloud.client.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status_code == 204
    assert cloud.client.get(VOLUMES).status_code == 401


def test_the_catalog_names_the_host_that_was_asked(cloud: Cloud) -> None:
    answer = cloud.client.post(
        "/identity/v3/auth/tokens", json=password_auth(), headers={"Host": "127.0.0.1:8776"}
    )
    urls = {
        service["type"]: service["endpoints"][0]["url"]
        for service in answer.json()["token"]["catalog"]
    }
    volume = f"http://127.0.0.1:8776/volume/v3/{ACCOUNT.project_id}"
    assert urls == {
        "identity": "http://127.0.0.1:8776/identity/v3",
        "volumev3": volume,
        "block-storage": volume,
    }
    catalog = cloud.get("/identity/v3/auth/catalog")["catalog"]
    assert [service["type"] for service in catalog] == list(urls)


def test_user_and_project_can_be_given_by_id(cloud: Cloud) -> None:
    user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    auth = {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}
    answer = cloud.client.post("/identity/v3/auth/tokens", json={"auth": auth})
    assert answer.status_code == 201
    assert answer.json()["token"]["project"]["id"] == ACCOUNT.project_id


def test_a_token_buys_a_token_that_lives_no_longer(cloud: Cloud) -> None:
    cloud.clock.advance(3600)
    identity = {"methods": ["token"], "token": {"id": cloud.client.headers["X-Auth-Token"]}}
    domain = {"id": ACCOUNT.domain_id}
    scope = {"project": {"name": ACCOUNT.project_name, "domain": domain}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = cloud.client.post("/identity/v3/auth/tokens", json=body)
    token = answer.json()["token"]
    assert (answer.status_code, token["methods"]) == (201, ["token", "password"])
    assert token["expires_at"] == "2026-11-24T07:00:00.000000Z"
    assert token["issued_at"] == "2026-11-23T08:00:00.000000Z"


@pytest.mark.parametrize("scope", [None, "unscoped", {"unscoped": {}}])
def test_an_unscoped_token_finds_its_project_and_no_volumes(scope: Json, cloud: Cloud) -> None:
    body = {"auth": password_auth()["auth"] | {"scope": scope}}
    answer = cloud.client.post("/identity/v3/auth/tokens", json=body)
    cloud.client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    projects = cloud.get("/identity/v3/auth/projects")["projects"]
    assert [project["id"] for project in projects] == [ACCOUNT.project_id]
    refusal = cloud.client.get(VOLUMES)
    recorded = sample_without_cloud("121-unscoped-token")
    assert refusal.status_code == recorded_status(recorded)
    assert refusal.json() == recorded["response"]["body"]
    assert cloud.client.get("/identity/v3/auth/catalog").status_code == 403


def test_projects_are_found_by_name(cloud: Cloud) -> None:
    found = cloud.get("/identity/v3/projects", name="demo")["projects"]
    assert [project["id"] for project in found] == [ACCOUNT.project_id]
    assert cloud.get("/identity/v3/projects", name="other")["projects"] == []
    assert cloud.client.get("/identity/v3/projects", headers={"X-Auth-Token": ""}).is_client_error


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({}, 400, "Expecting to find auth in request body."),
        ({"auth": {}}, 400, "Expecting to find identity in auth."),
        ({"auth": {"identity": {"methods": ["totp"]}}}, 401, "Attempted to authenticate with an"),
        (
            {"auth": {"identity": {"methods": ["password"]}}},
            400,
            "Expecting to find password in identity.",
        ),
        (
            {"auth": {"identity": {"methods": ["token"], "token": {"id": "bad"}}}},
            404,
            "Could not recognize Fernet token",
        ),
        (
            {"auth": password_auth()["auth"] | {"scope": {"domain": {"id": "default"}}}},
            401,
            "The request you have made requires authentication.",
        ),
        (
            {"auth": password_auth()["auth"] | {"scope": {"project": {"name": "demo"}}}},
            400,
            "Expecting to find domain in project.",
        ),
    ],
)
def test_a_bad_sign_in_is_refused_as_keystone_does(
    change: Json, status: int, message: str, cloud: Cloud
) -> None:
    answer = cloud.client.post("/identity/v3/auth/tokens", json=change)
    assert answer.status_code == status == answer.json()["error"]["code"]
    assert answer.json()["error"]["message"].startswith(message)


def test_a_sign_in_that_is_no_json_is_refused(cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json"}
    garbled = cloud.client.post("/identity/v3/auth/tokens", content=b"{not", headers=headers)
    plain = cloud.client.post("/identity/v3/auth/tokens", content=b"{}")
    assert "valid JSON in request body" in garbled.json()["error"]["message"]
    assert "application/json in Content-Type" in plain.json()["error"]["message"]


def test_showing_a_token_needs_one_to_show(cloud: Cloud) -> None:
    path = "/identity/v3/auth/tokens"
    assert cloud.client.get(path).status_code == 403
    assert cloud.client.get(path, headers={"X-Subject-Token": "bad"}).status_code == 404
    assert cloud.client.get(path, headers={"X-Auth-Token": "bad"}).status_code == 401


# --- versions and routes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("volume 3.50", 200, "volume 3.50"),
        ("volume latest", 200, "volume 3.50"),
        ("volume 3.51", 406, "volume 3.51"),
        ("volume 2.9", 406, "volume 2.9"),
        ("volume x", 400, "volume x"),
        ("compute 2.1", 400, "compute 2.1"),
    ],
)
def test_microversions_end_at_3_50(asked: str, status: int, said: str, cloud: Cloud) -> None:
    answer = cloud.client.get(VOLUMES, headers={"OpenStack-API-Version": asked})
    assert (answer.status_code, answer.headers["OpenStack-API-Version"]) == (status, said)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/identity/v3/users"),
        ("GET", "/volume/v2/x/volumes"),
        ("GET", "/volume/v3/nope/volumes"),
        ("GET", f"/volume/v3/{ACCOUNT.project_id}"),
        ("GET", f"{VOLUMES}/"),
        ("GET", f"/volume/v3/{ACCOUNT.project_id}/disks"),
        ("PATCH", f"{SNAPSHOTS}/x"),
        ("POST", f"{SNAPSHOTS}/detail"),
    ],
)
def test_what_it_does_not_speak_it_says(method: str, path: str, cloud: Cloud) -> None:
    answer = cloud.client.request(method, path)
    recorded = sample_without_cloud("122-no-such-route")["response"]["body"]
    assert answer.status_code == 404
    assert list(answer.json()) == list(recorded)
    assert answer.json()["message"] == f"the sandbox does not speak {method} {path}"
    assert answer.headers["X-Evs-Snap-Sandbox"] == "1"


def test_every_answer_has_a_request_id_of_its_own(cloud: Cloud) -> None:
    answers = [cloud.client.get(VOLUMES), cloud.client.get("/"), cloud.client.get("/identity/")]
    assert len({answer.headers["X-Openstack-Request-Id"] for answer in answers}) == 3


def test_a_head_request_gets_the_headers_alone(cloud: Cloud) -> None:
    whole = cloud.client.get(VOLUMES)
    head = cloud.client.head(VOLUMES)
    assert head.content == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


def test_an_empty_body_trips_it_as_it_trips_cinder(cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json"}
    answer = cloud.client.post(SNAPSHOTS, content=b"", headers=headers)
    assert (answer.status_code, list(answer.json())) == (500, ["computeFault"])


def test_a_body_of_null_is_no_object(cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json"}
    answer = cloud.client.post(SNAPSHOTS, content=b"null", headers=headers)
    message = "None is not of type 'object'"
    assert answer.json() == {"badRequest": {"code": 400, "message": message}}


def test_no_name_is_not_the_name_none(cloud: Cloud) -> None:
    assert cloud.get(VOLUMES + "/detail", name="None")["volumes"] == []


def test_a_body_that_ends_too_soon_is_malformed(cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "99"}
    answer = cloud.client.post(SNAPSHOTS, content=b'{"snapshot": ', headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body", [b'{"snapshot": "\\ud800"}', b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b"{}x"]
)
def test_garbled_json_is_malformed(body: bytes, cloud: Cloud) -> None:
    headers = {"Content-Type": "application/json"}
    answer = cloud.client.post(SNAPSHOTS, content=body, headers=headers)
    assert answer.json() == {"badRequest": {"code": 400, "message": "Malformed request body"}}


# --- the file ---------------------------------------------------------------------------------


def test_the_file_outlives_the_app(tmp_path: Path) -> None:
    first = open_cloud(tmp_path / "deep" / "er" / "sandbox.db")
    snapshot_id = first.create(first.volume_id("data-01"))
    second = open_cloud(tmp_path / "deep" / "er" / "sandbox.db")
    assert second.status(snapshot_id) == "creating"


def test_a_reset_begins_anew(cloud: Cloud) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"))
    cloud.app.reset()
    cloud.app.reset()
    cloud.client.headers["X-Auth-Token"] = sign_in(cloud.client)
    assert cloud.status(snapshot_id) == 404
    assert len(cloud.get(VOLUMES)["volumes"]) == 10


def test_a_file_that_is_no_sandbox_is_a_500_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    content = b"this is no database, but long enough to be one" * 50
    path.write_bytes(content)
    client = connect(Sandbox(path, now=FakeClock()))
    answer = client.get("/identity/v3")
    assert answer.status_code == 500
    assert str(path) in answer.json()["computeFault"]["message"]
    assert path.read_bytes() == content


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    answer = connect(Sandbox(path, now=FakeClock())).get("/identity/v3")
    assert answer.status_code == 500
    assert "version 99" in answer.json()["computeFault"]["message"]


def test_threads_that_start_together_seed_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def start(_: int) -> int:
        app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
        client = connect(app)
        barrier.wait()
        client.headers["X-Auth-Token"] = sign_in(client)
        return len(client.get(VOLUMES).json()["volumes"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(start, range(8))) == [10] * 8


PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
from evs_snap.sandbox import ACCOUNT, Sandbox

app = Sandbox(Path(sys.argv[1]), now=lambda: datetime(2026, 11, 23, tzinfo=UTC))
client = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://sandbox.test")
domain = {"id": ACCOUNT.domain_id}
user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
identity = {"methods": ["password"], "password": {"user": user}}
auth = {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}
print("ready", flush=True)
sys.stdin.readline()
answer = client.post("/identity/v3/auth/tokens", json={"auth": auth})
client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
base = f"/volume/v3/{ACCOUNT.project_id}"
(volume,) = client.get(f"{base}/volumes?name=data-01").json()["volumes"]
body = {"snapshot": {"volume_id": volume["id"]}}
print(*[client.post(f"{base}/snapshots", json=body).status_code for _ in range(4)])
"""


def test_processes_that_start_together_share_one_cloud_and_its_limit(tmp_path: Path) -> None:
    source = str(Path(evs_snap.__path__[0]).parent)
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "sandbox.db")]
    running = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source},
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    statuses = Counter(" ".join(process.communicate()[0] for process in running).split())
    assert statuses == {"202": 7, "413": 9}


# --- on a port ----------------------------------------------------------------------------------


def test_it_is_served_on_a_port_and_keeps_connections_alive(tmp_path: Path) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
    lines: list[str] = []
    with (
        serving(app, log=lines.append) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answers = [client.get("/identity/v3") for _ in range(2)]
        client.headers["X-Auth-Token"] = sign_in(client)
        answers.append(client.post(SNAPSHOTS, content=b"x" * 300_000))
        answers.append(client.get(VOLUMES))
        ports = {
            answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            for answer in answers
        }
    assert [answer.status_code for answer in answers] == [200, 200, 413, 200]
    assert len(ports) == 1
    assert answers[0].json()["version"]["links"][0]["href"].startswith(f"http://127.0.0.1:{port}/")
    assert lines[0].startswith('"GET /identity/v3 HTTP/1.1" 200 ')


def test_a_chunked_body_ends_the_connection(tmp_path: Path) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
    with (
        serving(app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = client.post("/identity/v3/auth/tokens", content=iter([b"{}"]))
        assert answer.headers["Connection"] == "close"
        assert client.get("/identity/v3").status_code == 200


def test_the_served_sandbox_answers_many_threads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
    with (
        serving(app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        client.headers["X-Auth-Token"] = sign_in(client)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.get(VOLUMES), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert capfd.readouterr() == ("", "")


def test_whoever_hangs_up_causes_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
    with _Server(app, host="127.0.0.1", port=0, log=None) as server, socket.socket() as peer:
        for error, told in ((ConnectionResetError(), False), (ValueError("a bug"), True)):
            with contextlib.suppress(type(error)), contextlib.ExitStack() as stack:
                stack.push(lambda *_: server.handle_error(peer, ("127.0.0.1", 1)))
                raise error
            assert ("Traceback" in capfd.readouterr().err) is told


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process there")
def test_serving_ends_with_sigterm(tmp_path: Path) -> None:
    app = Sandbox(tmp_path / "sandbox.db", now=FakeClock())
    before = signal.getsignal(signal.SIGTERM)
    statuses: list[int] = []

    def visit(port: int) -> None:
        answer = httpx.get(f"http://127.0.0.1:{port}/identity/v3", trust_env=False)
        statuses.append(answer.status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    serve(app, ready=lambda port: threading.Thread(target=visit, args=(port,)).start())
    assert statuses == [200]
    assert signal.getsignal(signal.SIGTERM) is before
