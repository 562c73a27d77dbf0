"""KEEP rules: known tables and the edges of periods. What holds for any: test_invariants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from tests.factories import DAY, HOUR, NOW, SECOND, snapshot

from evs_snap.plan.retention import Keep, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.services.interface import Snapshot


def kept(snapshots: Sequence[Snapshot], keep: Keep, *, now: datetime = NOW) -> set[str]:
    return {v.snapshot.id for v in judge(snapshots, keep, now=now) if v.keep}


def kept_times(times: Sequence[str], keep: Keep, *, now: str = "2100-01-01") -> list[str]:
    """Judge snapshots made at these times; return the times kept, newest first."""
    rows = [snapshot(text, made=text) for text in times]
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return [v.snapshot.id for v in judge(rows, keep, now=moment) if v.keep]


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


@pytest.mark.parametrize(("minutes", "is_future"), [(14, False), (15, False), (16, True)])
def test_a_little_ahead_is_a_clock_that_differs_and_more_is_the_future(
    minutes: int, *, is_future: bool
) -> None:
    ahead = snapshot("ahead", made=NOW + timedelta(minutes=minutes))
    now = snapshot("now", made=NOW)
    assert kept([ahead, now], Keep(last=1)) == ({"ahead", "now"} if is_future else {"ahead"})
