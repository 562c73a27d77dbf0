"""``restore`` over a network that fails: one disk for one restore, one rollback for one run.

What one fault at one request may not break is in test_sweep.py; this is what it says then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.faults.conftest import KilledError
from tests.faults.table import (
    DISK,
    DISKS,
    GONE,
    LOOK,
    MAKE,
    POST,
    Case,
    Fault,
    Of,
    Stage,
    at,
    changed,
    delete,
    rows,
    run,
    stop,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.faults.conftest import How, Service

NATIVE = "POST cloudsnapshots/ID/rollback"
OLDER = "POST os-vendor-snapshots/ID/rollback"
REVERT = "POST volumes/ID/action"
OTHERS = f"{OLDER}|{REVERT}"
NO_SUCH_PATH = b'{"error_code": "APIGW.0101", "error_msg": "The API does not exist"}'
PLAIN = {"is_plain": True}

LOST = ("drop", "reset", "stall", 503, "garbage", "nothing")
"""Of the ways to lose an answer, one of each kind; the sweep has the others."""

AS_COPY = "restore {s1} --as copy"
IN_PLACE = "restore {s1} --in-place -y"
BACK = f"{IN_PLACE} --no-safety-snapshot"


def accepted(stage: Stage) -> How:
    """Return the answer to a rollback that is begun, or is said to be."""
    told = {"rollback": {"volume_id": stage.ids["d1"]}}
    return lambda _answer: httpx.Response(202, json=told)


def carried_out(stage: Stage) -> How:
    """Return what rolls the disk back by a path that the sandbox does not know."""

    def how(_answer: httpx.Response) -> httpx.Response:
        stage.service.client.service.roll_back(stage.ids["d1"], snapshot_id=stage.ids["s1"])
        return httpx.Response(202, json={"rollback": {"volume_id": stage.ids["d1"]}})

    return how


def of_the_old_disk(name: str) -> Of:
    """Return an answer about the disk that the snapshot is of, called by this name."""

    def how(stage: Stage) -> How:
        row = {"id": stage.ids["d1"], "name": name, "snapshot_id": stage.ids["s1"]}
        return lambda _answer: httpx.Response(202, json={"volume": row})

    return Of(how)


def changed_at(moment: str) -> How:
    """Return the disk as changed by somebody at that moment."""
    return lambda answer: httpx.Response(
        200, json={"volume": answer.json()["volume"] | {"updated_at": moment}}
    )


def killed(_answer: httpx.Response) -> httpx.Response:
    raise KilledError


def made_once_more(stage: Stage) -> None:
    """Have the network carry out the request for the disk a second time."""
    client = stage.service.client
    (made,) = client.volumes(name="copy")
    client.create_volume(size=1, name="copy", snapshot_id=stage.ids["s1"], metadata=made.metadata)


AS_NEW = {
    "lost after the service acted, it leaves one disk": Case(
        AS_COPY, [at(MAKE, *LOST)], disks="d1 new", told=('"restored"', '"available"'),
        sent={MAKE: 1}),
    "lost before the service acted, it is no success, and run again makes one": Case(
        AS_COPY, [at(MAKE, *LOST, acts=False)], 1, disks="d1", told=("no trace",), sent={MAKE: 1},
        then=Case(AS_COPY, disks="d1 new")),
    "carried out late it makes no second disk": Case(
        AS_COPY, [at(MAKE, "drop", acts=(0.5, 10.0, 31.5, 45.0, 60.0))], disks="d1 new"),
    "carried out twice by the network it is no success": Case(
        AS_COPY, [], 1, disks="d1 new new", amid=(((DISK, DISK), made_once_more),)),
    "a refusal is final": Case(
        AS_COPY, [at(MAKE, 400, 409, 413, acts=False)], 1, disks="d1", sent={MAKE: 1}),
    "a refusal for want of a right is final": Case(
        AS_COPY, [at(MAKE, 403, acts=False)], 4, disks="d1", sent={MAKE: 1}),
    "without any look it says that it does not know, and run again finds it": Case(
        AS_COPY, [at(MAKE, "drop"), at(DISKS, 403, 500, 503, "drop", "garbage", acts=False,
                                       skip=1, times=999)], 1,
        disks="d1 new", told=("could not be found out",),
        then=Case(AS_COPY, disks="d1 new", told=('"reused"',), sent={MAKE: 0})),
    "with metadata dropped it is looked for by name": Case(
        AS_COPY, [at(MAKE, "drop")], disks="d1 new", where={"drops_metadata": True}),
    "with metadata dropped and nothing made it is no success": Case(
        AS_COPY, [at(MAKE, "drop", acts=False)], 1, disks="d1", where={"drops_metadata": True}),
    "the wait outlives looks that fail": Case(
        AS_COPY, [at(DISK, "drop", 503, "garbage", 429, skip=1, times=6)], disks="d1 new"),
    "one that ends badly is told by its ID": Case(
        AS_COPY, [at(DISK, changed(status="error"), changed(status="error_extending"), skip=1,
                     times=9999)], 1, disks="d1 new", told=('"failed"', '"status": "error')),
    "one in a status that nobody knows is waited for": Case(
        AS_COPY, [at(DISK, changed(status="odd"), skip=1, times=9999)], 7, disks="d1 new",
        told=('"failed"', '"status": "odd"')),
    "one in error is not handed out by the next run": Case(
        "restore {fail-1} --as copy", [], 1, holds="fail-1", disks="d1 new(error)",
        then=Case("restore {fail-1} --as copy", [], 1, disks="d1 new(error)")),
    "one that vanishes is no success": Case(
        AS_COPY, [at(DISK, 404, skip=1, times=999, acts=False, body=GONE)], 1, told=("gone",)),
    "found: --size 200 after --size 100 ended with reused, exit 0, and 100 GiB": Case(
        f"{AS_COPY} --size 4", [], 5, told=("another one",), sent={MAKE: 0},
        first=run(f"{AS_COPY} --size 3"),
        then=Case(f"{AS_COPY} --size 3", told=('"reused"',), sent={MAKE: 0})),
    "found: the disk that the answer named was told as the new one": Case(
        AS_COPY, [at(MAKE, of_the_old_disk("copy"), of_the_old_disk("d1"))], disks="d1 new"),
    "found: killed with the request on its way, and run again at once, it left two": Case(
        AS_COPY, [at(MAKE, killed, acts=(0.5, 20.0, 55.0))], None,
        then=Case(AS_COPY, disks="d1 new", told=('"reused"',))),
    "a stop leaves the cloud to finish, and says so": Case(
        AS_COPY, [], 130, disks="d1 new", told=("goes on with it",), amid=(((MAKE,), stop(130)),)),
}  # fmt: skip

ROLLED_BACK = {
    "lost after the service acted, it is settled by the disk's status": Case(
        BACK, [at(NATIVE, *LOST)], disks="d1", told=('"restored"', '"available"'),
        sent={NATIVE: 1, OTHERS: 0}),
    "of a plain Cinder too": Case(  # an answer of nothing is its own
        BACK, [at(REVERT, *LOST[:-1])], disks="d1", told=('"restored"',), sent={REVERT: 1},
        where=PLAIN),
    "not seen at work, it is no success, is not sent again and not by another path": Case(
        BACK, [at(NATIVE, *LOST, 500, acts=False)], 1, told=("not seen at work",),
        sent={NATIVE: 1, OTHERS: 0}, then=Case(BACK, told=('"restored"',))),
    "found: never carried out, a disk that was renamed meanwhile was told as rolled back": Case(
        BACK, [at(NATIVE, "drop", 502, acts=False),
               at(DISK, changed_at("2026-11-23T09:09:09.000000"), times=999, after=(NATIVE,))], 1,
        told=("not seen at work",)),
    "not seen at work on a plain Cinder, it is no success and not sent again": Case(
        BACK, [at(REVERT, *LOST[:-1], acts=False)], 1, told=("not seen at work",),
        sent={NATIVE: 1, REVERT: 1}, where=PLAIN, then=Case(BACK, told=('"restored"',))),
    "carried out late it is seen": Case(
        BACK, [at(NATIVE, "drop", acts=(0.5, 5.0, 20.0, 45.0, 58.0))], disks="d1",
        sent={NATIVE: 1}),
    "sent twice by the network it is seen through": Case(
        # The first was accepted, the second is refused, and that is the answer.
        BACK, [at(NATIVE, 400, 409)], disks="d1", told=('"restored"',), sent={NATIVE: 1}),
    "a refusal is final": Case(
        BACK, [at(NATIVE, 400, 409, acts=False, times=9)], 1, sent={OTHERS: 0}),
    "a refusal for want of a right is final": Case(
        BACK, [at(NATIVE, 401, 403, acts=False, times=9)], 4, sent={OTHERS: 0}),
    "where the newer path does not exist the older one is tried": Case(
        BACK, [at(NATIVE, 404, acts=False, body=NO_SUCH_PATH)
               + at(NATIVE, 404, acts=False, body=b"<html>") + at(NATIVE, 405, acts=False),
               at(OLDER, Of(carried_out), acts=False)],
        sent={NATIVE: 1, OLDER: 1, REVERT: 0}),
    "a snapshot that is not found ends it there": Case(
        BACK, [at(NATIVE, 404, acts=False, body=GONE)], 5, sent={NATIVE: 1, OTHERS: 0}),
    "on a plain Cinder the three paths are tried in order": Case(
        BACK, sent={NATIVE: 1, OLDER: 1, REVERT: 1}, where=PLAIN),
    "a plain Cinder's newer snapshot is told before anything is sent": Case(
        BACK, [], 1, told=("{s2}",), sent={f"{NATIVE}|{OTHERS}": 0}, holds="s1 s2", where=PLAIN),
    "a plain Cinder gets no safety snapshot, and -y alone is not enough": Case(
        IN_PLACE, [], 2, told=("--no-safety-snapshot",), sent={POST: 0, f"{NATIVE}|{OTHERS}": 0},
        where=PLAIN),
    "a cloud without any rollback is told so": Case(
        BACK, [at(REVERT, 404, acts=False, body=b"<html>")], 1, told=("--as NAME",), where=PLAIN),
    "the wait outlives looks that fail": Case(
        BACK, [at(DISK, "drop", 503, "garbage", 429, times=6, after=(NATIVE,))
               + at(LOOK, "drop", 503, "garbage", 429, times=6, after=(NATIVE,))], disks="d1"),
    "never seen to end, it is no success": Case(
        f"{BACK} --timeout 2m", [at(DISK, 503, times=9999, after=(NATIVE,))], 7),
    "found: --timeout 10s hung for minutes on a service that said nothing": Case(
        # A request in process says nothing for 60 seconds, and is not repeated.
        f"{BACK} --timeout 10s", [at("GET .*", "stall", times=9999, after=(NATIVE,))], 7,
        takes=(10, 10 + 60 + 5)),
    **{f"found: `restored` was told before it had begun, {seconds} s after its answer": Case(
        BACK, [at(NATIVE, Of(accepted), acts=seconds)], disks="d1", takes=(seconds, 600))
       for seconds in (0.5, 5.0, 25.0)},
    "found: accepted, it counted as done whether or not it took place": Case(
        BACK, [at(NATIVE, Of(accepted), acts=False)], 1,
        told=("not known whether it was rolled back",)),
    "one that ends badly is a failure and may be tried again": Case(
        "restore {fail-1} --in-place -y --no-safety-snapshot", [], 1, holds="fail-1 s1",
        disks="d1(error_rollbacking)", told=('"error_rollbacking"',), then=Case(BACK, disks="d1")),
    "without its safety snapshot nothing is rolled back": Case(
        IN_PLACE, [at(POST, 409, 413, acts=False)], 1, sent={NATIVE: 0}),
    "without a right to its safety snapshot nothing is rolled back": Case(
        IN_PLACE, [at(POST, 403, acts=False)], 4, sent={NATIVE: 0}),
    "a safety snapshot's lost answer leaves one, which is told": Case(
        IN_PLACE, [at(POST, "drop", acts=(3.0, 31.5))], left="s1 new", sent={NATIVE: 1}),
    "with the snapshot deleted meanwhile no rollback is sent": Case(
        IN_PLACE, [], 5, sent={NATIVE: 0}, amid=(((POST,), delete("s1")),)),
    "after a stop amid the safety snapshot no rollback is sent": Case(
        IN_PLACE, [], 143, sent={NATIVE: 0}, amid=(((POST,), stop(143)),)),
    "a stop amid the rollback leaves the cloud to finish, and says so": Case(
        BACK, [], 130, told=("goes on with it", '"rollbacking"'), amid=(((NATIVE,), stop(130)),)),
}  # fmt: skip


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("case", "faults", "where"), rows(AS_NEW) + rows(ROLLED_BACK))
def test_one_disk_or_one_rollback_or_a_failure_that_says_so(
    case: Case,
    faults: Sequence[Fault],
    where: Mapping[str, Any],
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = Stage(service, tmp_path, capsys)
    if not case.holds:
        stage.snapshot("s1", None, case.disk)
    stage.play(case, faults, where)
