"""How a run goes through its waves: what befalls one snapshot, one disk or one look."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import line_of

from evs_snap import Keep, create_snapshots, delete_snapshots, prune_snapshots, restore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import httpx
    from tests.conftest import Run
    from tests.faults.conftest import Service

    from evs_snap.runs.record import Item

online = pytest.mark.usefixtures("online")

LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"
POST = "POST snapshots"
DELETE = "DELETE snapshots/ID"
MAKE = "POST volumes"
NATIVE = "POST cloudsnapshots/ID/rollback"
IN_USE = b'{"badRequest": {"code": 400, "message": "Invalid snapshot: a volume depends on it"}}'


def nights(service: Service, disk: str, count: int) -> list[str]:
    """Make snapshots of the last nights; return their IDs, the oldest first."""
    return [service.snapshot(disk, f"n{number}", policy="default") for number in range(count)]


def never_deleted(service: Service, snapshot_id: str) -> None:
    """Let the service refuse each deletion of this snapshot."""
    service.forbidden[snapshot_id] = (400, IN_USE)


# -- deletions -------------------------------------------------------------------------------


@online
@pytest.mark.parametrize("others", [0, 3])
def test_a_snapshot_in_use_for_ever_costs_itself_alone_each_night(
    others: int, service: Service, run: Run
) -> None:
    """found: nothing more was deleted, and from the fourth night on nothing was made."""
    disk = service.disk("d1", full=others)
    stuck, *rest = nights(service, disk, 4)
    never_deleted(service, stuck)
    for _ in range(4):
        result = run("rotate --volume d1 --keep-last 2 -f json", exit_code=3)
        failed = [i["snapshot"]["id"] for i in result.json["items"] if i["error"]]
        assert failed == [stuck]
        service.fake.advance(86_400)
    left = [s.id for s in service.left(disk) if s.policy]
    assert len(left) == 3
    assert left[0] == stuck
    assert not {*rest} & {*left}


@online
def test_a_404_about_the_disk_is_the_refusal_as_it_is(service: Service, run: Run) -> None:
    """found: 300 seconds of waiting, then exit 7 with "is being deleted"."""
    (old,) = nights(service, service.disk("d1"), 1)
    body = b'{"itemNotFound": {"code": 404, "message": "Volume 0815 could not be found."}}'
    service.mishap(DELETE, 404, acts=False, times=99, body=body)
    began = service.fake.moment
    result = run(f"delete {old} -y", exit_code=5)
    assert "Volume 0815 could not be found" in result.stderr
    assert (service.fake.moment - began).total_seconds() < 10


@online
@pytest.mark.parametrize(
    "line", ["rotate d1 --keep-last 3", "create d1 --policy default --on-limit replace"]
)
def test_slots_that_are_free_by_then_are_freed_by_no_deletion(
    line: str, service: Service, run: Run
) -> None:
    """found: the oldest was deleted although another had freed slots before the deletion."""
    disk = service.disk("d1")
    oldest, *others = nights(service, disk, 7)

    def free() -> None:
        for id_ in others[:5]:
            service.client.delete_snapshot(id_)
        service.fake.advance(5)

    service.once(LIST, lambda: service.once(LIST, free))
    run(line)
    assert oldest in [s.id for s in service.left(disk)]
    assert service.count(DELETE) == 0


def test_a_stop_amid_a_deletion_tells_the_time_that_passed(
    service: Service, tmp_path: Path
) -> None:
    """found: "not seen gone within 300 s", after four seconds."""
    (old,) = nights(service, service.disk("d1"), 1)
    service.mishap(DELETE, 202, acts=60.0)
    service.once(DELETE, lambda: service.once(LOOK, lambda: service.fake.stop.ask(143)))
    with service.calling(tmp_path) as evs:
        record = delete_snapshots(evs, old)
    (item,) = record.items
    assert record.exit_code == 143
    assert item.error is not None
    assert re.search(r"when the run was stopped, after \ds$", item.error.message)


def test_forty_disks_whose_lists_lag_are_looked_at_side_by_side(
    service: Service, tmp_path: Path
) -> None:
    """found: each look asked for all forty by their IDs, one after the other."""
    service.list_lag = 35.0
    disks = [service.disk(f"many-{number:02}") for number in range(40)]
    threads: Counter[int] = Counter()

    def witness(request: httpx.Request, _answer: httpx.Response) -> None:
        threads[threading.get_ident()] += line_of(request) == LOOK

    service.witness = witness
    with service.calling(tmp_path) as evs:
        record = create_snapshots(evs, *disks, parallel=8)
    assert record.exit_code == 0
    assert len(+threads) > 1
    assert service.count(LOOK) <= 40 + 20


# -- a rollback ------------------------------------------------------------------------------


@online
@pytest.mark.parametrize("later", [0.5, 5.0, 25.0])
def test_a_rollback_that_begins_late_is_not_told_before(
    later: float, service: Service, run: Run
) -> None:
    """found: `restored` was told before the rollback had begun, five seconds after its answer."""
    disk = service.disk("d1")
    (old,) = nights(service, disk, 1)
    accepted = b'{"rollback": {"volume_id": "%s"}}' % disk.encode()
    service.mishap(NATIVE, 202, acts=later, body=accepted)
    asked = service.fake.moment
    run(f"restore {old} --in-place -y --no-safety-snapshot")
    assert (service.fake.moment - asked).total_seconds() > later
    assert service.client.volume(disk).status == "available"


@online
def test_a_rollback_that_never_shows_is_not_told_as_done(service: Service, run: Run) -> None:
    """found: an accepted rollback counted as done after a while, whether or not it took place."""
    disk = service.disk("d1")
    (old,) = nights(service, disk, 1)
    accepted = b'{"rollback": {"volume_id": "%s"}}' % disk.encode()
    service.mishap(NATIVE, 202, acts=False, body=accepted)
    result = run(f"restore {old} --in-place -y --no-safety-snapshot", exit_code=1)
    assert "not known whether it was rolled back" in result.stderr


def test_a_rollback_is_waited_for_no_longer_than_asked_for(
    service: Service, tmp_path: Path
) -> None:
    """found: `restore --in-place --timeout 10s` hung for minutes on a service that said nothing."""
    (old,) = nights(service, service.disk("d1"), 1)
    service.once(NATIVE, lambda: service.mishap("GET .*", "stall", times=9999))
    began = service.fake.moment
    with service.calling(tmp_path) as evs:
        record = restore(evs, old, in_place=True, safety_snapshot=False, timeout=10)
    assert record.exit_code == 7
    # A request in process says nothing for 60 seconds, and is not repeated.
    assert (service.fake.moment - began).total_seconds() < 10 + 60 + 5


# -- a new disk ------------------------------------------------------------------------------


@online
def test_a_disk_of_that_name_and_another_size_is_another_one(service: Service, run: Run) -> None:
    """found: --size 200 after --size 100 ended with `reused`, exit 0, and 100 GiB."""
    (old,) = nights(service, service.disk("d1"), 1)
    run(f"restore {old} --as copy --size 3")
    refused = run(f"restore {old} --as copy --size 4", exit_code=5)
    assert "another one" in refused.stderr
    run(f"restore {old} --as copy --size 3")
    assert service.count(MAKE) == 1


@online
@pytest.mark.parametrize("as_copy", [False, True])
def test_an_answer_that_tells_of_an_old_disk_is_not_believed(
    as_copy: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
) -> None:
    """found: the disk that the answer named was told as the new one."""
    disk = service.disk("d1")
    (old,) = nights(service, disk, 1)
    name = "copy" if as_copy else "d1"
    told = f'{{"volume": {{"id": "{disk}", "name": "{name}", "snapshot_id": "{old}"}}}}'
    service.mishap(MAKE, 202, body=told.encode())
    (item,) = run(f"restore {old} --as copy -f json").json["items"]
    (made,) = service.client.volumes(name="copy")
    assert item["volume"]["id"] == made.id


class KilledError(BaseException):
    """kill -9: nothing catches it."""


@pytest.mark.parametrize("later", [0.5, 20.0, 55.0])
def test_run_again_at_once_after_a_kill_it_waits_for_what_is_still_on_its_way(
    later: float, service: Service, tmp_path: Path
) -> None:
    """found: killed with the request on its way, and run again at once, it left two disks."""
    (old,) = nights(service, service.disk("d1"), 1)

    def killed(_answer: Any) -> Any:
        raise KilledError

    service.mishap(MAKE, killed, acts=later)
    with pytest.raises(KilledError), service.calling(tmp_path) as evs:
        restore(evs, old, as_name="copy")
    _left_behind(tmp_path)
    began = service.fake.moment
    with service.calling(tmp_path) as evs:
        record = restore(evs, old, as_name="copy")
    assert (service.fake.moment - began).total_seconds() < 2 * later + 10
    assert record.summary == {"reused": 1}
    service.calm()
    assert len(service.client.volumes(name="copy")) == 1


def _left_behind(state: Path) -> None:
    """Have the notes beside the locks as a process leaves them that is killed."""
    for note in state.rglob("*.run"):
        note.write_text("1")


# -- questions -------------------------------------------------------------------------------


def test_what_another_run_does_while_a_person_thinks_makes_nothing_more_go(
    service: Service, tmp_path: Path
) -> None:
    """The rules give up one more by then, which nobody was asked about."""
    disk = service.disk("d1")
    old, new = nights(service, disk, 2)

    def yes(items: Sequence[Item]) -> bool:
        assert [item.snapshot.id for item in items if item.snapshot] == [old]
        with service.calling(tmp_path) as evs:
            create_snapshots(evs, "d1", policy="default")
        return True

    with service.calling(tmp_path) as evs:
        prune_snapshots(evs, "d1", keep=Keep(last=1), confirm=yes)
    left = {row.id for row in service.left(disk)}
    assert old not in left
    assert new in left


# -- signing in ------------------------------------------------------------------------------


@online
def test_a_sign_in_whose_answer_is_lost_is_sent_again(service: Service, run: Run) -> None:
    """It makes nothing that could be there twice."""
    service.mishap("POST auth/tokens", "drop")
    run("volumes")
    assert service.count("POST auth/tokens") == 2
