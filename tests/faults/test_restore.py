"""``restore`` over a network that fails: one disk for one restore, one rollback for one run.

What one fault at one request may not break is in test_sweep.py; this is what it says then.

Each test asserts what is left on the server, and how often it was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from evs_snap import restore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Result, Run
    from tests.faults.conftest import Service

    from evs_snap.services.interface import Volume

online = pytest.mark.usefixtures("online")

MAKE = "POST volumes"
LIST = "GET volumes/detail"
LOOK = "GET volumes/ID"
SAFETY = "POST snapshots"
NATIVE = "POST cloudsnapshots/ID/rollback"
OLDER = "POST os-vendor-snapshots/ID/rollback"
REVERT = "POST volumes/ID/action"
GONE = b'{"itemNotFound": {"code": 404, "message": "not here"}}'
NO_SUCH_PATH = b'{"error_code": "APIGW.0101", "error_msg": "The API does not exist"}'

LOST = ["drop", "reset", "stall", 503, "garbage", "nothing"]
"""Of the ways to lose an answer, one of each kind; the sweep has the others."""


@pytest.fixture(name="snapshot")
def _snapshot(service: Service) -> str:
    """Make disk ``d1`` with one snapshot, ``s1``; return the snapshot's ID."""
    return service.snapshot(service.disk("d1"), "s1")


def copies(service: Service) -> list[Volume]:
    """Return the disks called ``copy``, after everything has come to its end."""
    service.calm()
    return service.client.volumes(name="copy")


def status(service: Service) -> str:
    """Return what the disk itself is now."""
    (disk,) = service.client.volumes(name="d1")
    return disk.status


def told(result: Result) -> dict[str, Any]:
    (item,) = result.json["items"]
    found: dict[str, Any] = item
    return found


# -- a new disk ------------------------------------------------------------------------------


@online
@pytest.mark.parametrize("how", LOST)
def test_an_answer_lost_after_the_service_acted_leaves_one_disk(
    how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(MAKE, how)
    item = told(run(f"restore {snapshot} --as copy -f json"))
    (made,) = copies(service)
    assert (item["action"], item["volume"]["id"]) == ("restored", made.id)
    assert item["volume"]["status"] == made.status == "available"
    assert made.snapshot_id == snapshot
    assert service.count(MAKE) == 1


@online
@pytest.mark.parametrize("how", LOST)
def test_an_answer_lost_before_the_service_acted_is_no_success_and_run_again_makes_one(
    how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(MAKE, how, acts=False)
    failed = run(f"restore {snapshot} --as copy -f json", exit_code=1)
    assert told(failed)["volume"] is None
    assert "no trace" in told(failed)["error"]["message"]
    assert service.count(MAKE) == 1
    run(f"restore {snapshot} --as copy")
    assert len(copies(service)) == 1


@online
@pytest.mark.parametrize("later", [0.5, 10.0, 31.5, 45.0, 60.0])
def test_a_request_carried_out_late_makes_no_second_disk(
    later: float, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(MAKE, "drop", acts=later)
    item = told(run(f"restore {snapshot} --as copy -f json"))
    assert [v.id for v in copies(service)] == [item["volume"]["id"]]


@online
def test_a_request_that_the_network_carries_out_twice_is_no_success(
    service: Service, run: Run, snapshot: str
) -> None:
    def carry_out_once_more() -> None:
        (made,) = service.client.volumes(name="copy")
        service.client.create_volume(
            size=1, name="copy", snapshot_id=snapshot, metadata=made.metadata
        )

    service.once(LOOK, lambda: service.once(LOOK, carry_out_once_more))
    failed = told(run(f"restore {snapshot} --as copy -f json", exit_code=1))
    assert all(v.id in failed["error"]["hint"] for v in copies(service))


@online
@pytest.mark.parametrize(("how", "code"), [(400, 1), (403, 4), (409, 1), (413, 1)])
def test_a_refusal_is_final(how: int, code: int, service: Service, run: Run, snapshot: str) -> None:
    service.mishap(MAKE, how, acts=False)
    run(f"restore {snapshot} --as copy -f json", exit_code=code)
    assert copies(service) == []
    assert service.count(MAKE) == 1


@online
@pytest.mark.parametrize("how", [403, 500, 503, "drop", "garbage"])
def test_without_any_look_it_says_that_it_does_not_know_and_run_again_finds_it(
    how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(MAKE, "drop")
    service.mishap(LIST, how, acts=False, skip=1, times=999)
    failed = told(run(f"restore {snapshot} --as copy -f json", exit_code=1))
    assert "could not be found out" in failed["error"]["message"]
    (made,) = copies(service)
    again = told(run(f"restore {snapshot} --as copy -f json"))
    assert (again["action"], again["volume"]["id"]) == ("reused", made.id)
    assert service.count(MAKE) == 1


@online
@pytest.mark.parametrize("acts", [True, False])
def test_a_cloud_that_drops_metadata_is_looked_through_by_name(
    acts: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
    snapshot: str,
) -> None:
    service.drops_metadata = True
    service.mishap(MAKE, "drop", acts=acts)
    run(f"restore {snapshot} --as copy", exit_code=0 if acts else 1)
    assert len(copies(service)) == int(acts)


@online
@pytest.mark.parametrize("how", ["drop", 503, "garbage", 429])
def test_the_wait_for_a_new_disk_outlives_looks_that_fail(
    how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(LOOK, how, skip=1, times=6)
    item = told(run(f"restore {snapshot} --as copy -f json"))
    assert [v.id for v in copies(service)] == [item["volume"]["id"]]


@online
@pytest.mark.parametrize(("seen", "code"), [("error", 1), ("error_extending", 1), ("odd", 7)])
def test_only_an_available_disk_is_a_success(
    seen: str, code: int, service: Service, run: Run, snapshot: str
) -> None:
    def lie() -> None:
        (made,) = service.client.volumes(name="copy")
        body = b'{"volume": {"id": "%s", "status": "%s"}}' % (made.id.encode(), seen.encode())
        service.mishap(LOOK, 200, times=9999, acts=False, body=body)

    service.once(LOOK, lambda: service.once(LOOK, lie))
    item = told(run(f"restore {snapshot} --as copy -f json", exit_code=code))
    assert (item["action"], item["volume"]["status"]) == ("failed", seen)
    assert item["volume"]["id"] == copies(service)[0].id


@online
def test_a_new_disk_that_ends_in_error_is_named_and_not_handed_out_by_the_next_run(
    service: Service, run: Run
) -> None:
    snapshot = service.snapshot(service.disk("d2"), "fail-1")
    item = told(run(f"restore {snapshot} --as copy -f json", exit_code=1))
    (made,) = copies(service)
    assert (item["volume"]["id"], made.status) == (made.id, "error")
    again = run(f"restore {snapshot} --as copy", exit_code=1)
    assert made.id in again.stderr
    assert len(copies(service)) == 1


@online
def test_a_new_disk_that_vanishes_is_no_success(service: Service, run: Run, snapshot: str) -> None:
    service.mishap(LOOK, 404, skip=1, times=999, acts=False, body=GONE)
    item = told(run(f"restore {snapshot} --as copy -f json", exit_code=1))
    assert "gone" in item["error"]["message"]


def test_a_stop_leaves_the_cloud_to_finish_and_says_so(
    service: Service, snapshot: str, tmp_path: Path
) -> None:
    service.once(MAKE, lambda: service.fake.stop.ask(130))
    with service.calling(tmp_path) as evs:
        record = restore(evs, snapshot, as_name="copy")
    (item,) = record.items
    assert record.exit_code == 130
    assert item.error is not None
    assert "goes on with it" in (item.error.hint or "")
    service.fake.stop.code = None
    assert [v.id for v in copies(service)] == [item.volume and item.volume.id]


# -- the disk itself -------------------------------------------------------------------------


@online
@pytest.mark.parametrize(
    ("plain", "how"),
    [(plain, how) for plain in (False, True) for how in LOST if not plain or how != "nothing"],
)  # an answer of nothing is Cinder's own
def test_a_lost_answer_is_settled_by_the_disks_status(
    how: str | int,
    plain: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
    snapshot: str,
) -> None:
    service.is_plain = plain
    service.mishap(REVERT if plain else NATIVE, how)
    line = f"restore {snapshot} --in-place -y --no-safety-snapshot -f json"
    item = told(run(line))
    assert (item["action"], item["volume"]["status"]) == ("restored", "available")
    assert status(service) == "available"
    assert service.count(REVERT if plain else NATIVE) == 1


@online
@pytest.mark.parametrize(
    ("plain", "how"),
    [(plain, how) for plain in (False, True) for how in LOST if not plain or how != "nothing"],
)
def test_a_rollback_not_seen_at_work_is_no_success_and_not_sent_again(
    how: str | int,
    plain: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
    snapshot: str,
) -> None:
    service.is_plain = plain
    service.mishap(REVERT if plain else NATIVE, how, acts=False)
    line = f"restore {snapshot} --in-place -y --no-safety-snapshot -f json"
    item = told(run(line, exit_code=1))
    assert "not seen at work" in item["error"]["message"]
    assert service.count(f"{NATIVE}|{REVERT}") == (2 if plain else 1)
    run(line)


@online
@pytest.mark.parametrize("later", [0.5, 5.0, 20.0, 45.0, 58.0])
def test_a_rollback_carried_out_late_is_seen(
    later: float, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(NATIVE, "drop", acts=later)
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot")
    assert status(service) == "available"
    assert service.count(NATIVE) == 1


@online
@pytest.mark.parametrize("how", [400, 409])
def test_a_rollback_that_the_network_sent_twice_is_seen_through(
    how: int, service: Service, run: Run, snapshot: str
) -> None:
    """The first was accepted, the second is refused, and that is the answer."""
    service.mishap(NATIVE, how)
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot")
    assert status(service) == "available"
    assert service.count(NATIVE) == 1


@online
@pytest.mark.parametrize(("how", "code"), [(400, 1), (401, 4), (403, 4), (409, 1)])
def test_a_refused_rollback_is_final(
    how: int, code: int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(NATIVE, how, acts=False, times=9)
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot", exit_code=code)
    assert service.count(f"{OLDER}|{REVERT}") == 0


@online
@pytest.mark.parametrize("how", [500, 503, "drop", "garbage"])
def test_an_answer_that_is_not_sure_never_leads_to_the_next_path(
    how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(NATIVE, how, acts=False)
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot", exit_code=1)
    assert service.count(f"{OLDER}|{REVERT}") == 0


@online
@pytest.mark.parametrize(("code", "body"), [(404, NO_SUCH_PATH), (404, b"<html>"), (405, b"")])
def test_where_the_newer_path_does_not_exist_the_older_one_is_tried(
    code: int, body: bytes, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(NATIVE, code, acts=False, body=body or None)
    (disk,) = service.client.volumes(name="d1")
    accepted = b'{"rollback": {"volume_id": "%s"}}' % disk.id.encode()
    service.mishap(OLDER, 202, acts=False, body=accepted)
    service.once(OLDER, lambda: service.client.service.roll_back(disk.id, snapshot_id=snapshot))
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot")
    assert [service.count(path) for path in (NATIVE, OLDER, REVERT)] == [1, 1, 0]


@online
def test_a_snapshot_that_the_rollback_does_not_find_ends_it_there(
    service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(NATIVE, 404, acts=False, body=GONE)
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot", exit_code=5)
    assert [service.count(path) for path in (NATIVE, OLDER, REVERT)] == [1, 0, 0]


@online
def test_on_a_plain_cinder_the_three_paths_are_tried_in_order(
    service: Service, run: Run, snapshot: str
) -> None:
    service.is_plain = True
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot")
    assert [r for r in service.requests if r in {NATIVE, OLDER, REVERT}] == [NATIVE, OLDER, REVERT]


@online
def test_a_plain_cinders_newer_snapshot_is_told_before_anything_is_sent(
    service: Service, run: Run, snapshot: str
) -> None:
    service.is_plain = True
    (disk,) = service.client.volumes(name="d1")
    newer = service.snapshot(disk.id, "s2")
    line = f"restore {snapshot} --in-place -y --no-safety-snapshot"
    assert newer in run(line, exit_code=1).stderr
    assert service.count(f"{NATIVE}|{OLDER}|{REVERT}") == 0


@online
def test_a_plain_cinder_gets_no_safety_snapshot_and_y_alone_is_not_enough(
    service: Service, run: Run, snapshot: str
) -> None:
    service.is_plain = True
    before = service.count(SAFETY)
    refused = run(f"restore {snapshot} --in-place -y", exit_code=2)
    assert "--no-safety-snapshot" in refused.stderr
    assert service.count(SAFETY) == before
    assert service.count(f"{NATIVE}|{OLDER}|{REVERT}") == 0


@online
def test_a_cloud_without_any_rollback_is_told_so(service: Service, run: Run, snapshot: str) -> None:
    service.is_plain = True
    service.mishap(REVERT, 404, acts=False, body=b"<html>")
    refused = run(f"restore {snapshot} --in-place -y --no-safety-snapshot", exit_code=1)
    assert "--as NAME" in refused.stderr


@online
@pytest.mark.parametrize("how", ["drop", 503, "garbage", 429])
@pytest.mark.parametrize("look", [LOOK, "GET snapshots/ID"])
def test_the_wait_for_a_rollback_outlives_looks_that_fail(
    look: str, how: str | int, service: Service, run: Run, snapshot: str
) -> None:
    service.once(NATIVE, lambda: service.mishap(look, how, times=6))
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot")
    assert status(service) == "available"


@online
def test_a_rollback_that_is_never_seen_to_end_is_no_success(
    service: Service, run: Run, snapshot: str
) -> None:
    service.once(NATIVE, lambda: service.mishap(LOOK, 503, times=9999))
    run(f"restore {snapshot} --in-place -y --no-safety-snapshot --timeout 2m", exit_code=7)


@online
def test_a_rollback_that_ends_badly_is_a_failure_and_may_be_tried_again(
    service: Service, run: Run
) -> None:
    disk = service.disk("d2")
    broken = service.snapshot(disk, "fail-1")
    good = service.snapshot(disk, "s2")
    line = f"restore {broken} --in-place -y --no-safety-snapshot -f json"
    item = told(run(line, exit_code=1))
    assert item["volume"]["status"] == "error_rollbacking"
    assert service.client.volume(disk).status == "error_rollbacking"
    run(f"restore {good} --in-place -y --no-safety-snapshot")
    assert service.client.volume(disk).status == "available"


@online
@pytest.mark.parametrize(("how", "code"), [(403, 4), (409, 1), (413, 1)])
def test_without_its_safety_snapshot_nothing_is_rolled_back(
    how: int, code: int, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(SAFETY, how, acts=False)
    run(f"restore {snapshot} --in-place -y", exit_code=code)
    assert service.count(NATIVE) == 0


@online
@pytest.mark.parametrize("acts", [3.0, 31.5])
def test_a_safety_snapshots_lost_answer_leaves_one(
    acts: float, service: Service, run: Run, snapshot: str
) -> None:
    service.mishap(SAFETY, "drop", acts=acts)
    item = told(run(f"restore {snapshot} --in-place -y -f json"))
    service.calm()
    (safety,) = [s for s in service.left(item["volume"]["id"]) if s.policy == "before-restore"]
    assert safety.id in " ".join(item["reasons"])
    assert service.count(NATIVE) == 1


@online
def test_a_snapshot_deleted_meanwhile_is_exit_five_and_no_rollback_is_sent(
    service: Service, run: Run, snapshot: str
) -> None:
    def delete() -> None:
        service.client.delete_snapshot(snapshot)
        service.fake.advance(10)

    service.once(SAFETY, delete)
    run(f"restore {snapshot} --in-place -y", exit_code=5)
    assert service.count(NATIVE) == 0


def test_a_stop_amid_the_safety_snapshot_sends_no_rollback(
    service: Service, snapshot: str, tmp_path: Path
) -> None:
    service.once(SAFETY, lambda: service.fake.stop.ask(143))
    with service.calling(tmp_path) as evs:
        record = restore(evs, snapshot, in_place=True)
    assert record.exit_code == 143
    assert service.count(NATIVE) == 0


def test_a_stop_amid_the_rollback_leaves_the_cloud_to_finish(
    service: Service, snapshot: str, tmp_path: Path
) -> None:
    service.once(NATIVE, lambda: service.fake.stop.ask(130))
    with service.calling(tmp_path) as evs:
        record = restore(evs, snapshot, in_place=True, safety_snapshot=False)
    (item,) = record.items
    assert record.exit_code == 130
    assert item.volume is not None
    assert item.volume.status == "rollbacking"
    assert item.error is not None
    assert "goes on with it" in (item.error.hint or "")
