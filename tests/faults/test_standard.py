"""Standard snapshots: what the vendor's documents leave open, and what only this kind has.

The command lines are those of any kind; the service is the pretend region of standard ones, with
its open questions answered in one way or another.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from tests.faults.conftest import REGIONS, SETTLED, Region, environment
from tests.standard_knobs import refusal

from evs_snap.sandbox import Rules
from evs_snap.services.interface import Stamp
from evs_snap.services.standard import StandardSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.conftest import FakeClock

    from evs_snap.services.interface import Snapshot

POST = "POST snapshots"
SAS = "5d0a7e31-3b0e-4c1c-9a53-1f0c1f5b8e02"
"""data-02: of it there are a legacy snapshot and two of ours."""

AUTO, COPY = (f"8a1f60c4-1d4b-4f0e-8d0b-6a2f3c9d000{n}" for n in (4, 5))
ORPHAN = "8a1f60c4-1d4b-4f0e-8d0b-6a2f3c9d0007"
"""Ours, of a disk that is gone."""


# --- one at a time --------------------------------------------------------------------


def test_a_lost_answer_is_settled_by_the_key_in_the_tags(there: Region) -> None:
    disk = there.disk()
    there.service.mishap(POST, "drop")
    made = there.run("create d1 -f json").json["items"][0]
    (only,) = there.service.left(disk)
    assert (made["snapshot"]["id"], made["action"]) == (only.id, "created")
    assert there.service.count(POST) == 1


def test_a_busy_disk_is_waited_for_and_asked_again(there: Region) -> None:
    disk = there.disk()
    there.turn(busy=2)
    there.run("create d1")
    assert len(there.service.left(disk)) == 1
    assert there.service.count(POST) == 3
    looks = [line for line in there.service.requests if line.startswith("GET snapshots/detail")]
    assert len(looks) >= 3, "before each request it is looked for"


def test_the_wait_for_a_busy_disk_counts_in_the_time_that_is_given(
    there: Region, fake: FakeClock
) -> None:
    disk = there.disk()
    there.turn(busy=1_000_000)
    before = fake.moment
    refused = there.run("create d1 --timeout 1m", exit_code=7)
    assert "another snapshot of the disk was still being made after 1m; nothing was made" in (
        refused.stderr
    )
    assert (fake.moment - before).total_seconds() < 70
    assert there.service.left(disk) == []
    there.turn(Rules(first_upload=50), busy=2)
    before = fake.moment
    there.run("create d1 --timeout 1m", exit_code=7)
    assert (fake.moment - before).total_seconds() < 70, "with what it took to be asked"


def test_another_refusal_is_not_asked_again(there: Region) -> None:
    there.disk()
    body = b'{"error": {"code": "EVS.5400", "message": "made up"}}'
    there.service.mishap(POST, 400, acts=False, body=body)
    there.run("create d1", exit_code=1)
    assert there.service.count(POST) == 1
    body = body.replace(b"EVS.5400", b"EVS.2409")
    there.service.mishap(POST, 400, acts=False, body=body)
    there.run("create d1")


def test_of_two_machines_the_slower_one_takes_the_snapshot_of_the_faster(
    there: Region, fake: FakeClock
) -> None:
    disk = there.disk()
    bucket = f"{fake.moment:%Y-%m-%d}"
    volume = there.service.client.volume(disk)
    other = Stamp(str(uuid4()), "manual", bucket)
    there.turn(late_tags=12.0)
    name = f"d1-{fake.moment:%Y%m%dT%H%M%SZ}"
    there.service.once(
        POST, lambda: there.service.client.create_snapshot(volume, name=name, stamp=other)
    )
    made = there.run("create d1 --once-per day -f json").json["items"][0]
    (only,) = there.service.left(disk)
    assert (made["action"], made["snapshot"]["id"]) == ("reused", only.id)


# --- how one ends ---------------------------------------------------------------------


def test_the_job_tells_why_a_snapshot_ended_in_error(there: Region) -> None:
    there.disk("will-fail")
    failed = there.run("create will-fail", exit_code=1)
    assert "'error': EVS.2010: The storage reported an internal error." in failed.stderr


@pytest.mark.parametrize("unseen", [5.0, 45.0])
def test_one_that_is_not_found_at_first_is_in_the_making_while_its_job_says_so(
    unseen: float, there: Region
) -> None:
    disk = there.disk()
    there.turn(Rules(), unseen=unseen)
    there.run("create d1")
    assert there.service.count(POST) == 1
    assert [s.status for s in there.service.left(disk)] == ["available"]


def test_one_that_is_never_found_has_failed_once_its_job_says_so(
    there: Region, fake: FakeClock
) -> None:
    there.disk("will-fail")
    there.turn(Rules(), unseen=1e6)
    before = fake.moment
    failed = there.run("create will-fail", exit_code=1)
    assert "could not be made: EVS.2010: The storage reported" in failed.stderr
    assert (fake.moment - before).total_seconds() < 100


@pytest.mark.parametrize(
    ("full", "code", "told"),
    [
        (None, 6, "maximum number"),
        (refusal(413, "EVS.9", "over the maximum"), 6, "over the maximum"),
        (refusal(409, "EVS.8", "limit exceeded"), 6, "limit exceeded"),
        (refusal(403, "EVS.7", "quota of snapshots"), 6, "quota of snapshots"),
        (refusal(400, "EVS.6", "the name is too long: the maximum is 64"), 1, "too long"),
        ("error", 1, "EVS.2010: The quota of snapshots is used up."),
    ],
)
def test_however_the_service_says_that_a_disk_is_full_it_is_told(
    full: Any, code: int, told: str, there: Region
) -> None:
    there.disk()
    there.turn(Rules(standard_per_volume=0), full=full)
    assert told in there.run("create d1", exit_code=code).stderr


def test_a_right_that_is_missing_is_named(there: Region) -> None:
    there.disk()
    there.service.mishap(POST, 403, acts=False)
    refused = there.run("create d1", exit_code=4)
    assert "evs:snapshots:create" in refused.stderr
    assert "--kind legacy" in refused.stderr, "it may be the region's refusal"


# --- slots and rules ------------------------------------------------------------------


@pytest.mark.slow
def test_at_256_nothing_is_sent_and_at_255_it_is(there: Region) -> None:
    disk = there.disk()
    there.turn(Rules(first_upload=0, later_upload=0))
    volume = there.service.client.volume(disk)
    for number in range(255):
        there.service.client.create_snapshot(volume, name=f"by-hand-{number}")
    there.run("create d1")
    refused = there.run("create d1", exit_code=6)
    assert "the disk holds 256 of 256 snapshots; nothing was sent" in refused.stderr
    assert there.service.count(POST) == 1


def test_slots_are_counted_by_kind(there: Region) -> None:
    (row,) = there.run("volumes data-02 -f json").json
    assert row["snapshots"] == {"count": 2, "limit": 256}
    there.run("create data-02 --limit 2", exit_code=6)
    there.run("create data-02 --limit 3")
    shown = there.run("snapshots data-02 -f json").json
    everything = there.run("snapshots data-02 --all-kinds -f json").json
    assert {s["kind"] for s in shown} == {"standard"}
    assert sorted(s["kind"] for s in everything) == ["legacy", *["standard"] * 3]


def test_what_services_make_and_the_other_kind_is_nobodys_to_delete(there: Region) -> None:
    legacy = next(s for s in there.service.left(SAS) if s.kind == "legacy")
    for id_, told in ((AUTO, "'auto'"), (COPY, "'copy'"), (legacy.id, "kind legacy")):
        refused = there.run(f"delete {id_} --foreign -y", exit_code=2)
        assert told in refused.stderr
    there.run("rotate db-data --keep-last 1")
    assert {AUTO, COPY} < {s.id for s in there.service.client.snapshots()}


def test_a_group_that_somebody_made_keeps_its_members(there: Region) -> None:
    disk = there.disk()
    body = {"snapshot_group": {"volume_ids": [disk], "tags": {"made-by": "somebody"}}}
    there.service.client.project.send("POST", "snapshot-groups", body=body, version="v5")
    there.service.fake.advance(SETTLED)
    there.night(disk, "n1")
    there.night(disk, "n2")
    there.run(f"prune {disk} --keep-last 1 -y")
    assert [s.snapshot_group_id is not None for s in _standard(there, disk)] == [True, False]


def _standard(there: Region, disk: str) -> list[StandardSnapshot]:
    rows = there.service.left(disk)
    assert all(isinstance(row, StandardSnapshot) for row in rows)
    return rows  # type: ignore[return-value]  # as was asserted


def test_a_filter_that_the_service_ignores_deletes_nothing_elsewhere(there: Region) -> None:
    mine, other = there.disk(), there.disk("d2")
    for disk in (mine, other):
        for name in ("n1", "n2", "n3"):
            there.night(disk, name)
    app = there.service.sandbox

    def deaf(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app({**environ, "QUERY_STRING": ""}, start_response)

    there.service.sandbox = deaf
    there.run(f"prune {mine} --keep-last 1 -y")
    there.service.sandbox = app
    assert (there.names(mine), there.names(other)) == (["n3"], ["n1", "n2", "n3"])


def test_the_newest_usable_one_of_either_kind_stays(there: Region) -> None:
    """Rules give up all but one of ours; a legacy one that is newer is not counted for it."""
    here = there.service.left(SAS)
    ours = [s for s in here if s.policy == "default"]
    there.run(f"prune {SAS} --keep-last 1 -y")
    left = {s.id for s in there.service.left(SAS)}
    assert left == {s.id for s in here} - {ours[0].id}
    there.run(f"prune {SAS} --keep-last 1 -y")
    assert {s.id for s in there.service.left(SAS)} == left


def test_one_that_the_service_deletes_within_a_day_is_kept_by_no_rule(there: Region) -> None:
    disk = there.disk()
    for name in ("n1", "n2"):
        there.night(disk, name)
    there.run("create d1 --policy default --name brief --expire-after 1d")
    there.run("create d1 --policy default --name longer --expire-after 8d")
    (brief, longer) = _standard(there, disk)[-2:]
    assert brief.retention_at is not None
    assert longer.retention_at is not None
    assert (longer.retention_at - brief.retention_at).days == 7
    there.run(f"prune {disk} --keep-last 2 -y")
    assert there.names(disk) == ["n2", "brief", "longer"]


# --- what is refused before anything is sent ------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "--policy 'before upgrade'",
        f"--policy {'x' * 44}",
        "--property a.b=c",
        "--property a=b:c",
        f"--property {'k' * 37}=v",
        " ".join(f"--property k{n}=v" for n in range(17)),
        "--hold true",
        "--expire-after 1h",
    ],
)
def test_what_a_tag_cannot_hold_is_refused_before_anything_is_sent(
    options: str, there: Region
) -> None:
    disk = there.disk()
    there.service.requests.clear()
    told = there.run(f"create d1 {options}", exit_code=2).stderr
    assert "legacy" in told or "days" in told
    assert there.service.requests == []
    assert there.service.left(disk) == []


def test_16_properties_of_any_fitting_length_become_tags(there: Region) -> None:
    disk = there.disk()
    properties = {f"{'k' * 34}{n:02}": "中" * 43 for n in range(16)}
    words = " ".join(f"--property {key}={value}" for key, value in properties.items())
    there.run(f"create d1 {words} --once-per day --policy a.b-c_d")
    (made,) = there.service.left(disk)
    assert properties.items() < made.labels.items()
    there.run(f"pin {made.id}")
    assert len(there.service.client.snapshot(made.id).labels) == 20


# --- back again -----------------------------------------------------------------------


def test_a_rollback_is_a_job_and_the_disk_tells_its_end(there: Region) -> None:
    disk = there.disk()
    good, bad = there.night(disk, "good"), there.night(disk, "will-fail")
    there.run(f"restore {good} --in-place -y")
    assert "before-restore" in {s.policy for s in there.service.left(disk)}
    failed = there.run(f"restore {bad} --in-place -y --no-safety-snapshot", exit_code=1)
    assert "'error_rollbacking': EVS.2010: The storage reported" in failed.stderr
    assert there.service.client.volume(disk).status == "error_rollbacking"
    there.run(f"restore {good} --in-place -y --no-safety-snapshot")


def test_snapshots_whose_disk_is_gone_are_listed_and_brought_back_and_deleted(
    there: Region,
) -> None:
    listed = there.run("snapshots").stdout
    assert "(gone)" in next(line for line in listed.splitlines() if ORPHAN in line)
    there.run("rotate --all --exclude x --keep-last 1", exit_code=0)
    there.run("check --all --max-age 1d")
    for options, told in (("--as back", "--type"), ("--in-place -y", "--as NAME")):
        code = 2 if "--as" in options else 5
        refused = there.run(f"restore {ORPHAN} {options}", exit_code=code)
        assert "is gone" in refused.stderr
        assert told in refused.stderr
    there.run(f"restore {ORPHAN} --as back --type SSD")
    (made,) = there.service.client.volumes(name="back")
    record = there.service.client.snapshot(ORPHAN)
    assert isinstance(record, StandardSnapshot)
    assert (made.snapshot_id, made.volume_type) == (ORPHAN, "SSD")
    assert made.availability_zone == record.availability_zone
    there.run(f"delete {ORPHAN} -y")
    assert ORPHAN not in {s.id for s in there.service.client.snapshots()}


# --- records --------------------------------------------------------------------------

ROW = {"id": "s", "volume_id": "v", "status": "available", "category": "standard"}
CHAIN = {"id": "c", "capacity": 3}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tags": None}, (None, "standard", False, {})),
        ({"tags": {"evs_snap_key": "k"}}, ("default", "standard", False, {})),
        ({"tags": {"evs_snap_key": "k"}, "category": "flash"}, (None, "legacy", False, {})),
        ({"tags": {"evs_snap_key": "k"}, "category": "new"}, (None, "new", False, {})),
        ({"snapshot_type": "auto"}, (None, "standard", True, {})),
        ({"snapshot_type": "yet-another"}, (None, "standard", True, {})),
        ({"name": "autobk_snapshot_1"}, (None, "standard", True, {})),
        ({"snapshot_chains": [CHAIN]}, (None, "standard", False, {"c": 3.0})),
        ({"snapshot_chains": [{**CHAIN, "capacity": 37.5}, "?"], "odd": []},
         (None, "standard", False, {"c": 37.5})),
        ({"snapshot_chains": [{**CHAIN, "capacity": "?"}], "progress": 3},
         (None, "standard", False, {})),
    ],
)  # fmt: skip
def test_a_row_however_odd_is_read(fields: dict[str, Any], told: tuple[Any, ...]) -> None:
    row = StandardSnapshot.model_validate({**ROW, **fields})
    assert (row.policy, row.kind, row.is_system, row.stored) == told


def test_what_is_stored_is_shown_once_for_each_chain(there: Region) -> None:
    shown = there.run("volumes data-02 -f value -c Stored").stdout.strip()
    (chain,) = {s.snapshot_chains[0].capacity for s in _of_kind(there) if s.snapshot_chains}
    assert shown == f"{chain:g}"


def _of_kind(there: Region) -> list[StandardSnapshot]:
    rows: list[Snapshot] = there.service.left(SAS)
    return [row for row in rows if isinstance(row, StandardSnapshot)]


def test_lists_end_at_a_page_that_is_short_or_empty(there: Region) -> None:
    pages: list[str] = []
    answers: list[Callable[[], list[int]]] = [partial(list, range(n)) for n in (1000, 1000, 0)]

    def answer(_answer: httpx.Response) -> httpx.Response:
        numbers = answers[len(pages)]()
        first = 1000 * len(pages)
        pages.append("page")
        rows = [{**ROW, "id": f"s{first + n}"} for n in numbers]
        return httpx.Response(200, content=json.dumps({"snapshots": rows}).encode())

    there.service.mishap("GET snapshots/detail", answer, times=9)
    listed = there.run("snapshots -f value -c ID").ids
    assert len(listed) == len(set(listed)) == 2000
    assert there.service.count("GET snapshots/detail") == 3


def test_the_kind_and_the_project_of_new_ones_may_stand_in_clouds_yaml(
    there: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = there.disk()
    wanted = {"kind": "standard", "enterprise_project_id": "6d8e"}
    auth = {name[3:].lower(): value for name, value in environment(80).items()
            if name.startswith("OS_") and name != "OS_REGION_NAME"}  # fmt: skip
    cloud = {"auth": auth, "region_name": REGIONS["standard"], "evs_snap": wanted}
    file = tmp_path / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {"prod": cloud}}))
    for name in (*environment(80), "OS_REGION_NAME", "EVS_SNAP_KIND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    there.run(f"--os-cloud prod create {disk}")
    (made,) = there.service.left(disk)
    assert isinstance(made, StandardSnapshot)
    assert made.enterprise_project_id == "6d8e"


def test_the_limit_of_the_kind_is_told_to_monitoring_and_by_simulate(
    there: Region, tmp_path: Path
) -> None:
    there.disk()
    file = tmp_path / "evs.prom"
    there.run(f"rotate d1 --keep-last 9 --metrics {file}")
    told = [line for line in file.read_text().splitlines() if "_slots_limit{" in line]
    assert [line.rpartition(" ")[2] for line in told] == ["256"]
    assert "of 256" in there.run("simulate --keep-daily 100 --every 1d").stdout
    refused = there.run("simulate --keep-daily 256 --every 1d", exit_code=2)
    assert "a disk holds 256" in refused.stderr
