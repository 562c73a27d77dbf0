"""What is done to a disk, and why: known cases that no property tells of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.factories import DAY, HOUR, MINUTE, NOW, SECOND, snapshot, volume
from tests.factories import request as asked

from evs_snap.errors import LimitError
from evs_snap.plan.plan import DiskPlan, judged_again, plan_disk
from evs_snap.plan.retention import Keep

if TYPE_CHECKING:
    from datetime import datetime

    from evs_snap.plan.request import Request
    from evs_snap.services.interface import Snapshot

foreign = partial(snapshot, policy=None)
BAD = snapshot("bad", made=DAY, status="error")
DAY_DONE = "2026-11-23"


def plan_of(snapshots: list[Snapshot], request: Request, *, now: datetime = NOW) -> DiskPlan:
    return plan_disk(volume(), snapshots, request, now=now, new_id=lambda: "key")


def first_of(plan: DiskPlan) -> str:
    return " ".join(removal.snapshot.id for removal in plan.free_slots)


def pruned(plan: DiskPlan) -> str:
    return " ".join(removal.snapshot.id for removal in plan.prune)


def own(*ages: int) -> list[Snapshot]:
    """Return ours of these days, ``o1`` a day old."""
    return [snapshot(f"o{age}", made=age * DAY) for age in ages]


def full(*rest: Snapshot) -> list[Snapshot]:
    """Return seven: these, and old foreign ones."""
    return [*(foreign(f"f{n}", made=(90 + n) * DAY) for n in range(7 - len(rest))), *rest]


@pytest.mark.parametrize(
    ("rows", "words", "first", "then"),
    [
        (full(*own(1, 2, 3)), {"keep": Keep(last=2)}, "o3", "o2"),
        (full(*own(3, 2), BAD), {"keep": Keep(last=1)}, "bad", "o3 o2"),
        (own(1, 2, 3, 4, 5, 6, 7), {"keep": Keep(last=4), "limit": 5}, "o7 o6 o5", "o4"),
        (
            [*full(*own(1, 2, 3), BAD, foreign("f")), foreign("g")],
            {"keep": Keep(last=3), "replace": True}, "bad o3", "",
        ),
        (own(1, 2, 3, 4, 5, 6, 7), {"replace": True}, "o7", ""),
        (full(*own(1, 2, 3, 4, 5, 6)), {"replace": True, "keep": Keep(daily=6)}, "o6", ""),
        (full(*own(9, 2), snapshot("p", made=30 * DAY, policy="x")), {"replace": True}, "o9", ""),
        ([*own(3, 4, 2), BAD], {"keep": Keep(last=1)}, "", "bad o4 o3 o2"),
        ([*own(3, 4, 2), BAD], {"keep": Keep(last=1), "command": "prune"}, "", "bad o4 o3"),
    ],
)  # fmt: skip
def test_those_in_error_go_first_then_the_oldest_and_before_the_new_one_no_more_than_needed(
    rows: list[Snapshot], words: dict[str, Any], first: str, then: str
) -> None:
    plan = plan_of(rows, asked(**words))
    assert plan.refusal is None
    assert (first_of(plan), pruned(plan)) == (first, then)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (full(*own(1)), {"keep": Keep(last=1)}),
        (own(1, 2, 3, 4, 5, 6, 7, 8), {"replace": True}),
        # The rules keep the other five; today's must not go before there is another.
        (
            full(*(snapshot(f"o{age}", made=age * DAY + HOUR) for age in range(6))),
            {"replace": True, "keep": Keep(daily=6)},
        ),
    ],
)
def test_where_too_few_may_go_the_disk_is_refused(
    rows: list[Snapshot], words: dict[str, Any]
) -> None:
    assert isinstance(plan_of(rows, asked(**words)).refusal, LimitError)


def test_the_reasons_name_slots_replaced_ones_and_the_rules_that_want_the_new_one() -> None:
    plan = plan_of(full(*own(9, 2)), asked(replace=True))
    assert plan.free_slots[0].reasons == ("to free a slot", "oldest of policy default")
    assert plan.reasons == ("slot 7 of 7", "in place of o9")
    plan = plan_of(full(*own(1, 2, 3)), asked(keep=Keep(last=2)))
    assert plan.free_slots[0].reasons == ("to free a slot", "given up by the rules")
    plan = plan_of([], asked(keep=Keep(last=1, daily=1)))
    assert plan.reasons == ("slot 1 of 7", "kept as last 1, daily 2026-11-23")


made_today = partial(snapshot, bucket=DAY_DONE)


@pytest.mark.parametrize(
    ("rows", "reused"),
    [
        ([made_today("done", made=HOUR)], "done"),
        (full(made_today("done", made=HOUR)), "done"),
        ([made_today("a", status=s) for s in ("error", "deleting", "error_deleting")], None),
        ([made_today("busy", made=3 * MINUTE, status="creating")], "busy"),
        (
            [
                made_today("busy", made=3 * MINUTE, status="creating"),
                made_today("second", made=1 * MINUTE),
                made_today("first", made=2 * MINUTE),
            ],
            "first",
        ),
        ([made_today("other", policy="x")], None),
        ([made_today("foreign", policy=None)], None),
        ([made_today("backup", name="autobk_snapshot_1")], None),
        ([snapshot("yesterday", bucket="2026-11-22")], None),
    ],
)
def test_a_period_is_served_by_a_usable_one_of_ours_else_by_one_in_progress(
    rows: list[Snapshot], reused: str | None
) -> None:
    """found: one with a backup service's name and our stamp was reused."""
    plan = plan_of(rows, asked(once_per="day"))
    assert (plan.reuse and plan.reuse.id) == reused
    assert plan.reuse is None or plan.reasons == (f"already made for {DAY_DONE}",)


@pytest.mark.parametrize("ahead", [0 * SECOND, SECOND, 5 * MINUTE, 14 * MINUTE])
def test_the_new_one_is_the_newest_though_the_services_clock_is_ahead(ahead: Any) -> None:
    """The period's older one goes, not the one that is not made yet."""
    rows = [snapshot("earlier", made=-ahead), snapshot("yesterday", made=DAY)]
    assert pruned(plan_of(rows, asked(keep=Keep(hourly=1, daily=2)))) == "earlier"


# Judged again once the new one is there


def test_one_now_under_another_policy_or_on_another_disk_stays() -> None:
    request = asked(keep=Keep(last=1))
    rows = own(1, 2, 3)
    after = [
        snapshot("new"),
        rows[0],
        snapshot("o2", made=2 * DAY, policy="other"),
        snapshot("o3", made=3 * DAY, volume_id="w"),
    ]
    plan = judged_again(plan_of(rows, request), after, request, now=NOW, new_id="new")
    assert pruned(plan) == "o1"
