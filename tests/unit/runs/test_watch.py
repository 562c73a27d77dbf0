"""The loop that watches snapshots: how each ends, how often it looks, when it gives up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap.api.paging import PAGE_SIZE, Page
from evs_snap.clock import Clock, Stop
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    SnapshotFailedError,
    ThrottledError,
    WaitTimeoutError,
)
from evs_snap.plan.request import Request
from evs_snap.runs.watch import await_usable, pauses
from evs_snap.runs.work import Work, no_progress
from evs_snap.services.interface import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evs_snap.services.client import EvsClient

GONE = "gone"


@dataclass
class Service:
    """Knows how each snapshot's status goes on with the seconds, and keeps the time.

    ``fate`` gives, by ID, pairs of a moment and the status from then on; ``trouble`` is
    what each request in turn meets, None for nothing.
    """

    fate: Mapping[str, Sequence[tuple[float, str]]]
    trouble: list[EvsSnapError | None] = field(default_factory=list)
    unlisted: frozenset[str] = frozenset()
    time: float = 0.0
    requests: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def snapshot(self, id_: str) -> Snapshot:
        self._meet(id_)
        row = self._row(id_)
        if row is None:
            raise NotFoundError("there is none")
        return row

    def snapshot_pages(self) -> list[Page[Snapshot]]:
        self._meet("list")
        found = (self._row(id_) for id_ in self.fate if id_ not in self.unlisted)
        rows = [row for row in found if row is not None]
        return [Page(rows[n : n + PAGE_SIZE], more=False) for n in range(0, len(rows), PAGE_SIZE)]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        self.on_sleep()

    def wait(
        self,
        timeout: float = 60,
        *,
        stop: Stop | None = None,
        progress: Callable[[str], None] = no_progress,
    ) -> dict[str, Snapshot | EvsSnapError]:
        self.clock = Clock(
            now=lambda: datetime(2026, 11, 23, tzinfo=UTC),
            monotonic=lambda: self.time,
            sleep=self.sleep,
            jitter=lambda: 0.5,
            new_id=lambda: "id",
            stop=stop or Stop(),
        )
        request = Request(command="wait", snapshots=("a",))
        work = Work(client=cast("EvsClient", self), request=request, progress=progress)
        made = [Snapshot(id=id_, status=fate[0][1]) for id_, fate in self.fate.items()]
        return await_usable(work, made, timeout=timeout)

    def until(self, _moment: float) -> Service:
        return self

    def _meet(self, request: str) -> None:
        self.requests.append(request)
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble is not None:
            raise trouble

    def _row(self, id_: str) -> Snapshot | None:
        status = [status for moment, status in self.fate[id_] if moment <= self.time][-1]
        return None if status == GONE else Snapshot(id=id_, status=status)


def after(seconds: float, status: str = "available") -> list[tuple[float, str]]:
    return [(0, "creating"), (seconds, status)]


def test_it_ends_once_the_snapshot_is_available() -> None:
    service = Service({"a": after(4)})
    result = service.wait()["a"]
    assert isinstance(result, Snapshot)
    assert result.is_usable
    assert service.slept == [1, 2, 3]
    assert service.requests == ["a", "a", "a"]


def test_it_looks_less_often_with_time_and_never_more_than_every_second() -> None:
    assert list(islice(pauses(), 7)) == [1, 2, 3, 5, 5, 5, 5]


def test_what_is_usable_already_costs_no_request_and_no_sleep() -> None:
    service = Service({"a": [(0, "available")]})
    result = service.wait()
    assert isinstance(result["a"], Snapshot)
    assert service.requests == []


def test_several_are_watched_by_one_list_a_look_and_the_last_by_its_id() -> None:
    service = Service({"a": after(1), "b": after(1), "c": after(6)})
    results = service.wait()
    assert all(isinstance(r, Snapshot) and r.is_usable for r in results.values())
    assert service.requests == ["list", "c", "c"]


def test_one_that_the_list_leaves_out_is_read_by_its_id() -> None:
    service = Service({"a": after(1), "b": after(1)}, unlisted=frozenset("b"))
    assert isinstance(service.wait()["b"], Snapshot)
    assert service.requests == ["list", "b"]


@pytest.mark.parametrize("status", ["error", "error_deleting", "deleting"])
def test_a_bad_end_is_told_with_id_status_and_what_to_do(status: str) -> None:
    service = Service({"a": after(1, status), "b": after(3)})
    results = service.wait()
    assert isinstance(results["a"], SnapshotFailedError)
    assert "snapshot a " in results["a"].message
    assert repr(status) in results["a"].message
    assert "evs-snap delete a" in (results["a"].hint or "")
    assert isinstance(results["b"], Snapshot), "one's failure is not another's"


def test_a_status_that_nobody_knows_is_waited_out() -> None:
    service = Service({"a": [(0, "queued"), (3, "backing-up"), (9, "available")]})
    assert isinstance(service.wait()["a"], Snapshot)


def test_one_must_be_missing_for_half_a_minute_before_it_counts_as_deleted() -> None:
    service = Service({"a": [(0, "creating"), (1, GONE)]})
    result = service.wait()["a"]
    assert isinstance(result, SnapshotFailedError)
    assert "gone" in result.message
    assert 30 <= sum(service.slept) < 40
    back = Service(
        {"a": [(0, "creating"), (1, GONE), (26, "creating"), (27, GONE), (50, "available")]}
    )
    assert isinstance(back.wait()["a"], Snapshot)


def test_the_time_is_up_for_all_together_after_a_last_look() -> None:
    service = Service({"a": after(9), "b": after(99)})
    results = service.wait(timeout=9)
    assert isinstance(results["a"], Snapshot)
    late = results["b"]
    assert isinstance(late, WaitTimeoutError)
    assert late.exit_code == 7
    assert late.message == "snapshot b was still 'creating' after 9s"
    assert sum(service.slept) == 9


def test_no_time_at_all_is_no_request() -> None:
    service = Service({"a": after(9)})
    assert isinstance(service.wait(timeout=0)["a"], WaitTimeoutError)
    assert service.requests == []


@pytest.mark.parametrize(
    "error", [AnswerLostError("x"), BadAnswerError("x"), ServerError("x"), ThrottledError("x")]
)
def test_what_may_pass_is_waited_out(error: EvsSnapError) -> None:
    service = Service({"a": after(2)}, trouble=[error, error, None])
    assert isinstance(service.wait()["a"], Snapshot)


def test_trouble_to_the_end_is_told_with_the_timeout() -> None:
    service = Service({"a": after(2)}, trouble=[ServerError("no answer")] * 99)
    result = service.wait(timeout=20)["a"]
    assert isinstance(result, WaitTimeoutError)
    assert "no answer" in result.message


def test_trouble_that_has_passed_is_not_told() -> None:
    service = Service({"a": after(99)}, trouble=[ServerError("no answer"), None])
    result = service.wait(timeout=20)["a"]
    assert isinstance(result, WaitTimeoutError)
    assert "no answer" not in result.message


def test_what_will_not_pass_ends_it_for_those_still_pending() -> None:
    denied = PermissionDeniedError("no more")
    service = Service({"a": after(1), "b": after(9), "c": after(9)}, trouble=[None, denied])
    results = service.wait()
    assert isinstance(results["a"], Snapshot)
    assert results["b"] is results["c"] is denied


def test_a_wish_to_stop_leaves_them_alone_and_says_so() -> None:
    stop = Stop()
    service = Service({"a": after(99)}, on_sleep=lambda: stop.ask(130))
    result = service.wait(stop=stop)["a"]
    assert isinstance(result, WaitTimeoutError)
    assert "when the run was stopped" in result.message
    assert len(service.slept) == 1


def test_progress_names_what_is_pending() -> None:
    shown: list[str] = []
    service = Service({"a": after(1), "b": after(3)})
    service.wait(progress=shown.append)
    assert shown[0] == "0 of 2 snapshots available, 0s of 1m"
    assert shown[-1].startswith("1 of 2 snapshots available, ")


STATUSES = st.sampled_from(("creating", "available", "error", GONE, "odd", "deleting"))
FATES = st.dictionaries(
    st.sampled_from("abc"),
    st.lists(st.tuples(st.integers(1, 40), STATUSES), max_size=4).map(
        lambda steps: [(0.0, "creating"), *sorted(steps, key=lambda step: step[0])]
    ),
    min_size=1,
)
TROUBLE = st.lists(st.none() | st.just(ServerError("busy")), max_size=10)


@settings(max_examples=200, deadline=None)
@given(FATES, TROUBLE, st.integers(0, 60))
def test_each_gets_one_end_in_time_and_usable_means_available(
    fate: dict[str, list[tuple[float, str]]], trouble: list[EvsSnapError | None], timeout: int
) -> None:
    service = Service(fate, trouble=trouble)
    results = service.wait(timeout=timeout)
    assert set(results) == set(fate)
    assert service.time <= timeout
    for id_, result in results.items():
        if isinstance(result, Snapshot):
            assert result.id == id_
            assert result.status == "available"
        else:
            assert isinstance(result, SnapshotFailedError | WaitTimeoutError)
            assert id_ in result.message


def test_more_of_them_than_a_page_holds_are_found_by_reading_on() -> None:
    service = Service({f"s{number}": after(0) for number in range(PAGE_SIZE + 1)})
    assert {row.status for row in service.wait().values() if isinstance(row, Snapshot)} == {
        "available"
    }
    assert service.requests == ["list"]
