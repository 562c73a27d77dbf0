"""What only the pretend cloud has; what it shares with a real Cinder is in tests/contract."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.sandbox.conftest import Pretend, sign_in_body

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"

Json = Any


# --- refusals that no contract reaches: held to recorded answers --------------------

STAND_INS = {
    "ceab1efe53b642c6a1be239ada97e618": ACCOUNT.project_id,
    "maximum is 3.71": "maximum is 3.50",
}
DISKS = {
    "69194554-cdfd-4220-9282-53503f01aac6": "data-02",  # available
    "453162ad-45d2-4fb7-8750-3a51398465ce": "db-data",  # in-use
    "cca2d12a-2778-41fb-b572-71bbe31456c3": "broken-01",  # error
}


def sample(name: str, cloud: Pretend) -> Json:
    """Read a recorded exchange, with our IDs for theirs."""
    text = (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
    disks = {theirs: cloud.volume_id(disk) for theirs, disk in DISKS.items()}
    for theirs, ours in {**STAND_INS, **disks}.items():
        text = text.replace(theirs, ours)
    return json.loads(text)


@pytest.mark.parametrize(
    "name",
    [
        "040-volumes-microversion-too-high",
        "062-snapshot-create-in-use",
        "063-snapshot-create-in-use-force-false",
        "069-snapshot-create-volume-error",
        "070-snapshot-create-volume-error-force",
        "117-bad-token",
        "118-wrong-project-in-url",
        "119-wrong-project-in-url-post",
    ],
)
def test_what_a_disk_or_a_caller_may_not_do_is_refused_as_cinder_does(
    name: str, cloud: Pretend
) -> None:
    recorded = sample(name, cloud)
    request, theirs = recorded["request"], recorded["response"]
    method, target, _ = request["line"].split(" ")
    headers = dict(request["headers"])
    if headers["X-Auth-Token"].startswith("<token"):
        headers["X-Auth-Token"] = cloud.client.headers["X-Auth-Token"]
    content = json.dumps(request["body"])
    answer = cloud.send(method, f"/volume{target}", headers=headers, content=content)
    assert answer.status_code == int(theirs["status"].split(" ")[1])
    assert answer.json() == theirs["body"]
    assert answer.headers["X-Evs-Snap-Sandbox"] == "1"


# --- time ---------------------------------------------------------------------------


def test_a_snapshot_is_creating_until_the_clock_says_it_is_settled(cloud: Pretend) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"), name="nightly")
    progress = "os-extended-snapshot-attributes:progress"
    for seconds, told in (
        (1.999, ["creating", "0%", None]),
        (0.001, ["available", "100%", "2026-11-23T02:17:02.000000"]),
    ):
        cloud.fake.advance(seconds)
        row = cloud.get(f"snapshots/{snapshot_id}")["snapshot"]
        assert [row["status"], row[progress], row["updated_at"]] == told
        creating = [s["id"] for s in cloud.get("snapshots?status=creating")["snapshots"]]
        assert creating == [snapshot_id] * (told[0] == "creating")
    assert row["created_at"] == "2026-11-23T02:17:00.000000", "no zone, as Cinder writes it"


def test_what_is_called_fail_ends_in_error(cloud: Pretend) -> None:
    spoiled = cloud.create(cloud.make_volume("will-fail"))
    sticky = cloud.create(cloud.volume_id("data-01"), name="fail-later")
    cloud.fake.advance(2)
    assert (cloud.status(spoiled), cloud.status(sticky)) == ("error", "available")
    asked = {"volume": {"snapshot_id": sticky, "size": 40}}
    made = cloud.send("POST", "volumes", json=asked).json()["volume"]
    cloud.send("DELETE", f"snapshots/{sticky}")
    cloud.fake.advance(2)
    assert cloud.status(sticky) == "error_deleting"
    assert cloud.get(f"volumes/{made['id']}")["volume"]["status"] == "error"


# --- limits -------------------------------------------------------------------------


def assert_limit_reached(answer: httpx.Response, *, limit: int, cloud: Pretend) -> None:
    expected = sample("113-snapshot-create-over-quota", cloud)["response"]["body"]
    text = json.dumps(expected).replace("(13)", f"({limit})")
    assert (answer.status_code, answer.json()) == (413, json.loads(text))
    assert answer.headers["Retry-After"] == "0"


def test_a_disk_holds_seven_a_deleting_one_counts_and_the_backup_services_do_not(
    cloud: Pretend,
) -> None:
    volume_id = cloud.volume_id("full-01")
    flagged = {"metadata": {"__system__enableActive": "true"}}
    for fields in ({"name": "autobk_snapshot_vbs_1"}, {"name": "manualbk_snapshot_1"}, flagged):
        assert cloud.post(volume_id, **fields).status_code == 202
    assert_limit_reached(cloud.post(volume_id), limit=7, cloud=cloud)
    cloud.send("DELETE", f"snapshots/{cloud.snapshots(volume_id)[-1]['id']}")
    assert cloud.post(volume_id).status_code == 413
    cloud.fake.advance(1)
    assert cloud.post(volume_id).status_code == 202


def test_the_project_has_quotas(opened: Callable[..., Pretend]) -> None:
    cloud = opened(snapshot_quota=13, gigabytes_quota=2000)
    cloud.sign_in()
    cloud.create(cloud.volume_id("data-01"))
    assert_limit_reached(cloud.post(cloud.volume_id("data-01")), limit=13, cloud=cloud)
    answer = cloud.send("POST", "volumes", json={"volume": {"size": 1000}})
    assert (answer.status_code, list(answer.json())) == (413, ["overLimit"])
    assert "quota is 2000G and 1" in answer.text
    path = f"os-quota-sets/{ACCOUNT.project_id}"
    assert cloud.get(path)["quota_set"]["snapshots"] == 13
    used = cloud.get(f"{path}?usage=True")["quota_set"]["snapshots"]
    assert used == {"limit": 13, "in_use": 13, "reserved": 0}
    assert cloud.send("GET", f"{path}x").status_code == 403


# --- lists --------------------------------------------------------------------------


def test_its_first_disks_are_awkward(cloud: Pretend) -> None:
    volumes = cloud.get("volumes/detail")["volumes"]
    names = Counter(volume["name"] for volume in volumes)
    assert (len(volumes), names["shared-name"], names[None]) == (10, 2, 1)
    assert {volume["status"] for volume in volumes} == {"available", "in-use", "error"}
    assert {volume["bootable"] for volume in volumes} == {"true", "false"}, "words, as Cinder's"
    counts = Counter(s["volume_id"] for s in cloud.get("snapshots")["snapshots"])
    assert counts[cloud.volume_id("full-01")] == 7


def test_the_next_link_names_a_host_nobody_can_reach(cloud: Pretend) -> None:
    page = cloud.get("snapshots/detail?limit=2&status=available")
    (link,) = page["snapshots_links"]
    last = page["snapshots"][-1]["id"]
    assert link == {
        "rel": "next",
        "href": f"https://volume.localdomain.com:8776/v2/{ACCOUNT.project_id}"
        f"/snapshots/detail?limit=2&status=available&marker={last}",
    }


def test_a_page_has_a_largest_size_and_its_marker_need_not_fit_the_filter(
    opened: Callable[..., Pretend],
) -> None:
    cloud = opened(page_maximum=3)
    cloud.sign_in()
    for query in ("", "?limit=5000"):
        page = cloud.get(f"volumes{query}")
        assert (len(page["volumes"]), len(page["volumes_links"])) == (3, 1)
    page = cloud.get(f"volumes?marker={cloud.volume_id('full-01')}&status=error")
    assert [volume["name"] for volume in page["volumes"]] == ["broken-01"]


@pytest.mark.parametrize("root", ["/v3", "/v2", "/volume/v2"])
def test_block_storage_is_the_same_at_the_root_and_by_its_older_name(
    root: str, cloud: Pretend
) -> None:
    mine = f"{root}/{ACCOUNT.project_id}/snapshots"
    assert cloud.get(mine) == cloud.get("snapshots")


def test_the_vendors_own_list_has_the_same_disks_with_tags_and_their_number(
    cloud: Pretend,
) -> None:
    native = cloud.get(f"/v2/{ACCOUNT.project_id}/cloudvolumes/detail?limit=9")
    cinder = cloud.get(f"/v2/{ACCOUNT.project_id}/volumes/detail?limit=9")
    assert native["count"] == 10
    assert native["volumes_links"] == cinder["volumes_links"]
    tags = {row["name"]: row.pop("tags") for row in native["volumes"]}
    assert native["volumes"] == cinder["volumes"]
    assert tags["db-data"] == {"backup": "daily", "team": "db"}


# --- a disk from a snapshot ---------------------------------------------------------


def ready_snapshot(cloud: Pretend, disk: str, **fields: object) -> str:
    snapshot_id = cloud.create(cloud.volume_id(disk), **fields)
    cloud.fake.advance(2)
    return snapshot_id


def error_code(answer: httpx.Response) -> str:
    """Return the code of a refusal in EVS's own form."""
    return str(answer.json()["error"]["code"])


def test_a_disk_from_a_snapshot_stands_where_its_source_stands(cloud: Pretend) -> None:
    asked: dict[str, Json] = {"snapshot_id": ready_snapshot(cloud, "backed-up"), "size": 90}
    made = cloud.send("POST", "volumes", json={"volume": asked}).json()["volume"]
    assert (made["availability_zone"], made["volume_type"]) == ("sandbox-1b", "ESSD")
    unready = {"snapshot_id": cloud.create(cloud.volume_id("data-01"))}
    for fields, code in (
        ({"availability_zone": "sandbox-1a"}, "EVS.2054"),
        ({"volume_type": "SSD"}, "EVS.2096"),
        ({"metadata": {"__system__cmkid": "x"}}, "EVS.1043"),
        (unready, "EVS.2043"),
    ):
        answer = cloud.send("POST", "volumes", json={"volume": asked | fields})
        assert (answer.status_code, error_code(answer)) == (400, code)


# --- rollback -----------------------------------------------------------------------


def roll_back(cloud: Pretend, snapshot_id: str, **fields: object) -> httpx.Response:
    path = f"/v2/{ACCOUNT.project_id}/cloudsnapshots/{snapshot_id}/rollback"
    return cloud.send("POST", path, json={"rollback": fields})


def disk_status(cloud: Pretend, volume_id: str) -> str:
    return str(cloud.get(f"volumes/{volume_id}")["volume"]["status"])


@pytest.mark.parametrize(
    ("name", "end"), [("well", "available"), ("fail-later", "error_rollbacking")]
)
def test_a_disk_is_rolling_back_and_then_at_an_end(name: str, end: str, cloud: Pretend) -> None:
    volume_id = cloud.volume_id("data-01")
    snapshot_id = ready_snapshot(cloud, "data-01", name=name)
    answer = roll_back(cloud, snapshot_id, volume_id=volume_id, name="data-01")
    assert (answer.status_code, answer.json()) == (202, {"rollback": {"volume_id": volume_id}})
    between = disk_status(cloud, volume_id), cloud.status(snapshot_id)
    assert between == ("rollbacking", "rollbacking")
    assert error_code(roll_back(cloud, snapshot_id, volume_id=volume_id)) == "EVS.2043"
    assert cloud.post(volume_id, force=True).status_code == 400
    assert cloud.send("DELETE", f"snapshots/{snapshot_id}").status_code == 400
    cloud.fake.advance(2)
    assert (disk_status(cloud, volume_id), cloud.status(snapshot_id)) == (end, "available")
    again = roll_back(cloud, snapshot_id, volume_id=volume_id)
    assert again.status_code == 202, "an error is mended by rolling back again"


def test_a_rollback_that_evs_refuses_changes_nothing(cloud: Pretend) -> None:
    in_use, backed_up = cloud.volume_id("db-data"), cloud.volume_id("backed-up")
    (of_in_use,) = cloud.snapshots(in_use)
    backup = next(s for s in cloud.snapshots(backed_up) if s["name"].startswith("autobk_"))
    own = ready_snapshot(cloud, "data-01")
    for snapshot_id, fields, refused in (
        (of_in_use["id"], {"volume_id": in_use}, (400, "EVS.5400")),
        (backup["id"], {"volume_id": backed_up}, (400, "EVS.2045")),
        (own, {"volume_id": backed_up}, (400, "EVS.2045")),
        (own, {"name": "data-01"}, (400, "EVS.2045")),
        ("nope", {"volume_id": backed_up}, (404, "EVS.5404")),
    ):
        answer = roll_back(cloud, snapshot_id, **fields)
        assert (answer.status_code, error_code(answer)) == refused
    assert (disk_status(cloud, in_use), disk_status(cloud, backed_up)) == ("in-use", "available")


# --- signing in ---------------------------------------------------------------------


def test_a_token_expires_and_buys_a_token_that_lives_no_longer(cloud: Pretend) -> None:
    token = {"id": cloud.client.headers["X-Auth-Token"]}
    identity = {"methods": ["token"], "token": token}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}}
    cloud.fake.advance(24 * 3600 - 1)
    assert cloud.send("GET", "volumes").status_code == 200
    answer = cloud.send("POST", "/v3/auth/tokens", json=body)
    assert answer.json()["token"]["expires_at"] == "2026-11-24T02:17:00.000000Z"
    cloud.fake.advance(1)
    assert cloud.send("GET", "volumes").status_code == 401
    assert cloud.send("POST", "/v3/auth/tokens", json=body).status_code == 404
    cloud.sign_in()
    assert cloud.send("GET", "volumes").status_code == 200


def test_the_catalog_names_the_host_that_was_asked_and_two_regions(cloud: Pretend) -> None:
    host = "127.0.0.1:8776"
    answer = cloud.send(
        "POST", "/identity/v3/auth/tokens", json=sign_in_body(), headers={"Host": host}
    )
    urls = {
        (service["type"], endpoint["region"]): endpoint["url"]
        for service in answer.json()["token"]["catalog"]
        for endpoint in service["endpoints"]
    }
    for region, prefix in (("sandbox-1", ""), ("sandbox-2", "/sandbox-2")):
        assert urls["identity", region] == f"http://{host}/identity/v3"
        for kind in ("volumev3", "block-storage"):
            assert urls[kind, region] == f"http://{host}{prefix}/volume/v3/{ACCOUNT.project_id}"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in ("localhost", "sandbox.localhost:1", "127.0.0.1:1", "[::1]:1")),
        *((host, 421) for host in ("evil.example:8776", "127.0.0.1.evil.example",
                                   "localhost.evil.example", "192.0.2.1")),
    ],
)  # fmt: skip
def test_only_names_of_this_machine_are_answered(host: str, status: int, cloud: Pretend) -> None:
    """found: a web page whose name resolves to 127.0.0.1 was given a token (DNS rebinding)."""
    assert cloud.send("GET", "/identity/v3", headers={"Host": host}).status_code == status


WRONG_PROJECT = {"project": {"name": "other", "domain": {"name": ACCOUNT.domain_name}}}


@pytest.mark.parametrize(
    ("user", "scope", "status"),
    [
        ({"password": "wrong"}, None, 401),
        ({"name": "nobody"}, None, 401),
        ({}, WRONG_PROJECT, 401),
        ({}, {"domain": {"id": "default"}}, 400),
        ({}, "unscoped", 400),
        ({"domain": "Default"}, None, 400),
    ],
)
def test_a_bad_sign_in_is_refused_as_keystone_does(
    user: dict[str, Json], scope: Json, status: int, cloud: Pretend
) -> None:
    body = sign_in_body(**user)
    body["auth"]["scope"] = scope or body["auth"]["scope"]
    answer = cloud.send("POST", "/identity/v3/auth/tokens", json=body)
    assert answer.status_code == status == answer.json()["error"]["code"]


# --- what it does not speak ---------------------------------------------------------


def spoken(method: str, path: str) -> tuple[str, str, Json, int, str]:
    return method, path, None, 404, f"the sandbox does not speak {method} {path}"


MINE = f"/volume/v3/{ACCOUNT.project_id}"


@pytest.mark.parametrize(
    ("method", "asked", "body", "status", "told"),
    [
        spoken("GET", "/"),
        spoken("GET", "/v1/x"),
        spoken("GET", "/identity/v3/users"),
        spoken("GET", "/volume/v3/nope/volumes"),
        spoken("GET", f"{MINE}/types"),
        spoken("PUT", f"{MINE}/snapshots/x"),
        spoken("POST", f"{MINE}/volumes/x/action"),
        spoken("GET", f"/v3/{ACCOUNT.project_id}/cloudvolumes/detail"),
        # Ignored, a filter would hand out the whole project.
        *(("GET", f"volumes?{word}=x", None, 400, f"does not speak the query {word}")
          for word in ("sort", "offset", "metadata", "with_count", "name~")),
        *(("POST", "volumes", json.dumps({"volume": {"size": 1, source: "x"}}), 400,
           f"does not speak volume {source}")
          for source in ("source_volid", "imageRef", "backup_id")),
        ("POST", "snapshots", "[" * 100_000, 400, ""),
        ("POST", "snapshots", "x" * 200_000, 413, ""),
    ],
)  # fmt: skip
def test_what_it_does_not_speak_is_refused_in_words(
    method: str, asked: str, body: str | None, status: int, told: str, cloud: Pretend
) -> None:
    answer = cloud.send(method, asked, content=body)
    assert answer.status_code == status
    assert told in answer.text


# --- hostile input ------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["name", "description", "size", "volume_type", "metadata", "volume_id", "force", "tags"]
FIELDS += ["retention_days", "instant_access", "incremental", "volume_ids", "server_id"]
V5 = f"/sandbox-2/v5/{ACCOUNT.project_id}"
bodies = (
    st.binary(max_size=40)
    | values.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda key, fields: json.dumps({key: fields}).encode(),
        st.sampled_from(["volume", "snapshot", "snapshot_group", "tags", "auth"]),
        st.dictionaries(st.sampled_from(FIELDS), values),
    )
)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "TRACE"]),
    asked=st.sampled_from(["volumes", "snapshots", "volumes/x", "/v3/auth/tokens", "/identity"])
    | st.sampled_from([f"{V5}/{rest}" for rest in ("snapshots", "snapshots/detail", "snapshots/x")])
    | st.sampled_from([f"{V5}/snapshot-groups", f"{V5}/snapshot-chains", f"{V5}/snapshots/x/tags"])
    | texts.map(lambda text: f"volumes/{quote(text)}"),
    query=st.dictionaries(
        st.sampled_from(["limit", "marker", "name", "status", "tags", "ids", "sort_key", "x"]),
        texts | st.integers().map(str),
    ),
    token=st.none()
    | st.sampled_from(["", "x", "gAAAAAB-99999999T999999-x", "gAAAAAB-20300101T000000-x"]),
    body=bodies,
)
def test_nothing_that_is_sent_is_a_500(
    *,
    cloud: Pretend,
    method: str,
    asked: str,
    query: dict[str, str],
    token: str | None,
    body: bytes,
) -> None:
    """Property: any method, path, query, token and body ends in an answer below 500."""
    headers = {} if token is None else {"X-Auth-Token": token}
    answer = cloud.send(method, asked, params=query, headers=headers, content=body)
    assert answer.status_code < 500, answer.text
