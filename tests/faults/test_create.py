"""``create`` over a network that fails: one usable snapshot a disk, or a failure that says so."""

from __future__ import annotations

import socket
import struct
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.factories import made_past
from tests.faults.conftest import BrokenError
from tests.faults.table import (
    GONE,
    LIST,
    LOOK,
    POST,
    SIGN_IN,
    TODAY,
    Case,
    Fault,
    Stage,
    advance,
    another_run,
    at,
    changed,
    delete,
    row_of,
    rows,
    run,
    snapshot,
    stop,
    then,
)

from evs_snap.services.interface import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.conftest import Run
    from tests.faults.conftest import Service

LOST = ("drop", "reset", "half", "stall", 500, 502, 503, 504, "garbage", "cut", "nothing")
UNDONE = ("drop", "reset", "stall", 500, 502, 503, 504, "garbage")


def copied(stage: Stage) -> None:
    """Carry out the POST once more whose snapshot is the only one."""
    (first,) = stage.service.left(stage.ids["d1"])
    made_past(stage.service.client, stage.ids["d1"], first.name or "", first.stamp)


def rival(stage: Stage) -> None:
    """Begin another machine's snapshot of today, which is older, if only just."""
    stamp = Stamp("k", "default", TODAY)
    stage.names[made_past(stage.service.client, stage.ids["d1"], "rival", stamp)] = "rival"
    stage.service.fake.advance(0.5)


def seen_and_deleted(stage: Stage) -> None:
    """Have the lists know ``theirs``, and delete it."""
    with stage.service.calling(stage.folder / "b") as evs:
        assert stage.ids["theirs"] in {s.id for s in evs.snapshots(volume_id=stage.ids["d1"])}
    delete("theirs")(stage)


def lagging(stage: Stage) -> None:
    """Make today's; the lists do not show it yet when the next run asks for it."""
    run("create d1 --once-per day")(stage)
    (made,) = stage.service.left(stage.ids["d1"])
    assert made.created_at is not None
    stage.service.list_lag = (stage.service.now - made.created_at).total_seconds() + 1.0


def undated(answer: httpx.Response) -> httpx.Response:
    """Return the answer without the dates of snapshots."""
    document = answer.json()
    for found in (document.get("snapshot"), *document.get("snapshots", ())):
        if found:
            found["created_at"] = None
    return httpx.Response(answer.status_code, json=document)


def of_another_project(answer: httpx.Response) -> httpx.Response:
    document = answer.json()
    document["token"]["project"]["id"] = "0" * 32
    headers = {"X-Subject-Token": answer.headers["X-Subject-Token"]}
    return httpx.Response(answer.status_code, headers=headers, json=document)


SKEWS = tuple(timedelta(minutes=minutes) for minutes in (-20, -10, 10, 20))
DAILY = "create d1 --policy default --once-per day"
LOOKS_FAIL = [  # as often as it takes until such an answer is taken for an answer, and once more
    *at(LIST, 403, "garbage", acts=False, skip=1, times=2),
    *at(LIST, 500, "drop", acts=False, skip=1, times=5),
    *at(LIST, 429, acts=False, skip=1, times=8),
]

CASES = {
    # -- a lost answer
    "lost after the service acted, it leaves one snapshot": Case(
        "create d1", [at(POST, *LOST)], left="new", sent={POST: 1}),
    "lost before the service acted, it is asked for again": Case(
        "create d1", [at(POST, *UNDONE, acts=False)], left="new", sent={POST: 2}),
    "after three POSTs without any trace it gives up": Case(
        "create d1", [at(POST, "drop", 500, 502, "garbage", acts=False, times=9)], 1,
        left="", sent={POST: 3}),
    "one that enters the lists late is found": Case(
        "create d1", [at(POST, "drop")], left="new", sent={POST: 1},
        where={"list_lag": (2.0, 10.0, 30.0)}),
    "a duplicate that shows up after all looks is removed": Case(
        "create d1", [at(POST, "drop")], left="new", sent={POST: 2}, where={"list_lag": 33.0}),
    "a POST carried out late makes no duplicate": Case(
        "create d1 --wait", [at(POST, "drop", acts=(0.5, 10.0, 30.9, 31.5, 32.5, 80.0))],
        left="new"),
    "a POST carried out late makes no duplicate where nothing is waited for": Case(
        "create d1 --no-wait", [at(POST, "drop", acts=(0.5, 10.0, 30.9, 31.5, 32.5, 80.0))],
        left="new"),
    "a duplicate that is still being made is waited for and removed": Case(
        "create d1", [at(POST, "drop", acts=False)], left="new",
        amid=(((POST, POST, LIST), copied),)),
    "a duplicate not yet found by its ID does not pass for deleted": Case(
        # 404 straight after POST means nothing. The first look is the wait's.
        "create d1", [at(POST, "drop", acts=32.5), at(LOOK, 404, acts=False, body=GONE, skip=1,
                                                      times=2)], left="new"),
    "a duplicate that cannot be deleted is no success": Case(
        "create d1", [at(POST, "drop", acts=32.5), at("DELETE .*", 500, acts=False, times=99)], 1,
        left="new*2"),
    "refused the second time, as the first took the last slot, it finds the first": Case(
        "create d1", [at(POST, "drop", acts=31.5),
                      at(POST, 503, acts=False, headers={"Retry-After": "1"})],
        holds="by-hand*6", left="by-hand*6 new"),
    "refused the second time for any reason, it finds the first": Case(
        "create d1", [at(POST, "drop"), at(POST, 403, 409, 413, acts=False)], left="new",
        where={"list_lag": 40.0}),
    "without any look it says that it does not know": Case(
        "create d1", [at(POST, 500), at(LIST, 403, 429, 500, 503, "drop", "garbage", acts=False,
                                        skip=1, times=999)], 1,
        left="new", sent={POST: 1}, told=("could not be found out", "once-per")),
    "one look that fails is followed by another": Case(
        "create d1", [at(POST, "reset"), LOOKS_FAIL], left="new", sent={POST: 1}),
    "with metadata dropped it is looked for by name": Case(
        "create d1", [at(POST, "drop", acts=(True, False))], left="new",
        told=("dropped our stamp",), where={"drops_metadata": True}),
    "found: it was recognised by clocks, which differ by 20 minutes": Case(
        "create d1", [at(POST, "drop", 500)], left="new",
        where={"skew": SKEWS, "drops_metadata": (True, False)}),
    "found: without metadata it was recognised by its date, and without one made again": Case(
        "create d1", [at(POST, "drop"), at(LIST, undated, times=999), at(LOOK, undated, times=999)],
        holds="n0", left="n0 new", where={"drops_metadata": True}),
    "another's of the same name is not taken for ours": Case(
        "create d1 --name nightly", [at(POST, "drop", acts=False)],
        holds="nightly nightly:default", left="nightly*2 new"),
    # -- a refusal
    "throttled, it is repeated as nothing was done": Case(
        "create d1", [at(POST, 429, acts=False, times=3)
                      + at(POST, 429, acts=False, times=3, headers={"Retry-After": "1"})],
        left="new"),
    "throttled for 30 seconds it is repeated after that": Case(
        "create d1", [at(POST, 429, acts=False, headers={"Retry-After": "30"})], left="new",
        takes=(30, 60)),
    "a service that throttles for ever is left in peace": Case(
        "create d1", [at(POST, 429, acts=False, times=99)], 1, left="", sent={POST: 7}),
    "the service's own limit is never tried again": Case(
        "create d1 --limit 9", [], 6, holds="by-hand*7", left="by-hand*7", sent={POST: 1}),
    "where nobody listens nothing is made": Case(
        "create d1", [at(".*", "refuse", acts=False, times=99)], 1, told=("no connection",)),
    # -- signing in
    "a renewed token repeats a POST that was refused, and no other": Case(
        "create d1", [at(POST, 401, acts=False), at(POST, "drop")], left="new",
        sent={POST: 2, SIGN_IN: 2}),
    "a sign-in that fails amid the POST leaves no doubt": Case(
        "create d1", [at(POST, 401, acts=False), at(SIGN_IN, 401, acts=False, skip=1)], 4,
        left="", sent={SIGN_IN: 2}),
    "found: a sign-in for the wrong project was kept for the token's whole life": Case(
        "create d1", [at(SIGN_IN, of_another_project)], 2, then=Case("create d1", left="new")),
    # -- the wait
    "a wait outlives looks that fail": Case(
        "create d1", [at(LOOK, "drop", "reset", 500, 503, "garbage", "cut", times=6)], left="new"),
    "one that is not found at first is waited for": Case(
        "create d1", left="new", where={"read_lag": (2.0, 4.0, 10.0, 25.0)}),
    "a list that lags with the status costs time and nothing else": Case(
        "rotate d1 --keep-last 1 --once-per day", left="new", where={"stale": 40.0}),
    "one that vanishes is no success, and must be missing for half a minute": Case(
        "create d1", [at(LOOK, 404, times=99, acts=False, body=GONE)], 1, left="new",
        told=("gone",), takes=(30, 45)),
    "only available is usable": Case(
        "create d1", [at(LOOK, *(changed(status=s) for s in ("error", "error_deleting",
                                                             "deleting")), times=9999)], 1,
        left="new", told=("evs-snap delete",), takes=(0, 5)),
    "the time it took is told; it looks every second at first and every five in the end": Case(
        "create d1 --timeout 60s", [at(LOOK, changed(status="creating"), times=9999)], 7,
        left="new", told=("was still 'creating' after 1m",), takes=(60, 61), sent={LOOK: 14}),
    "trouble to the end of the wait is told": Case(
        "create d1 --timeout 20s", [at(LOOK, 500, acts=False, times=9999)], 7, left="new",
        told=("HTTP 500",)),
    "trouble that has passed is not told": Case(
        "create d1 --timeout 20s", [at(LOOK, 500, acts=False, times=4),
                                    at(LOOK, changed(status="creating"), times=9999)], 7,
        left="new", untold="HTTP 500"),
    "what will not pass ends the wait": Case(
        "create d1", [at(LOOK, 403, acts=False, times=9999)], 4, left="new", takes=(0, 20)),
    "a stop ends the wait, and says so": Case(
        "create d1", [at(LOOK, changed(status="creating"), times=9999)], 143, left="new",
        told=("when the run was stopped",), takes=(0, 5), amid=(((LOOK, LOOK), stop(143)),)),
    "what nobody knows is waited for": Case(
        "create d1", [at(LOOK, *(changed(status=s) for s in ("rollbacking", "quantum")),
                         times=9999)], 7, left="new"),
    "one that ends in error is no success and keeps its ID": Case(
        "create fail-1", [at(POST, "drop")], 1, disk="fail-1", left="new(error)"),
    "found in error without any wait it is no success either": Case(
        "create fail-1 --no-wait", [at(POST, "drop")], 1, disk="fail-1", left="new(error)",
        where={"list_lag": 5.0}),
    "found: --timeout 3s took 249 s, as each request was repeated until its own end": Case(
        "create d1 --timeout 3s", [at(LOOK, "stall", acts=False, times=99)], 7,
        takes=(3, 3 + 60 + 1)),
    # -- an answer about something else
    "found: an answer about another disk's snapshot counted as success": Case(
        "create d1", [at(POST, row_of("not-mine", 202))], holds="not-mine@d2", left="new"),
    "found: an older one was told as the new one, which was deleted as a duplicate": Case(
        DAILY, [at(POST, changed(under="older"))], holds="older:default", left="older new"),
    "found: a stranger's was told as the new one, which was deleted": Case(
        DAILY, [at(POST, changed(under="by-hand"))], 1, holds="by-hand@d2", left="new"),
    "found: last night's, listed as this run's duplicate, was deleted by its wrong ID": Case(
        DAILY, [at(LIST, changed(under="before", created_at=f"{TODAY}T12:00:00"), skip=1,
                   times=9)], 2, holds="before:default", left="before new"),
    "found: one listed for the period was on another disk, and ours was deleted for it": Case(
        DAILY, [at(LIST, changed(under="todays", created_at=f"{TODAY}T00:00:00"), skip=1,
                   times=9)], left="new",
        first=lambda stage: stage.snapshot("todays", "default", "d2", bucket=TODAY)),
    # -- two of one period
    "of two machines one leaves its snapshot": Case(
        DAILY, left="new", amid=(((LIST,), another_run(once_per="day")),)),
    "of two machines that ask at once one leaves its snapshot": Case(
        DAILY, left="new", amid=(((POST,), another_run(once_per="day")),)),
    "of two machines that look at once one leaves its snapshot": Case(
        DAILY, left="new", amid=(((LOOK,), another_run(once_per="day")),)),
    "found: --once-per with --no-wait from two machines left two": Case(
        # A second later: of the same moment, the IDs would decide.
        f"{DAILY} --no-wait", left="new",
        amid=(((POST,), then(another_run(once_per="day", wait=False), advance(1))),)),
    "found: refused as another machine took the last slot for the same day": Case(
        DAILY, holds="by-hand*6", left="by-hand*6 new", told=('"reused"',),
        amid=(((POST,), another_run(once_per="day")),)),
    "where that one ends in error the refusal stands": Case(
        DAILY.replace("d1", "fail-1"), [], 6, disk="fail-1", holds="by-hand*6",
        left="by-hand(error)*6 untold(error)", told=('"failed"',),
        amid=(((POST,), another_run("fail-1", code=1, once_per="day")),)),
    "a rival still being made is waited for, and stays as the older one": Case(
        DAILY, left="rival", told=('"reused"',), where={"stale": 60.0}, amid=(((POST,), rival),)),
    "found: the one to stay was believed from a stale list, and ours deleted for it": Case(
        DAILY, left="new", where={"ghosts": 600.0},
        amid=(((POST,), snapshot("theirs", bucket=TODAY)), ((LOOK,), seen_and_deleted))),
    "without a look at the rivals it is no success and nothing is deleted": Case(
        DAILY, [at(LIST, "drop", 500, "garbage", skip=1, times=999)], 1, left="new"),
    "a later run reuses even what was killed amid its making": Case(
        DAILY, left="new", told=('"reused"',), first=run(f"{DAILY} --no-wait")),
    "lists that lag make no second one of a day": Case(
        "create d1 --once-per day", left="new", told=('"reused"',), first=lagging),
    "found: one with a backup service's name and our stamp was taken for the day's own": Case(
        DAILY, left="autobk_snapshot_1 new", told=('"created"',),
        amid=(((POST,), snapshot("autobk_snapshot_1", bucket=TODAY)),)),
    # -- a stop
    "found: with the check before each POST taken out, no test failed": Case(
        "create d1 d2 --parallel 1", [], 143, left="new", sent={POST: 1},
        told=("not begun: the run was stopped",), amid=(((POST,), stop(143)),),
        first=lambda stage: stage.disk("d2")),
    # -- a pin
    "a pin that the cloud refuses is none, and the hint tells what is left": Case(
        "pin {mine}", [at("POST snapshots/ID/metadata", 403, times=99, acts=False, body=(
            b'{"error": {"code": "EVS.5403", "message": "metadata can not be operated"}}'))], 4,
        holds="mine:default", told=("EVS.5403", "restore ID --as NAME")),
    "a pin that is not answered is none": Case(
        "pin {mine}", [at("POST snapshots/ID/metadata", "nothing", times=99, acts=False)], 1,
        holds="mine:default", told=("the answer is no JSON object",)),
}  # fmt: skip


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("case", "faults", "where"), rows(CASES))
def test_one_usable_snapshot_or_a_failure_that_says_so(
    case: Case,
    faults: Sequence[Fault],
    where: Mapping[str, Any],
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Stage(service, tmp_path, capsys).play(case, faults, where)


@pytest.mark.parametrize("how", ["drop", "reset", "half", "stall"])
def test_on_a_real_socket_a_broken_connection_is_what_stands_for_it_here(how: str) -> None:
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(9999)
            if how == "half":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour")
            elif how == "reset":
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif how == "stall":
                over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(type(BrokenError(how, None).as_httpx())):
            httpx.get(address, timeout=0.2 if how == "stall" else 10, trust_env=False)
        over.set()
        thread.join()


# --- a region that makes no legacy snapshots any more ---------------------------------

V5 = "GET /volume/v5/[0-9a-f]+/snapshots/detail"
REFUSALS = {
    "a 400 without a code": (400, b'{"badRequest": {"message": "not supported"}}', 1, True),
    "a code that nobody knows": (400, b'{"error": {"code": "EVS.9999", "message": "no"}}', 1, True),
    "a 403": (403, b'{"forbidden": {"message": "Policy does not allow it"}}', 4, True),
    "the gateway's 404": (404, b'{"error_code": "APIGW.0101", "error_msg": "no API"}', 2, True),
    "EVS's 404": (404, b'{"error": {"code": "EVS.5404", "message": "not found"}}', 5, True),
    "the limit": (400, b'{"badRequest": {"message": "Maximum number of snapshots exceeded"}}', 6,
                  False),
    "a quota": (413, b'{"overLimit": {"message": "SnapshotLimitExceeded"}}', 6, False),
    "a name": (400, b'{"badRequest": {"message": "Invalid input for field name"}}', 1, False),
    "a code of one meaning": (403, b'{"error": {"code": "EVS.2143", "message": "key"}}', 4, False),
    "a failure": (500, b"", 1, False),
}  # fmt: skip


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("status", "body", "code", "told"), REFUSALS.values(), ids=[*REFUSALS])
def test_a_refusal_without_a_clear_reason_tells_of_the_region_once_and_asks_nothing_more(
    status: int, body: bytes, code: int, service: Service, run: Run, *, told: bool
) -> None:
    for name in ("d1", "d2"):
        service.disk(name)
    service.mishap("POST snapshots", status, acts=False, times=9, body=body)
    result = run("create d1 d2 -f json", exit_code=code)
    hints = [item["error"]["hint"] or "" for item in result.json["items"]]
    assert ["the region makes standard snapshots" in hint for hint in hints] == [told] * 2
    assert result.stderr.count("standard snapshots") == told
    assert service.count(V5) == 0


@pytest.mark.usefixtures("online")
def test_a_sign_in_whose_answer_is_lost_is_sent_again(service: Service, run: Run) -> None:
    """It makes nothing that could be there twice."""
    service.mishap("POST auth/tokens", "drop")
    run("volumes")
    assert service.count("POST auth/tokens") == 2
