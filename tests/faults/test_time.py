"""Clocks that disagree, stand still or jump, replicas that lag, locks that outlive their run."""

from __future__ import annotations

import os
import re
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from evs_snap import Keep, create_snapshots
from evs_snap.clock import Stop, system_clock
from evs_snap.runs.locks import DiskLocks

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from _typeshed import TraceFunction
    from tests.conftest import FakeClock, Run
    from tests.faults.conftest import Service

POST = "POST snapshots"
LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("minutes", [-20, -10, 10, 20])
@pytest.mark.parametrize("how", ["drop", 500])
def test_a_server_clock_that_is_off_makes_no_twin(
    how: str | int, minutes: int, service: Service, run: Run
) -> None:
    service.skew = timedelta(minutes=minutes)
    disk = service.disk("d1")
    service.mishap(POST, how)
    (item,) = run("create --volume d1 -f json").json["items"]
    service.calm()
    assert [s.id for s in service.left(disk)] == [item["snapshot"]["id"]]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("minutes", [-10, 10])
def test_within_fifteen_minutes_even_a_dropped_stamp_is_made_up_for(
    minutes: int, service: Service, run: Run
) -> None:
    service.drops_metadata = True
    service.skew = timedelta(minutes=minutes)
    disk = service.disk("d1")
    service.mishap(POST, "drop")
    (item,) = run("create --volume d1 -f json").json["items"]
    assert [s.id for s in service.left(disk)] == [item["snapshot"]["id"]]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("minutes", [-600, -20, -10, 0, 10, 20, 600])
def test_rotation_holds_its_count_whatever_the_servers_clock_says(
    minutes: int, service: Service, run: Run
) -> None:
    """One dated ahead of us is left alone, and never takes an older one along."""
    service.skew = timedelta(minutes=minutes)
    disk = service.disk("d1")
    made = []
    for _ in range(6):
        result = run("rotate --volume d1 --keep-last 3 -f json")
        made += [i["snapshot"]["id"] for i in result.json["items"] if i["action"] == "created"]
        service.fake.advance(86_400)
    assert [s.id for s in service.left(disk)] == made[-3:]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("days", [-3, 0, 3])
def test_lists_and_check_tell_ages_by_the_services_clock(
    days: int, service: Service, run: Run
) -> None:
    """found: with this machine's clock three days behind a snapshot three days old was fresh."""
    service.skew = timedelta(days=days)
    service.disk("d1")
    run("create --volume d1 --policy default")
    for hours, code, older in ((0, 0, 0), (30, 2, 1)):
        service.fake.advance(3600 * hours)
        run("check d1 --max-age 26h", exit_code=code)
        told = run("snapshots d1 -c Age -f value").stdout
        assert re.fullmatch(r"1d\n" if hours else r"\d+s\n", told)
        assert len(run("snapshots d1 --older-than 26h -f value").stdout.splitlines()) == older
        assert len(run("snapshots d1 --newer-than 26h -f value").stdout.splitlines()) == 1 - older
        unprotected = run("volumes d1 --unprotected --newer-than 26h -f value").stdout
        assert len(unprotected.splitlines()) == older


@pytest.mark.usefixtures("online")
def test_our_clock_going_back_loses_no_snapshot(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    for _ in range(3):
        run("rotate --volume d1 --keep-last 3")
        service.fake.advance(86_400)
    before = [s.id for s in service.left(disk)]
    # The service's clock goes on, and that one counts; ours falls back by a month.
    service.skew = timedelta(days=30)
    service.fake.moment -= timedelta(days=30)
    run("rotate --volume d1 --keep-last 3")
    left = [s.id for s in service.left(disk)]
    assert (left[:2], len(left)) == (before[1:], 3)
    # And back again: what was dated ahead is judged as ever.
    service.skew = timedelta()
    service.fake.moment += timedelta(days=31)
    run("rotate --volume d1 --keep-last 3")
    assert len(service.left(disk)) == 3


@pytest.mark.usefixtures("online")
def test_a_list_that_lags_with_the_status_costs_time_and_nothing_else(
    service: Service, run: Run
) -> None:
    disks = [service.disk(f"d{n}") for n in range(3)]
    service.stale = 40.0
    run("rotate --match d? --keep-last 1 --once-per day")
    assert [len(service.left(disk)) for disk in disks] == [1, 1, 1]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("lag", [2.0, 4.0])
def test_an_id_not_found_for_seconds_after_post_is_waited_for(
    lag: float, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.read_lag = lag
    (item,) = run("create --volume d1 -f json").json["items"]
    assert [s.id for s in service.left(disk)] == [item["snapshot"]["id"]]


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("lag", [10.0, 25.0])
def test_an_id_not_found_for_many_seconds_is_waited_for_too(
    lag: float, service: Service, run: Run
) -> None:
    service.disk("d1")
    service.read_lag = lag
    run("create --volume d1")


@pytest.mark.usefixtures("online")
def test_a_disk_made_anew_under_its_name_is_not_passed_over_with_exit_zero(
    service: Service, run: Run, tmp_path: Path
) -> None:
    """While this run waited for the lock, its disk was deleted and made again."""
    disk = service.disk("d1")
    place = service.client.project.address().replace("http://sandbox.localhost", "http://127.0.0.1")
    assert place
    folder = tmp_path / "state" / "evs-snap" / "locks"

    def make_it_anew() -> None:
        service.delete_disk(disk)
        service.disk("d1")
        # Whoever held the lock was killed: what was read before is to be read again.
        for path in folder.glob("*.run"):
            path.write_text("1")

    run("create --volume d1")
    for row in service.left(disk):
        service.client.delete_snapshot(row.id)
    service.fake.advance(5)
    service.once(LIST, make_it_anew)
    result = run("create --volume d1 -f json", exit_code=11)
    (item,) = result.json["items"]
    assert item["volume"]["id"] != disk


def locks(folder: Path, *, wait: float = 0.0) -> DiskLocks:
    """Return the locks as one run would have them."""
    return DiskLocks(folder, project_id=lambda: "made up", wait=wait, clock=system_clock())


def test_what_was_read_is_stale_after_another_run_ended(tmp_path: Path) -> None:
    ours, theirs = locks(tmp_path), locks(tmp_path)
    ours.mark()
    theirs.mark()
    with theirs.held({"d1": "d1"}):
        pass
    with ours.held({"d1": "d1", "d2": "d2"}) as held:
        assert held.is_stale
    for note in tmp_path.glob("*.run"):
        os.utime(note, (1, 1))
    again = locks(tmp_path)
    again.mark()
    with again.held({"d1": "d1", "d2": "d2"}) as held:
        assert not held.is_stale


def test_while_a_run_waits_for_a_disk_it_holds_none_that_comes_later(
    tmp_path: Path, fake: FakeClock
) -> None:
    """Else two runs over the same disks, named in another order, wait for each other."""
    refused: set[str] = set()

    def try_the_other(_sentence: str) -> None:
        with locks(tmp_path).held({"d2": "d2"}) as held:
            refused.update(held.refused)

    ours = DiskLocks(
        tmp_path, project_id=lambda: "made up", wait=1, clock=fake.clock, progress=try_the_other
    )
    with locks(tmp_path).held({"d1": "d1"}), ours.held({"d2": "d2", "d1": "d1"}) as held:
        assert set(held.refused) == {"d1"}
    assert not refused


def test_what_was_read_is_stale_after_another_run_was_killed(tmp_path: Path) -> None:
    """Killed between our look at the service and our taking of its lock, it left no time."""
    theirs = locks(tmp_path)
    theirs.mark()
    with theirs.held({"d1": "d1"}):
        (note,) = tmp_path.glob("*.run")
        killed = note.read_text()
    ours = locks(tmp_path)
    note.write_text(killed)
    os.utime(note, (1, 1))
    ours.mark()
    with ours.held({"d1": "d1"}) as held:
        assert held.is_stale


def test_a_lock_file_that_is_removed_takes_no_knowledge_along(tmp_path: Path) -> None:
    """Some versions of filelock remove theirs on release."""
    ours, theirs = locks(tmp_path), locks(tmp_path)
    ours.mark()
    theirs.mark()
    with theirs.held({"d1": "d1"}):
        pass
    for path in tmp_path.glob("*.lock"):
        path.unlink()
    with ours.held({"d1": "d1"}) as held:
        assert held.is_stale


def test_a_stop_asked_for_while_room_is_made_begins_no_snapshot(
    service: Service, tmp_path: Path
) -> None:
    disk = service.disk("d1", full=5)
    for number in range(2):
        service.snapshot(disk, f"s{number}", policy="default")

    def ask() -> None:
        service.fake.advance(5)  # the deletion is seen done at the first look
        service.fake.stop.ask(143)

    service.once("DELETE .*", lambda: service.once(LOOK, ask))
    with service.calling(tmp_path) as evs:
        record = create_snapshots(evs, "d1", policy="default", on_limit="replace")
    assert [item.action for item in record.items] == ["deleted", "failed"]
    assert record.exit_code == 143
    assert service.count(POST) == 0
    assert len(service.left(disk)) == 6


def test_a_stop_asked_for_amid_the_first_post_lets_no_other_follow(
    service: Service, tmp_path: Path
) -> None:
    """found: with the check before each POST taken out, no test failed."""
    for name in ("d1", "d2"):
        service.disk(name)
    service.once(POST, lambda: service.fake.stop.ask(143))
    with service.calling(tmp_path) as evs:
        record = create_snapshots(evs, "d1", "d2", parallel=1)
    assert service.count(POST) == 1
    assert record.items[0].snapshot is not None
    assert record.items[1].reasons[-1] == "not begun: the run was stopped"
    assert record.exit_code == 143


def test_after_a_stop_no_further_request_is_sent(service: Service, tmp_path: Path) -> None:
    """It is asked for while the new snapshot is seen usable: what follows is not begun."""
    disk = service.disk("d1")
    service.snapshot(disk, "old", policy="default")

    def ask() -> None:
        service.fake.advance(5)
        service.fake.stop.ask(143)

    service.once(LOOK, ask)
    with service.calling(tmp_path) as evs:
        record = create_snapshots(evs, "d1", once_per="day", keep=Keep(last=1))
    assert [item.action for item in record.items] == ["created", "kept"]
    assert record.exit_code == 143
    assert service.requests[service.requests.index(POST) :] == [POST, LOOK]


def test_a_stop_amid_a_sleep_of_the_same_thread_waits_for_no_lock_of_its_own() -> None:
    """A signal handler runs in the thread that sleeps, between any two lines of that."""
    stop = Stop()

    def ask(_frame: FrameType, _event: str, _argument: object) -> TraceFunction:
        stop.ask(143)
        return ask

    def sleep() -> None:
        sys.settrace(ask)
        stop.sleep(0.01)
        sys.settrace(None)

    sleeper = threading.Thread(target=sleep, daemon=True)
    sleeper.start()
    sleeper.join(5)
    assert not sleeper.is_alive()


def test_a_stop_is_heard_amid_a_sleep_by_every_sleeper() -> None:
    stop = Stop()
    sleepers = [threading.Thread(target=stop.sleep, args=(30,), daemon=True) for _ in range(8)]
    for sleeper in sleepers:
        sleeper.start()
    stop.ask(143)
    for sleeper in sleepers:
        sleeper.join(5)
    assert not any(sleeper.is_alive() for sleeper in sleepers)
    assert (stop.asked, stop.code) == (True, 143)
