"""One record of a run, which alone decides the exit code: the frozen table of the design."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap import errors
from evs_snap.render.documents import SCHEMA
from evs_snap.runs.record import Action, Item, RunRecord
from evs_snap.services.interface import Snapshot, Volume

if TYPE_CHECKING:
    from evs_snap.errors import EvsSnapError

CODES: dict[type[EvsSnapError], int] = {
    errors.EvsSnapError: 1,
    errors.VolumeStateError: 1,
    errors.SnapshotFailedError: 1,
    errors.UnreachableError: 1,
    errors.BadAnswerError: 1,
    errors.ServiceError: 1,
    errors.ServerError: 1,
    errors.ThrottledError: 1,
    errors.ConfigurationError: 2,
    errors.NotOursError: 2,
    errors.WrongEndpointError: 2,
    errors.SignInError: 4,
    errors.PermissionDeniedError: 4,
    errors.SelectionError: 5,
    errors.AmbiguousError: 5,
    errors.NotFoundError: 5,
    errors.LimitError: 6,
    errors.QuotaError: 6,
    errors.WaitTimeoutError: 7,
    errors.LockedError: 11,
}
DONE = [
    Item(action) for action in (Action.CREATED, Action.REUSED, Action.DELETED, Action.WOULD_CREATE)
]
KEPT = Item(Action.KEPT)


def failing(kind: type[EvsSnapError]) -> Item:
    return Item(Action.FAILED, error=kind("it failed"))


def code(*items: Item) -> int:
    return RunRecord("rotate", items).exit_code


def test_nothing_to_do_and_all_done_are_zero() -> None:
    assert code() == 0
    assert code(*DONE) == 0
    assert code(KEPT) == 0


@pytest.mark.parametrize(("kind", "expected"), CODES.items())
def test_one_cause_for_all_gives_its_code(kind: type[EvsSnapError], expected: int) -> None:
    assert code(failing(kind)) == expected
    assert code(failing(kind), failing(kind)) == expected
    assert RunRecord("rotate", error=kind("it failed")).exit_code == expected


def test_what_merely_stayed_does_not_make_a_failure_partial() -> None:
    assert code(failing(errors.LimitError), KEPT) == 6


@pytest.mark.parametrize("done", DONE)
def test_some_done_and_some_failed_is_three(done: Item) -> None:
    for items in permutations((done, failing(errors.LimitError), KEPT)):
        assert code(*items) == 3


def test_two_causes_are_three_and_two_kinds_of_one_code_are_that() -> None:
    assert code(failing(errors.LimitError), failing(errors.WaitTimeoutError)) == 3
    assert code(failing(errors.LimitError), failing(errors.QuotaError)) == 6


@pytest.mark.parametrize("signal", [130, 143])
def test_a_signal_counts_over_all_else(signal: int) -> None:
    for items in ((), tuple(DONE), (failing(errors.LimitError),)):
        assert RunRecord("create", items, signal_code=signal).exit_code == signal


ITEMS = st.lists(st.sampled_from([*DONE, KEPT, *(failing(kind) for kind in CODES)]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(ITEMS)
def test_the_code_is_zero_only_where_nothing_failed(items: list[Item]) -> None:
    failures = {item.error.exit_code for item in items if item.error}
    result = code(*items)
    assert (result == 0) == (not failures)
    assert result in {0, 3, *failures}
    assert code(*reversed(items)) == result


@settings(max_examples=200, deadline=None)
@given(ITEMS)
def test_the_summary_counts_every_item_once(items: list[Item]) -> None:
    summary = RunRecord("rotate", tuple(items)).summary
    assert sum(summary.values()) == len(items)
    assert all(summary[item.action] >= 1 for item in items)
    assert summary.get("failed", 0) == sum(item.action is Action.FAILED for item in items)


def test_an_item_is_called_by_its_disks_name_or_what_there_is() -> None:
    snapshot = Snapshot(id="s")
    assert Item(Action.CREATED, Volume(id="v", name="data"), snapshot).label == "data"
    assert Item(Action.CREATED, Volume(id="v", name=""), snapshot).label == "v"
    assert Item(Action.DELETED, None, snapshot).label == "s"
    assert Item(Action.DELETED).label == ""


def test_the_words_that_scripts_rely_on() -> None:
    assert SCHEMA == "evs-snap/1"
    assert [str(action) for action in Action] == [
        "created", "reused", "deleted", "kept", "refused", "failed", "would-create",
        "would-delete", "would-restore", "restored", "ready", "pinned", "unpinned",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "told"), [([], None), ([2.0], None), ([3.0, None, 2.75, 2.9], 250)]
)
def test_the_spread_is_from_the_first_answer_to_the_last(
    answered: list[float | None], told: int | None
) -> None:
    items = tuple(Item(Action.CREATED, answered_at=moment) for moment in answered)
    assert RunRecord("create", items).spread_ms == told
