"""What a request works out. What it refuses is shown at the library's door: tests/library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.factories import request as asked

from evs_snap.errors import ConfigurationError
from evs_snap.plan.retention import Keep


@pytest.mark.parametrize(
    ("keep", "limit", "fits"),
    [
        (Keep(last=6), 7, True),
        (Keep(last=7), 7, False),
        (Keep(daily=7, weekly=4), 11, True),
        (Keep(daily=7, weekly=4), 10, False),
        (Keep(last=1), 1, False),
        (Keep(within=timedelta(days=365)), 7, True),
        (Keep(last=7, within=timedelta(days=1)), 7, False),
    ],
)
@pytest.mark.parametrize("replace", [False, True])
def test_rules_may_hold_the_limit_less_the_slot_of_the_next_one(
    keep: Keep, limit: int, *, fits: bool, replace: bool
) -> None:
    """found: the sum was told as 11, though 7 daily and 4 weekly keep the newest both."""
    if fits:
        assert asked(keep=keep, limit=limit, replace=replace).keep == keep
    else:
        with pytest.raises(ConfigurationError, match=f"can hold {keep.most} snapshots"):
            asked(keep=keep, limit=limit, replace=replace)


@pytest.mark.parametrize(
    ("once_per", "moment", "bucket"),
    [
        (None, "2026-11-23T02:17:00", None),
        ("hour", "2026-11-23T02:59:59", "2026-11-23T02"),
        ("hour", "2026-11-23T03:00:00", "2026-11-23T03"),
        ("day", "2026-11-23T23:59:59", "2026-11-23"),
        ("day", "2028-02-29T00:00:00", "2028-02-29"),
        ("week", "2026-12-31T12:00:00", "2026-W53"),
        ("week", "2027-01-03T23:59:59", "2026-W53"),
        ("week", "2027-01-04T00:00:00", "2027-W01"),
        ("week", "2024-12-30T00:00:00", "2025-W01"),
    ],
)
def test_periods_are_utc_hours_days_and_iso_weeks(
    once_per: Any, moment: str, bucket: str | None
) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    for zone in (UTC, timezone(timedelta(hours=13)), timezone(timedelta(hours=-11))):
        assert asked(once_per=once_per).bucket(now.astimezone(zone)) == bucket
