"""One lock for each disk: who holds it, what a waiting run knows, and what a stop ends."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from errno import ENOSYS
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import KilledError

from evs_snap import Keep, connect, create_snapshots, prune_snapshots, restore
from evs_snap.clock import Stop
from evs_snap.errors import ConfigurationError
from evs_snap.runs.locks import DiskLocks
from evs_snap.sandbox import ACCOUNT
from evs_snap.settings import sandbox_settings
from evs_snap.settings.credentials import PasswordCredentials, User

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import FrameType

    from _typeshed import TraceFunction
    from tests.conftest import FakeClock, Run
    from tests.faults.conftest import Service

    from evs_snap.runs.record import Item

POST = "POST snapshots"
LIST = "GET snapshots/detail"


@pytest.fixture(name="locks")
def _locks(tmp_path: Path, fake: FakeClock) -> Callable[..., DiskLocks]:
    """Give the locks as one run has them."""

    def locks(*, wait: float = 0.0, **more: Any) -> DiskLocks:
        return DiskLocks(
            tmp_path, project_id=lambda: "made up", wait=wait, clock=fake.clock, **more
        )

    return locks


@pytest.mark.parametrize("ended", ["well", "well, and its file is removed", "killed"])
def test_what_was_read_is_stale_after_another_run_ended(
    ended: str, locks: Callable[..., DiskLocks], tmp_path: Path
) -> None:
    """Killed between our look at the service and our taking of its lock, it left no time.

    Some versions of filelock remove their file on release.
    """
    ours, theirs = locks(), locks()
    ours.mark()
    theirs.mark()
    with theirs.held({"d1": "d1"}):
        (note,) = tmp_path.glob("*.run")
        left = note.read_text()
    if ended == "killed":
        note.write_text(left)
        os.utime(note, (1, 1))
        ours.mark()
    for path in tmp_path.glob("*.lock") if "removed" in ended else ():
        path.unlink()
    with ours.held({"d1": "d1", "d2": "d2"}) as held:
        assert held.is_stale
    for note in tmp_path.glob("*.run"):
        os.utime(note, (1, 1))
    again = locks()
    again.mark()
    with again.held({"d1": "d1", "d2": "d2"}) as held:
        assert not held.is_stale


def test_while_a_run_waits_for_a_disk_it_holds_none_that_comes_later(
    locks: Callable[..., DiskLocks],
) -> None:
    """Else two runs over the same disks, named in another order, wait for each other."""
    refused: set[str] = set()

    def try_the_other(_sentence: str) -> None:
        with locks().held({"d2": "d2"}) as held:
            refused.update(held.refused)

    ours = locks(wait=1, progress=try_the_other)
    with locks().held({"d1": "d1"}), ours.held({"d2": "d2", "d1": "d1"}) as held:
        assert set(held.refused) == {"d1"}
    assert not refused


def test_a_stop_ends_the_wait_for_a_lock(locks: Callable[..., DiskLocks], fake: FakeClock) -> None:
    """found: neither Ctrl-C nor SIGTERM ended --lock-wait."""
    ours = locks(wait=600, progress=lambda _sentence: fake.stop.ask(143))
    with locks().held({"d1": "d1"}), ours.held({"d1": "d1"}) as held:
        assert set(held.refused) == {"d1"}
    assert sum(fake.slept) < 1


def test_a_file_system_without_locks_is_a_clean_error(
    monkeypatch: pytest.MonkeyPatch, locks: Callable[..., DiskLocks]
) -> None:
    """found: without flock a Python warning reached stderr, and a lock outlived its process."""

    def missing(*_args: object) -> None:
        raise OSError(ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    with pytest.raises(ConfigurationError, match="has no locks"), locks().held({"d1": "d1"}):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_variable(
    service: Service, tmp_path: Path
) -> None:
    """found: a pod that is not root and has HOME=/ was not told which variable to set."""
    service.disk("d1")
    (tmp_path / "file").touch()
    with (
        service.calling(tmp_path / "file") as evs,
        pytest.raises(ConfigurationError, match=r"locks in .* cannot be used") as caught,
    ):
        create_snapshots(evs, "d1")
    assert "XDG_STATE_HOME" in str(caught.value.hint)
    assert service.count(POST) == 0


@pytest.mark.parametrize("by", ["version", "host", "user"])
def test_one_disk_is_one_lock_whoever_asks_and_however_the_address_is_written(
    by: str, service: Service, tmp_path: Path
) -> None:
    """found: the lock's name followed the API version, the spelling of the host and the user."""
    service.disk("d1")
    ours = sandbox_settings()
    user_id = PasswordCredentials(User(id=ACCOUNT.user_id), ACCOUNT.password)
    other = {
        "version": replace(ours, api_version="v2"),
        "host": replace(ours, auth_url="http://127.0.0.1:80/identity"),
        "user": replace(ours, credentials=user_id, project_domain_name=ACCOUNT.domain_name),
    }[by]

    def meanwhile() -> None:
        with connect(settings=other, app=service.app, clock=service.fake.clock) as evs:
            assert create_snapshots(evs, "d1").exit_code == 11

    service.once(POST, meanwhile)
    with service.calling(tmp_path) as evs:
        assert create_snapshots(evs, "d1").exit_code == 0


@pytest.mark.usefixtures("online")
def test_a_disk_made_anew_under_its_name_is_not_passed_over_with_exit_zero(
    service: Service, run: Run, tmp_path: Path
) -> None:
    """While this run waited for the lock, its disk was deleted and made again."""
    disk = service.disk("d1")

    def make_it_anew() -> None:
        service.delete_disk(disk)
        service.disk("d1")
        # Whoever held the lock was killed: what was read before is to be read again.
        for path in (tmp_path / "state" / "evs-snap" / "locks").glob("*.run"):
            path.write_text("1")

    run("create --volume d1")
    for row in service.left(disk):
        service.client.delete_snapshot(row.id)
    service.fake.advance(5)
    service.once(LIST, make_it_anew)
    (item,) = run("create --volume d1 -f json", exit_code=11).json["items"]
    assert item["volume"]["id"] != disk


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


def test_what_another_run_does_while_a_person_thinks_makes_nothing_more_go(
    service: Service, tmp_path: Path
) -> None:
    """The rules give up one more by then, which nobody was asked about."""
    disk = service.disk("d1")
    old, new = (service.snapshot(disk, f"n{night}", policy="default") for night in range(2))

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


def test_what_a_killed_run_left_on_its_way_is_waited_for_no_longer_than_it_takes(
    service: Service, tmp_path: Path
) -> None:
    old = service.snapshot(service.disk("d1"), "n0", policy="default")

    def killed(_answer: Any) -> Any:
        raise KilledError

    service.mishap("POST volumes", killed, acts=0.5)
    with pytest.raises(KilledError), service.calling(tmp_path) as evs:
        restore(evs, old, as_name="copy")
    for note in tmp_path.rglob("*.run"):
        note.write_text("1")
    began = service.fake.moment
    with service.calling(tmp_path) as evs:
        assert restore(evs, old, as_name="copy").summary == {"reused": 1}
    assert (service.fake.moment - began).total_seconds() < 15
