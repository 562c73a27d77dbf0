"""``rotate``, ``prune`` and ``delete`` over a network that fails.

Nothing of others' is ever touched, the last good one stays, and exit 0 means gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from tests.faults.table import (
    DELETE,
    GONE,
    LIST,
    LOOK,
    POST,
    Case,
    Fault,
    Of,
    Stage,
    advance,
    at,
    changed,
    delete,
    row_of,
    rows,
    stop,
    then,
)

from evs_snap.services.interface import STAMP_KEY, STAMP_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.conftest import Run
    from tests.faults.conftest import How, Service

NO_DISK = b'{"itemNotFound": {"code": 404, "message": "Volume 0815 could not be found."}}'
IN_USE = b'{"badRequest": {"code": 400, "message": "Invalid snapshot: a volume depends on it"}}'


def unstamped(answer: httpx.Response) -> httpx.Response:
    found = [row | {"metadata": {}} for row in answer.json()["snapshots"]]
    return httpx.Response(200, json={"snapshots": found})


def without_n0(stage: Stage) -> How:
    """Return the list without the oldest one."""

    def how(answer: httpx.Response) -> httpx.Response:
        rows = [row for row in answer.json()["snapshots"] if row["id"] != stage.ids["n0"]]
        return httpx.Response(200, json={"snapshots": rows})

    return how


def unfiltered(stage: Stage) -> How:
    """Return the snapshots of the whole project, whatever was asked for."""
    found = [stage.row(name) for name in stage.ids if name not in {"d1", "d2"}]
    return lambda _answer: httpx.Response(200, json={"snapshots": found})


def delete_as_listed(stage: Stage) -> None:
    """Have the lists know the newest one, and delete it: they go on to show it."""
    stage.run("snapshots")
    delete()(stage)


def others_delete(*spared: str) -> Callable[[Stage], object]:
    """Return somebody else, who deletes all of the disk's snapshots but these."""

    def act(stage: Stage) -> None:
        for row in stage.service.left(stage.ids["d1"]):
            if stage.names.get(row.id) not in spared and row.status == "available":
                stage.service.client.delete_snapshot(row.id)

    return act


def read_again(line: str, look: int, **fields: Any) -> Case:
    """Return a deletion of what is something else at this look.

    What was read more than ten seconds ago is read again.
    """
    return Case(line, [at(LOOK, changed(**fields), skip=look)], 2, holds="ours:default",
                left="ours", amid=((("GET volumes/ID",), advance(11)),))  # fmt: skip


FULL = "by-hand*5 old:default new:default"
THREE = "n0:default n1:default n2:default"
FIVE = f"{THREE} n3:default n4:default"
SEVEN = f"{FIVE} n5:default n6:default"

CASES = {
    # -- delete
    "an answer lost on the way is asked for again": Case(
        "delete {ours} -y", [at(DELETE, "drop", "reset", "half", "stall", 502, 503, 504, 429,
                                acts=(True, False))],
        holds="theirs ours:default", left="theirs", told=('"deleted"',)),
    "one never answered is done where it is seen gone": Case(
        "delete {ours} -y", [at(DELETE, "drop", 500, 503, times=99)], holds="ours:default",
        left="", told=('"deleted"',)),
    "one never carried out is no success": Case(
        "delete {ours} -y", [at(DELETE, "drop", 500, 503, 429, acts=False, times=99)], 1,
        holds="ours:default", left="ours"),
    "one never allowed is no success": Case(
        "delete {ours} -y", [at(DELETE, 403, acts=False, times=99)], 4, holds="ours:default",
        left="ours"),
    "one accepted and never done is no success": Case(
        "delete {ours} -y", [at(DELETE, 202, acts=False, times=99)], 1, holds="ours:default",
        left="ours", told=("gave up deleting",)),
    "one that ends in error_deleting is no success, the next time either": Case(
        "delete {will-fail} -y", [], 1, holds="will-fail:default",
        left="will-fail(error_deleting)", then=Case(
            "delete {will-fail} -y", [], 1, left="will-fail(error_deleting)")),
    "a replica that still shows the old error does not make it fail": Case(
        "delete {ours} -y", [at(LOOK, row_of("ours", status="error"), acts=False, skip=1,
                                times=3)], disk="fail-1", holds="ours:default", left=""),
    "found: a 404 about the disk took 300 seconds, and was told as being deleted": Case(
        "delete {ours} -y", [at(DELETE, 404, acts=False, times=99, body=NO_DISK)], 5,
        holds="ours:default", told=("Volume 0815 could not be found",), takes=(0, 10)),
    "found: a 404 about the disk, here and at each look, was told as deleted": Case(
        "delete {ours} -y", [at(DELETE, 404, acts=False, times=99, body=NO_DISK),
                             at(LOOK, 404, acts=False, times=99, skip=1, body=NO_DISK)], 1,
        holds="ours:default", left="ours"),
    **{f"found: refused by {status}, and not found at one look, it was told as deleted": Case(
        "delete {ours} -y", [at(DELETE, status, acts=False, times=99, body=GONE),
                             at(LOOK, 404, acts=False, skip=1, body=GONE)], code,
        holds="ours:default", left="ours") for status, code in ((500, 1), (404, 5))},
    "found: the second of a disk was not looked for twice, nor asked to be deleted": Case(
        "delete {ours} {more} -y", [at(LOOK, 404, acts=False, after=(DELETE, LIST), body=GONE)],
        holds="ours:default more:default", left="", sent={DELETE: 2}),
    "found: left out of one list it was told as deleted, and never asked for": Case(
        "rotate d1 --keep-last 2", [at(LIST, Of(without_n0), skip=1)],
        holds="n0:default n1:default", left="n0 n1 new", sent={DELETE: 0},
        told=("a list did not show it",)),
    "found: stopped after four seconds it told of 300": Case(
        "delete {ours} -y", [at(DELETE, 202, acts=60.0)], 143, holds="ours:default",
        told=(r"when the run was stopped, after \ds",), amid=(((DELETE, LOOK), stop(143)),)),
    # -- what it is by now
    "what is of another attempt by now stays": read_again(
        "delete {ours} -y", 1, metadata={STAMP_KEY: "another"}),
    "what is of another policy by now stays": read_again(
        "delete {ours} -y", 1, metadata={STAMP_POLICY: "weekly"}),
    "what is of another disk by now stays": read_again(
        "delete {ours} -y", 1, volume_id=str(uuid4())),
    "what was in error and is usable by now stays": read_again(
        "delete {ours} -y", 0, status="error"),
    "what became somebody else's meanwhile stays": Case(
        "prune d1 --keep-last 1 -y", [at(LIST, unstamped, skip=1)], told=('"kept"',),
        holds="old:default new:default", left="old new"),
    "a list that ignores its filter gives no other disk's away": Case(
        "prune d1 --keep-last 1 -y", [at(LIST, Of(unfiltered))],
        holds=f"{THREE} o0:default@d2 o1:default@d2", left="n2", sent={DELETE: 2}),
    "found: a re-read that answered with another ID had that other one deleted": Case(
        "prune d1 --keep-last 1 -y", [at(LOOK, row_of("n0", id="theirs"), acts=False,
                                         times=99)], 7,
        holds="n0:default n1:default theirs", left="n1 theirs"),
    # -- the last good one
    "the old ones stay where the new one ends in error": Case(
        "rotate fail-1 --keep-last 1", [], 1, disk="fail-1", holds=THREE,
        left="n0(error) n1(error) n2(error) new(error)"),
    "the old ones stay where the new one is not seen usable": Case(
        "rotate d1 --keep-last 1", [at(LOOK, "drop", 500, "garbage", times=9999)], 7,
        holds=THREE, left="n0 n1 n2 new"),
    "the old ones stay once the new one is gone again": Case(
        # The second look sees it usable; it is deleted before the third.
        "rotate d1 --keep-last 1", [], 1, holds="n0:default n1:default", left="n0 n1",
        amid=(((LOOK, LOOK, LOOK), delete()),)),
    "found: with its own snapshot gone before the first deletion it ended 0": Case(
        "rotate d1 --keep-last 2", [], 1, holds="n0:default n1:default", left="n0 n1",
        amid=(((POST, LIST), delete()),)),
    "found: somebody deleted the new one while a deletion was waited for: exit 0": Case(
        "rotate d1 --keep-last 2", [], 3, holds=THREE, left="n1 n2",
        amid=(((DELETE,), others_delete("n0", "n1", "n2")),)),
    "found: the one to stay was deleted meanwhile, and at last nothing was left": Case(
        "prune d1 --keep-last 1 -y", [], 3, holds=FIVE, left="n1 n2 n3",
        amid=(((DELETE,), others_delete("n0", "n1", "n2", "n3")),)),
    "found: looked at before the first deletion only, it deleted one too many": Case(
        "prune d1 --keep-last 2 -y", [], 0, holds=FIVE, left="n2 n4",
        amid=(((DELETE,), others_delete("n0", "n1", "n2", "n4")),)),
    "nothing goes on the word of a stale list": Case(
        "prune d1 --keep-last 1 -y", [], 1, holds="old:default new:default", left="old",
        where={"ghosts": 600.0}, first=delete_as_listed),
    # -- a slot that is needed
    "a full disk gives up nothing for one that is gone": Case(
        "create d1 --policy default --on-limit replace", [], 1, holds=FULL, left="by-hand*5 old",
        where={"ghosts": 600.0}, first=delete_as_listed, sent={DELETE: 0}),
    "a full disk that is rotated gives up nothing for one that is gone": Case(
        "rotate d1 --keep-last 2 --on-limit replace", [], 1, holds=FULL, left="by-hand*5 old",
        where={"ghosts": 600.0}, first=delete_as_listed, sent={DELETE: 0}),
    "where the removal to free a slot fails nothing is made": Case(
        "create d1 --policy default --on-limit replace", [at(DELETE, 500, acts=False, times=9)], 1,
        holds=FULL, left=FULL.replace(":default", ""), sent={POST: 0}),
    "found: the oldest went although another had freed slots before its deletion": Case(
        "create d1 --policy default --on-limit replace", holds=SEVEN, left="n0 n6 new",
        sent={DELETE: 0}, amid=(((LIST, LIST), delete("n1", "n2", "n3", "n4", "n5")),)),
    "found: rotated, the oldest went although another had freed slots before": Case(
        "rotate d1 --keep-last 3", holds=SEVEN, left="n0 n6 new", sent={DELETE: 0},
        amid=(((LIST, LIST), delete("n1", "n2", "n3", "n4", "n5")),)),
    "a stop while a slot is freed begins no snapshot": Case(
        # The deletion is seen done at the first look.
        "create d1 --policy default --on-limit replace", [], 143, holds=FULL,
        left="by-hand*5 new", sent={POST: 0}, told=('"deleted"', '"failed"'),
        amid=(((DELETE, LOOK), then(advance(5), stop(143))),)),
    # -- all of it
    "a stop while the new one is seen usable lets no further request follow": Case(
        "rotate d1 --once-per day --keep-last 1", [], 143, holds="old:default", left="old new",
        sent={LIST: 1, POST: 1, LOOK: 1, DELETE: 0}, told=('"created"', '"kept"'),
        amid=(((LOOK,), then(advance(5), stop(143))),)),
    "found: with the token refused after a deletion, the whole record was lost": Case(
        "rotate d1 --keep-last 2", [at(".*", 401, acts=False, times=99, after=(DELETE, DELETE))],
        3, holds=FIVE, left="n1 n2 n3 n4 new"),
    "with answers lost all over it ends as the rules say": Case(
        "rotate d1 --keep-last 2",
        [at(POST, "reset"), at(DELETE, "drop", times=2), at(LIST, 503, skip=1, times=2),
         at(LOOK, "half", times=3)],
        holds=f"theirs {THREE} n3:default other:weekly", left="theirs n3 other new"),
}  # fmt: skip


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("case", "faults", "where"), rows(CASES))
def test_nothing_goes_that_should_stay_and_exit_0_means_gone(
    case: Case,
    faults: Sequence[Fault],
    where: Mapping[str, Any],
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Stage(service, tmp_path, capsys).play(case, faults, where)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("others", [0, 3])
def test_a_snapshot_in_use_for_ever_costs_itself_alone_each_night(
    others: int, service: Service, run: Run
) -> None:
    """found: nothing more was deleted, and from the fourth night on nothing was made."""
    disk = service.disk("d1", full=others)
    stuck, *rest = (service.snapshot(disk, f"n{n}", policy="default") for n in range(4))
    service.forbidden[stuck] = (400, IN_USE)
    for _ in range(4):
        result = run("rotate --volume d1 --keep-last 2 -f json", exit_code=3)
        failed = [i["snapshot"]["id"] for i in result.json["items"] if i["error"]]
        assert failed == [stuck]
        service.fake.advance(86_400)
    left = [s.id for s in service.left(disk) if s.policy]
    assert len(left) == 3
    assert left[0] == stuck
    assert not {*rest} & {*left}
