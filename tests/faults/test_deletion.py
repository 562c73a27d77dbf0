"""``rotate``, ``prune`` and ``delete`` over a network that fails.

Nothing of others' is ever touched, the last good one stays, and exit 0 means gone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from evs_snap.services.interface import STAMP_KEY, STAMP_POLICY

if TYPE_CHECKING:
    from tests.conftest import Result, Run
    from tests.faults.conftest import Service

pytestmark = pytest.mark.usefixtures("online")

POST = "POST snapshots"
LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"
DELETE = "DELETE .*"
GONE = b'{"itemNotFound": {"code": 404, "message": "not here"}}'


def ids(service: Service, disk: str) -> list[str]:
    """Return the IDs of what is left, oldest first, after everything has come to its end."""
    service.calm()
    return [s.id for s in service.left(disk)]


def actions(result: Result) -> dict[str, str]:
    """Return what the run says it did, by snapshot."""
    items: list[dict[str, Any]] = result.json["items"]
    return {item["snapshot"]["id"]: item["action"] for item in items if item["snapshot"]}


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("how", ["drop", "reset", "half", "stall", 502, 503, 504, 429])
def test_an_answer_to_delete_lost_on_the_way_is_asked_for_again(
    how: str | int,
    acts: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
) -> None:
    disk = service.disk("d1")
    theirs = service.snapshot(disk, "theirs")
    ours = service.snapshot(disk, "ours", policy="default")
    service.mishap(DELETE, how, acts=acts)
    result = run(f"delete {ours} -y -f json")
    assert actions(result) == {ours: "deleted"}
    assert ids(service, disk) == [theirs]


@pytest.mark.parametrize("how", ["drop", 500, 503])
def test_a_delete_never_answered_is_done_where_it_is_seen_gone(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    ours = service.snapshot(disk, "ours", policy="default")
    service.mishap(DELETE, how, times=99)
    assert actions(run(f"delete {ours} -y -f json")) == {ours: "deleted"}
    assert ids(service, disk) == []


@pytest.mark.parametrize("how", ["drop", 500, 503, 403, 429])
def test_a_delete_never_carried_out_is_no_success(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    ours = service.snapshot(disk, "ours", policy="default")
    service.mishap(DELETE, how, acts=False, times=99)
    run(f"delete {ours} -y -f json", exit_code=4 if how == 403 else 1)
    assert ids(service, disk) == [ours]


def test_a_deletion_accepted_and_never_done_is_no_success(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    ours = service.snapshot(disk, "ours", policy="default")
    service.mishap(DELETE, 202, acts=False, times=99)
    result = run(f"delete {ours} -y -f json", exit_code=1)
    assert "gave up deleting" in result.stderr
    assert ids(service, disk) == [ours]


def test_a_deletion_that_ends_in_error_deleting_is_no_success(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    ours = service.snapshot(disk, "will-fail", policy="default")
    run(f"delete {ours} -y -f json", exit_code=1)
    run(f"delete {ours} -y -f json", exit_code=1)
    assert ids(service, disk) == [ours]


def test_a_replica_that_still_shows_the_old_error_does_not_make_a_deletion_fail(
    service: Service, run: Run
) -> None:
    disk = service.disk("fail-1")
    ours = service.snapshot(disk, "ours", policy="default")
    row = f'{{"snapshot": {{"id": "{ours}", "volume_id": "{disk}", "status": "error"}}}}'
    service.mishap(LOOK, 200, acts=False, skip=2, times=3, body=row.encode())
    assert actions(run(f"delete {ours} -y -f json")) == {ours: "deleted"}


def test_what_became_somebody_elses_meanwhile_is_not_deleted(service: Service, run: Run) -> None:
    """The stamp is read again just before, with all of the disk's snapshots."""
    disk = service.disk("d1")
    old = service.snapshot(disk, "old", policy="default")
    new = service.snapshot(disk, "new", policy="default")

    def unstamped(answer: httpx.Response) -> httpx.Response:
        rows = [row | {"metadata": {}} for row in answer.json()["snapshots"]]
        return httpx.Response(200, json={"snapshots": rows})

    service.mishap(LIST, unstamped, skip=1)
    result = run("prune --volume d1 --keep-last 1 -y -f json")
    assert actions(result) == {old: "kept"}
    assert ids(service, disk) == [old, new]


@pytest.mark.parametrize(
    ("look", "fields"),
    [
        ("second", {"metadata": {STAMP_KEY: "another"}}),
        ("second", {"metadata": {STAMP_POLICY: "weekly"}}),
        ("second", {"volume_id": str(uuid4())}),
        ("first", {"status": "error"}),
    ],
)
def test_what_is_not_the_same_at_the_second_look_is_not_deleted(
    look: str, fields: dict[str, Any], service: Service, run: Run
) -> None:
    """Of another attempt, policy or disk by now, or in error before and usable now."""
    disk = service.disk("d1")
    ours = service.snapshot(disk, "ours", policy="default")

    def change(answer: httpx.Response) -> httpx.Response:
        row = json.loads(answer.content)["snapshot"]
        metadata = row["metadata"] | fields.get("metadata", {})
        return httpx.Response(200, json={"snapshot": row | fields | {"metadata": metadata}})

    # What was read more than ten seconds ago is read again.
    service.once("GET volumes/ID", lambda: service.fake.advance(11))
    service.mishap(LOOK, change, skip=look == "second")
    run(f"delete {ours} -y", exit_code=2)
    assert ids(service, disk) == [ours]


def test_a_service_that_ignores_the_filter_gives_no_other_disks_snapshots_away(
    service: Service, run: Run
) -> None:
    one, other = service.disk("d1"), service.disk("d2")
    kept = [service.snapshot(other, f"s{n}", policy="default") for n in range(3)]
    mine = [service.snapshot(one, f"s{n}", policy="default") for n in range(3)]
    whole = service.client.snapshots()
    rows = ",".join(
        f'{{"id": "{s.id}", "volume_id": "{s.volume_id}", "status": "available", "created_at": '
        f'"{s.created_at:%Y-%m-%dT%H:%M:%S}", "metadata": {json.dumps(s.labels)}}}'
        for s in whole
        if s.policy
    )
    service.mishap(LIST, 200, acts=False, body=f'{{"snapshots": [{rows}]}}'.encode())
    run("prune --volume d1 --keep-last 1 -y")
    assert ids(service, one) == mine[-1:]
    assert ids(service, other) == kept


def test_rotate_keeps_all_it_has_when_the_new_one_ends_in_error(service: Service, run: Run) -> None:
    disk = service.disk("fail-1")
    kept = [service.snapshot(disk, f"s{n}", policy="default") for n in range(3)]
    run("rotate --volume fail-1 --keep-last 1 -f json", exit_code=1)
    assert ids(service, disk)[:3] == kept


@pytest.mark.parametrize("how", ["drop", 500, "garbage"])
def test_rotate_deletes_nothing_where_the_new_one_was_not_seen_usable(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    kept = [service.snapshot(disk, f"s{n}", policy="default") for n in range(3)]
    service.mishap(LOOK, how, times=9999)
    run("rotate --volume d1 --keep-last 1 -f json", exit_code=7)
    assert ids(service, disk)[:3] == kept


def test_rotate_deletes_nothing_once_its_new_snapshot_is_gone_again(
    service: Service, run: Run
) -> None:
    """Between seeing it usable and deleting the others minutes may pass."""
    disk = service.disk("d1")
    kept = [service.snapshot(disk, f"s{n}", policy="default") for n in range(2)]

    def delete_the_new_one() -> None:
        service.client.delete_snapshot(service.left(disk)[-1].id)
        service.fake.advance(5)

    # The second look sees it usable; it is deleted before the third.
    service.once(LOOK, lambda: service.once(LOOK, lambda: service.once(LOOK, delete_the_new_one)))
    run("rotate --volume d1 --keep-last 1 -f json", exit_code=1)
    assert ids(service, disk) == kept


def test_a_new_snapshot_gone_before_the_first_deletion_stands_for_no_other(
    service: Service, run: Run
) -> None:
    """found: nothing was deleted, rightly, but it ended 0 with its own snapshot gone."""
    disk = service.disk("d1")
    kept = [service.snapshot(disk, f"s{n}", policy="default") for n in range(2)]

    def delete_the_new_one() -> None:
        service.client.delete_snapshot(service.left(disk)[-1].id)
        service.fake.advance(5)

    service.once(POST, lambda: service.once(LIST, delete_the_new_one))
    run("rotate --volume d1 --keep-last 2 -f json", exit_code=1)
    assert ids(service, disk) == kept


def test_prune_deletes_nothing_on_the_word_of_a_stale_list(service: Service, run: Run) -> None:
    """The list still shows a newer one that is gone: what it would give up is the last good one."""
    disk = service.disk("d1")
    last_good = service.snapshot(disk, "old", policy="default")
    gone = service.snapshot(disk, "new", policy="default")
    service.ghosts = 600.0
    run("snapshots")  # from now on the lists know it
    service.client.delete_snapshot(gone)
    service.fake.advance(5)
    run("prune --volume d1 --keep-last 1 -y -f json", exit_code=1)
    assert ids(service, disk) == [last_good]


@pytest.mark.parametrize("keep", ["", "--keep-last 2"])
def test_a_full_disk_gives_up_nothing_for_one_that_is_gone(
    keep: str, service: Service, run: Run
) -> None:
    disk = service.disk("d1", full=5)
    last_good, gone = (service.snapshot(disk, name, policy="default") for name in ("old", "new"))
    service.ghosts = 600.0
    run("snapshots")
    service.client.delete_snapshot(gone)
    service.fake.advance(5)
    command = "rotate" if keep else "create --policy default"
    run(f"{command} --volume d1 {keep} --on-limit replace -f json", exit_code=1)
    assert ids(service, disk)[5:] == [last_good]
    assert service.count(DELETE) == 0


def test_where_only_the_removal_to_make_room_fails_nothing_is_made(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1", full=5)
    both = [service.snapshot(disk, f"s{n}", policy="default") for n in range(2)]
    service.mishap(DELETE, 500, acts=False, times=9)
    run("create --volume d1 --policy default --on-limit replace -f json", exit_code=1)
    assert ids(service, disk)[5:] == both
    assert service.count(POST) == 0


def test_rotate_with_lost_answers_all_over_ends_as_the_rules_say(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1", full=1)
    theirs = ids(service, disk)
    old = [service.snapshot(disk, f"s{n}", policy="default") for n in range(4)]
    other = service.snapshot(disk, "other", policy="weekly")
    service.mishap(POST, "reset")
    service.mishap(DELETE, "drop", times=2)
    service.mishap(LIST, 503, skip=1, times=2)
    service.mishap(LOOK, "half", times=3)
    result = run("rotate --volume d1 --keep-last 2 -f json")
    made = next(id_ for id_, action in actions(result).items() if action == "created")
    assert ids(service, disk) == [*theirs, old[-1], other, made]
    assert set(old[:3]) == {id_ for id_, action in actions(result).items() if action == "deleted"}
