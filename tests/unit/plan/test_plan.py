"""What is done to a disk, and why: known cases, and what holds for any disk and request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap.api.models import Snapshot, Volume
from evs_snap.errors import ConfigurationError, LimitError, VolumeStateError
from evs_snap.plan.naming import Template
from evs_snap.plan.plan import DiskPlan, plan_create, plan_prune
from evs_snap.plan.request import CreateRequest
from evs_snap.plan.retention import Keep
from evs_snap.runs.report import Action, planned

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 23, 2, 17, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DISK = Volume(id="v", name="data-01", status="available")
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
BUCKETS = (None, "2026-11-23T02", "2026-11-23", "2026-W48", "2026-11-22")
thousand = settings(max_examples=1000, deadline=None)
hundred = settings(max_examples=100, deadline=None)  # each a month of nights


def stamp(policy: str = "default", bucket: str | None = None) -> dict[str, str]:
    marks = {"evs_snap_key": "k", "evs_snap_policy": policy}
    return marks if bucket is None else marks | {"evs_snap_bucket": bucket}


def ours(
    age: timedelta, id_: str, *, status: str = "available", bucket: str | None = None
) -> Snapshot:
    return Snapshot(
        id=id_,
        volume_id="v",
        status=status,
        metadata=stamp(bucket=bucket),
        created_at=NOW - age,
    )


def foreign(age: timedelta, id_: str, *, status: str = "available") -> Snapshot:
    return Snapshot(id=id_, volume_id="v", status=status, created_at=NOW - age)


def plan_of(
    snapshots: Sequence[Snapshot],
    request: CreateRequest,
    *,
    volume: Volume = DISK,
    now: datetime = NOW,
) -> DiskPlan:
    (plan,) = plan_create([volume], snapshots, request, now=now, new_id=lambda: "key")
    return plan


def made_of(plan: DiskPlan, *, now: datetime = NOW, status: str = "available") -> list[Snapshot]:
    """Return what the plan's new becomes, where it has one."""
    new = plan.new
    if new is None:
        return []
    fresh = f"new-{now:%Y%m%d%H%M}"
    return [
        Snapshot(
            id=fresh,
            name=new.name,
            volume_id=new.volume.id,
            status=status,
            metadata=dict(new.metadata),
            created_at=now,
        )
    ]


def carried_out(
    snapshots: Sequence[Snapshot], plan: DiskPlan, *, now: datetime = NOW
) -> list[Snapshot]:
    gone = removed(plan)
    return [s for s in (*snapshots, *made_of(plan, now=now)) if s.id not in gone]


def removed(plan: DiskPlan) -> set[str]:
    return {removal.snapshot.id for removal in (*plan.make_room, *plan.prune)}


def room_of(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.make_room]


def pruned(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.prune]


def countable(snapshots: Sequence[Snapshot]) -> int:
    return sum(not s.id.startswith("system") for s in snapshots)


UNITS = (timedelta(seconds=20), 20 * MINUTE, 5 * HOUR, DAY, 9 * DAY, 45 * DAY)
AGES = (None, *(number * unit for unit in UNITS for number in range(-2, 20)))
STATUSES = (*("available",) * 6, "error", "creating", "deleting", "error_deleting", "odd")
WHOSE: dict[str, tuple[str | None, dict[str, str]]] = {
    **{f"ours-{bucket}": ("x", stamp(bucket=bucket)) for bucket in BUCKETS},
    "other": ("x", stamp("hourly", "2026-11-23")),
    "foreign": ("data-01-20261123T000000Z", {}),
    "system": ("autobk_snapshot_1", stamp()),
    "system-flagged": ("x", stamp() | {"__system__enableActive": "true"}),
}
KINDS = (*WHOSE, *("ours-None",) * 8, "foreign", "foreign")
ROWS = st.sampled_from(list(product(AGES, STATUSES, KINDS)))


def _held(rows: list[tuple[timedelta | None, str, str]], *, volume_id: str = "v") -> list[Snapshot]:
    numbers = count()
    return [
        Snapshot(
            id=f"{kind}.{next(numbers):02}.{volume_id}",
            name=WHOSE[kind][0],
            volume_id=volume_id,
            status=status,
            metadata=WHOSE[kind][1],
            created_at=None if age is None else NOW - age,
        )
        for age, status, kind in rows
    ]


DISKS = st.lists(ROWS, max_size=10).map(_held)
# Tables to draw from at once: six draws for six numbers would take longer than the planning.
NUMBERS = list(product((0, 0, 0, 1, 2, 3), repeat=len(COUNTS)))
WITHINS = st.sampled_from((None, None, timedelta(0), 2 * DAY))
KEEPS = st.builds(
    lambda numbers, within: replace(Keep(*numbers), within=within),
    st.sampled_from(NUMBERS),
    WITHINS,
).filter(lambda keep: not keep.is_empty)


def _request(
    keep: Keep | None, limit: int, once_per: str | None, *, replacing: bool
) -> CreateRequest:
    """Make a request that is valid: the limit is raised until the rules fit."""
    least = 0 if keep is None else keep.most + (0 if replacing else 1)
    return CreateRequest(
        limit=max(limit, least, 1), replace=replacing, once_per=once_per, keep=keep
    )


WAYS = list(product(range(1, 10), (None, None, "hour", "day", "week"), (False, True)))


def requests(keeps: st.SearchStrategy[Keep | None]) -> st.SearchStrategy[CreateRequest]:
    return st.builds(
        lambda keep, way: _request(keep, way[0], way[1], replacing=way[2]),
        keeps,
        st.sampled_from(WAYS),
    )


ANY = requests(st.none() | KEEPS)
ROTATIONS = requests(KEEPS)


# What holds for any disk and any request


@thousand
@given(DISKS, ANY)
def test_the_limit_is_kept_at_every_moment(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    before = countable(snapshots)
    if plan.new is not None:
        assert before - len(plan.make_room) + 1 <= request.limit
    assert countable(carried_out(snapshots, plan)) <= max(before, request.limit)


@thousand
@given(DISKS, ANY)
def test_only_own_deletable_ones_of_the_policy_are_removed_each_once(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    own = {
        s.id for s in snapshots if s.id.startswith("ours") and s.status in {"available", "error"}
    }
    gone = [*room_of(plan), *pruned(plan)]
    assert set(gone) <= own
    assert len(gone) == len(set(gone))


@thousand
@given(DISKS, ANY)
def test_the_newest_usable_one_of_a_disk_is_never_removed(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    """Neither while room is made nor, with the new one there, by the rules."""
    plan = plan_of(snapshots, request)
    made = made_of(plan, now=NOW + MINUTE)
    for rows, gone in ((snapshots, set(room_of(plan))), ([*snapshots, *made], removed(plan))):
        usable = [s for s in rows if s.is_usable and s.created_at]
        believable = [s for s in usable if s.created_at and s.created_at <= NOW + 15 * MINUTE]
        for those in (usable, believable if not request.replace else usable):
            newest = max((s.created_at for s in those if s.created_at), default=None)
            left = {s.created_at for s in those if s.id not in gone}
            assert newest is None or newest in left


@thousand
@given(DISKS, ANY)
def test_a_usable_snapshot_is_there_at_every_moment_once_there_is_one(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    usable = {s.id for s in snapshots if s.is_usable}
    if usable:
        assert usable - set(room_of(plan))
        assert {s.id for s in carried_out(snapshots, plan) if s.is_usable}


@thousand
@given(DISKS, ANY)
def test_room_is_made_only_on_a_full_disk_and_no_more_than_is_needed(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    if plan.make_room:
        assert countable(snapshots) >= request.limit
        assert plan.new is not None
        assert countable(snapshots) - len(plan.make_room) + 1 == request.limit
        assert request.replace or request.keep is not None


@thousand
@given(DISKS, ANY, st.sampled_from(("available", "in-use", "error", "backing-up")))
def test_a_refusal_is_the_only_thing_in_its_plan(
    snapshots: list[Snapshot], request: CreateRequest, status: str
) -> None:
    volume = DISK.model_copy(update={"status": status})
    plan = plan_of(snapshots, request, volume=volume)
    if plan.refusal is None:
        assert (plan.new is None) != (plan.reuse is None)
    else:
        assert isinstance(plan.refusal, LimitError | VolumeStateError)
        reasons = (plan.refusal.message,)
        assert plan == DiskPlan(volume, refusal=plan.refusal, reasons=reasons)


@thousand
@given(DISKS, ANY)
def test_a_dry_run_lists_what_would_be_done_and_nothing_else(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    items = planned(plan)
    doomed = [i.snapshot.id for i in items if i.action is Action.PLANNED and i.snapshot is not None]
    assert doomed == [*room_of(plan), *pruned(plan)]
    assert [i.snapshot for i in items if i.action is Action.REUSED] == (
        [plan.reuse] if plan.reuse else []
    )
    created = [i for i in items if i.action is Action.PLANNED and i.snapshot is None]
    assert len(created) == (plan.new is not None)
    assert all(plan.new and plan.new.name in i.reasons[0] for i in created)
    assert [i.error for i in items if i.action is Action.REFUSED] == (
        [plan.refusal] if plan.refusal else []
    )
    kept = [i.snapshot.id for i in items if i.action is Action.KEPT and i.snapshot]
    assert kept == [verdict.snapshot.id for verdict in plan.keep]
    assert all(i.reasons for i in items)


@thousand
@given(DISKS, ROTATIONS)
def test_every_own_snapshot_is_accounted_for_once(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    plan = plan_of(snapshots, request)
    if plan.refusal is None:
        reused = [plan.reuse.id] if plan.reuse else []
        kept = [v.snapshot.id for v in plan.keep]
        accounted = Counter([*room_of(plan), *pruned(plan), *kept, *reused])
        assert accounted == Counter(s.id for s in snapshots if s.id.startswith("ours"))


@thousand
@given(DISKS, ROTATIONS)
def test_rotating_again_in_the_same_period_changes_nothing(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    request = replace(request, once_per=request.once_per or "day")
    first = plan_of(snapshots, request)
    after = carried_out(snapshots, first)
    second = plan_of(after, request, now=NOW + MINUTE)
    if first.refusal is None:
        assert second.reuse is not None
        assert removed(second) == set()
        assert carried_out(after, second) == after


@thousand
@given(DISKS, ROTATIONS)
def test_pruning_after_a_rotation_finds_nothing_to_do(
    snapshots: list[Snapshot], request: CreateRequest
) -> None:
    request = replace(request, once_per=None)
    plan = plan_of(snapshots, request)
    if plan.refusal is None and request.keep is not None:
        after = carried_out(snapshots, plan, now=NOW + MINUTE)
        (again,) = plan_prune([DISK], after, request.keep, policy="default", now=NOW + MINUTE)
        assert pruned(again) == []


@thousand
@given(st.lists(ROWS, max_size=8), st.lists(ROWS, max_size=8), ANY)
def test_no_disk_matters_to_another(
    mine: list[tuple[timedelta | None, str, str]],
    others: list[tuple[timedelta | None, str, str]],
    request: CreateRequest,
) -> None:
    rows = [*_held(others, volume_id="w"), *_held(mine)]
    other = Volume(id="w", name="data-02", status="in-use")
    both = plan_create([DISK, other], rows, request, now=NOW, new_id=lambda: "key")
    alone = plan_of(_held(mine), request)
    assert [plan.volume.id for plan in both] == ["v", "w"]
    assert (both[0].refusal is None) == (alone.refusal is None)
    assert replace(both[0], refusal=None) == replace(alone, refusal=None)
    assert all(id_.endswith(".w") for id_ in removed(both[1]))


@thousand
@given(DISKS, KEEPS)
def test_prune_makes_nothing_and_leaves_other_policies_alone(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    (plan,) = plan_prune([DISK], snapshots, keep, policy="hourly", now=NOW)
    assert (plan.new, plan.reuse, plan.refusal, plan.make_room) == (None, None, None, ())
    assert all(id_.startswith("other") for id_ in pruned(plan))


NIGHTS = st.lists(
    st.sampled_from(("made", "made", "made", "error", "missed", "twice")), min_size=5, max_size=30
)
HELD_AT_FIRST = st.lists(st.integers(0, 9 * 24), max_size=9, unique=True)


def _never_jams(nights: list[str], ages: list[int], request: CreateRequest) -> None:
    held = [ours(age * HOUR, f"old-{age:03}") for age in ages]
    for number, night in enumerate(nights):
        for turn in range({"missed": 0, "twice": 2}.get(night, 1)):
            now = NOW + number * DAY + turn * MINUTE
            plan = plan_of(held, request, now=now)
            assert plan.new is not None, plan.refusal
            if night == "error":
                gone = set(room_of(plan))
                held = [s for s in held if s.id not in gone]
                held += made_of(plan, now=now, status="error")
            else:
                held = carried_out(held, plan, now=now)
            assert countable(held) <= request.limit


@hundred
@given(NIGHTS, HELD_AT_FIRST, KEEPS.filter(lambda keep: keep.within is None), st.integers(1, 9))
def test_rules_once_accepted_never_jam_a_disk_of_ours_alone(
    nights: list[str], ages: list[int], keep: Keep, limit: int
) -> None:
    """Whatever it holds at first, more than the limit even: each night there is a way."""
    _never_jams(nights, ages, _request(keep, limit, None, replacing=False))


@hundred
@given(NIGHTS, HELD_AT_FIRST, st.integers(2, 9))
def test_the_last_ones_may_fill_a_disk_of_ours_where_the_oldest_gives_way(
    nights: list[str], ages: list[int], limit: int
) -> None:
    keep = Keep(last=limit)
    _never_jams(nights, ages, CreateRequest(limit=limit, replace=True, keep=keep))


# Known cases


def rotation(*, last: int = 0, hourly: int = 0, daily: int = 0) -> CreateRequest:
    return CreateRequest(keep=Keep(last=last, hourly=hourly, daily=daily))


def full(*rest: Snapshot) -> list[Snapshot]:
    """Return seven: these, and old foreign ones."""
    return [*(foreign((90 + n) * DAY, f"f{n}") for n in range(7 - len(rest))), *rest]


@pytest.mark.parametrize("status", ["creating", "error", "backing-up", "attaching", "unknown"])
def test_a_disk_in_any_other_status_is_refused_by_its_name(status: str) -> None:
    plan = plan_of([], CreateRequest(), volume=DISK.model_copy(update={"status": status}))
    assert isinstance(plan.refusal, VolumeStateError)
    assert repr(status) in plan.refusal.message
    assert plan.refusal.exit_code == 1


@pytest.mark.parametrize(("status", "force"), [("available", False), ("in-use", True)])
def test_force_is_for_attached_disks_alone(status: str, *, force: bool) -> None:
    plan = plan_of([], CreateRequest(), volume=DISK.model_copy(update={"status": status}))
    assert plan.new
    assert plan.new.force is force


def test_a_draft_carries_name_stamp_and_properties() -> None:
    request = CreateRequest(
        description="before", properties={"a": "1"}, policy="nightly", once_per="day"
    )
    plan = plan_of([foreign(DAY, "f")], request)
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


def test_without_once_per_there_is_no_bucket() -> None:
    plan = plan_of([], CreateRequest())
    assert plan.new is not None
    assert "evs_snap_bucket" not in plan.new.metadata


def test_the_backup_services_hold_no_slot() -> None:
    system = _held([(DAY, "available", "system")] * 9)
    plan = plan_of([*system, *(foreign(DAY, f"f{n}") for n in range(6))], CreateRequest())
    assert plan.reasons == ("slot 7 of 7",)


@pytest.mark.parametrize("status", ["creating", "deleting", "error", "error_deleting", "odd"])
def test_every_status_holds_a_slot(status: str) -> None:
    plan = plan_of(full(foreign(HOUR, "x", status=status)), CreateRequest())
    assert isinstance(plan.refusal, LimitError)


def test_a_full_disk_is_refused_with_its_holders_and_the_ways_out() -> None:
    rows = full(ours(DAY, "mine"), foreign(DAY, "bad", status="error"))
    refusal = plan_of(rows, CreateRequest()).refusal
    assert isinstance(refusal, LimitError)
    assert "7 of 7" in refusal.message
    assert refusal.exit_code == 6
    told = "\n".join(refusal.details)
    assert all(row.id in told for row in rows)
    assert "1 made by evs-snap (policy default), 6 by others, 1 of them in error" in told
    assert refusal.hint
    assert all(way in refusal.hint for way in ("evs-snap delete", "--on-limit", "--limit"))


def test_a_rotation_on_a_full_disk_first_deletes_what_the_rules_have_given_up() -> None:
    rows = full(*(ours(age * DAY, f"o{age}") for age in (1, 2, 3)))
    plan = plan_of(rows, rotation(last=2))
    assert room_of(plan) == ["o3"]
    assert plan.make_room[0].reasons == ("to make room", "given up by the rules")
    assert pruned(plan) == ["o2"]
    assert [v.snapshot.id for v in plan.keep] == ["o1"]


def test_a_rotation_on_a_full_disk_begins_with_what_is_in_error() -> None:
    rows = full(ours(3 * DAY, "old"), ours(DAY, "bad", status="error"), ours(2 * DAY, "good"))
    assert room_of(plan_of(rows, rotation(last=1))) == ["bad"]


def test_of_what_is_pruned_those_in_error_go_first_then_the_oldest() -> None:
    rows = [
        ours(3 * DAY, "o3"),
        ours(DAY, "bad", status="error"),
        ours(4 * DAY, "o4"),
        ours(2 * DAY, "o2"),
    ]
    assert pruned(plan_of(rows, rotation(last=1))) == ["bad", "o4", "o3", "o2"]
    (plan,) = plan_prune([DISK], rows, Keep(last=1), policy="default", now=NOW)
    assert pruned(plan) == ["bad", "o4", "o3"]


def test_a_rotation_without_anything_to_give_up_is_refused_on_a_disk_full_of_others() -> None:
    plan = plan_of(full(ours(DAY, "o1")), rotation(last=1))
    assert isinstance(plan.refusal, LimitError)


def test_a_limit_below_what_is_held_is_reached_in_one_rotation() -> None:
    rows = [ours(age * DAY, f"o{age}") for age in range(1, 8)]
    request = CreateRequest(limit=5, keep=Keep(last=4))
    plan = plan_of(rows, request)
    assert room_of(plan) == ["o7", "o6", "o5"]
    assert pruned(plan) == ["o4"]
    assert len(carried_out(rows, plan)) == 4


def test_a_limit_below_what_is_held_is_reached_by_replacing_too() -> None:
    rows = [ours(age * DAY, f"o{age}") for age in range(1, 8)]
    request = CreateRequest(limit=5, replace=True, keep=Keep(last=5))
    plan = plan_of(rows, request)
    assert room_of(plan) == ["o7", "o6", "o5"]
    assert len(carried_out(rows, plan)) == 5


def test_create_alone_replaces_one_and_never_more() -> None:
    rows = [ours(age * DAY, f"o{age}") for age in range(1, 9)]
    assert room_of(plan_of(rows[:7], CreateRequest(replace=True))) == ["o7"]
    assert isinstance(plan_of(rows, CreateRequest(replace=True)).refusal, LimitError)


def test_replacing_takes_the_oldest_of_this_policy() -> None:
    other = ours(30 * DAY, "other").model_copy(update={"metadata": stamp("hourly")})
    rows = full(other, ours(9 * DAY, "o9"), ours(2 * DAY, "o2"))
    plan = plan_of(rows, CreateRequest(replace=True))
    assert room_of(plan) == ["o9"]
    assert plan.make_room[0].reasons == ("to make room", "oldest of policy default")
    assert plan.reasons == ("slot 7 of 7", "in place of o9")


def test_replacing_takes_one_in_error_before_any_usable_one() -> None:
    rows = full(ours(9 * DAY, "o9"), ours(DAY, "bad", status="error"), ours(2 * DAY, "o2"))
    assert room_of(plan_of(rows, CreateRequest(replace=True))) == ["bad"]


def test_the_only_usable_one_never_gives_way() -> None:
    older = [foreign(90 * DAY, f"f{n}") for n in range(5)]
    own = ours(DAY, "only")
    request = CreateRequest(replace=True)
    for sixth in (foreign(2 * DAY, "f"), foreign(HOUR, "f", status="error"), foreign(DAY, "f")):
        assert isinstance(plan_of([*older, sixth, own], request).refusal, LimitError)
    assert room_of(plan_of([*older, foreign(HOUR, "newer"), own], request)) == ["only"]


def test_the_newest_does_not_give_way_to_a_second_one_of_its_period() -> None:
    """The rules want the other six; to delete today's before there is another is no way."""
    rows = [ours(age * DAY + HOUR, f"o{age}") for age in range(7)]
    plan = plan_of(rows, CreateRequest(replace=True, keep=Keep(daily=7)))
    assert isinstance(plan.refusal, LimitError)


def test_replacing_in_a_rotation_takes_only_what_the_rules_will_not_want() -> None:
    rows = [ours(age * DAY, f"o{age}") for age in range(1, 8)]
    plan = plan_of(rows, CreateRequest(replace=True, keep=Keep(daily=7)))
    assert room_of(plan) == ["o7"]
    assert pruned(plan) == []
    assert len(plan.keep) == 6


def test_one_in_progress_is_not_replaced() -> None:
    rows = full(ours(DAY, "busy", status="creating"), ours(DAY, "going", status="deleting"))
    assert isinstance(plan_of(rows, CreateRequest(replace=True)).refusal, LimitError)


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
    rows = [ours(timedelta(0), "done", bucket=bucket)]
    request = CreateRequest(once_per=once_per)
    plan = plan_of(rows, request, now=last)
    assert plan.reuse == rows[0]
    assert plan.reasons == (f"already made for {bucket}",)
    assert plan_of(rows, request, now=first).new is not None


def test_a_week_at_the_turn_of_the_year_is_one_period() -> None:
    request = CreateRequest(once_per="week")
    made = ours(timedelta(0), "done", bucket="2026-W53")
    assert plan_of([made], request, now=datetime(2027, 1, 3, 23, 59, tzinfo=UTC)).reuse == made
    assert plan_of([made], request, now=datetime(2027, 1, 4, tzinfo=UTC)).new is not None


@pytest.mark.parametrize("status", ["error", "deleting", "error_deleting"])
def test_what_failed_does_not_serve_its_period(status: str) -> None:
    rows = [ours(HOUR, "bad", status=status, bucket="2026-11-23")]
    assert plan_of(rows, CreateRequest(once_per="day")).new is not None


def test_another_policys_or_nobodys_snapshot_does_not_serve_the_period() -> None:
    other = Snapshot(id="o", volume_id="v", status="available", metadata=stamp("x", "2026-11-23"))
    bare = other.model_copy(update={"id": "b", "metadata": {"evs_snap_bucket": "2026-11-23"}})
    assert plan_of([other, bare], CreateRequest(once_per="day")).new is not None


def test_of_several_for_a_period_a_usable_one_serves_then_the_oldest() -> None:
    bucket = "2026-11-23"
    rows = [
        ours(3 * MINUTE, "busy", status="creating", bucket=bucket),
        ours(1 * MINUTE, "second", bucket=bucket),
        ours(2 * MINUTE, "first", bucket=bucket),
    ]
    plan = plan_of(rows, CreateRequest(once_per="day"))
    assert plan.reuse is not None
    assert plan.reuse.id == "first"


def test_a_full_disk_and_a_broken_one_are_no_matter_where_the_period_is_served() -> None:
    rows = full(ours(HOUR, "done", bucket="2026-11-23"))
    broken = DISK.model_copy(update={"status": "error"})
    assert plan_of(rows, CreateRequest(once_per="day"), volume=broken).reuse == rows[-1]


def test_what_a_rotation_reuses_it_does_not_delete_in_the_same_breath() -> None:
    """By hand, under the same policy, a newer one was made since: it takes the place."""
    reused = ours(2 * DAY, "monday", bucket="2026-W48")
    rows = [reused, ours(DAY, "by-hand")]
    request = CreateRequest(once_per="week", keep=Keep(last=1))
    plan = plan_of(rows, request)
    assert plan.reuse == reused
    assert pruned(plan) == []
    assert plan.reasons == ("already made for 2026-W48",)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=1), 5 * MINUTE, 14 * MINUTE])
def test_the_new_one_is_the_newest_though_the_services_clock_is_ahead(ahead: timedelta) -> None:
    """The period's older one goes, not the one that is not made yet."""
    rows = [ours(-ahead, "earlier"), ours(DAY, "yesterday")]
    plan = plan_of(rows, rotation(hourly=1, daily=2))
    assert pruned(plan) == ["earlier"]
    assert [v.snapshot.id for v in plan.keep] == ["yesterday"]


def test_the_reasons_of_a_rotation_say_which_rules_want_the_new_one() -> None:
    plan = plan_of([], rotation(last=1, daily=1))
    assert plan.reasons == ("slot 1 of 7", "last 1", "daily 2026-11-23")


def test_a_name_that_cannot_be_is_the_disks_own_refusal() -> None:
    taken = Volume(id="w", name="autobk_snapshot_x", status="available")
    plans = plan_create([DISK, taken], [], CreateRequest(), now=NOW, new_id=lambda: "k")
    assert plans[0].refusal is None
    assert isinstance(plans[1].refusal, ConfigurationError)
    request = CreateRequest(template=Template("s-{utc}"))
    assert plan_of([], request, volume=taken).refusal is None
