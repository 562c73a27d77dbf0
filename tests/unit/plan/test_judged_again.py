"""What may be deleted once the new snapshot is there: what both the plan and the rules give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, MINUTE, NOW, SECOND, snapshot, volume
from tests.factories import request as asked
from tests.unit.plan.any_disk import disks, many, rules

from evs_snap.plan.plan import DiskPlan, judged_again, plan_disk
from evs_snap.plan.retention import Keep, judge, newer_usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.services.interface import Snapshot


def rotation(rows: Sequence[Snapshot], keep: Keep, **wanted: str) -> DiskPlan:
    request = asked(keep=keep, limit=99, **wanted)  # type: ignore[arg-type]  # by name
    plan = plan_disk(volume(), rows, request, now=NOW, new_id=lambda: "key")
    return plan


def again(plan: DiskPlan, rows: Sequence[Snapshot], keep: Keep, new_id: str | None) -> DiskPlan:
    return judged_again(plan, rows, asked(keep=keep, limit=99), now=NOW, new_id=new_id)


def pruned(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.prune]


def kept(plan: DiskPlan) -> dict[str, tuple[str, ...]]:
    return {v.snapshot.id: v.reasons for v in plan.keep}


# Any change may come between the plan and the second look: others delete and make snapshots,
# the service dates the new one as it likes, drops the stamp, or shows it in another status.
CHANGES = st.tuples(
    st.lists(st.integers(0, 9), max_size=3),
    disks(),
    st.sampled_from((*("available",) * 4, "creating", "error", "gone")),
    st.sampled_from((None, -DAY, -HOUR, -SECOND, 0 * DAY, HOUR, DAY, 9 * DAY)),
    st.booleans(),
)


@many
@given(disks(), rules(), CHANGES)
def test_only_what_plan_and_rules_both_give_up_goes(
    rows: list[Snapshot],
    keep: Keep,
    change: tuple[list[int], list[Snapshot], str, object, bool],
) -> None:
    plan = rotation(rows, keep)
    gone, others, status, made, stamped = change
    after = [s for place, s in enumerate(rows) if place not in gone]
    after += [s.model_copy(update={"id": f"late-{s.id}"}) for s in others]
    if status != "gone":
        policy = "default" if stamped else None
        after.append(snapshot("new", made=made, status=status, policy=policy))  # type: ignore[arg-type]  # by name
    result = again(plan, after, keep, "new")

    own = [s for s in after if s.policy == "default" and not s.is_system]
    given_up = {v.snapshot.id for v in judge(own, keep, now=NOW) if not v.keep}
    assert set(pruned(result)) <= set(pruned(plan)) & given_up
    assert "new" not in {*pruned(result), *kept(result)}
    if status == "available":
        assert set(pruned(result)) == (set(pruned(plan)) & given_up) - {"new"}
    else:
        assert pruned(result) == []
    usable = [s for s in own if s.is_usable and s.created_at and s.created_at <= NOW + 15 * MINUTE]
    newest = max(usable, key=lambda s: s.age_key, default=None)
    assert newest is None or newest.id not in pruned(result)
    accounted = sorted([*pruned(result), *kept(result)])
    assert accounted == sorted(s.id for s in own if s.id != "new")
    assert all(verdict.keep and verdict.reasons for verdict in result.keep)


@many
@given(disks(), rules())
def test_a_prune_with_nothing_changed_goes_as_planned(rows: list[Snapshot], keep: Keep) -> None:
    request = asked(command="prune", keep=keep)
    plan = plan_disk(volume(), rows, request, now=NOW, new_id=lambda: "key")
    assert again(plan, rows, keep, None) == plan


def test_a_rotation_answered_after_midnight_keeps_the_day_before() -> None:
    """found: begun at 23:59:55 and dated the next day, it deleted the day's before its own."""
    keep = Keep(daily=2)
    rows = [snapshot("sunday", made="2026-11-22 12:00"), snapshot("saturday", made="2026-11-21")]
    late = snapshot("late", made="2026-11-23 00:00:01")
    request = asked(keep=keep)
    before = late.created_at
    assert before is not None
    plan = plan_disk(volume(), rows, request, now=before - 6 * SECOND, new_id=lambda: "key")
    assert pruned(plan) == ["sunday"], "by the plan's time it is of the same day as the new one"
    result = again(plan, [*rows, late], keep, "late")
    assert pruned(result) == []
    assert kept(result) == {
        "sunday": ("daily 2026-11-22",),
        "saturday": ("kept by no rule", "left to the next run"),
    }


def test_with_this_machines_clock_days_ahead_keep_within_goes_by_the_services_dates() -> None:
    """found: three snapshots made hours ago were deleted."""
    keep = Keep(within=2 * DAY)
    rows = [snapshot(f"h{n}", made=n * HOUR) for n in (1, 2, 3)]
    request = asked(keep=keep)
    plan = plan_disk(volume(), rows, request, now=NOW + 5 * DAY, new_id=lambda: "key")
    assert pruned(plan) == ["h3", "h2", "h1"]
    assert pruned(again(plan, [*rows, snapshot("new")], keep, "new")) == []


def test_nothing_goes_where_the_new_one_is_not_there_or_not_usable() -> None:
    rows = [snapshot("old", made=DAY), snapshot("older", made=2 * DAY)]
    plan = rotation(rows, Keep(last=1))
    assert pruned(plan) == ["older", "old"]
    assert pruned(again(plan, rows, Keep(last=1), "new")) == []
    broken = snapshot("new", status="error")
    assert pruned(again(plan, [*rows, broken], Keep(last=1), "new")) == []


def test_one_now_under_another_policy_or_on_another_disk_stays() -> None:
    rows = [snapshot("a", made=DAY), snapshot("b", made=2 * DAY), snapshot("c", made=3 * DAY)]
    plan = rotation(rows, Keep(last=1))
    after = [
        snapshot("new"),
        rows[0],
        snapshot("b", made=2 * DAY, policy="other"),
        snapshot("c", made=3 * DAY, volume_id="w"),
    ]
    assert pruned(again(plan, after, Keep(last=1), "new")) == ["a"]


# The newer usable snapshot that must have been seen before a deletion


@many
@given(disks(), st.sets(st.integers(0, 10)), st.integers(0, 9))
def test_a_newer_one_is_newer_usable_and_believable(
    rows: list[Snapshot], hidden: set[int], place: int
) -> None:
    if place >= len(rows):
        return
    than, besides = rows[place], {rows[n].id for n in hidden if n < len(rows)}
    found = newer_usable(rows, than=than, now=NOW, besides=besides)
    fit = [
        s
        for s in rows
        if s.status == "available"
        and not s.id.startswith("backup")
        and s.created_at
        and s.created_at <= NOW + 15 * MINUTE
        and s.id not in besides
        and (than.created_at is None or (s.created_at, s.id) > (than.created_at, than.id))
    ]
    assert found == max(fit, key=lambda s: s.age_key, default=None)


def test_one_of_another_disk_is_no_newer_one() -> None:
    other = snapshot("other", volume_id="w")
    assert newer_usable([other], than=snapshot("old", made=DAY), now=NOW) is None
