"""KEEP rules: known tables, the edges of periods, and what holds for any input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, NOW, SECOND, snapshot
from tests.unit.plan.any_disk import COUNTS, disks, many, rules

from evs_snap.plan.retention import Keep, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evs_snap.services.interface import Snapshot


def kept(snapshots: Sequence[Snapshot], keep: Keep, *, now: datetime = NOW) -> set[str]:
    return {v.snapshot.id for v in judge(snapshots, keep, now=now) if v.keep}


def kept_times(times: Sequence[str], keep: Keep, *, now: str = "2100-01-01") -> list[str]:
    """Judge snapshots made at these times; return the times kept, newest first."""
    rows = [snapshot(text, made=text) for text in times]
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return [v.snapshot.id for v in judge(rows, keep, now=moment) if v.keep]


def is_counted(snapshot: Snapshot) -> bool:
    """Whether the rules apply: made by us, usable, not dated in the future."""
    made = snapshot.created_at
    believable = made is not None and made <= NOW + timedelta(minutes=15)
    return (
        snapshot.id.startswith(("ours", "other")) and snapshot.status == "available" and believable
    )


def restic(newest_first: Sequence[datetime], keep: Keep) -> set[int]:
    """Return the places of those that restic keeps, in a model of our own.

    Its rules: https://restic.readthedocs.io/en/stable/060_forget.html. The list is walked
    once, counters run down, periods are numbers.
    """
    left = [getattr(keep, name) for name in COUNTS]
    before: list[object] = [None] * len(COUNTS)
    periods: tuple[Callable[[datetime, int], object], ...] = (
        lambda _made, place: place,
        lambda made, _: made.toordinal() * 24 + made.hour,
        lambda made, _: made.toordinal(),
        lambda made, _: made.isocalendar()[0] * 100 + made.isocalendar()[1],
        lambda made, _: made.year * 12 + made.month,
        lambda made, _: made.year,
    )
    stay = set()
    for place, made in enumerate(newest_first):
        is_oldest = place == len(newest_first) - 1
        if keep.within and made > newest_first[0] - keep.within:
            stay.add(place)
        for number, period in enumerate(periods):
            if left[number] > 0 and (is_oldest or period(made, place) != before[number]):
                before[number] = period(made, place)
                left[number] -= 1
                stay.add(place)
    return stay


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    return sorted(snapshots, key=lambda s: (s.created_at or NOW, s.id), reverse=True)


@many
@given(disks(), rules())
def test_the_rules_keep_what_restic_keeps_and_the_newest(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    counted = newest_first(s for s in snapshots if is_counted(s))
    places = restic([s.created_at or NOW for s in counted], keep) | ({0} if counted else set())
    assert {counted[place].id for place in places} == kept(snapshots, keep) & {
        s.id for s in counted
    }


@many
@given(st.data(), disks(), rules())
def test_the_order_of_the_input_makes_no_difference(
    data: st.DataObject, snapshots: list[Snapshot], keep: Keep
) -> None:
    shuffled = data.draw(st.permutations(snapshots))
    assert judge(shuffled, keep, now=NOW) == judge(snapshots, keep, now=NOW)


@many
@given(disks(), rules())
def test_pruning_twice_prunes_nothing_more(snapshots: list[Snapshot], keep: Keep) -> None:
    first = judge(snapshots, keep, now=NOW)
    again = judge([v.snapshot for v in first if v.keep], keep, now=NOW)
    assert [(v.snapshot, v.reasons) for v in again] == [
        (v.snapshot, v.reasons) for v in first if v.keep
    ]


@many
@given(disks(), rules(), st.sampled_from((*COUNTS, "within")), st.integers(1, 9))
def test_a_higher_count_never_drops_more(
    snapshots: list[Snapshot], keep: Keep, rule: str, more: int
) -> None:
    if rule == "within":
        raised = replace(keep, within=(keep.within or timedelta(0)) + more * DAY)
    else:
        raised = replace(keep, **{rule: getattr(keep, rule) + more})
    assert kept(snapshots, keep) <= kept(snapshots, raised)


@many
@given(disks(), rules() | st.just(Keep()))
def test_the_newest_usable_one_survives_any_rules(snapshots: list[Snapshot], keep: Keep) -> None:
    counted = [s.created_at for s in snapshots if is_counted(s) and s.created_at]
    if counted:
        survivors = {s.created_at for s in snapshots if s.id in kept(snapshots, keep)}
        assert max(counted) in survivors


@many
@given(disks(), rules(within=False))
def test_no_more_usable_ones_are_kept_than_the_counts_allow(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    counted = {s.id for s in snapshots if is_counted(s)}
    assert len(kept(snapshots, keep) & counted) <= max(keep.most, 1)


@many
@given(disks(), rules())
def test_each_of_ours_and_no_other_gets_one_verdict_with_a_reason(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    verdicts = judge(snapshots, keep, now=NOW)
    judged = [v.snapshot.id for v in verdicts]
    assert sorted(judged) == sorted(s.id for s in snapshots if s.id.startswith(("ours", "other")))
    assert all(v.reasons and all(v.reasons) for v in verdicts)
    times = [v.snapshot.created_at for v in verdicts if v.snapshot.created_at]
    assert times == sorted(times, reverse=True)


@many
@given(disks(), rules())
def test_what_is_in_progress_or_ill_dated_stays_and_what_is_in_error_goes(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    for verdict in judge(snapshots, keep, now=NOW):
        snapshot = verdict.snapshot
        if snapshot.status == "error":
            assert not verdict.keep
        elif not is_counted(snapshot):
            assert verdict.keep


TABLE = (
    "2026-11-23 02:17", "2026-11-22 23:30", "2026-11-22 02:17", "2026-11-21 02:17",
    "2026-11-20 02:17", "2026-11-16 02:17", "2026-11-15 02:17", "2026-11-01 02:17",
    "2026-10-31 02:17", "2026-10-01 02:17", "2025-12-31 02:17", "2024-02-29 02:17",
)  # fmt: skip


@pytest.mark.parametrize(
    ("keep", "places"),
    [
        (Keep(), [0]),
        (Keep(last=1), [0]),
        (Keep(last=3), [0, 1, 2]),
        (Keep(last=99), list(range(12))),
        (Keep(hourly=2), [0, 1]),
        (Keep(daily=1), [0]),
        (Keep(daily=2), [0, 1]),
        (Keep(daily=4), [0, 1, 3, 4]),
        (Keep(daily=5), [0, 1, 3, 4, 5]),
        (Keep(weekly=3), [0, 1, 6]),
        (Keep(weekly=5), [0, 1, 6, 7, 9]),
        (Keep(monthly=2), [0, 8]),
        (Keep(monthly=4), [0, 8, 10, 11]),
        (Keep(yearly=3), [0, 10, 11]),
        (Keep(last=2, daily=3, weekly=1), [0, 1, 3]),
        (Keep(daily=2, monthly=2, yearly=2), [0, 1, 8, 10]),
        (Keep(within=DAY), [0, 1]),
        (Keep(within=DAY + SECOND), [0, 1, 2]),
        (Keep(within=DAY, yearly=2), [0, 1, 10]),
        (Keep(yearly=4), [0, 10, 11]),
        (Keep(last=1, yearly=9), [0, 10, 11]),
        (Keep(within=timedelta(days=999_999 * 7)), list(range(12))),
    ],
)
def test_known_tables(keep: Keep, places: list[int]) -> None:
    assert kept_times(TABLE, keep) == [TABLE[place] for place in places]


def test_a_snapshot_stays_for_every_rule_that_wants_it() -> None:
    rows = [snapshot(text, made=text) for text in TABLE]
    newest, second, third, *_ = judge(rows, Keep(last=2, daily=2, weekly=1, within=HOUR), now=NOW)
    assert newest.reasons == ("last 1", "daily 2026-11-23", "weekly 2026-W48", "within")
    assert second.reasons == ("last 2", "daily 2026-11-22")
    assert (third.keep, third.reasons) == (False, ("kept by no rule",))


def test_periods_without_a_snapshot_do_not_count() -> None:
    times = ["2026-11-23 02:17", "2026-06-01 02:17", "2020-01-01 02:17"]
    assert kept_times(times, Keep(daily=3)) == times


def test_history_grows_while_a_rule_has_counts_left() -> None:
    """Nine years are asked for: the first snapshot ever stays until there are nine."""
    times = ["2026-11-23 02:17", "2026-06-01 02:17", "2026-03-01 02:17"]
    assert kept_times(times, Keep(yearly=1)) == times[:1]
    assert kept_times(times, Keep(yearly=9)) == [times[0], times[2]]
    (_, _, oldest) = judge([snapshot(text, made=text) for text in times], Keep(yearly=2), now=NOW)
    assert oldest.reasons == ("oldest yearly",)


def test_the_oldest_goes_once_the_counts_are_used_up() -> None:
    times = ["2026-11-23 02:17", "2025-06-01 02:17", "2025-03-01 02:17"]
    assert kept_times(times, Keep(yearly=2)) == times[:2]
    assert kept_times(times, Keep(yearly=3)) == times


def test_an_iso_week_goes_across_the_new_year() -> None:
    """2026-12-31 and 2027-01-01 lie in 2026-W53, 2027-01-04 begins 2027-W01."""
    times = ["2027-01-04 00:00", "2027-01-03 23:59", "2027-01-01 02:17", "2026-12-31 02:17",
             "2026-12-28 00:00", "2026-12-27 23:59"]  # fmt: skip
    assert kept_times(times, Keep(weekly=3)) == [times[0], times[1], times[5]]
    (verdict,) = judge([snapshot(made="2027-01-01 02:17")], Keep(weekly=1), now=NOW + 99 * DAY)
    assert verdict.reasons == ("weekly 2026-W53",)


def test_an_iso_week_may_belong_to_the_year_to_come() -> None:
    (verdict,) = judge([snapshot(made="2024-12-30 12:00")], Keep(weekly=1), now=NOW)
    assert verdict.reasons == ("weekly 2025-W01",)
    times = ["2024-12-31 02:17", "2024-12-30 02:17", "2024-12-29 02:17"]
    assert kept_times(times, Keep(weekly=2)) == [times[0], times[2]]


def test_a_leap_day_is_a_day_of_its_own() -> None:
    times = ["2028-03-01 00:00", "2028-02-29 23:59", "2028-02-29 00:00", "2028-02-28 23:59"]
    assert kept_times(times, Keep(daily=3)) == [times[0], times[1], times[3]]
    assert kept_times(times, Keep(monthly=2)) == times[:2]


def test_a_day_ends_at_midnight_utc() -> None:
    times = ["2026-11-23 00:00:00", "2026-11-22 23:59:59"]
    assert kept_times(times, Keep(daily=2)) == times


def test_the_time_zones_of_readers_and_their_summer_time_make_no_difference() -> None:
    """Berlin's clock shows 02:30 twice on 2026-10-25; these are two different hours."""
    summer, winter = timezone(2 * HOUR), timezone(HOUR)
    told_in_berlin = [
        snapshot("summer", made=datetime(2026, 10, 25, 2, 30, tzinfo=summer)),
        snapshot("winter", made=datetime(2026, 10, 25, 2, 30, tzinfo=winter)),
        snapshot("before", made=datetime(2026, 10, 25, 1, 30, tzinfo=summer)),
    ]
    told_in_utc = [
        snapshot("summer", made="2026-10-25 00:30"),
        snapshot("winter", made="2026-10-25 01:30"),
        snapshot("before", made="2026-10-24 23:30"),
    ]
    for keep in (Keep(hourly=2), Keep(hourly=3), Keep(daily=1), Keep(daily=2)):
        for now in (NOW, NOW.astimezone(winter), NOW.astimezone(timezone(-11 * HOUR))):
            assert judge(told_in_berlin, keep, now=now) == judge(told_in_utc, keep, now=NOW)
    assert kept(told_in_berlin, Keep(hourly=2)) == {"summer", "winter"}
    assert kept(told_in_berlin, Keep(daily=2)) == {"winter", "before"}


def test_of_two_made_in_the_same_second_one_is_always_the_newer() -> None:
    pair = [snapshot("a", made="2026-11-23 02:00"), snapshot("b", made="2026-11-23 02:00")]
    for rows in (pair, pair[::-1]):
        assert kept(rows, Keep(last=1)) == {"b"}
        assert kept(rows, Keep(hourly=1)) == {"b"}
        assert kept(rows, Keep(hourly=2)) == {"a", "b"}, "the oldest too"
        assert kept(rows, Keep(within=SECOND)) == {"a", "b"}


@pytest.mark.parametrize(
    ("status", "keep", "told"),
    [
        ("creating", True, "left alone while creating"),
        ("deleting", True, "left alone while deleting"),
        ("error_deleting", True, "left alone while error_deleting"),
        ("rollbacking", True, "left alone while rollbacking"),
        ("error", False, "in error"),
    ],
)
@pytest.mark.parametrize("made", ["2026-11-23 02:00", "2030-01-01", None])
def test_other_statuses_are_no_matter_for_rules(
    status: str, told: str, made: str | None, *, keep: bool
) -> None:
    odd = snapshot("odd", made=made, status=status)
    good = snapshot("good", made="2026-11-20")
    verdicts = {v.snapshot.id: v for v in judge([odd, good], Keep(last=1), now=NOW)}
    assert (verdicts["odd"].keep, verdicts["odd"].reasons) == (keep, (told,))
    assert verdicts["good"].reasons == ("last 1",)


def test_one_in_error_does_not_count_as_the_newest() -> None:
    rows = [snapshot("bad", made="2026-11-23", status="error"), snapshot("good", made="2026-11-22")]
    assert kept(rows, Keep(daily=1)) == {"good"}


@pytest.mark.parametrize(("minutes", "is_future"), [(14, False), (15, False), (16, True)])
def test_a_little_ahead_is_a_clock_that_differs_and_more_is_the_future(
    minutes: int, *, is_future: bool
) -> None:
    ahead = snapshot("ahead", made=NOW + timedelta(minutes=minutes))
    now = snapshot("now", made=NOW)
    assert kept([ahead, now], Keep(last=1)) == ({"ahead", "now"} if is_future else {"ahead"})


def test_ours_whose_time_cannot_be_read_stays() -> None:
    lost, good = snapshot("lost", made=None), snapshot("good", made="2026-11-22")
    verdicts = judge([lost, good], Keep(last=1), now=NOW)
    assert [(v.snapshot.id, v.keep) for v in verdicts] == [("good", True), ("lost", True)]
    assert verdicts[1].reasons == ("left alone: its time cannot be read",)


@pytest.mark.parametrize(
    "whose",
    [
        {"policy": None},
        {"metadata": {"evs_snap_policy": "default"}},
        {"name": "autobk_snapshot_1"},
        {"name": "manualbk_snapshot_1"},
        {"metadata": {"evs_snap_key": "k", "__system__enableActive": "true"}},
    ],
)
@pytest.mark.parametrize("status", ["available", "error"])
def test_others_and_the_backup_services_get_no_verdict(whose: dict[str, Any], status: str) -> None:
    row = snapshot(made=400 * DAY, status=status, **whose)
    assert judge([row], Keep(last=1), now=NOW) == []


def test_no_rules_are_no_rules_and_zeroes_are_none() -> None:
    assert Keep().is_empty
    assert Keep(last=0, daily=0).is_empty
    assert not Keep(yearly=1).is_empty
    assert Keep(within=timedelta(0)).is_empty
    assert not Keep(within=SECOND).is_empty
