"""Standard snapshots and groups in the pretend cloud's second region, and their open questions.

What the vendor's own client shows (``test_vendor_sdk.py``) is not repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.standard_knobs import Answer, StandardKnobs, refusal
from tests.unit.sandbox.conftest import Pretend

from evs_snap.sandbox import ACCOUNT, STANDARD_REGION, Rules, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import FakeClock

Json = Any

FREE = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e01"
"""data-01: an ESSD disk without snapshots."""

SAS = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e02"
DATA, LOG = (f"5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e0{n}" for n in (3, 4))
"""Two disks of one server; of the first there are an ``auto`` and a ``copy`` snapshot."""

OTHER_ZONE = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e05"
SERVER = "bac71b9b-8ac9-4e51-87dc-020ed0a84a55"
LEGACY, STANDARD, NEWER = (f"8a1f60c4-1d4b-4f0e-8d0b-6a2f3c9d000{n}" for n in (1, 2, 3))
"""Of the SAS disk, oldest first."""

LEGACY_ALONE, ORPHAN = (f"8a1f60c4-1d4b-4f0e-8d0b-6a2f3c9d000{n}" for n in (6, 7))


@dataclass
class Region:
    """The second region; a path below the project begins with its API version."""

    pretend: Pretend
    prefix: str = f"/{STANDARD_REGION}"

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        version, _, rest = path.partition("/")
        whole = f"{self.prefix}/{version}/{ACCOUNT.project_id}/{rest}"
        return self.pretend.send(method, whole, **options)

    def get(self, path: str) -> Json:
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, volume_id: str, **fields: object) -> httpx.Response:
        body = {"snapshot": {"volume_id": volume_id, **fields}}
        return self.send("POST", "v5/snapshots", json=body)

    def make(self, volume_id: str, **fields: object) -> tuple[str, str]:
        """Begin a snapshot; return its ID and its job's."""
        answer = self.post(volume_id, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["snapshot_id"], answer.json()["job_id"]

    def group(self, **fields: object) -> httpx.Response:
        return self.send("POST", "v5/snapshot-groups", json={"snapshot_group": fields})

    def row(self, snapshot_id: str) -> Json:
        return self.get(f"v5/snapshots/{snapshot_id}")["snapshot"]

    def ids(self, query: str) -> list[str]:
        rows = self.get(f"v5/snapshots/detail?{query}")["snapshots"]
        return [row["id"] for row in rows]

    def advance(self, seconds: float) -> None:
        self.pretend.fake.advance(seconds)


@pytest.fixture(name="there")
def _there(cloud: Pretend) -> Region:
    return Region(cloud)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_first_of_a_disk_takes_90_seconds_and_the_next_20(there: Region) -> None:
    first, job = there.make(FREE)
    there.advance(45)
    assert (there.row(first)["status"], there.row(first)["progress"]) == ("creating", "50")
    assert there.get(f"v1/jobs/{job}")["status"] == "RUNNING"
    there.advance(45)
    assert (there.row(first)["status"], there.row(first)["progress"]) == ("available", "100")
    for version in ("v1", "v2"):
        assert there.get(f"{version}/jobs/{job}")["status"] == "SUCCESS"
    second, _ = there.make(FREE)
    there.advance(19.9)
    assert there.row(second)["status"] == "creating"
    there.advance(0.1)
    assert there.row(second)["status"] == "available"
    assert [there.row(id_)["incremental"] for id_ in (first, second)] == [False, True]


def test_one_at_a_time_is_made_of_a_disk(there: Region) -> None:
    there.make(DATA)
    assert error_of(there.post(DATA)) == (409, "EVS.2409")
    assert error_of(there.group(volume_ids=[DATA, LOG])) == (400, "EVS.2409")
    there.make(LOG)
    there.advance(90)
    assert there.group(volume_ids=[DATA, LOG]).status_code == 202


def test_a_disk_has_a_limit_and_a_smaller_one_with_instant_access(
    opened: Callable[..., Pretend],
) -> None:
    pretend = opened(standard_per_volume=3, instant_per_volume=1, first_upload=0, later_upload=0)
    pretend.sign_in()
    there = Region(pretend)
    there.make(FREE, instant_access=True)
    refused = there.post(FREE, instant_access=True)
    assert error_of(refused) == (400, "EVS.5400")
    assert "maximum" in refused.text
    there.make(FREE)
    there.make(FREE)
    assert error_of(there.post(FREE)) == (400, "EVS.5400")
    there.make(DATA)
    there.make(DATA)
    there.make(DATA)  # automatic ones and copies do not count
    assert error_of(there.group(volume_ids=[DATA])) == (400, "EVS.5400")


@pytest.mark.parametrize(
    ("volume_id", "fields", "refused"),
    [
        ("nowhere", {}, (404, "EVS.5404")),
        (FREE, {"name": "x" * 65}, (400, "EVS.5400")),
        (FREE, {"description": "x" * 86}, (400, "EVS.5400")),
        (FREE, {"metadata": {"k": "v"}}, (400, "EVS.5400")),
        (FREE, {"force": True}, (400, "EVS.5400")),
        (FREE, {"retention_days": 0}, (400, "EVS.5400")),
        (FREE, {"retention_days": 65537}, (400, "EVS.5400")),
        (SAS, {"instant_access": True}, (400, "EVS.5400")),
        (FREE, {"tags": {"k": "a b"}}, (400, "EVS.5400")),
        (FREE, {"tags": {"k": "x" * 44}}, (400, "EVS.5400")),
        (FREE, {"tags": {"x" * 37: ""}}, (400, "EVS.5400")),
        (FREE, {"tags": {"a.b": ""}}, (400, "EVS.5400")),
        (FREE, {"tags": {str(n): "" for n in range(21)}}, (400, "EVS.5400")),
    ],
)
def test_what_cannot_be_is_refused_and_makes_nothing(
    volume_id: str, fields: dict[str, object], refused: tuple[int, str], there: Region
) -> None:
    before = there.ids("")
    assert error_of(there.post(volume_id, **fields)) == refused
    assert there.ids("") == before


def test_one_with_retention_days_is_deleted_by_the_service(there: Region) -> None:
    snapshot_id, _ = there.make(FREE, retention_days=1)
    there.advance(86399)
    assert there.row(snapshot_id)["retention_at"].startswith("2026-11-24T")
    there.advance(1)
    there.pretend.sign_in()
    assert error_of(there.send("GET", f"v5/snapshots/{snapshot_id}")) == (404, "EVS.5404")


def test_they_survive_their_disk_and_make_another(there: Region) -> None:
    snapshot_id, _ = there.make(FREE)
    there.advance(90)
    assert there.send("DELETE", f"v3/volumes/{FREE}").status_code == 202
    there.advance(1)
    for id_, size in ((snapshot_id, 40), (ORPHAN, 30)):
        assert there.row(id_)["status"] == "available"
        asked = {"snapshot_id": id_, "size": size}
        refused = there.send("POST", "v3/volumes", json={"volume": asked})
        assert "volume_type is required" in refused.text
        made = there.send("POST", "v3/volumes", json={"volume": {**asked, "volume_type": "SAS"}})
        assert made.json()["volume"]["availability_zone"] == "sandbox-2a"
    body = {"rollback": {"volume_id": FREE}}
    gone = there.send("POST", f"v5/snapshots/{snapshot_id}/rollback", json=body)
    assert error_of(gone) == (404, "EVS.5404")


def test_legacy_ones_are_no_longer_made_but_can_be_used(there: Region) -> None:
    body = {"snapshot": {"volume_id": FREE, "name": "x"}}
    refused = there.send("POST", "v3/snapshots", json=body)
    assert (refused.status_code, list(refused.json())) == (400, ["badRequest"])
    rows = there.get("v3/snapshots/detail")["snapshots"]
    assert [row["id"] for row in rows] == [LEGACY_ALONE, LEGACY], "no standard ones here"
    assert there.send("GET", f"v3/snapshots/{STANDARD}").status_code == 404
    back = {"rollback": {"volume_id": OTHER_ZONE}}
    for path in (f"v2/cloudsnapshots/{LEGACY_ALONE}", f"v5/snapshots/{LEGACY_ALONE}"):
        assert there.send("POST", f"{path}/rollback", json=back).status_code == 202
        assert there.get(f"v3/volumes/{OTHER_ZONE}")["volume"]["status"] == "rollbacking"
        there.advance(2)
    assert there.send("DELETE", f"v3/volumes/{OTHER_ZONE}").status_code == 400, "has snapshots"
    assert there.send("DELETE", f"v3/snapshots/{LEGACY_ALONE}").status_code == 202


def test_lists_are_paged_by_marker_without_links(there: Region) -> None:
    everything = there.ids("")
    found, marker = [], ""
    while page := there.get(f"v5/snapshots/detail?limit=2{marker}"):
        assert list(page) == ["snapshots"]
        if not page["snapshots"]:
            break
        found += [row["id"] for row in page["snapshots"]]
        marker = f"&marker={found[-1]}"
    assert found == everything
    assert there.ids("sort_dir=asc") == everything[::-1]
    assert there.ids("offset=2&limit=2") == everything[2:4]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"volume_id={SAS}", [NEWER, STANDARD, LEGACY]),
        (f"volume_id={SAS}&tag_key=evs_snap_key", [NEWER, STANDARD]),
        ('tags={"evs_snap_key":"3f0d5be6-43a5-4f0c-9b0a-51a5c3d1e001"}', [STANDARD]),
        ('tags=[{"key":"evs_snap_policy","value":"default"}]', [NEWER, STANDARD, ORPHAN]),
        (f"ids={LEGACY},unknown&id={NEWER}", [LEGACY]),
        (f"id={NEWER}", [NEWER]),
        ("name=before-the-move", [LEGACY]),
        ("availability_zone=sandbox-2b", [LEGACY_ALONE]),
        ("snapshot_type=auto", ["8a1f60c4-1d4b-4f0e-8d0b-6a2f3c9d0004"]),
        ("status=creating", []),
        (f"volume_id={SAS}&enterprise_project_id=all_granted_eps", [NEWER, STANDARD, LEGACY]),
        ("snapshot_group_id=x", []),
    ],
)
def test_lists_have_filters(query: str, found: list[str], there: Region) -> None:
    assert there.ids(query) == found


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "marker=x", "sort_key=name", "tags=x", "x=y"]
)
def test_a_query_that_cannot_be_is_refused(query: str, there: Region) -> None:
    assert there.send("GET", f"v5/snapshots/detail?{query}").status_code in {400, 404}


def test_a_disk_called_fail_makes_the_job_fail_with_a_reason(there: Region) -> None:
    body = {"volume": {"size": 1, "name": "will-fail"}}
    volume_id = there.send("POST", "v3/volumes", json=body).json()["volume"]["id"]
    there.advance(2)
    snapshot_id, job_id = there.make(volume_id)
    assert error_of(there.send("DELETE", f"v5/snapshots/{snapshot_id}")) == (400, "EVS.1047")
    there.advance(90)
    job = there.get(f"v1/jobs/{job_id}")
    assert (there.row(snapshot_id)["status"], job["status"]) == ("error", "FAIL")
    assert job["fail_reason"]
    group_id = there.group(volume_ids=[volume_id, FREE]).json()["snapshot_group_id"]
    there.advance(90)
    assert there.get(f"v5/snapshot-groups/{group_id}")["snapshot_group"]["status"] == "error"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "1 to 64 disks, not 0"),
        ({"volume_ids": [str(n) for n in range(65)]}, "not 65"),
        ({"volume_ids": [DATA, OTHER_ZONE]}, "not in one availability zone"),
        ({"volume_ids": [DATA, FREE], "server_id": SERVER}, "Not all of the disks are attached"),
        ({"volume_ids": [SAS], "instant_access": True}, "no instant access"),
        ({"volume_ids": [DATA], "name": "x" * 256}, "too long"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    fields: dict[str, object], reason: str, there: Region
) -> None:
    refused = there.group(**fields)
    assert error_of(refused) == (400, "EVS.5400")
    assert reason in refused.text
    assert there.get("v5/snapshot-groups/count") == {"count": 0}


def test_a_server_alone_means_all_of_its_disks(there: Region) -> None:
    made = there.group(server_id=SERVER, tags={"k": "v"}, name="x" * 255)
    group_id = made.json()["snapshot_group_id"]
    rows = there.get(f"v5/snapshots/detail?snapshot_group_id={group_id}")["snapshots"]
    assert {row["volume_id"] for row in rows} == {DATA, LOG}
    assert [row["tags"] for row in rows] == [None, None], "the tags are the group's"
    assert [len(row["name"]) for row in rows] == [64, 64]
    assert error_of(there.send("DELETE", f"v5/snapshot-groups/{group_id}")) == (400, "EVS.1047")
    assert there.send("GET", "v5/snapshot-groups/detail?marker=x").status_code == 400


def test_the_first_region_has_none_of_this(cloud: Pretend) -> None:
    for path in ("v5/snapshots/detail", "v1/jobs/x"):
        answer = Region(cloud, prefix="").send("GET", path)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "APIGW.0101")


# --- the knobs ----------------------------------------------------------------------


@pytest.fixture(name="turned")
def _turned(path: Path, fake: FakeClock) -> Callable[..., Region]:
    """Give a function that puts the knobs, turned so, before the sandbox."""

    def turned(*, region: str = f"/{STANDARD_REGION}", **knobs: Any) -> Region:
        rules = Rules(standard_per_volume=knobs.pop("limit", 256))
        app = Sandbox(path, now=fake.clock.now, rules=rules)
        between = StandardKnobs(app, fake.clock.now, **knobs)
        transport = httpx.WSGITransport(app=between)
        client = httpx.Client(transport=transport, base_url="http://sandbox.localhost")
        pretend = Pretend(app, fake, client)
        pretend.sign_in()
        return Region(pretend, prefix=region)

    return turned


def test_a_new_one_may_be_unseen_and_its_tags_late(turned: Callable[..., Region]) -> None:
    there = turned(unseen=5.0, late_tags=8.0)
    snapshot_id, _ = there.make(FREE, tags={"k": "v"})
    assert error_of(there.send("GET", f"v5/snapshots/{snapshot_id}")) == (404, "EVS.5404")
    assert there.ids(f"volume_id={FREE}") == []
    there.advance(5)
    assert there.row(snapshot_id)["status"] == "creating"
    assert there.ids(f"volume_id={FREE}") == [snapshot_id]
    assert there.get("v5/snapshots/detail")["snapshots"][0]["tags"] is None
    there.advance(3)
    assert there.get("v5/snapshots/detail")["snapshots"][0]["tags"] == {"k": "v"}


def test_a_disk_may_be_busy_by_somebody_else(turned: Callable[..., Region]) -> None:
    there = turned(busy=2)
    assert error_of(there.post(FREE)) == (409, "EVS.2409")
    assert error_of(there.group(volume_ids=[FREE])) == (400, "EVS.2409")
    there.make(FREE)


def test_the_limit_may_be_told_otherwise(turned: Callable[..., Region]) -> None:
    there = turned(limit=0, full=refusal(413, "EVS.9", "over the maximum"))
    assert error_of(there.post(FREE)) == (413, "EVS.9")
    there = turned(limit=0, full="error")
    snapshot_id, job_id = there.make(FREE, tags={"k": "v"})
    assert there.row(snapshot_id)["status"] == "error"
    assert snapshot_id in there.ids("")
    assert there.get(f"v1/jobs/{job_id}")["status"] == "FAIL"


def test_the_legacy_way_may_be_closed_otherwise(turned: Callable[..., Region]) -> None:
    there = turned(closed=Answer.of(403, {"message": "closed"}))
    body = {"snapshot": {"volume_id": FREE}}
    assert there.send("POST", "v3/snapshots", json=body).status_code == 403


def test_members_may_be_late(turned: Callable[..., Region]) -> None:
    there = turned(late_members=True)
    group_id = there.group(volume_ids=[DATA, LOG]).json()["snapshot_group_id"]
    assert there.ids(f"snapshot_group_id={group_id}") == []
    there.advance(90)
    assert len(there.ids(f"snapshot_group_id={group_id}")) == 2


def test_a_legacy_region_may_list_by_v5(turned: Callable[..., Region]) -> None:
    here = turned(region="", lists_legacy=True)
    rows = here.get("v5/snapshots/detail?limit=3&sort_dir=desc")["snapshots"]
    assert {row["category"] for row in rows} == {"flash"}
    assert error_of(here.post(FREE)) == (400, "EVS.5400")
