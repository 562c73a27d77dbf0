"""How many snapshots a set of KEEP rules can hold: never more than it says, and that many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from tests.factories import DAY, HOUR, MINUTE, snapshot
from tests.unit.plan.any_disk import COUNTS, disks, many, rules

from evs_snap.plan.retention import Keep, judge

if TYPE_CHECKING:
    from evs_snap.services.interface import Snapshot

SUNDAY = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
"""The last day of its week and, but for one, of its month: rules meet on few snapshots."""


def alone(rule: str, count: int) -> Keep:
    counts: dict[str, Any] = {rule: count}
    return replace(Keep(), **counts)


def together(counts: tuple[int, ...]) -> Keep:
    named: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
    return replace(Keep(), **named)


def kept(snapshots: list[Snapshot], keep: Keep) -> frozenset[str]:
    return frozenset(v.snapshot.id for v in judge(snapshots, keep, now=SUNDAY) if v.keep)


@many
@given(disks(), rules())
def test_a_set_of_rules_keeps_what_each_of_them_keeps(
    snapshots: list[Snapshot], keep: Keep
) -> None:
    """So that the tests below may put sets together from single rules."""
    single = [alone(name, count) for name, count in keep.counts if count]
    single += [Keep(within=keep.within)] if keep.within else []
    assert kept(snapshots, keep) == frozenset().union(*(kept(snapshots, one) for one in single))


def _made(moments: list[datetime]) -> list[Snapshot]:
    return [snapshot(str(made), made=made) for made in sorted(set(moments))]


def test_by_brute_force_the_worst_case_is_never_exceeded_and_is_reached() -> None:
    """Any of 512 disks under any of 729 sets of rules."""
    backs = (timedelta(0), MINUTE, HOUR, 2 * HOUR, DAY, 7 * DAY, 30 * DAY, 31 * DAY, 400 * DAY)
    universe = _made([SUNDAY - back for back in backs])
    bits = {s.id: 1 << place for place, s in enumerate(universe)}
    most = dict.fromkeys(product(range(3), repeat=len(COUNTS)), 0)
    for chosen in range(2 ** len(universe)):
        rows = [s for s in universe if chosen & bits[s.id]]
        single = [
            [sum(bits[id_] for id_ in kept(rows, alone(name, n))) if n else 0 for n in range(3)]
            for name in COUNTS
        ]
        for counts in most:
            held = 0
            for masks, count in zip(single, counts, strict=True):
                held |= masks[count]
            most[counts] = max(most[counts], held.bit_count())
    assert most == {counts: together(counts).most for counts in most}


def test_all_rules_that_fit_seven_slots_reach_their_worst_case() -> None:
    """Tried on a disk with a snapshot for every minute, hour, day, week, month and year."""
    backs = [n * unit for unit in (MINUTE, HOUR, DAY) for n in range(31)]
    months = [datetime(2026 - n // 12, 12 - n % 12, 1, tzinfo=UTC) - HOUR for n in range(1, 90)]
    rows = _made([*(SUNDAY - back for back in backs), *months])
    single = {(name, n): kept(rows, alone(name, n)) for name in COUNTS for n in range(1, 7)}
    tried = 0
    for counts in product(range(7), repeat=len(COUNTS)):
        keep = together(counts)
        if 0 < keep.most < 7:
            given_rules = [(name, n) for name, n in zip(COUNTS, counts, strict=True) if n]
            held = frozenset().union(*(single[rule] for rule in given_rules))
            assert len(held) == keep.most, keep
            tried += 1
    assert tried == 5335


@pytest.mark.parametrize(
    ("keep", "most"),
    [
        (Keep(daily=7, weekly=4), 10),
        (Keep(daily=4, weekly=2, monthly=1), 5),
        (Keep(1, 1, 1, 1, 1, 1), 1),
        (Keep(yearly=9), 9),
        (Keep(1, 2, 3, 4, 5, 6), 16),
        (Keep(within=DAY), 0),
    ],
)
def test_every_rule_keeps_the_newest_which_counts_once(keep: Keep, most: int) -> None:
    assert keep.most == most
