"""One record of a run, which alone decides the exit code: the frozen table of the design."""

from __future__ import annotations

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

CODES: dict[int, list[type[EvsSnapError]]] = {
    1: [
        errors.EvsSnapError,
        errors.VolumeStateError,
        errors.SnapshotFailedError,
        errors.UnreachableError,
        errors.BadAnswerError,
        errors.ServiceError,
        errors.ServerError,
        errors.ThrottledError,
    ],
    2: [errors.ConfigurationError, errors.NotOursError, errors.WrongEndpointError],
    4: [errors.SignInError, errors.PermissionDeniedError],
    5: [errors.SelectionError, errors.AmbiguousError, errors.NotFoundError],
    6: [errors.LimitError, errors.QuotaError],
    7: [errors.WaitTimeoutError],
    11: [errors.LockedError],
}
FAILED = [Item(Action.FAILED, error=kind("no")) for kinds in CODES.values() for kind in kinds]
DONE = [
    Item(action) for action in (Action.CREATED, Action.REUSED, Action.DELETED, Action.WOULD_CREATE)
]
KEPT = Item(Action.KEPT)


@pytest.mark.parametrize("code", CODES)
def test_each_failure_has_the_code_of_the_table(code: int) -> None:
    for kind in CODES[code]:
        assert RunRecord("rotate", (Item(Action.FAILED, error=kind("no")),)).exit_code == code
        assert RunRecord("rotate", error=kind("it failed")).exit_code == code


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*DONE, KEPT, *FAILED]), max_size=6), st.sampled_from((0, 130)))
def test_one_cause_gives_its_code_what_is_done_in_part_gives_three_and_a_signal_its_own(
    items: list[Item], signal: int
) -> None:
    """What merely stayed does not make a failure partial."""
    failures = {item.error.exit_code for item in items if item.error}
    done = any(item in DONE for item in items)
    partial = len(failures) > 1 or (failures and done)
    record = RunRecord("rotate", tuple(items), signal_code=signal or None)
    assert record.exit_code == (signal or (3 if partial else next(iter(failures), 0)))
    assert sum(record.summary.values()) == len(items)
    assert all(record.summary[item.action] >= 1 for item in items)
    assert record.summary.get("failed", 0) == sum(item.action is Action.FAILED for item in items)


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
