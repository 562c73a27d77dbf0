"""What holds for any disk, any rules and any request: each promise of the plan, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import DAY, HOUR, MINUTE, NOW, SECOND, snapshot, volume
from tests.factories import request as asked
from tests.unit.plan.any_disk import COUNTS, disks, many, rules

from evs_snap.errors import LimitError, VolumeStateError
from evs_snap.plan.plan import DiskPlan, judged_again, plan_disk
from evs_snap.plan.retention import Keep, judge, newer_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from evs_snap.plan.request import Request
    from evs_snap.services.interface import Snapshot

months = settings(max_examples=100, deadline=None)  # each a month of nights
BELIEVABLE = NOW + 15 * MINUTE


def kept(snapshots: Sequence[Snapshot], keep: Keep) -> set[str]:
    return {v.snapshot.id for v in judge(snapshots, keep, now=NOW) if v.keep}


def is_counted(snapshot: Snapshot) -> bool:
    """Whether the rules apply: made by us, usable, not dated in the future."""
    made = snapshot.created_at
    ours = snapshot.id.startswith(("ours", "other"))
    return ours and snapshot.is_usable and made is not None and made <= BELIEVABLE


def planned(
    snapshots: Sequence[Snapshot], request: Request, *, now: datetime = NOW, **more: Any
) -> DiskPlan:
    disk = volume(status=more.pop("status", "available"))
    return plan_disk(disk, snapshots, request, now=now, new_id=lambda: "key", **more)


def first_of(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.free_slots]


def pruned(plan: DiskPlan) -> list[str]:
    return [removal.snapshot.id for removal in plan.prune]


def made_of(plan: DiskPlan, *, now: datetime = NOW, status: str = "available") -> list[Snapshot]:
    """Return what the plan's new snapshot becomes, if it has one."""
    if plan.new is None:
        return []
    labels = plan.new.stamp.labels()
    return [snapshot(f"new-{now:%Y%m%d%H%M}", made=now, status=status, metadata=labels)]


def carried_out(
    snapshots: Sequence[Snapshot], plan: DiskPlan, *, now: datetime = NOW
) -> list[Snapshot]:
    gone = {*first_of(plan), *pruned(plan)}
    return [s for s in (*snapshots, *made_of(plan, now=now)) if s.id not in gone]


def slots(snapshots: Sequence[Snapshot]) -> int:
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
STATUSES = st.sampled_from((*("available",) * 5, "in-use", "error", "backing-up"))

# The rules


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
@given(disks(), rules() | st.just(Keep()))
def test_the_rules_keep_what_restic_keeps_and_the_newest_usable_one(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    """Never more than they say, and together what each of them keeps."""
    counted = newest_first(s for s in snapshots if is_counted(s))
    places = restic([s.created_at or NOW for s in counted], keep) | ({0} if counted else set())
    wanted = {counted[place].id for place in places}
    ids = {s.id for s in counted}
    assert wanted == kept(snapshots, keep) & ids
    assert keep.within or len(wanted) <= max(keep.most, 1)
    single = [replace(Keep(), **{name: count}) for name, count in keep.counts if count]  # type: ignore[arg-type]  # by name
    single += [Keep(within=keep.within)] if keep.within else []
    assert wanted == ids.intersection(
        set().union(*(kept(snapshots, one) for one in single or [keep]))
    )


@many
@given(st.data(), disks(), rules())
def test_each_of_ours_and_no_other_gets_one_verdict_in_any_order(
    data: st.DataObject, snapshots: list[Snapshot], keep: Keep
) -> None:
    verdicts = judge(snapshots, keep, now=NOW)
    assert judge(data.draw(st.permutations(snapshots)), keep, now=NOW) == verdicts
    judged = [v.snapshot.id for v in verdicts]
    assert sorted(judged) == sorted(s.id for s in snapshots if s.id.startswith(("ours", "other")))
    assert all(v.reasons and all(v.reasons) for v in verdicts)
    times = [v.snapshot.created_at for v in verdicts if v.snapshot.created_at]
    assert times == sorted(times, reverse=True)
    for verdict in verdicts:
        if not is_counted(verdict.snapshot):  # in progress, ill-dated, or in error
            assert verdict.keep == (verdict.snapshot.status != "error")
    stay = [v for v in verdicts if v.keep]
    assert judge([v.snapshot for v in stay], keep, now=NOW) == stay, "pruned once more"


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


# The plan


@many
@given(disks(), ANY, STATUSES, st.sets(st.integers(0, 10), max_size=2))
def test_a_plan_stays_within_the_limit_and_deletes_nothing_that_must_stay(
    snapshots: list[Snapshot], request: Request, status: str, refused: set[int]
) -> None:
    besides = {s.id for place, s in enumerate(snapshots) if place in refused}
    plan = planned(snapshots, request, status=status, besides=besides)
    if plan.refusal is not None:
        nothing = DiskPlan(plan.volume, seen=plan.seen, reasons=(plan.refusal.message,))
        assert plan == replace(nothing, refusal=plan.refusal)
        odd = status not in {"available", "in-use"}
        assert isinstance(plan.refusal, VolumeStateError if odd else LimitError)
        return
    assert (plan.new is None) != (plan.reuse is None)
    assert plan.reasons
    assert plan.reuse or status in {"available", "in-use"}
    gone = [*first_of(plan), *pruned(plan)]
    reused = [plan.reuse.id] if plan.reuse else []

    # The limit holds at every moment, and no more slots are freed than are needed.
    held = slots(snapshots)
    if plan.new is not None:
        assert held - len(plan.free_slots) + 1 <= request.limit
    if plan.free_slots:
        assert plan.new is not None
        assert held - len(plan.free_slots) + 1 == request.limit
        assert request.replace or request.keep is not None
        assert not besides & set(first_of(plan))
    after = carried_out(snapshots, plan, now=NOW + MINUTE)
    assert slots(after) <= max(held, request.limit)

    # Our own of this policy go, each once, and each is accounted for.
    own = [s for s in snapshots if s.id.startswith("ours")]
    assert set(gone) <= {s.id for s in own if s.status in {"available", "error"}}
    assert len(gone) == len(set(gone))
    if request.keep is not None:
        accounted = Counter([*gone, *(v.snapshot.id for v in plan.keep), *reused])
        assert accounted == Counter(s.id for s in own)

    # The newest usable one stays, and there is one at every moment.
    made = made_of(plan, now=NOW + MINUTE)
    for rows, doomed in ((snapshots, set(first_of(plan))), ([*snapshots, *made], set(gone))):
        usable = [s for s in rows if s.is_usable and s.created_at]
        believable = [s for s in usable if s.created_at and s.created_at <= BELIEVABLE]
        for those in (usable, usable if request.replace else believable):
            newest = max((s.created_at for s in those if s.created_at), default=None)
            assert newest is None or newest in {s.created_at for s in those if s.id not in doomed}
        if any(s.is_usable for s in snapshots):
            assert any(s.is_usable for s in rows if s.id not in doomed)


@many
@given(disks(), ROTATIONS)
def test_rotating_or_pruning_again_at_once_changes_nothing(
    snapshots: list[Snapshot], request: Request
) -> None:
    first = planned(snapshots, request)
    if first.refusal is not None:
        return
    after = carried_out(snapshots, first, now=NOW + MINUTE)
    if request.once_per is None:
        again = planned(after, replace(request, command="prune"), now=NOW + MINUTE)
        assert pruned(again) == []
    else:
        again = planned(after, request, now=NOW + 2 * MINUTE)
        assert again.reuse is not None
        assert (first_of(again), pruned(again)) == ([], [])


@many
@given(disks(), rules())
def test_prune_makes_nothing_leaves_other_policies_alone_and_goes_as_planned(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    for policy, whose in (("hourly", "other"), ("default", "ours")):
        request = asked(command="prune", keep=keep, policy=policy)
        plan = planned(snapshots, request)
        assert (plan.new, plan.reuse, plan.refusal, plan.free_slots) == (None, None, None, ())
        assert all(id_.startswith(whose) for id_ in pruned(plan))
        assert judged_again(plan, snapshots, request, now=NOW, new_id=None) == plan


NIGHTS = st.lists(
    st.sampled_from(("made", "made", "made", "error", "missed", "twice")), min_size=5, max_size=30
)
HELD_AT_FIRST = st.lists(st.integers(0, 9 * 24), max_size=9, unique=True)


@months
@given(NIGHTS, HELD_AT_FIRST, rules(within=False), st.integers(1, 9))
def test_rules_once_accepted_never_jam_a_disk_of_ours_alone(
    nights: list[str], ages: list[int], keep: Keep, limit: int
) -> None:
    """Whatever it holds at first, even more than the limit."""
    request = _request(keep, limit, None, replacing=False)
    held = [snapshot(f"old-{age:03}", made=age * HOUR) for age in ages]
    for number, night in enumerate(nights):
        for turn in range({"missed": 0, "twice": 2}.get(night, 1)):
            now = NOW + number * DAY + turn * MINUTE
            plan = planned(held, request, now=now)
            assert plan.new is not None, plan.refusal
            if night == "error":
                gone = set(first_of(plan))
                held = [s for s in held if s.id not in gone]
                held += made_of(plan, now=now, status="error")
            else:
                held = carried_out(held, plan, now=now)
            assert slots(held) <= request.limit


# What may be deleted once the new snapshot is there. Any change may come between the plan and the
# second look: others delete and make snapshots, the service dates the new one as it likes, drops
# the stamp, or shows it in another status.
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
    change: tuple[list[int], list[Snapshot], str, timedelta | None, bool],
) -> None:
    request = asked(keep=keep, limit=99)
    plan = planned(rows, request)
    gone, others, status, made, stamped = change
    after = [s for place, s in enumerate(rows) if place not in gone]
    after += [s.model_copy(update={"id": f"late-{s.id}"}) for s in others]
    if status != "gone":
        policy = "default" if stamped else None
        after.append(snapshot("new", made=made, status=status, policy=policy))
    result = judged_again(plan, after, request, now=NOW, new_id="new")

    own = [s for s in after if s.policy == "default" and not s.is_system]
    given_up = {v.snapshot.id for v in judge(own, keep, now=NOW) if not v.keep}
    left = [v.snapshot.id for v in result.keep]
    both = (set(pruned(plan)) & given_up) - {"new"}
    assert set(pruned(result)) == (both if status == "available" else set())
    assert sorted([*pruned(result), *left]) == sorted(s.id for s in own if s.id != "new")
    assert all(verdict.keep and verdict.reasons for verdict in result.keep)


@many
@given(disks(), st.sets(st.integers(0, 10)), st.integers(0, 9))
def test_a_newer_one_is_newer_usable_and_believable(
    rows: list[Snapshot], hidden: set[int], place: int
) -> None:
    """It must have been seen before a deletion."""
    if place >= len(rows):
        return
    than, besides = rows[place], {rows[n].id for n in hidden if n < len(rows)}
    fit = [
        s
        for s in rows
        if s.status == "available"
        and not s.id.startswith("backup")
        and s.created_at
        and s.created_at <= BELIEVABLE
        and s.id not in besides
        and (than.created_at is None or (s.created_at, s.id) > (than.created_at, than.id))
    ]
    newest = max(fit, key=lambda s: s.age_key, default=None)
    elsewhere = snapshot("of-another-disk", volume_id="w", made=-MINUTE)
    assert newer_usable([*rows, elsewhere], than=than, now=NOW, besides=besides) == newest
