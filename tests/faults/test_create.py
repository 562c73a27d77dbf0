"""``create`` over a network that fails: one usable snapshot a disk, or a failure that says so.

Each test asserts what is left on the server, not what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.factories import made_past

from evs_snap.services.interface import STAMP_KEY

if TYPE_CHECKING:
    from tests.conftest import Result, Run
    from tests.faults.conftest import Service

    from evs_snap.services.interface import Snapshot

pytestmark = pytest.mark.usefixtures("online")

POST = "POST snapshots"
LIST = "GET snapshots/detail"
LOOK = "GET snapshots/ID"

TRIES: dict[str | int, int] = {403: 1, 429: 7, 500: 4, "drop": 4, "garbage": 1}
"""How often the client sends a GET before it takes such an answer for an answer."""


def ours(service: Service, volume_id: str) -> list[Snapshot]:
    """Return what the disk holds of ours, after everything has come to its end."""
    service.calm()
    return [s for s in service.left(volume_id) if s.name != "by-hand" and s.policy is not None]


def told(result: Result) -> dict[str, Any]:
    """Return the one item of the result."""
    (item,) = result.json["items"]
    found: dict[str, Any] = item
    return found


@pytest.mark.parametrize(
    "how", ["drop", "reset", "half", "stall", 500, 502, 503, 504, "garbage", "cut", "nothing"]
)
def test_an_answer_lost_after_the_service_acted_leaves_one_snapshot(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, how)
    item = told(run("create --volume d1 -f json"))
    (made,) = ours(service, disk)
    assert item["snapshot"]["id"] == made.id
    assert item["snapshot"]["status"] == made.status == "available"
    assert service.count(POST) == 1


@pytest.mark.parametrize("how", ["drop", "reset", "stall", 500, 502, 503, 504, "garbage"])
def test_an_answer_lost_before_the_service_acted_is_asked_for_again(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, how, acts=False)
    item = told(run("create --volume d1 -f json"))
    (made,) = ours(service, disk)
    assert item["snapshot"]["id"] == made.id
    assert service.count(POST) == 2


@pytest.mark.parametrize("how", ["drop", 500, 502, "garbage"])
def test_after_three_posts_without_any_trace_it_gives_up(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, how, acts=False, times=9)
    assert told(run("create --volume d1 -f json", exit_code=1))["snapshot"] is None
    assert ours(service, disk) == []
    assert service.count(POST) == 3


@pytest.mark.parametrize("retry_after", [None, "1", "30"])
def test_a_throttled_post_is_repeated_as_nothing_was_done(
    retry_after: str | None, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    headers = {"Retry-After": retry_after} if retry_after else {}
    service.mishap(POST, 429, acts=False, times=3, headers=headers)
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]
    assert max(service.fake.slept) >= float(retry_after or 0)


def test_a_service_that_throttles_for_ever_is_left_in_peace(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    service.mishap(POST, 429, acts=False, times=99)
    told(run("create --volume d1 -f json", exit_code=1))
    assert ours(service, disk) == []
    assert service.count(POST) <= 10


def test_the_services_own_limit_is_never_tried_again(service: Service, run: Run) -> None:
    disk = service.disk("d1", full=7)
    told(run("create --volume d1 --limit 9 -f json", exit_code=6))
    assert ours(service, disk) == []
    assert service.count(POST) == 1
    assert len(service.left(disk)) == 7


def test_where_nobody_listens_nothing_is_made(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = service.disk("d1")
    # Port 9, discard: nobody has it.
    monkeypatch.setenv("OS_VOLUME_ENDPOINT_OVERRIDE", "http://127.0.0.1:9/volume")
    result = run("create --volume d1 -f json", exit_code=1)
    assert "no connection" in result.json["error"]["message"]
    assert ours(service, disk) == []


@pytest.mark.parametrize("lag", [2.0, 10.0, 30.0])
def test_a_snapshot_that_enters_the_lists_late_is_found(
    lag: float, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.list_lag = lag
    service.mishap(POST, "drop")
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]
    assert service.count(POST) == 1


def test_a_twin_that_shows_up_after_all_looks_is_removed(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    service.list_lag = 33.0
    service.mishap(POST, "drop")
    item = told(run("create --volume d1 -f json"))
    assert service.count(POST) == 2
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


@pytest.mark.parametrize("wait", ["--wait", "--no-wait"])
@pytest.mark.parametrize("later", [0.5, 10.0, 30.9, 31.5, 32.5, 80.0])
def test_a_post_carried_out_late_makes_no_twin(
    later: float, wait: str, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, "drop", acts=later)
    item = told(run(f"create --volume d1 {wait} -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


def test_a_twin_that_is_still_being_made_is_waited_for_and_removed(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, "drop", acts=False)
    # The first POST is carried out when the second one's snapshot is seen usable.
    copies: list[str] = []

    def carry_out_the_first() -> None:
        (first,) = service.left(disk)
        copies.append(made_past(service.client, disk, first.name or "", first.stamp))

    service.mishap(LOOK, 200, times=0)
    service.once(POST, lambda: service.once(POST, lambda: service.once(LIST, carry_out_the_first)))
    item = told(run("create --volume d1 -f json"))
    assert copies
    assert copies[0] != item["snapshot"]["id"]
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


def test_a_refusal_of_the_second_post_is_no_reason_to_forget_the_first(
    service: Service, run: Run
) -> None:
    """The first took the last slot meanwhile, and so the second is refused."""
    disk = service.disk("d1", full=6)
    service.mishap(POST, "drop", acts=31.5)
    service.mishap(POST, 503, acts=False, headers={"Retry-After": "1"})
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]
    assert len(service.left(disk)) == 7


@pytest.mark.parametrize("status", [403, 409, 413])
def test_a_second_post_refused_for_any_reason_finds_the_first_one_made(
    status: int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.list_lag = 40.0
    service.mishap(POST, "drop")
    service.mishap(POST, status, acts=False)
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


@pytest.mark.parametrize("how", [403, 429, 500, 503, "drop", "garbage"])
def test_without_any_look_it_says_that_it_does_not_know(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, 500)
    service.mishap(LIST, how, acts=False, skip=1, times=999)
    item = told(run("create --volume d1 -f json", exit_code=1))
    assert "could not be found out" in item["error"]["message"]
    assert "once-per" in item["error"]["hint"]
    assert service.count(POST) == 1
    assert len(ours(service, disk)) == 1


@pytest.mark.parametrize("how", [403, 429, 500, "drop", "garbage"])
def test_one_look_that_fails_is_followed_by_another(
    how: str | int, service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, "reset")
    service.mishap(LIST, how, acts=False, skip=1, times=TRIES[how] + 1)
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]
    assert service.count(POST) == 1


@pytest.mark.parametrize("acts", [True, False])
def test_a_cloud_that_drops_metadata_is_looked_through_by_name(
    acts: bool,  # noqa: FBT001 - a parameter of pytest's
    service: Service,
    run: Run,
) -> None:
    disk = service.disk("d1")
    service.drops_metadata = True
    service.mishap(POST, "drop", acts=acts)
    item = told(run("create --volume d1 -f json"))
    service.calm()
    assert [s.id for s in service.left(disk)] == [item["snapshot"]["id"]]
    assert any("dropped our stamp" in reason for reason in item["reasons"])


def test_another_ones_snapshot_of_the_same_name_is_not_taken_for_ours(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    theirs = service.snapshot(disk, "nightly")
    rival = service.snapshot(disk, "nightly", policy="default")
    service.mishap(POST, "drop", acts=False)
    item = told(run("create --volume d1 --name nightly -f json"))
    assert item["snapshot"]["id"] not in {theirs, rival}
    assert len(service.left(disk)) == 3


def test_a_renewed_token_repeats_a_post_that_was_refused_and_no_other(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    service.mishap(POST, 401, acts=False)
    service.mishap(POST, "drop")
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]
    assert service.count(POST) == 2
    assert service.count("POST auth/tokens") == 2


def test_a_sign_in_that_fails_amid_the_post_leaves_no_doubt(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    service.mishap(POST, 401, acts=False)
    service.mishap("POST auth/tokens", 401, acts=False, skip=1)
    told(run("create --volume d1 -f json", exit_code=4))
    assert ours(service, disk) == []
    assert service.count("POST auth/tokens") == 2


@pytest.mark.parametrize("how", ["drop", "reset", 500, 503, "garbage", "cut"])
def test_a_wait_outlives_looks_that_fail(how: str | int, service: Service, run: Run) -> None:
    disk = service.disk("d1")
    service.mishap(LOOK, how, times=6)
    item = told(run("create --volume d1 -f json"))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


def test_a_snapshot_that_vanishes_is_no_success(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    service.mishap(LOOK, 404, times=99, acts=False,
                   body=b'{"itemNotFound": {"code": 404, "message": "gone"}}')  # fmt: skip
    item = told(run("create --volume d1 -f json", exit_code=1))
    assert item["snapshot"]["id"] == ours(service, disk)[0].id


@pytest.mark.parametrize(
    ("status", "code"),
    [("error", 1), ("error_deleting", 1), ("deleting", 1), ("rollbacking", 7), ("quantum", 7)],
)
def test_only_available_is_usable(status: str, code: int, service: Service, run: Run) -> None:
    disk = service.disk("d1")

    def turn() -> None:
        (row,) = service.left(disk)
        body = f'{{"snapshot": {{"id": "{row.id}", "volume_id": "{disk}", "status": "{status}"}}}}'
        service.mishap(LOOK, 200, times=9999, acts=False, body=body.encode())

    service.once(LOOK, turn)
    item = told(run("create --volume d1 -f json", exit_code=code))
    assert item["snapshot"]["id"]
    assert item["error"]


def test_what_ends_in_error_is_no_success_and_keeps_its_id(service: Service, run: Run) -> None:
    disk = service.disk("fail-1")
    service.mishap(POST, "drop")
    item = told(run("create --volume fail-1 -f json", exit_code=1))
    (made,) = ours(service, disk)
    assert (made.status, made.id) == ("error", item["snapshot"]["id"])
    assert made.key == item["snapshot"]["metadata"][STAMP_KEY]


def test_without_waiting_what_is_found_in_error_is_no_success_either(
    service: Service, run: Run
) -> None:
    """Its answer was lost, and when it was found it had failed already."""
    disk = service.disk("fail-1")
    service.list_lag = 5.0
    service.mishap(POST, "drop")
    item = told(run("create --volume fail-1 --no-wait -f json", exit_code=1))
    assert [s.id for s in ours(service, disk)] == [item["snapshot"]["id"]]


# --- a region that makes no legacy snapshots any more ---------------------------------

V5 = "GET /volume/v5/[0-9a-f]+/snapshots/detail"
ODD = {
    "a 400 without a code": (400, b'{"badRequest": {"message": "not supported"}}', 1),
    "a code that nobody knows": (400, b'{"error": {"code": "EVS.9999", "message": "no"}}', 1),
    "a 403": (403, b'{"forbidden": {"message": "Policy does not allow it"}}', 4),
    "the gateway's 404": (404, b'{"error_code": "APIGW.0101", "error_msg": "no API"}', 2),
    "EVS's 404": (404, b'{"error": {"code": "EVS.5404", "message": "not found"}}', 5),
}


@pytest.mark.parametrize(("status", "body", "code"), ODD.values(), ids=ODD.keys())
def test_a_refusal_without_a_clear_reason_tells_of_the_region(
    status: int, body: bytes, code: int, service: Service, run: Run
) -> None:
    for name in ("d1", "d2"):
        service.disk(name)
    service.mishap("POST snapshots", status, acts=False, times=2, body=body)
    result = run("create d1 d2 -f json", exit_code=code)
    hints = [item["error"]["hint"] for item in result.json["items"]]
    assert all("the region makes standard snapshots" in hint for hint in hints)
    assert len(hints) == 2
    assert result.stderr.count("standard snapshots") == 1
    assert service.count(V5) == 0, "the hint costs no request"


CLEAR = {
    "the limit": (400, b'{"badRequest": {"message": "Maximum number of snapshots exceeded"}}', 6),
    "a quota": (413, b'{"overLimit": {"message": "SnapshotLimitExceeded"}}', 6),
    "a name": (400, b'{"badRequest": {"message": "Invalid input for field name"}}', 1),
    "a code of one meaning": (403, b'{"error": {"code": "EVS.2143", "message": "key"}}', 4),
    "a failure": (500, b"", 1),
}


@pytest.mark.parametrize(("status", "body", "code"), CLEAR.values(), ids=CLEAR.keys())
def test_a_refusal_with_a_reason_keeps_its_own_hint(
    status: int, body: bytes, code: int, service: Service, run: Run
) -> None:
    service.disk("d1")
    service.mishap("POST snapshots", status, acts=False, times=9, body=body)
    assert "standard" not in run("create d1", exit_code=code).stderr
