"""The sandbox's services stand at the root too, with v2 and the vendors' own paths beside v3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import httpx
import pytest

from evs_snap.sandbox import ACCOUNT, Rules, Sandbox
from evs_snap.sandbox.place import Place, locate

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = ACCOUNT.project_id
NATIVE = f"/v2/{PROJECT}"
CINDER = f"/volume/v3/{PROJECT}"
START = datetime(2026, 11, 23, 7, 0, 0, tzinfo=UTC)
ROOTS = [f"/v3/{PROJECT}", f"/v2/{PROJECT}", f"/volume/v2/{PROJECT}", CINDER]

Json = Any


@dataclass
class Cloud:
    """A sandbox with a clock that moves when told, and a client that is signed in."""

    client: httpx.Client
    moment: datetime = START

    def get(self, path: str, **params: str | int) -> Json:
        answer = self.client.get(path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def volume_id(self, name: str) -> str:
        (volume,) = self.get(f"{CINDER}/volumes", name=name)["volumes"]
        return str(volume["id"])


def auth(scope: Json) -> dict[str, Json]:
    user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": scope}}


@pytest.fixture(name="cloud")
def _cloud(tmp_path: Path) -> Cloud:
    client = httpx.Client(base_url="http://sandbox.test")
    cloud = Cloud(client)
    app = Sandbox(tmp_path / "sandbox.db", now=lambda: cloud.moment, rules=Rules())
    client = cloud.client = httpx.Client(
        transport=httpx.WSGITransport(app=validator(app)), base_url="http://sandbox.test"
    )
    answer = client.post("/v3/auth/tokens", json=auth({"project": {"id": PROJECT}}))
    assert answer.status_code == 201, answer.text
    client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return cloud


# --- where a path leads -------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", Place("", "", "", None, "/")),
        ("/favicon.ico", Place("", "", "", None, "/favicon.ico")),
        ("/v4/x", Place("", "", "", None, "/v4/x")),
        ("/v3", Place("identity", "", "v3", None, "")),
        ("/v3/", Place("identity", "", "v3", None, "/")),
        ("/v3/auth/tokens", Place("identity", "", "v3", None, "/auth/tokens")),
        ("/v3/projects", Place("identity", "", "v3", None, "/projects")),
        (f"/v3/{PROJECT}", Place("identity", "", "v3", None, f"/{PROJECT}")),
        (f"/v3/{PROJECT}/volumes", Place("volume", "", "v3", PROJECT, "/volumes")),
        (f"/v2/{PROJECT}/volumes/x", Place("volume", "", "v2", PROJECT, "/volumes/x")),
        ("/v2/nope/volumes", Place("volume", "", "v2", None, "/nope/volumes")),
        ("/identity", Place("identity", "/identity", "", None, "")),
        ("/identity/v3/abc/x", Place("identity", "/identity", "v3", None, "/abc/x")),
        ("/volume", Place("volume", "/volume", "", None, "")),
        ("/volume/v3", Place("volume", "/volume", "v3", None, "")),
        ("/volume/v3/projects", Place("volume", "/volume", "v3", None, "/projects")),
        ("/volume/v3/abc/x", Place("volume", "/volume", "v3", "abc", "/x")),
        ("/volumes", Place("", "", "", None, "/volumes")),
        ("/v3/abc/a\nb", Place("volume", "", "v3", "abc", "/a\nb")),
    ],
)
def test_a_path_leads_to_one_place(path: str, place: Place) -> None:
    assert locate(path) == place


def test_v3_alone_at_the_root_is_where_signing_in_begins(cloud: Cloud) -> None:
    for path in ("/v3", "/v3/"):
        version = cloud.get(path)["version"]
        assert version["links"] == [{"rel": "self", "href": "http://sandbox.test/v3/"}]
    assert cloud.get("/identity/v3")["version"]["links"][0]["href"].endswith("/identity/v3/")


@pytest.mark.parametrize("root", ROOTS)
def test_block_storage_is_the_same_wherever_it_stands(root: str, cloud: Cloud) -> None:
    body = {"snapshot": {"volume_id": cloud.volume_id("data-01"), "name": "x"}}
    answer = cloud.client.post(f"{root}/snapshots", json=body)
    assert answer.status_code == 202
    path = f"/snapshots/{answer.json()['snapshot']['id']}"
    assert cloud.get(f"{root}{path}") == cloud.get(f"{CINDER}{path}")
    cloud.advance(2)
    assert cloud.client.delete(f"{root}{path}").status_code == 202
    cloud.advance(1)
    assert cloud.client.get(f"{CINDER}{path}").status_code == 404
    assert cloud.get(f"{root}/limits") == cloud.get(f"{CINDER}/limits")


@pytest.mark.parametrize("root", ROOTS)
def test_links_of_disks_stay_where_they_were_asked_for(root: str, cloud: Cloud) -> None:
    for volume in cloud.get(f"{root}/volumes")["volumes"]:
        assert cloud.get(volume["links"][0]["href"])["volume"]["id"] == volume["id"]
        assert volume["links"][0]["href"].startswith(f"http://sandbox.test{root}/")


@pytest.mark.parametrize("root", ["/v3", "/identity/v3"])
def test_identity_is_the_same_wherever_it_stands(root: str, cloud: Cloud) -> None:
    (project,) = cloud.get(f"{root}/projects", name=ACCOUNT.project_name)["projects"]
    assert project["id"] == PROJECT
    assert project["links"]["self"] == f"http://sandbox.test{root}/projects/{PROJECT}"
    assert cloud.get(f"{root}/auth/projects")["projects"] == [project]
    kinds = [service["type"] for service in cloud.get(f"{root}/auth/catalog")["catalog"]]
    assert kinds == ["identity", "volumev3", "block-storage"]


def test_only_v3_has_microversions(cloud: Cloud) -> None:
    headers = {"OpenStack-API-Version": "volume 3.99"}
    v2 = cloud.client.get(f"/v2/{PROJECT}/volumes", headers=headers)
    v3 = cloud.client.get(f"/v3/{PROJECT}/volumes", headers=headers)
    assert (v2.status_code, v3.status_code) == (200, 406)
    assert "OpenStack-API-Version" not in v2.headers


@pytest.mark.parametrize("path", [f"/v3/{'0' * 32}/volumes", f"/v2/{'0' * 32}/cloudvolumes"])
def test_a_foreign_project_is_refused_at_the_root_too(path: str, cloud: Cloud) -> None:
    answer = cloud.client.get(path)
    assert (answer.status_code, list(answer.json())) == (400, ["badRequest"])


@pytest.mark.parametrize("path", [f"/v3/{PROJECT}/volumes", f"{NATIVE}/cloudvolumes", "/v2"])
def test_nobody_gets_in_at_the_root_either(path: str, cloud: Cloud) -> None:
    answer = cloud.client.get(path, headers={"X-Auth-Token": "wrong"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v1/x",
        f"/v3/{PROJECT}",
        "/v3/users",
        "/identity/v2",
        f"/v3/{PROJECT}/cloudvolumes",
        f"{NATIVE}/cloudvolumes/x/tags",
        f"{NATIVE}/cloudsnapshots",
        f"/v5/{PROJECT}/snapshots",
    ],
)
def test_what_is_not_spoken_says_so(path: str, cloud: Cloud) -> None:
    answer = cloud.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["message"] == f"the sandbox does not speak GET {path}"


# --- the vendors' own paths ---------------------------------------------------------


def test_native_disks_are_the_same_disks_with_more_fields(cloud: Cloud) -> None:
    native = cloud.get(f"{NATIVE}/cloudvolumes/detail")
    cinder = cloud.get(f"{NATIVE}/volumes/detail")
    assert list(native) == ["count", "volumes"]
    assert native["count"] == 10
    for ours, theirs in zip(native["volumes"], cinder["volumes"], strict=True):
        assert theirs.items() <= ours.items()
        assert (ours["service_type"], ours["tags"], len(ours["wwn"])) == ("EVS", {}, 32)
        assert cloud.get(f"{NATIVE}/cloudvolumes/{ours['id']}") == {"volume": ours}
    short = cloud.get(f"{NATIVE}/cloudvolumes")
    assert short == {"volumes": cloud.get(f"{NATIVE}/volumes")["volumes"]}


def test_the_count_is_that_of_all_pages(cloud: Cloud) -> None:
    page = cloud.get(f"{NATIVE}/cloudvolumes/detail", limit=2, offset=1)
    assert (page["count"], len(page["volumes"])) == (10, 2)
    (link,) = page["volumes_links"]
    assert link["href"].startswith(f"https://volume.localdomain.com:8776{NATIVE}/volumes/detail?")
    marker = page["volumes"][-1]["id"]
    after = cloud.get(f"{NATIVE}/cloudvolumes/detail", marker=marker, name="shared-name")
    assert after["count"] == len(after["volumes"]) == 2
    snapshots = cloud.get(f"{NATIVE}/cloudsnapshots/detail", limit=1)
    assert (snapshots["count"], len(snapshots["snapshots"])) == (12, 1)
    assert "snapshots_links" in snapshots


def test_native_disks_can_be_asked_for_by_id_and_by_server(cloud: Cloud) -> None:
    def names(**params: str | int) -> list[str | None]:
        found = cloud.get(f"{NATIVE}/cloudvolumes/detail", **params)
        assert found["count"] == len(found["volumes"])
        return [volume["name"] for volume in found["volumes"]]

    first, second = cloud.volume_id("data-01"), cloud.volume_id("full-01")
    server = cloud.get(f"{CINDER}/volumes/detail", name="db-data")["volumes"][0]
    assert names(id=first) == ["data-01"]
    assert names(ids=f"['{first}','{second}','nope']", id="ignored") == ["full-01", "data-01"]
    assert "db-data" in names(server_id=server["attachments"][0]["server_id"])
    assert names(server_id="nope") == []
    assert len(names(service_type="EVS", enterprise_project_id="all_granted_eps")) == 10


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("cloudvolumes/detail", "metadata=x"),
        ("cloudvolumes/detail", "multiattach=true"),
        ("cloudvolumes", "service_type=DSS"),
        ("cloudvolumes", "ids=a,b"),
        ("cloudvolumes", "ids=['a'"),
        ("cloudvolumes", f"ids=[{','.join(['%27a%27'] * 61)}]"),
        ("cloudsnapshots/detail", "availability_zone=x"),
        ("cloudsnapshots/detail", "enterprise_project_id=x"),
    ],
)
def test_native_filters_that_are_not_spoken_are_refused(
    path: str, query: str, cloud: Cloud
) -> None:
    """An ignored filter would hand out the whole project."""
    answer = cloud.client.get(f"{NATIVE}/{path}?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["badRequest"])


def test_a_native_snapshot_lives_and_dies_as_any_other(cloud: Cloud) -> None:
    volume_id = cloud.volume_id("data-01")
    fields = {"volume_id": volume_id, "name": "n", "force": False, "metadata": {"k": "v"}}
    answer = cloud.client.post(f"{NATIVE}/cloudsnapshots", json={"snapshot": fields})
    made = answer.json()["snapshot"]
    assert (answer.status_code, made["status"], made["metadata"]) == (202, "creating", {"k": "v"})
    path = f"{NATIVE}/cloudsnapshots/{made['id']}"
    assert cloud.get(path) == {"snapshot": made}
    assert cloud.client.delete(path).status_code == 400
    cloud.advance(2)
    found = cloud.get(f"{NATIVE}/cloudsnapshots/detail", volume_id=volume_id, id=made["id"])
    assert found["count"] == 1
    assert found["snapshots"][0]["service_type"] == "EVS"
    assert found["snapshots"][0].items() >= cloud.get(path)["snapshot"].items()
    assert cloud.get(f"{CINDER}/snapshots/{made['id']}")["snapshot"]["status"] == "available"
    deleted = cloud.client.delete(path)
    assert (deleted.status_code, deleted.content) == (202, b"")
    cloud.advance(1)
    assert cloud.client.get(path).status_code == 404


def test_native_snapshots_are_held_to_the_same_limit(cloud: Cloud) -> None:
    body = {"snapshot": {"volume_id": cloud.volume_id("full-01")}}
    answer = cloud.client.post(f"{NATIVE}/cloudsnapshots", json=body)
    assert (answer.status_code, list(answer.json())) == (413, ["overLimit"])
