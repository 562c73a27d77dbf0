"""What rules come to over time, told beforehand by the planner itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, NOW
from tests.factories import request as asked
from tests.unit.plan.any_disk import rules

from evs_snap.plan.retention import Keep
from evs_snap.plan.simulate import Schedule, Simulation, play, repeatable, rotation, simulate

some = settings(max_examples=25, deadline=None)  # each plays weeks
NIGHTLY = Schedule(NOW, every=DAY, span=365 * DAY)


def played(keep: Keep, schedule: Schedule = NIGHTLY, *, limit: int = 7) -> Simulation:
    return simulate(asked(keep=keep, limit=limit), schedule, chance=repeatable("x"))


def test_four_daily_two_weekly_and_one_monthly_over_a_year() -> None:
    simulation = played(Keep(daily=4, weekly=2, monthly=1))
    seen = simulation.summary
    assert (seen.runs, seen.refused, simulation.missed) == (365, 0, 0)
    assert seen.peak == 6, "5 as told, and the next one"
    assert seen.by_day == {
        **dict.fromkeys(("Monday", "Tuesday", "Wednesday"), (4, 4)),
        **dict.fromkeys(("Thursday", "Friday", "Saturday", "Sunday"), (5, 5)),
        "1st of a month": (4, 5),
    }
    assert (seen.best_reach, seen.worst_reach) == (8 * DAY, 3 * DAY)
    assert simulation.idle == ("monthly",), "one monthly is the newest, which all keep"
    assert [v.reasons[-1] for v in simulation.kept] == [
        "monthly 2027-11",
        "weekly 2027-W46",
        "daily 2027-11-20",
        "daily 2027-11-19",
    ]


def test_rules_that_are_each_covered_by_another_are_both_named() -> None:
    weekly = Schedule(NOW, every=7 * DAY, span=365 * DAY)
    assert played(Keep(daily=3, weekly=3), weekly).idle == ("daily", "weekly")
    assert played(Keep(daily=3, within=2 * DAY)).idle == ("within",)
    assert played(Keep(last=3)).idle == (), "the only one does something"


def test_while_history_grows_there_is_no_worst_moment_and_runs_refused_are_counted() -> None:
    seen = played(Keep(daily=2, yearly=4)).summary
    assert (seen.worst_reach, seen.best_reach) == (None, 364 * DAY)
    seen = played(Keep(within=30 * DAY)).summary
    assert (seen.peak, seen.refused) == (7, 358)


@some
@given(
    rules(within=False),
    st.sampled_from((5 * HOUR, DAY, 3 * DAY)),
    st.sampled_from((0.0, 0.1, 0.6)),
    st.integers(0, 99),
)
def test_any_rules_stay_below_the_limit_and_keep_the_newest(
    keep: Keep, every: timedelta, miss: float, seed: int
) -> None:
    request = asked(keep=keep, limit=keep.most + 1)
    schedule = Schedule(NOW, every=every, span=60 * DAY, miss=miss)
    simulation = simulate(request, schedule, chance=repeatable(str(seed)))
    moments = schedule.moments(repeatable(str(seed)))
    assert [run.moment for run in simulation.runs] == moments
    assert len(moments) + simulation.missed == 60 * DAY // every
    seen = simulation.summary
    assert seen.refused == 0
    assert seen.peak <= request.limit
    for run in simulation.runs:
        assert len(run.after) <= keep.most
        assert max(s.created_at for s in run.after if s.created_at) == run.moment
    assert seen.worst_reach is None or seen.worst_reach <= seen.best_reach
    for name, count in keep.counts:
        rest = replace(keep, **{name: 0})  # type: ignore[arg-type]  # by name
        if count and not rest.is_empty:
            without = play(moments, rotation(replace(request, keep=rest)))
            same = [run.after for run in without] == [run.after for run in simulation.runs]
            assert same == (name in simulation.idle)


def test_chance_is_the_same_each_time_and_another_for_another_seed() -> None:
    first, again, other = repeatable("a"), repeatable("a"), repeatable("b")
    numbers = [first() for _ in range(1000)]
    assert numbers == [again() for _ in range(1000)]
    assert numbers != [other() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.45 < sum(numbers) / 1000 < 0.55


def test_a_run_missed_now_and_then_is_missed_about_that_often() -> None:
    schedule = replace(NIGHTLY, miss=0.25)
    assert 60 < played(Keep(last=2), schedule).missed < 120
    assert len(schedule.moments(lambda: 0.25)) == 365
    assert schedule.moments(lambda: 0.2) == []
    nothing = simulate(asked(keep=Keep(last=1)), schedule, chance=lambda: 0.0)
    assert (nothing.runs, nothing.kept, nothing.summary.peak) == ((), (), 0)
