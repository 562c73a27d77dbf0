"""What is done to a disk, and why: known cases, and what holds for any disk and request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, MINUTE, NOW, snapshot, volume
from tests.factories import request as asked
from tests.unit.plan.any_disk import disks, many, rules

from evs_snap.errors import ConfigurationError, LimitError, VolumeStateError
from evs_snap.plan.plan import DiskPlan, plan_disk
from evs_snap.plan.request import Request
from evs_snap.plan.retention import Keep
from evs_snap.runs.record import Action, planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.services.interface import Snapshot, Volume

months = settings(max_examples=100, deadline=None)  # each a month of nights
foreign = partial(snapshot, policy=None)


def plan_of(
    snapshots: Sequence[Snapshot],
    request: Request,
    *,
    disk: Volume | None = None,
    now: datetime = NOW,
) -> DiskPlan:
    disk = disk or volume()
    plan = plan_disk(disk, snapshots, request, now=now, new_id=lambda: "key")
    return plan


def prune_plan(
    snapshots: Sequence[Snapshot], keep: Keep, *, policy: str = "default", now: datetime = NOW
) -> DiskPlan:
    request = asked(command="prune", keep=keep, policy=policy)
    plan = plan_disk(volume(), snapshots, request, now=now, new_id=lambda: "key")
    return plan


def made_of(plan: DiskPlan, *, now: datetime = NOW, status: str = "available") -> list[Snapshot]:
    """Return what the plan's new snapshot becomes, if it has one."""
    if plan.new is None:
        return []
    stamp = dict(plan.new.metadata)
    return [snapshot(f"new-{now:%Y%m%d%H%M}", made=now, status=status, metadata=stamp)]


def carried_out(
    snapshots: Sequence[Snapshot], plan: DiskPlan, *, now: datetime = NOW
) -> list[Snapshot]:
    gone = removed(plan)
    return [s for s in (*snapshots, *made_of(plan, now=now)) if s.id not in gone]


def removed(plan: DiskPlan) -> set[str]:
    return {*first_of(plan), *pruned(plan)}


def first_of(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.free_slots]


def pruned(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.prune]


def countable(snapshots: Sequence[Snapshot]) -> int:
    return sum(not s.id.startswith("backup") for s in snapshots)


def _request(keep: Keep | None, limit: int, once_per: str | None, *, replacing: bool) -> Request:
    """Make a request that is valid: the limit is raised until the rules fit."""
    least = 1 if keep is None else keep.most + 1
    return asked(limit=max(limit, least), replace=replacing, once_per=once_per, keep=keep)


WAYS = list(product(range(1, 10), (None, None, "hour", "day", "week"), (False, True)))


def requests(keeps: st.SearchStrategy[Keep | None]) -> st.SearchStrategy[Request]:
    return st.builds(
        lambda keep, way: _request(keep, way[0], way[1], replacing=way[2]),
        keeps,
        st.sampled_from(WAYS),
    )


ROTATIONS = requests(rules())
ANY = requests(st.none() | rules())


# What holds for any disk and any request


@many
@given(disks(), ANY)
def test_the_limit_is_kept_at_every_moment(snapshots: list[Snapshot], request: Request) -> None:
    plan = plan_of(snapshots, request)
    before = countable(snapshots)
    if plan.new is not None:
        assert before - len(plan.free_slots) + 1 <= request.limit
    assert countable(carried_out(snapshots, plan)) <= max(before, request.limit)


@many
@given(disks(), ANY)
def test_only_own_deletable_ones_of_the_policy_are_removed_each_once(
    snapshots: list[Snapshot], request: Request
) -> None:
    plan = plan_of(snapshots, request)
    own = {
        s.id for s in snapshots if s.id.startswith("ours") and s.status in {"available", "error"}
    }
    gone = [*first_of(plan), *pruned(plan)]
    assert set(gone) <= own
    assert len(gone) == len(set(gone))


@many
@given(disks(), ANY)
def test_the_newest_usable_one_of_a_disk_is_never_removed(
    snapshots: list[Snapshot], request: Request
) -> None:
    """Neither to free a slot nor, once the new one exists, by the rules."""
    plan = plan_of(snapshots, request)
    made = made_of(plan, now=NOW + MINUTE)
    for rows, gone in ((snapshots, set(first_of(plan))), ([*snapshots, *made], removed(plan))):
        usable = [s for s in rows if s.is_usable and s.created_at]
        believable = [s for s in usable if s.created_at and s.created_at <= NOW + 15 * MINUTE]
        for those in (usable, believable if not request.replace else usable):
            newest = max((s.created_at for s in those if s.created_at), default=None)
            left = {s.created_at for s in those if s.id not in gone}
            assert newest is None or newest in left


@many
@given(disks(), ANY)
def test_a_usable_snapshot_is_there_at_every_moment_once_there_is_one(
    snapshots: list[Snapshot], request: Request
) -> None:
    plan = plan_of(snapshots, request)
    usable = {s.id for s in snapshots if s.is_usable}
    if usable:
        assert usable - set(first_of(plan))
        assert {s.id for s in carried_out(snapshots, plan) if s.is_usable}


@many
@given(disks(), ANY)
def test_slots_are_freed_only_on_a_full_disk_and_no_more_than_are_needed(
    snapshots: list[Snapshot], request: Request
) -> None:
    plan = plan_of(snapshots, request)
    if plan.free_slots:
        assert countable(snapshots) >= request.limit
        assert plan.new is not None
        assert countable(snapshots) - len(plan.free_slots) + 1 == request.limit
        assert request.replace or request.keep is not None


@many
@given(disks(), ANY, st.sampled_from(("available", "in-use", "error", "backing-up")))
def test_a_refusal_is_the_only_thing_in_its_plan(
    snapshots: list[Snapshot], request: Request, status: str
) -> None:
    disk = volume(status=status)
    plan = plan_of(snapshots, request, disk=disk)
    if plan.refusal is None:
        assert (plan.new is None) != (plan.reuse is None)
    else:
        assert isinstance(plan.refusal, LimitError | VolumeStateError)
        reasons = (plan.refusal.message,)
        assert plan == DiskPlan(disk, refusal=plan.refusal, reasons=reasons)


@many
@given(disks(), ANY)
def test_a_dry_run_lists_what_would_be_done_and_nothing_else(
    snapshots: list[Snapshot], request: Request
) -> None:
    plan = plan_of(snapshots, request)
    items = planned(plan)
    deleted = [
        i.snapshot.id for i in items if i.action is Action.PLANNED and i.snapshot is not None
    ]
    assert deleted == [*first_of(plan), *pruned(plan)]
    assert [i.snapshot for i in items if i.action is Action.REUSED] == (
        [plan.reuse] if plan.reuse else []
    )
    created = [i for i in items if i.action is Action.PLANNED and i.snapshot is None]
    assert len(created) == (plan.new is not None)
    assert all(plan.new and plan.new.name == i.name for i in created)
    assert [i.error for i in items if i.action is Action.REFUSED] == (
        [plan.refusal] if plan.refusal else []
    )
    kept = [i.snapshot.id for i in items if i.action is Action.KEPT and i.snapshot]
    assert kept == [verdict.snapshot.id for verdict in plan.keep]
    assert all(i.reasons for i in items)


@many
@given(disks(), ROTATIONS)
def test_every_own_snapshot_is_accounted_for_once(
    snapshots: list[Snapshot], request: Request
) -> None:
    plan = plan_of(snapshots, request)
    if plan.refusal is None:
        reused = [plan.reuse.id] if plan.reuse else []
        kept = [v.snapshot.id for v in plan.keep]
        accounted = Counter([*first_of(plan), *pruned(plan), *kept, *reused])
        assert accounted == Counter(s.id for s in snapshots if s.id.startswith("ours"))


@many
@given(disks(), ROTATIONS)
def test_rotating_again_in_the_same_period_changes_nothing(
    snapshots: list[Snapshot], request: Request
) -> None:
    request = replace(request, once_per=request.once_per or "day")
    first = plan_of(snapshots, request)
    after = carried_out(snapshots, first)
    second = plan_of(after, request, now=NOW + MINUTE)
    if first.refusal is None:
        assert second.reuse is not None
        assert removed(second) == set()
        assert carried_out(after, second) == after


@many
@given(disks(), ROTATIONS)
def test_pruning_after_a_rotation_finds_nothing_to_do(
    snapshots: list[Snapshot], request: Request
) -> None:
    request = replace(request, once_per=None)
    plan = plan_of(snapshots, request)
    if plan.refusal is None and request.keep is not None:
        after = carried_out(snapshots, plan, now=NOW + MINUTE)
        assert pruned(prune_plan(after, request.keep, now=NOW + MINUTE)) == []


@many
@given(disks(), disks("w"), ANY)
def test_no_disk_matters_to_another(
    mine: list[Snapshot], others: list[Snapshot], request: Request
) -> None:
    pair = [volume(), volume("w", status="in-use")]
    rows = {"w": others, "v": mine}
    both = [plan_disk(d, rows[d.id], request, now=NOW, new_id=lambda: "key") for d in pair]
    alone = plan_of(mine, request)
    assert [plan.volume.id for plan in both] == ["v", "w"]
    assert (both[0].refusal is None) == (alone.refusal is None)
    assert replace(both[0], refusal=None) == replace(alone, refusal=None)
    assert all(id_.endswith(".w") for id_ in removed(both[1]))


@many
@given(disks(), rules())
def test_prune_makes_nothing_and_leaves_other_policies_alone(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    plan = prune_plan(snapshots, keep, policy="hourly")
    assert (plan.new, plan.reuse, plan.refusal, plan.free_slots) == (None, None, None, ())
    assert all(id_.startswith("other") for id_ in pruned(plan))


NIGHTS = st.lists(
    st.sampled_from(("made", "made", "made", "error", "missed", "twice")), min_size=5, max_size=30
)
HELD_AT_FIRST = st.lists(st.integers(0, 9 * 24), max_size=9, unique=True)


@months
@given(NIGHTS, HELD_AT_FIRST, rules().filter(lambda keep: keep.within is None), st.integers(1, 9))
def test_rules_once_accepted_never_jam_a_disk_of_ours_alone(
    nights: list[str], ages: list[int], keep: Keep, limit: int
) -> None:
    """Whatever it holds at first, even more than the limit."""
    request = _request(keep, limit, None, replacing=False)
    held = [snapshot(f"old-{age:03}", made=age * HOUR) for age in ages]
    for number, night in enumerate(nights):
        for turn in range({"missed": 0, "twice": 2}.get(night, 1)):
            now = NOW + number * DAY + turn * MINUTE
            plan = plan_of(held, request, now=now)
            assert plan.new is not None, plan.refusal
            if night == "error":
                gone = set(first_of(plan))
                held = [s for s in held if s.id not in gone]
                held += made_of(plan, now=now, status="error")
            else:
                held = carried_out(held, plan, now=now)
            assert countable(held) <= request.limit


# Known cases


def rotation(*, last: int = 0, hourly: int = 0, daily: int = 0) -> Request:
    return asked(keep=Keep(last=last, hourly=hourly, daily=daily))


def full(*rest: Snapshot) -> list[Snapshot]:
    """Return seven: these, and old foreign ones."""
    return [*(foreign(f"f{n}", made=(90 + n) * DAY) for n in range(7 - len(rest))), *rest]


@pytest.mark.parametrize("status", ["creating", "error", "backing-up", "attaching", "unknown"])
def test_a_disk_in_any_other_status_is_refused_by_its_name(status: str) -> None:
    plan = plan_of([], asked(), disk=volume(status=status))
    assert isinstance(plan.refusal, VolumeStateError)
    assert repr(status) in plan.refusal.message
    assert plan.refusal.exit_code == 1


@pytest.mark.parametrize(("status", "force"), [("available", False), ("in-use", True)])
def test_force_is_for_attached_disks_alone(status: str, *, force: bool) -> None:
    plan = plan_of([], asked(), disk=volume(status=status))
    assert plan.new
    assert plan.new.force is force


def test_a_new_snapshot_carries_name_stamp_and_properties() -> None:
    request = asked(description="before", properties={"a": "1"}, policy="nightly", once_per="day")
    plan = plan_of([foreign("f", made=DAY)], request)
    assert plan.new is not None
    assert plan.new.name == "data-01-20261123T021700Z"
    assert plan.new.description == "before"
    assert plan.new.metadata == {
        "a": "1",
        "evs_snap_key": "key",
        "evs_snap_policy": "nightly",
        "evs_snap_bucket": "2026-11-23",
    }
    assert plan.new.key == "key"
    assert plan.new.known == {"f"}
    assert plan.reasons == ("slot 2 of 7",)


def test_a_full_disk_is_refused_with_its_holders_and_the_ways_out() -> None:
    rows = full(snapshot("mine", made=DAY), foreign("bad", made=DAY, status="error"))
    refusal = plan_of(rows, asked()).refusal
    assert isinstance(refusal, LimitError)
    assert "7 of 7" in refusal.message
    assert refusal.exit_code == 6
    told = "\n".join(refusal.details)
    assert all(row.id in told for row in rows)
    assert "1 made by evs-snap (policy default), 6 by others, 1 of them in error" in told
    assert refusal.hint
    assert all(way in refusal.hint for way in ("evs-snap delete", "--on-limit", "--limit"))


def test_a_rotation_on_a_full_disk_first_deletes_what_the_rules_have_given_up() -> None:
    rows = full(*(snapshot(f"o{age}", made=age * DAY) for age in (1, 2, 3)))
    plan = plan_of(rows, rotation(last=2))
    assert first_of(plan) == ["o3"]
    assert plan.free_slots[0].reasons == ("to free a slot", "given up by the rules")
    assert pruned(plan) == ["o2"]
    assert [v.snapshot.id for v in plan.keep] == ["o1"]


def test_a_rotation_on_a_full_disk_begins_with_what_is_in_error() -> None:
    rows = full(
        snapshot("old", made=3 * DAY),
        snapshot("bad", made=DAY, status="error"),
        snapshot("good", made=2 * DAY),
    )
    assert first_of(plan_of(rows, rotation(last=1))) == ["bad"]


def test_of_what_is_pruned_those_in_error_go_first_then_the_oldest() -> None:
    rows = [
        snapshot("o3", made=3 * DAY),
        snapshot("bad", made=DAY, status="error"),
        snapshot("o4", made=4 * DAY),
        snapshot("o2", made=2 * DAY),
    ]
    assert pruned(plan_of(rows, rotation(last=1))) == ["bad", "o4", "o3", "o2"]
    assert pruned(prune_plan(rows, Keep(last=1))) == ["bad", "o4", "o3"]


def test_a_rotation_without_anything_to_give_up_is_refused_on_a_disk_full_of_others() -> None:
    plan = plan_of(full(snapshot("o1", made=DAY)), rotation(last=1))
    assert isinstance(plan.refusal, LimitError)


def test_a_limit_below_what_is_held_is_reached_in_one_rotation() -> None:
    rows = [snapshot(f"o{age}", made=age * DAY) for age in range(1, 8)]
    request = asked(limit=5, keep=Keep(last=4))
    plan = plan_of(rows, request)
    assert first_of(plan) == ["o7", "o6", "o5"]
    assert pruned(plan) == ["o4"]
    assert len(carried_out(rows, plan)) == 4


def test_what_the_rules_gave_up_goes_before_the_oldest_is_replaced() -> None:
    ages = (1, 2, 3)
    rows = full(*(snapshot(f"o{age}", made=age * DAY) for age in ages), foreign("f"))
    rows.append(snapshot("bad", status="error"))
    plan = plan_of(rows, asked(replace=True, keep=Keep(last=3)))
    assert first_of(plan) == ["bad", "o3"]
    assert plan.reasons[:3] == ("slot 7 of 7", "in place of bad", "in place of o3")


def test_create_alone_replaces_one_and_never_more() -> None:
    rows = [snapshot(f"o{age}", made=age * DAY) for age in range(1, 9)]
    assert first_of(plan_of(rows[:7], asked(replace=True))) == ["o7"]
    assert isinstance(plan_of(rows, asked(replace=True)).refusal, LimitError)


def test_replacing_takes_the_oldest_of_this_policy() -> None:
    other = snapshot("other", made=30 * DAY, policy="hourly")
    rows = full(other, snapshot("o9", made=9 * DAY), snapshot("o2", made=2 * DAY))
    plan = plan_of(rows, asked(replace=True))
    assert first_of(plan) == ["o9"]
    assert plan.free_slots[0].reasons == ("to free a slot", "oldest of policy default")
    assert plan.reasons == ("slot 7 of 7", "in place of o9")


def test_the_newest_is_not_replaced_by_a_second_one_of_its_period() -> None:
    """The rules keep the other five; today's must not go before there is another."""
    rows = full(*(snapshot(f"o{age}", made=age * DAY + HOUR) for age in range(6)))
    plan = plan_of(rows, asked(replace=True, keep=Keep(daily=6)))
    assert isinstance(plan.refusal, LimitError)


def test_replacing_in_a_rotation_takes_only_what_the_rules_will_not_keep() -> None:
    rows = full(*(snapshot(f"o{age}", made=age * DAY) for age in range(1, 7)))
    plan = plan_of(rows, asked(replace=True, keep=Keep(daily=6)))
    assert first_of(plan) == ["o6"]
    assert pruned(plan) == []
    assert len(plan.keep) == 5


@pytest.mark.parametrize(
    ("once_per", "bucket", "before", "edge"),
    [
        ("hour", "2026-11-23T02", "02:59:59", "03:00:00"),
        ("day", "2026-11-23", "23:59:59", "00:00:00"),
        ("week", "2026-W48", "23:59:59", "00:00:00"),
    ],
)
def test_a_period_is_served_until_its_last_second_and_no_longer(
    once_per: str, bucket: str, before: str, edge: str
) -> None:
    day = {"hour": 23, "day": 23, "week": 29}[once_per]
    last = datetime.fromisoformat(f"2026-11-{day}T{before}+00:00")
    first = last + timedelta(seconds=1)
    assert f"{first:%H:%M:%S}" == edge
    rows = [snapshot("done", made=timedelta(0), bucket=bucket)]
    request = asked(once_per=once_per)
    plan = plan_of(rows, request, now=last)
    assert plan.reuse == rows[0]
    assert plan.reasons == (f"already made for {bucket}",)
    assert plan_of(rows, request, now=first).new is not None


@pytest.mark.parametrize("status", ["error", "deleting", "error_deleting"])
def test_what_failed_does_not_serve_its_period(status: str) -> None:
    rows = [snapshot("bad", made=HOUR, status=status, bucket="2026-11-23")]
    assert plan_of(rows, asked(once_per="day")).new is not None


def test_only_a_snapshot_of_ours_under_the_policy_serves_the_period() -> None:
    """found: one with a backup service's name and our stamp was reused."""
    rows = [
        snapshot("o", policy="x", bucket="2026-11-23"),
        foreign("b", bucket="2026-11-23"),
        snapshot("s", name="autobk_snapshot_1", bucket="2026-11-23"),
    ]
    assert plan_of(rows, asked(once_per="day")).new is not None


def test_of_several_for_a_period_a_usable_one_serves_then_the_oldest() -> None:
    bucket = "2026-11-23"
    rows = [
        snapshot("busy", made=3 * MINUTE, status="creating", bucket=bucket),
        snapshot("second", made=1 * MINUTE, bucket=bucket),
        snapshot("first", made=2 * MINUTE, bucket=bucket),
    ]
    plan = plan_of(rows, asked(once_per="day"))
    assert plan.reuse is not None
    assert plan.reuse.id == "first"


def test_a_full_disk_in_error_is_fine_where_the_period_has_its_snapshot() -> None:
    rows = full(snapshot("done", made=HOUR, bucket="2026-11-23"))
    assert plan_of(rows, asked(once_per="day"), disk=volume(status="error")).reuse == rows[-1]


def test_a_rotation_never_deletes_the_snapshot_that_it_reuses() -> None:
    """A newer one was made since by hand, under the same policy: the rules keep that one."""
    reused = snapshot("monday", made=2 * DAY, bucket="2026-W48")
    rows = [reused, snapshot("by-hand", made=DAY)]
    request = asked(once_per="week", keep=Keep(last=1))
    plan = plan_of(rows, request)
    assert plan.reuse == reused
    assert pruned(plan) == []
    assert plan.reasons == ("already made for 2026-W48",)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=1), 5 * MINUTE, 14 * MINUTE])
def test_the_new_one_is_the_newest_though_the_services_clock_is_ahead(ahead: timedelta) -> None:
    """The period's older one goes, not the one that is not made yet."""
    rows = [snapshot("earlier", made=-ahead), snapshot("yesterday", made=DAY)]
    plan = plan_of(rows, rotation(hourly=1, daily=2))
    assert pruned(plan) == ["earlier"]
    assert [v.snapshot.id for v in plan.keep] == ["yesterday"]


def test_the_reasons_of_a_rotation_say_which_rules_want_the_new_one() -> None:
    plan = plan_of([], rotation(last=1, daily=1))
    assert plan.reasons == ("slot 1 of 7", "kept as last 1, daily 2026-11-23")


def test_a_name_that_cannot_be_is_the_disks_own_refusal() -> None:
    taken = volume(name="autobk_snapshot_x")
    assert isinstance(plan_of([], asked(), disk=taken).refusal, ConfigurationError)
    request = asked(name="s-{utc}")
    assert plan_of([], request, disk=taken).refusal is None
