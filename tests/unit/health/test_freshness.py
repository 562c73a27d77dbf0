"""The verdict for monitoring: the worst disk decides, and one line says which and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evs_snap.health.freshness import Freshness, Level, judge_freshness
from evs_snap.runs.gather import Gathered
from evs_snap.services.interface import Snapshot, Volume

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DISK = Volume(id="v", name="data-01")
STAMP = {"evs_snap_key": "k"}


def ours(hours: float | None, *, status: str = "available", volume_id: str = "v") -> Snapshot:
    made = None if hours is None else NOW - hours * HOUR
    return Snapshot(
        id=f"{hours}", volume_id=volume_id, status=status, metadata=STAMP, created_at=made
    )


def foreign(hours: float, *, status: str = "available") -> Snapshot:
    made = NOW - hours * HOUR
    return Snapshot(id=f"f{hours}", volume_id="v", status=status, created_at=made)


def finding(
    *snapshots: Snapshot,
    volumes: tuple[Volume, ...] = (DISK,),
    max_age: timedelta = 26 * HOUR,
    min_count: int = 1,
    limit: int = 7,
) -> Freshness:
    by_volume = {v.id: tuple(s for s in snapshots if s.volume_id == v.id) for v in volumes}
    return judge_freshness(
        Gathered(volumes, by_volume),
        now=NOW,
        max_age=max_age,
        min_count=min_count,
        limit=limit,
    )


def test_a_fresh_one_on_each_disk_is_ok() -> None:
    found = finding(ours(6), ours(30))
    assert found.level is Level.OK
    assert found.text == ("1 disk, each has a fresh snapshot | disks=1 oldest_newest=21600s;;93600")


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(0), Level.OK),
        (26 * HOUR, Level.OK),
        (26 * HOUR + timedelta(microseconds=1), Level.CRITICAL),
        (-14 * HOUR / 60, Level.OK),
        (-16 * HOUR / 60, Level.CRITICAL),
    ],
)
def test_the_newest_may_be_as_old_as_was_said_and_no_older(age: timedelta, level: Level) -> None:
    assert finding(ours(age / HOUR)).level is level


@pytest.mark.parametrize(
    ("snapshots", "told"),
    [
        ([], "data-01 has no usable snapshot of ours"),
        ([foreign(1)], "data-01 has no usable snapshot of ours"),
        ([ours(1, status="error")], "data-01 has no usable snapshot of ours"),
        ([ours(1, status="creating")], "data-01 has no usable snapshot of ours"),
        ([ours(None)], "data-01 has no usable snapshot of ours"),
        ([ours(-2000)], "data-01 has no usable snapshot of ours"),
        ([ours(-2000), ours(30)], "data-01 newest is 30h old"),
        ([ours(30), foreign(1)], "data-01 newest is 30h old"),
        ([ours(27.9)], "data-01 newest is 27h old"),
    ],
)
def test_without_a_fresh_usable_one_of_ours_it_is_critical(
    snapshots: list[Snapshot], told: str
) -> None:
    found = finding(*snapshots)
    assert found.level is Level.CRITICAL
    assert told in found.text


def test_an_age_below_an_hour_is_told_in_minutes() -> None:
    found = finding(ours(0.75), max_age=HOUR / 2)
    assert "newest is 45m old" in found.text


def test_fewer_than_asked_for_is_critical() -> None:
    assert finding(ours(1), ours(2), ours(3), min_count=3).level is Level.OK
    found = finding(ours(1), ours(2), ours(3, status="error"), foreign(1), min_count=3)
    assert found.level is Level.CRITICAL
    assert "data-01 has 2 of 3 usable snapshots" in found.text


def test_one_of_ours_in_error_is_a_warning() -> None:
    for status in ("error", "error_deleting"):
        found = finding(ours(1), ours(2, status=status))
        assert found.level is Level.WARNING
        assert "data-01 has 1 in error" in found.text
    assert finding(ours(1), foreign(1, status="error")).level is Level.OK


def test_a_full_disk_is_a_warning_whoever_fills_it() -> None:
    rest = [foreign(100 + n) for n in range(6)]
    found = finding(ours(1), *rest)
    assert found.level is Level.WARNING
    assert "data-01 full (7 of 7)" in found.text
    assert finding(ours(1), *rest, limit=8).level is Level.OK
    assert finding(ours(30), *rest).level is Level.CRITICAL


def test_the_backup_services_fill_no_disk() -> None:
    backups = [
        Snapshot(id=str(n), name=f"autobk_snapshot_{n}", volume_id="v", status="available")
        for n in range(9)
    ]
    assert finding(ours(1), *backups).level is Level.OK


def test_the_worst_disk_decides_and_only_the_worst_are_named() -> None:
    volumes = tuple(Volume(id=f"v{n}", name=name) for n, name in enumerate(("good", "ill", None)))
    found = finding(
        ours(1, volume_id="v0"),
        ours(1, volume_id="v1"),
        ours(2, volume_id="v1", status="error"),
        ours(40, volume_id="v2"),
        volumes=volumes,
    )
    assert found.level is Level.CRITICAL
    assert found.text.startswith("1 of 3 disks: v2 newest is 40h old | disks=3 ")
    assert "oldest_newest=144000s;;93600" in found.text


def test_at_most_five_are_named() -> None:
    volumes = tuple(Volume(id=f"v{n}", name=f"disk-{n}") for n in range(7))
    found = finding(volumes=volumes)
    assert found.text.startswith("7 of 7 disks: disk-0 ")
    assert "disk-4" in found.text
    assert "disk-5" not in found.text
    assert "and 2 more | disks=7" in found.text


def test_a_bar_in_a_name_does_not_pass_for_figures() -> None:
    found = finding(volumes=(Volume(id="v", name="a|b=1"),))
    assert found.text.count("|") == 1


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
        assert level is Level.CRITICAL
    else:
        assert level is (Level.WARNING if broken or len(snapshots) >= limit else Level.OK)
