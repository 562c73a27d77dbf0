"""Runs over many disks, some of which cannot be had: the others are done all the same."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.factories import made_past
from tests.faults.conftest import SETTLED, line_of

from evs_snap.plan.request import Request
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import Work

if TYPE_CHECKING:
    import httpx
    from tests.conftest import Run
    from tests.faults.conftest import Service

POST = "POST snapshots"
SIGN_IN = "POST auth/tokens"
LOOK = "GET snapshots/ID"
COUNT = 24

pytestmark = pytest.mark.usefixtures("online")


@pytest.fixture(name="disks")
def _disks(service: Service) -> list[str]:
    """Make the disks: the eighth full, the twentieth one whose snapshots end in error."""
    names = {7: "many-full", 19: "many-fail"}
    disks = [service.disk(names.get(n, f"many-{n:02}")) for n in range(COUNT)]
    for number in range(7):
        service.snapshot(disks[7], f"by-hand-{number}")
    return disks


@pytest.mark.parametrize("parallel", [1, 8])
def test_one_refused_and_one_in_error_do_not_stop_the_others(
    parallel: int, service: Service, disks: list[str], run: Run
) -> None:
    asked = " ".join(f"--volume {disk}" for disk in disks)
    result = run(f"create {asked} --parallel {parallel} -f json", exit_code=3)
    items = result.json["items"]
    assert result.json["summary"] == {"created": COUNT - 2, "refused": 1, "failed": 1}
    assert [item["volume"]["id"] for item in items] == disks
    service.calm()
    for number, (disk, item) in enumerate(zip(disks, items, strict=True)):
        ours = [s for s in service.left(disk) if s.policy]
        if number == 7:
            assert (item["action"], item["snapshot"], ours) == ("refused", None, [])
            assert item["error"]["exit_code"] == 6
        elif number == 19:
            assert item["action"] == "failed"
            assert [s.id for s in ours] == [item["snapshot"]["id"]]
        else:
            assert item["action"] == "created"
            assert [(s.id, s.status) for s in ours] == [(item["snapshot"]["id"], "available")]
    assert service.count(POST) == COUNT - 1


def test_while_others_are_waited_for_a_failed_one_is_told_by_its_disk(service: Service) -> None:
    """found: it was told by the snapshot's name, which tells little where --name is given."""
    client, told = service.client, list[str]()
    bad = client.snapshot(made_past(client, service.disk("many-fail"), "nightly", None))
    service.fake.advance(SETTLED)
    bad, slow = client.snapshot(bad.id), client.volume(service.disk("many-slow"))
    made = client.create_snapshot(slow, name="nightly").snapshot
    work = Work(
        client=client, request=Request(command="wait", snapshots=(bad.id,)), progress=told.append
    )
    await_usable(work, [bad, made], timeout=60, disks={bad.id: "many-fail", made.id: "many-slow"})
    assert ("many-fail",) in [getattr(text, "troubled", ()) for text in told]


def test_a_token_that_expires_in_mid_run_is_renewed_once(
    service: Service, disks: list[str], run: Run
) -> None:
    """Eight threads are refused at the same time; one of them signs in for all."""
    service.expire_after(POST, 8)
    run("create --match many-* --parallel 8 -f json", exit_code=3)
    assert service.count(SIGN_IN) == 2
    service.calm()
    assert all(len([s for s in service.left(disk) if s.policy]) <= 1 for disk in disks)


def test_a_password_changed_in_mid_run_is_tried_once_and_no_more(
    service: Service, disks: list[str], run: Run
) -> None:
    """The clouds lock a user after a few wrong ones."""
    service.expire_after(POST, 8)
    service.mishap(SIGN_IN, 401, acts=False, skip=1, times=999)
    result = run("create --match many-* --parallel 8 -f json", exit_code=3)
    assert service.count(SIGN_IN) == 2
    service.calm()
    made = {s.id for disk in disks for s in service.left(disk) if s.policy}
    told = {i["snapshot"]["id"] for i in result.json["items"] if i["snapshot"]}
    assert made <= told
    assert all(i["error"] for i in result.json["items"])


@pytest.mark.usefixtures("disks")
def test_a_service_that_takes_no_token_at_all_starts_no_storm_of_sign_ins(
    service: Service, run: Run
) -> None:
    """Keystone gives tokens, the volume service refuses each: a fresh one will not do either."""
    service.mishap("(GET|POST) (volumes|snapshots).*", 401, acts=False, skip=10, times=9999)
    run("create --match many-* --parallel 8 -f json", exit_code=3)
    assert service.count(SIGN_IN) <= 4


def test_a_network_that_is_gone_in_mid_run_loses_no_id(
    service: Service, disks: list[str], run: Run
) -> None:
    service.mishap(POST, "drop", skip=12, times=999)
    service.mishap("GET .*", 503, skip=2, times=99999)
    result = run("create --match many-* --parallel 8 --timeout 1m -f json", exit_code=3)
    service.calm()
    made = {s.id for disk in disks for s in service.left(disk) if s.policy}
    items = result.json["items"]
    told = {i["snapshot"]["id"] for i in items if i["snapshot"]}
    unsure = [i for i in items if i["error"] and "found out" in i["error"]["message"]]
    assert told <= made
    assert len(made) == len(told) + len(unsure)
    assert all(len([s for s in service.left(disk) if s.policy]) <= 1 for disk in disks)


def test_every_answer_lost_still_makes_one_each(
    service: Service, disks: list[str], run: Run
) -> None:
    service.mishap(POST, "reset", times=999)
    run("create --match many-* --parallel 8 -f json", exit_code=3)
    service.calm()
    for number, disk in enumerate(disks):
        assert len([s for s in service.left(disk) if s.policy]) == (number != 7)
    assert service.count(POST) == COUNT - 1


def test_disks_whose_lists_lag_are_looked_at_side_by_side(service: Service, run: Run) -> None:
    """found: each look asked for all forty by their IDs, one after the other."""
    service.list_lag = 35.0
    disks = " ".join(service.disk(f"lag-{number:02}") for number in range(40))
    threads: Counter[int] = Counter()

    def witness(request: httpx.Request, _answer: httpx.Response) -> None:
        threads[threading.get_ident()] += line_of(request) == LOOK

    service.witness = witness
    run(f"create {disks} --parallel 8")
    assert len(+threads) > 1
    assert service.count(LOOK) <= 40 + 20


def test_the_lists_are_read_once_a_wave_however_many_disks_lose_snapshots(
    service: Service, run: Run
) -> None:
    for number in range(20):
        disk = service.disk(f"many-{number:02}")
        for night in range(3):
            service.snapshot(disk, f"n{night}", policy="default")
    run("prune --match many-* --keep-last 1 -y")
    assert service.count("DELETE snapshots/ID") == 40
    assert service.count("GET snapshots/detail") <= 4
