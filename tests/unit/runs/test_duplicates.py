"""Two snapshots where one was wanted: all who look come to the same verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap.plan.creation import NewSnapshot
from evs_snap.runs.duplicates import choose
from evs_snap.services.interface import Snapshot, Stamp, Volume

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
BUCKET = "2026-11-23"


def row(
    id_: str,
    seconds: float | None = 0,
    *,
    key: str = "mine",
    status: str = "available",
    bucket: str | None = BUCKET,
    policy: str = "default",
) -> Snapshot:
    return Snapshot(
        id=id_,
        volume_id="v",
        status=status,
        labels=Stamp(key, policy, bucket).labels(),
        created_at=None if seconds is None else NOW + timedelta(seconds=seconds),
    )


def new(key: str = "mine", *, bucket: str | None = BUCKET) -> NewSnapshot:
    return NewSnapshot(
        Volume(id="v", status="available"), "n", None, {}, Stamp(key, "default", bucket),
        frozenset(),
    )  # fmt: skip


def ids(*snapshots: Snapshot) -> list[str]:
    return [s.id for s in snapshots]


def test_one_that_the_list_does_not_show_yet_still_counts() -> None:
    made = row("a")
    assert choose([], new(), made=made).kept == made


def test_of_our_own_twins_the_oldest_stays_and_the_others_go() -> None:
    made = row("b", 1)
    choice = choose([row("c", 2), made, row("a", 0)], new(), made=made)
    assert choice.kept.id == "a"
    assert sorted(ids(*choice.extra)) == ["b", "c"]
    assert choice.undecided == ()


def test_a_twin_of_ours_that_ended_badly_goes() -> None:
    made = row("b", 1)
    choice = choose([row("a", 0, status="error"), made], new(), made=made)
    assert choice.kept.id == "b"
    assert ids(*choice.extra) == ["a"]


def test_anothers_older_one_of_the_period_wins_and_only_ours_goes() -> None:
    made = row("b", 1)
    choice = choose([row("a", 0, key="theirs"), made], new(), made=made)
    assert choice.kept.id == "a"
    assert ids(*choice.extra) == ["b"]


def test_anothers_younger_one_is_theirs_to_delete() -> None:
    made = row("a", 0)
    choice = choose([made, row("b", 1, key="theirs")], new(), made=made)
    assert choice.kept.id == "a"
    assert choice.extra == ()


@pytest.mark.parametrize(
    "other",
    [
        row("a", -9, key="theirs", bucket="2026-11-22"),
        row("a", -9, key="theirs", bucket=None),
        row("a", -9, key="theirs", policy="hourly"),
        row("a", -9, key="theirs", status="error"),
        row("a", -9, key="theirs", status="deleting"),
        Snapshot(id="a", volume_id="v", status="available", created_at=NOW - timedelta(days=1)),
        Snapshot(
            id="a", volume_id="v", status="available", metadata={"evs_snap_bucket": BUCKET},
            created_at=NOW - timedelta(days=1),
        ),
    ],
)  # fmt: skip
def test_what_is_not_for_the_same_period_is_no_rival(other: Snapshot) -> None:
    made = row("b")
    choice = choose([other, made], new(), made=made)
    assert (choice.kept, choice.extra, choice.undecided) == (made, (), ())


def test_without_a_period_nobody_elses_is_a_rival() -> None:
    made = row("b", bucket=None)
    other = row("a", -9, key="theirs", bucket=None)
    assert choose([other, made], new(bucket=None), made=made).kept == made


def test_an_older_one_in_progress_decides_nothing_yet() -> None:
    made, busy = row("b", 1), row("a", 0, key="theirs", status="creating")
    choice = choose([busy, made], new(), made=made)
    assert choice.kept == made
    assert choice.extra == ()
    assert ids(*choice.undecided) == ["a"]


def test_a_twin_of_ours_in_progress_is_waited_for_as_it_cannot_be_deleted_yet() -> None:
    made, busy = row("a", 0), row("b", 1, status="creating")
    choice = choose([made, busy], new(), made=made)
    assert ids(*choice.undecided) == ["b"]
    assert choice.extra == ()


def test_anothers_younger_one_in_progress_is_not_waited_for() -> None:
    made = row("a", 0)
    choice = choose([made, row("b", 1, key="theirs", status="creating")], new(), made=made)
    assert (choice.kept, choice.undecided) == (made, ())


def test_one_without_a_date_loses() -> None:
    made = row("b", None)
    assert choose([made, row("a", 5, key="theirs")], new(), made=made).kept.id == "a"


MADE_BY_TWO = st.lists(
    st.tuples(st.sampled_from(("mine", "theirs")), st.integers(0, 2)), min_size=2, max_size=6
).filter(lambda rows: {key for key, _ in rows} == {"mine", "theirs"})


@settings(max_examples=200, deadline=None)
@given(MADE_BY_TWO)
def test_two_machines_keep_the_same_one_and_between_them_delete_all_others(
    rows: list[tuple[str, int]],
) -> None:
    """Both look when all are usable, even where some were made in the same second."""
    listed = [row(f"s{n}", seconds, key=key) for n, (key, seconds) in enumerate(rows)]
    rulings = []
    for key in ("mine", "theirs"):
        made = next(s for s in listed if s.key == key)
        rulings.append(choose(listed, new(key), made=made))
        assert all(s.key == key for s in rulings[-1].extra)
    assert rulings[0].kept.id == rulings[1].kept.id
    gone = ids(*rulings[0].extra, *rulings[1].extra)
    assert sorted([*gone, rulings[0].kept.id]) == sorted(ids(*listed))
