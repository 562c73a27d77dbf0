"""Two snapshots where one was wanted: whatever the lists say, one is left, and it is usable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.factories import made_past
from tests.factories import request as asked

from evs_snap import create_snapshots
from evs_snap.plan.plan import plan_disk
from evs_snap.plan.request import Period
from evs_snap.runs.duplicates import choose
from evs_snap.services.interface import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.conftest import Service

    from evs_snap.runs.record import Item, RunRecord
    from evs_snap.services.interface import Snapshot

POST = "POST snapshots"
LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"
DAY = "2026-11-23"


@pytest.fixture(name="create")
def _create(service: Service, tmp_path: Path) -> Callable[..., RunRecord]:
    """Run ``create --once-per day`` in process, on a machine of that name."""

    def create(
        disk: str, *, machine: str = "a", once_per: Period | None = "day", wait: bool = True
    ) -> RunRecord:
        folder = tmp_path / machine
        with service.calling(folder) as evs:
            return create_snapshots(evs, disk, policy="default", once_per=once_per, wait=wait)

    return create


def only(record: RunRecord) -> Item:
    """Return the one item."""
    (item,) = record.items
    return item


def made(record: RunRecord) -> Snapshot:
    """Return the one item's snapshot."""
    snapshot = only(record).snapshot
    assert snapshot is not None
    return snapshot


def of_today(service: Service, disk: str) -> list[Snapshot]:
    """Return what is left of ours, after everything has come to its end."""
    service.calm()
    return [s for s in service.left(disk) if s.policy is not None]


@pytest.mark.parametrize("moment", [LIST, POST, LOOK])
def test_of_two_machines_one_leaves_its_snapshot(
    moment: str, service: Service, create: Callable[..., RunRecord]
) -> None:
    """The other machine's whole run takes place at a moment of ours."""
    disk = service.disk("d1")
    records: list[RunRecord] = []
    service.once(moment, lambda: records.append(create(disk, machine="b")))
    records.append(create(disk, machine="a"))
    (left,) = of_today(service, disk)
    assert [r.exit_code for r in records] == [0, 0]
    assert {made(r).id for r in records} == {left.id}
    assert left.is_usable


def test_a_rival_still_being_made_is_waited_for(
    service: Service, create: Callable[..., RunRecord]
) -> None:
    """It is older, and so it is to stay if it becomes usable."""
    disk = service.disk("d1")
    ids: list[str] = []

    def rival() -> None:
        ids.append(made_past(service.client, disk, "rival", Stamp("k", "default", DAY)))
        service.fake.advance(0.5)  # older, if only just

    service.once(POST, rival)
    service.stale = 60.0
    item = only(create(disk))
    assert item.action == "reused"
    assert [s.id for s in of_today(service, disk)] == ids


def test_a_duplicate_that_is_gone_but_still_listed_takes_nothing_along(
    service: Service, create: Callable[..., RunRecord], tmp_path: Path
) -> None:
    """found: the one to stay was believed from a stale list, and ours deleted for it."""
    disk = service.disk("d1")
    service.ghosts = 600.0
    theirs: list[str] = []
    service.once(POST, lambda: theirs.append(service.snapshot(disk, "theirs", policy="default",
                                                              bucket=DAY)))  # fmt: skip

    def see_and_delete() -> None:
        with service.calling(tmp_path / "b") as evs:
            assert theirs[0] in {s.id for s in evs.snapshots(volume_id=disk)}
        service.client.delete_snapshot(theirs[0])
        service.fake.advance(5)

    service.once(LOOK, see_and_delete)
    record = create(disk)
    assert record.exit_code == 0
    (left,) = of_today(service, disk)
    assert left.id == made(record).id
    assert left.id not in theirs


def test_lists_that_date_snapshots_to_the_second_decide_the_same_on_both_machines(
    service: Service,
) -> None:
    """Two machines must not each find the other's the older one, and both delete their own."""
    disk = service.disk("d1")
    volume = service.client.volume(disk)
    ids = [service.snapshot(disk, f"s{n}", policy="default", bucket=DAY) for n in range(2)]
    shown = [service.client.snapshot(id_) for id_ in ids]
    same = shown[0].created_at
    listed = [s.model_copy(update={"created_at": same}) for s in shown]
    winners = set()
    for made in shown:
        plan = plan_disk(volume, (), asked(once_per="day"), now=service.now, new_id=lambda: "x")
        assert plan.new is not None
        winners.add(choose(listed, plan.new, made=made).kept.id)
    assert len(winners) == 1


@pytest.mark.parametrize("how", ["drop", 500, "garbage"])
def test_without_a_look_at_the_rivals_it_is_no_success_and_nothing_is_deleted(
    how: str | int, service: Service, create: Callable[..., RunRecord]
) -> None:
    disk = service.disk("d1")
    service.mishap(LIST, how, skip=1, times=999)
    record = create(disk)
    assert record.exit_code == 1
    assert [s.id for s in of_today(service, disk)] == [made(record).id]


def test_a_twin_not_yet_found_by_its_id_does_not_pass_for_deleted(
    service: Service, create: Callable[..., RunRecord]
) -> None:
    """404 straight after POST means nothing: the list shows that it is there."""
    disk = service.disk("d1")
    service.mishap(POST, "drop", acts=32.5)
    gone = b'{"itemNotFound": {"code": 404, "message": "not here yet"}}'
    # The first look is the wait's, the next are those of the deletion.
    service.mishap(LOOK, 404, acts=False, body=gone, skip=1, times=2)
    record = create(disk, once_per=None)
    left = of_today(service, disk)
    assert record.exit_code == 0
    assert [s.id for s in left] == [made(record).id]


def test_a_twin_that_cannot_be_deleted_is_no_success(
    service: Service, create: Callable[..., RunRecord]
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, "drop", acts=32.5)
    service.mishap("DELETE .*", 500, acts=False, times=99)
    record = create(disk, once_per=None)
    assert record.exit_code == 1
    left = of_today(service, disk)
    assert len(left) == 2
    assert made(record).id in {s.id for s in left}


def test_a_run_later_on_the_same_day_reuses_even_what_was_killed_amid_its_making(
    service: Service, create: Callable[..., RunRecord]
) -> None:
    disk = service.disk("d1")
    assert create(disk, wait=False).exit_code == 0
    record = create(disk)
    assert only(record).action == "reused"
    assert [s.id for s in of_today(service, disk)] == [made(record).id]


def test_lists_that_lag_make_no_second_snapshot_of_a_day(
    service: Service, create: Callable[..., RunRecord]
) -> None:
    """The second run does not see the first one's, makes its own, and finds out."""
    disk = service.disk("d1")
    first = create(disk)
    age = (service.now - (service.left(disk)[0].created_at or service.now)).total_seconds()
    service.list_lag = age + 1.0
    second = create(disk)
    (left,) = of_today(service, disk)
    assert only(second).action == "reused"
    assert {made(r).id for r in (first, second)} == {left.id}
