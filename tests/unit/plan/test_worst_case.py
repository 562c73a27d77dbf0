"""How many snapshots a set of KEEP rules can hold: that many, and never more (test_invariants)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from tests.factories import DAY, HOUR, MINUTE, snapshot
from tests.unit.plan.any_disk import COUNTS

from evs_snap.plan.retention import Keep, judge

SUNDAY = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
"""The last day of its week and, but for one, of its month: rules meet on few snapshots."""


def together(names: tuple[str, ...], counts: tuple[int, ...]) -> Keep:
    named: dict[str, Any] = dict(zip(names, counts, strict=True))
    return replace(Keep(), **named)


def test_all_rules_that_fit_seven_slots_reach_their_worst_case() -> None:
    """Tried on a disk with a snapshot for every minute, hour, day, week, month and year."""
    backs = [n * unit for unit in (MINUTE, HOUR, DAY) for n in range(31)]
    months = [datetime(2026 - n // 12, 12 - n % 12, 1, tzinfo=UTC) - HOUR for n in range(1, 90)]
    moments = sorted({*(SUNDAY - back for back in backs), *months})
    rows = [snapshot(str(made), made=made) for made in moments]
    # A set of rules keeps what each of them keeps, as test_invariants shows.
    single = {
        (name, n): {v.snapshot.id for v in judge(rows, together((name,), (n,)), now=SUNDAY)
                    if v.keep}
        for name in COUNTS for n in range(1, 7)
    }  # fmt: skip
    tried = 0
    for counts in product(range(7), repeat=len(COUNTS)):
        keep = together(COUNTS, counts)
        if 0 < keep.most < 7:
            held = set().union(
                *(single[rule] for rule in zip(COUNTS, counts, strict=True) if rule[1])
            )
            assert len(held) == keep.most, keep
            tried += 1
    assert tried == 5335


@pytest.mark.parametrize(
    ("keep", "most"),
    [
        (Keep(daily=7, weekly=4), 10),
        (Keep(1, 1, 1, 1, 1, 1), 1),
        (Keep(1, 2, 3, 4, 5, 6), 16),
        (Keep(within=DAY), 0),
    ],
)
def test_every_rule_keeps_the_newest_which_counts_once(keep: Keep, most: int) -> None:
    assert keep.most == most
