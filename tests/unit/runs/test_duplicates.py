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
    labels = Stamp(key, policy, bucket).labels() if key else {"evs_snap_bucket": BUCKET}
    made = None if seconds is None else NOW + timedelta(seconds=seconds)
    return Snapshot(id=id_, volume_id="v", status=status, labels=labels, created_at=made)


def new(key: str = "mine", *, bucket: str | None = BUCKET) -> NewSnapshot:
    stamp = Stamp(key, "default", bucket)
    return NewSnapshot(Volume(id="v", status="available"), "n", None, {}, stamp, frozenset())


MADE = row("m")
NOBODY = Snapshot(id="a", volume_id="v", status="available", created_at=NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("others", "kept", "extra", "undecided"),
    [
        # It counts, though the list does not show it yet.
        ([], "m", "", ""),
        # Of our own the oldest usable one stays, and the others go.
        ([row("c", 2), row("a", -1)], "a", "c m", ""),
        ([row("a", -1, status="error")], "m", "a", ""),
        # Another's older one of the period wins, and only ours goes; a younger one is theirs.
        ([row("a", -1, key="theirs")], "a", "m", ""),
        ([row("b", 1, key="theirs")], "m", "", ""),
        # One in progress is waited for where it is older, or our own: it may fail yet.
        ([row("a", -1, key="theirs", status="creating")], "m", "", "a"),
        ([row("b", 1, status="creating")], "m", "", "b"),
        ([row("b", 1, key="theirs", status="creating")], "m", "", ""),
        # What is not for the same period is no rival.
        ([row("a", -9, key="theirs", bucket="2026-11-22")], "m", "", ""),
        ([row("a", -9, key="theirs", bucket=None)], "m", "", ""),
        ([row("a", -9, key="theirs", policy="hourly")], "m", "", ""),
        ([row("a", -9, key="theirs", status="error")], "m", "", ""),
        ([row("a", -9, key="theirs", status="deleting")], "m", "", ""),
        ([row("a", -9, key="")], "m", "", ""),
        ([NOBODY], "m", "", ""),
    ],
)
def test_who_stays_who_goes_and_who_is_waited_for(
    others: list[Snapshot], kept: str, extra: str, undecided: str
) -> None:
    choice = choose([*others, MADE] if others else [], new(), made=MADE)
    told = [" ".join(sorted(s.id for s in rows)) for rows in (choice.extra, choice.undecided)]
    assert (choice.kept.id, *told) == (kept, extra, undecided)


def test_without_a_period_nobody_elses_is_a_rival_and_without_a_date_one_loses() -> None:
    made, other = row("b", bucket=None), row("a", -9, key="theirs", bucket=None)
    assert choose([other, made], new(bucket=None), made=made).kept == made
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
    gone = [s.id for ruling in rulings for s in ruling.extra]
    assert sorted([*gone, rulings[0].kept.id]) == sorted(s.id for s in listed)
