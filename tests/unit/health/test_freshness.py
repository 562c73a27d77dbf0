"""The verdict for monitoring: the worst disk decides, and one line says which and why."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import HOUR, MINUTE, NOW, SECOND, snapshot, volume

from evs_snap.health.freshness import Freshness, Level, judge_freshness
from evs_snap.runs.gather import Gathered
from evs_snap.services.interface import Snapshot, Volume

OK, WARNING, CRITICAL = Level
NONE = "data-01 has no usable snapshot of policy default"


def ours(hours: float, **fields: Any) -> Snapshot:
    return snapshot(f"{hours}-{fields}", made=hours * HOUR, **fields)


def foreign(hours: float, **fields: Any) -> Snapshot:
    return ours(hours, policy=None, **fields)


def finding(
    *snapshots: Snapshot, volumes: tuple[Volume, ...] = (volume(),), **wanted: Any
) -> Freshness:
    by_volume = {v.id: tuple(s for s in snapshots if s.volume_id == v.id) for v in volumes}
    usual: dict[str, Any] = {"max_age": 26 * HOUR, "min_count": 1, "limit": 7}
    return judge_freshness(Gathered(volumes, by_volume), now=NOW, **(usual | wanted))


FULL = [foreign(100 + n) for n in range(6)]
BACKUPS = [foreign(n, name=f"autobk_snapshot_{n}") for n in range(9)]


@pytest.mark.parametrize(
    ("snapshots", "wanted", "level", "told"),
    [
        ([ours(6), ours(30)], {}, OK, "1 disk, each has a fresh snapshot"),
        ([ours(26)], {}, OK, ""),
        ([snapshot(made=26 * HOUR + SECOND / 1e6)], {}, CRITICAL, "1d2h old, 1d2h allowed"),
        ([snapshot(made=-14 * MINUTE)], {}, OK, "oldest_newest=0s"),
        ([snapshot(made=-16 * MINUTE)], {}, CRITICAL, NONE),
        ([], {}, CRITICAL, NONE),
        ([foreign(1)], {}, CRITICAL, NONE),
        ([ours(1, status="error")], {}, CRITICAL, NONE),
        ([ours(1, status="creating")], {}, CRITICAL, NONE),
        ([snapshot(made=None)], {}, CRITICAL, NONE),
        ([ours(-2000), ours(30)], {}, CRITICAL, "newest is 1d6h old, 1d2h allowed"),
        ([ours(30), foreign(1)], {}, CRITICAL, "newest is 1d6h old"),
        # found: it said "newest is 0m old"
        ([snapshot(made=9 * SECOND)], {"max_age": SECOND}, CRITICAL, "is 9s old, 1s allowed"),
        # found: a fresh one under any policy, a safety snapshot too, made it OK
        ([ours(30), ours(1, policy="hourly")], {}, CRITICAL, "newest is 1d6h old"),
        ([ours(1, policy="before-restore")], {}, CRITICAL, NONE),
        ([ours(1, policy="manual")], {}, CRITICAL, NONE),
        ([ours(1, policy="manual")], {"policy": "manual"}, OK, ""),
        ([ours(30, consistency="app"), ours(1)], {"consistency": "app"}, CRITICAL, "1d6h old"),
        ([ours(1)], {"consistency": "app"}, CRITICAL, "has no app-consistent snapshot"),
        ([ours(1, consistency="app")], {"consistency": "app"}, OK, ""),
        ([ours(1), ours(2), ours(3)], {"min_count": 3}, OK, ""),
        ([ours(1), ours(2), foreign(1)], {"min_count": 3}, CRITICAL, "has 2 of 3 usable"),
        ([ours(1), ours(2, status="error")], {}, WARNING, "data-01 has 1 in error"),
        ([ours(1), ours(2, status="error_deleting")], {}, WARNING, "data-01 has 1 in error"),
        ([ours(1), foreign(1, status="error")], {}, OK, ""),
        ([ours(1), *FULL], {}, WARNING, "data-01 full (7 of 7)"),
        ([ours(1), *FULL], {"limit": 8}, OK, ""),
        ([ours(30), *FULL], {}, CRITICAL, "newest is"),
        ([ours(1), *BACKUPS], {}, OK, ""),
    ],
)
def test_one_disk(
    snapshots: list[Snapshot], wanted: dict[str, Any], level: Level, told: str
) -> None:
    found = finding(*snapshots, **wanted)
    assert found.level is level
    assert told in found.text


def test_the_worst_disk_decides_and_only_the_worst_are_named() -> None:
    volumes = tuple(volume(f"v{n}", name=name) for n, name in enumerate(("good", "ill", None)))
    found = finding(
        ours(1, volume_id="v0"),
        ours(1, volume_id="v1"),
        ours(2, volume_id="v1", status="error"),
        ours(40, volume_id="v2"),
        volumes=volumes,
    )
    assert found.level is CRITICAL
    assert found.text == (
        "1 of 3 disks: v2 newest is 1d16h old, 1d2h allowed "
        "| disks=3 without=0 oldest_newest=144000s;;93600"
    )


def test_at_most_five_are_named_and_those_without_any_count_as_the_oldest() -> None:
    """found: `oldest_newest` was the age of the only disk that had one."""
    volumes = tuple(volume(f"v{n}", name=f"disk-{n}|b=1") for n in range(7))
    found = finding(ours(1, volume_id="v6"), volumes=volumes)
    head, figures = found.text.split(" | ")
    assert head.startswith("6 of 7 disks: disk-0/b=1 ")
    assert "disk-4" in head
    assert "disk-5" not in head
    assert head.endswith("and 1 more")
    assert figures == "disks=7 without=6 oldest_newest=U;;93600"


ROWS = st.sampled_from(
    [
        make(hours, status=status)
        for make, hours, status in product(
            (ours, foreign), (0.1, 5, 25, 27, 900), ("available", "error", "creating", "deleting")
        )
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, max_size=9), st.integers(1, 3), st.integers(1, 9))
def test_ok_is_said_only_of_disks_that_are_well(
    snapshots: list[Snapshot], min_count: int, limit: int
) -> None:
    level = finding(*snapshots, min_count=min_count, limit=limit).level
    good = [s for s in snapshots if s.policy and s.status == "available"]
    fresh = any(s.created_at and NOW - s.created_at <= 26 * HOUR for s in good)
    broken = any(s.policy and s.status == "error" for s in snapshots)
    if not fresh or len(good) < min_count:
        assert level is CRITICAL
    else:
        assert level is (WARNING if broken or len(snapshots) >= limit else OK)
