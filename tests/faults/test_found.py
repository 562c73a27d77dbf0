"""What was found from outside, each mended once and held here: reverting the mend turns it red."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from errno import ENOSYS
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from evs_snap import Keep, connect, create_snapshots, prune_snapshots
from evs_snap.errors import ConfigurationError
from evs_snap.runs.locks import DiskLocks
from evs_snap.sandbox import ACCOUNT
from evs_snap.settings import sandbox_settings
from evs_snap.settings.credentials import PasswordCredentials, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import FakeClock, Run
    from tests.faults.conftest import Service

    from evs_snap import EvsClient, Snapshot

POST = "POST snapshots"
LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"
DELETE = "DELETE snapshots/ID"
DAY = 86_400.0


@pytest.fixture(name="evs")
def _evs(service: Service, tmp_path: Path) -> Iterator[EvsClient]:
    with service.calling(tmp_path) as evs:
        yield evs


def own(service: Service, disk: str) -> list[Snapshot]:
    """Return what is left of ours on the disk, oldest first."""
    return [s for s in service.left(disk) if s.policy is not None]


def nightly(service: Service, disk: str, nights: int) -> list[str]:
    """Make a snapshot of ours at 02:17 on each of the last nights; return their IDs."""
    made = []
    for number in range(nights):
        made.append(service.snapshot(disk, f"n{number}", policy="default"))
        service.fake.advance(DAY - 10)
    return made


@pytest.mark.parametrize(
    ("keep", "hour", "step"), [(Keep(daily=4), 0, DAY), (Keep(hourly=4), 7, 3600.0)]
)
def test_a_rotation_over_the_end_of_a_period_keeps_the_one_before(
    keep: Keep, hour: int, step: float, service: Service, evs: EvsClient
) -> None:
    """found: what the rules give up was judged by the time of the plan, not by the real dates."""
    disk = service.disk("d1")
    end = service.fake.moment.replace(hour=hour, minute=0, second=0) + timedelta(days=6)
    before = []
    for seconds in (4 * step - 600, 3 * step - 600, 2 * step - 600, 60):
        service.fake.moment = end - timedelta(seconds=seconds)
        before.append(service.snapshot(disk, f"{seconds} s before", policy="default"))
    service.fake.moment = end - timedelta(seconds=5)
    service.once(POST, lambda: service.fake.advance(10))
    record = create_snapshots(evs, "d1", keep=keep)
    assert record.exit_code == 0
    # The plan gave up the last one, as of the same period; by the real dates it is the oldest.
    assert [s.id for s in own(service, disk)][:-1] == before


def test_within_counts_from_the_services_dates(service: Service, evs: EvsClient) -> None:
    """found: with this machine's clock days ahead, snapshots made hours ago were deleted."""
    service.skew = timedelta(days=-5)
    disk = service.disk("d1")
    before = set()
    for number in range(3):
        before.add(service.snapshot(disk, f"h{number}", policy="default"))
        service.fake.advance(3600)
    record = create_snapshots(evs, "d1", keep=Keep(within=timedelta(days=2)))
    assert record.exit_code == 0
    assert before <= {s.id for s in own(service, disk)}


def test_where_the_services_clock_is_ahead_its_days_count(service: Service, evs: EvsClient) -> None:
    """found: by this machine's clock the new one was of the same day as the one before."""
    service.skew = timedelta(hours=1)
    disk = service.disk("d1")
    service.snapshot(disk, "older", policy="default")
    service.fake.moment += timedelta(hours=44)  # 23:17 where the service is
    before = service.snapshot(disk, "before", policy="default")
    service.fake.moment += timedelta(hours=1)
    record = create_snapshots(evs, "d1", keep=Keep(daily=2))
    assert record.exit_code == 0
    assert [s.id for s in own(service, disk)][:-1] == [before]


def delete_all_but(service: Service, disk: str, spared: set[str]) -> Callable[[], None]:
    """Return somebody else, who deletes the disk's snapshots but for some."""

    def delete() -> None:
        for row in service.left(disk):
            if row.id not in spared and row.status == "available":
                service.client.delete_snapshot(row.id)

    return delete


def test_prune_stops_when_the_one_to_stay_is_deleted_meanwhile(
    service: Service, evs: EvsClient
) -> None:
    """found: the state was looked at before the first deletion only; at last nothing was left."""
    disk = service.disk("d1")
    made = nightly(service, disk, 5)
    service.once(DELETE, delete_all_but(service, disk, {*made[:4]}))
    record = prune_snapshots(evs, "d1", keep=Keep(last=1))
    service.calm()
    assert record.exit_code != 0
    assert [s for s in own(service, disk) if s.is_usable], "the last good one is gone"


def test_prune_looks_again_before_each_deletion(service: Service, evs: EvsClient) -> None:
    """found: the state was looked at before the first deletion only: one too many was deleted."""
    disk = service.disk("d1")
    made = nightly(service, disk, 5)
    service.once(DELETE, delete_all_but(service, disk, {*made[:3], made[4]}))
    prune_snapshots(evs, "d1", keep=Keep(last=2))
    service.calm()
    assert [s.id for s in own(service, disk)] == [made[2], made[4]]


def test_rotate_ends_well_only_if_its_snapshot_is_still_there(
    service: Service, evs: EvsClient
) -> None:
    """found: somebody deleted the new snapshot while rotate waited for a deletion; exit 0."""
    disk = service.disk("d1")
    made = nightly(service, disk, 3)
    service.once(DELETE, delete_all_but(service, disk, {*made}))
    record = create_snapshots(evs, "d1", keep=Keep(last=2))
    service.calm()
    assert record.exit_code != 0
    assert [s for s in own(service, disk) if s.is_usable]


@pytest.mark.parametrize("skew", [timedelta(minutes=-20), timedelta(minutes=20)])
def test_where_metadata_is_dropped_a_lost_answer_makes_no_duplicate(
    skew: timedelta, service: Service, evs: EvsClient
) -> None:
    """found: the snapshot was recognised by clocks that differ by 20 minutes."""
    service.drops_metadata, service.skew = True, skew
    disk = service.disk("d1")
    service.mishap(POST, "drop", acts=True)
    record = create_snapshots(evs, "d1")
    service.calm()
    assert record.exit_code == 0
    assert len(service.left(disk)) == 1


def undated(answer: httpx.Response) -> httpx.Response:
    """Return the answer without the dates of snapshots."""
    content = re.sub(rb'"created_at": "[^"]*"', b'"created_at": null', answer.content)
    return httpx.Response(answer.status_code, content=content)


def test_where_metadata_and_dates_are_not_told_a_lost_answer_makes_no_duplicate(
    service: Service, evs: EvsClient
) -> None:
    """found: the snapshot was recognised by its date, and without one it was made again."""
    service.drops_metadata = True
    disk = service.disk("d1")
    service.snapshot(disk, "n0")
    service.mishap(POST, "drop", acts=True)
    for asked in (LIST, LOOK):
        service.mishap(asked, undated, times=999)
    record = create_snapshots(evs, "d1")
    service.calm()
    assert record.exit_code == 0
    assert len(service.left(disk)) == 2


def test_two_machines_that_do_not_wait_leave_one(service: Service, tmp_path: Path) -> None:
    """found: --once-per with --no-wait from two machines left two."""
    disk = service.disk("d1")

    def other() -> None:
        with service.calling(tmp_path / "b") as evs:
            create_snapshots(evs, "d1", once_per="day", wait=False)
        service.fake.advance(1)  # of the same moment, the IDs would decide

    service.once(POST, other)
    with service.calling(tmp_path / "a") as evs:
        record = create_snapshots(evs, "d1", once_per="day", wait=False)
    service.calm()
    assert len(own(service, disk)) == 1
    assert record.exit_code == 0
    assert record.items[0].snapshot is not None
    assert record.items[0].snapshot.id == own(service, disk)[0].id


@pytest.mark.parametrize(("name", "action", "code"), [("d1", "reused", 0), ("fail-1", "failed", 6)])
def test_the_last_slot_taken_for_the_same_period_is_reused_if_usable(
    name: str, action: str, code: int, service: Service, tmp_path: Path
) -> None:
    """found: refused with 413 as another machine took the last slot for the same day: exit 6."""
    disk = service.disk(name, full=6)

    def other() -> None:
        with service.calling(tmp_path / "b") as evs:
            create_snapshots(evs, name, once_per="day")

    service.once(POST, other)
    with service.calling(tmp_path / "a") as evs:
        record = create_snapshots(evs, name, once_per="day")
    assert record.exit_code == code
    assert [item.action for item in record.items] == [action]
    assert len(own(service, disk)) == 1


def test_one_with_a_backup_services_name_stands_for_no_other(
    service: Service, evs: EvsClient
) -> None:
    """found: a stamped snapshot with a backup service's name was taken for the day's own."""
    disk = service.disk("d1")
    name = "autobk_snapshot_1"

    def other() -> None:
        today = f"{service.now:%Y-%m-%d}"
        service.snapshot(disk, name, policy="default", bucket=today)

    service.once(POST, other)
    record = create_snapshots(evs, "d1", once_per="day")
    assert [item.action for item in record.items] == ["created"]
    assert sorted(s.name == name for s in own(service, disk)) == [False, True]


def test_a_wait_ends_in_time_with_a_service_that_says_nothing(
    service: Service, evs: EvsClient
) -> None:
    """found: --timeout 3s took 249 s, as each request was repeated until its own end."""
    service.disk("d1")
    service.mishap(LOOK, "stall", acts=False, times=99)
    began = service.fake.moment
    record = create_snapshots(evs, "d1", timeout=3)
    one_request = 60
    assert record.exit_code == 7
    assert (service.fake.moment - began).total_seconds() < 3 + one_request + 1


def test_a_stop_ends_the_wait_for_a_lock(tmp_path: Path, fake: FakeClock) -> None:
    """found: neither Ctrl-C nor SIGTERM ended --lock-wait."""

    def locks(progress: Callable[[str], None] = print) -> DiskLocks:
        return DiskLocks(
            tmp_path, project_id=lambda: "p", wait=600, clock=fake.clock, progress=progress
        )

    with locks().held({"d1": "d1"}):
        ours = locks(progress=lambda _sentence: fake.stop.ask(143))
        with ours.held({"d1": "d1"}) as held:
            assert set(held.refused) == {"d1"}
    assert sum(fake.slept) < 1


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
            record = create_snapshots(evs, "d1")
            assert record.exit_code == 11

    service.once(POST, meanwhile)
    with service.calling(tmp_path) as evs:
        record = create_snapshots(evs, "d1")
    assert record.exit_code == 0


def test_a_file_system_without_locks_is_a_clean_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeClock
) -> None:
    """found: without flock a Python warning reached stderr, and a lock outlived its process."""

    def missing(*_args: object) -> None:
        raise OSError(ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    locks = DiskLocks(tmp_path, project_id=lambda: "p", wait=0, clock=fake.clock)
    with pytest.raises(ConfigurationError, match="has no locks"), locks.held({"d1": "d1"}):
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


def test_an_answer_about_another_disk_is_no_success(service: Service, evs: EvsClient) -> None:
    """found: a POST answered with a snapshot of another disk counted as success."""
    disk = service.disk("d1")
    other = service.snapshot(service.disk("d2"), "not mine")
    row = service.client.snapshot(other).model_dump_json()
    service.mishap(POST, 202, acts=True, body=f'{{"snapshot": {row}}}'.encode())
    record = create_snapshots(evs, "d1")
    assert record.exit_code == 0
    assert [s.id for s in service.left(disk)] == [i.snapshot.id for i in record.items if i.snapshot]


def test_an_answer_about_another_snapshot_deletes_neither(service: Service, evs: EvsClient) -> None:
    """found: a re-read that answered with another ID had that other one deleted."""
    disk = service.disk("d1")
    made = nightly(service, disk, 2)
    stranger = service.snapshot(disk, "not mine")
    row = service.client.snapshot(made[1]).model_dump_json().replace(made[1], stranger)
    service.mishap(LOOK, 200, acts=False, times=99, body=f'{{"snapshot": {row}}}'.encode())
    record = prune_snapshots(evs, "d1", keep=Keep(last=1))
    service.calm()
    assert record.exit_code == 7, "what was to be deleted was not seen gone"
    assert {s.id for s in service.left(disk)} == {made[1], stranger}


def under(id_: str, **fields: str) -> Callable[[httpx.Response], httpx.Response]:
    """Return what leaves an answer's first row alone, under another ID."""

    def change(answer: httpx.Response) -> httpx.Response:
        ((kind, found),) = json.loads(answer.content).items()
        row = (found[0] if isinstance(found, list) else found) | {"id": id_, **fields}
        return httpx.Response(
            answer.status_code, json={kind: [row] if isinstance(found, list) else row}
        )

    return change


def test_a_post_answered_with_an_older_snapshots_id_is_looked_into(
    service: Service, evs: EvsClient
) -> None:
    """found: the older one was reported as the new one, which was then deleted as a duplicate."""
    disk = service.disk("d1")
    older = service.snapshot(disk, "older", policy="default")
    service.mishap(POST, under(older))
    record = create_snapshots(evs, "d1", once_per="day")
    service.calm()
    assert record.exit_code == 0
    assert [i.snapshot.id for i in record.items if i.snapshot] == [own(service, disk)[-1].id]
    assert len(own(service, disk)) == 2


def test_a_post_answered_with_another_disks_snapshot_id_is_no_success(
    service: Service, evs: EvsClient
) -> None:
    """found: a stranger's snapshot was reported as the new one, which was then deleted."""
    disk, other = service.disk("d1"), service.disk("d2")
    stranger = service.snapshot(other, "by-hand")
    service.mishap(POST, under(stranger))
    record = create_snapshots(evs, "d1", once_per="day")
    service.calm()
    assert record.exit_code == 1
    (made,) = own(service, disk)
    assert made.is_usable
    assert str(made.name) in record.items[0].reasons[-1]


def test_a_list_that_mixes_up_ids_has_no_other_snapshot_deleted(
    service: Service, evs: EvsClient
) -> None:
    """found: last night's, listed as this run's duplicate, was deleted by its wrong ID."""
    disk = service.disk("d1")
    before = service.snapshot(disk, "last-night", policy="default")
    service.mishap(LIST, under(before, created_at="2026-11-23T12:00:00"), skip=1, times=9)
    create_snapshots(evs, "d1", once_per="day")
    service.calm()
    assert before in [s.id for s in own(service, disk)]


def test_the_new_snapshot_does_not_give_way_to_one_of_another_disk(
    service: Service, evs: EvsClient
) -> None:
    """found: one listed for the period was on another disk by its ID, and ours was deleted."""
    disk, other = service.disk("d1"), service.disk("d2")
    today = f"{service.now:%Y-%m-%d}"
    of_other = service.snapshot(other, "todays", policy="default", bucket=today)
    service.mishap(LIST, under(of_other, created_at="2026-11-23T00:00:00"), skip=1, times=9)
    create_snapshots(evs, "d1", once_per="day")
    service.calm()
    assert own(service, disk)


def test_access_lost_amid_a_rotation_leaves_the_report_of_what_was_done(
    service: Service, evs: EvsClient
) -> None:
    """found: with the token refused after a deletion, the whole record was lost."""
    disk = service.disk("d1")
    nightly(service, disk, 3)
    service.once(DELETE, lambda: service.once(DELETE, refuse))

    def refuse() -> None:
        service.mishap(".*", 401, acts=False, times=99)

    record = create_snapshots(evs, "d1", keep=Keep(last=2))
    service.calm()
    assert record.exit_code != 0
    assert own(service, disk)[-1].id in [i.snapshot.id for i in record.items if i.snapshot]


@pytest.mark.usefixtures("online")
def test_a_sign_in_for_the_wrong_project_is_not_kept(service: Service, run: Run) -> None:
    """found: it was kept for the token's whole life, and every run until then ended 2."""

    def wrong(answer: httpx.Response) -> httpx.Response:
        document = json.loads(answer.content)
        document["token"]["project"]["id"] = uuid4().hex
        headers = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
        return httpx.Response(answer.status_code, headers=headers, json=document)

    service.disk("d1")
    service.mishap("POST auth/tokens", wrong)
    run("create --volume d1", exit_code=2)
    run("create --volume d1")
