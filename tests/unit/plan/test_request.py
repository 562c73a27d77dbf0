"""What the user wants made and kept, refused at once where it cannot come true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.factories import request as asked

from evs_snap.errors import ConfigurationError
from evs_snap.plan.request import check_policy, check_rules
from evs_snap.plan.retention import Keep


def test_seven_daily_and_four_weekly_are_refused_with_the_sum() -> None:
    """found: the sum was told as 11, though both rules keep the newest and hold 10."""
    with pytest.raises(ConfigurationError) as refused:
        asked(keep=Keep(daily=7, weekly=4))
    assert refused.value.exit_code == 2
    assert refused.value.message == (
        "the KEEP rules cannot fit: 7 daily + 4 weekly can hold 10 snapshots, the newest "
        "counted once; a disk holds 7, and the next one needs a slot"
    )
    assert "at most 6" in (refused.value.hint or "")
    assert "--limit" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("keep", "limit", "fits"),
    [
        (Keep(last=6), 7, True),
        (Keep(last=7), 7, False),
        (Keep(daily=4, weekly=2, monthly=1), 7, True),
        (Keep(daily=4, weekly=3, monthly=1), 7, True),
        (Keep(daily=4, weekly=3, monthly=2), 7, False),
        (Keep(1, 1, 1, 1, 1, 6), 7, True),
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
    if fits:
        assert asked(keep=keep, limit=limit, replace=replace).keep == keep
    else:
        with pytest.raises(ConfigurationError, match="cannot fit"):
            asked(keep=keep, limit=limit, replace=replace)


def test_one_rule_alone_is_told_without_a_sum() -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_rules(Keep(monthly=9), limit=7)
    assert "fit: 9 monthly can hold 9 snapshots; a disk holds 7, and" in refused.value.message


@pytest.mark.parametrize("policy", ["default", "nightly db", "größe", "x" * 255])
def test_a_policy_is_a_label(policy: str) -> None:
    check_policy(policy)
    assert asked(policy=policy).policy == policy


@pytest.mark.parametrize("policy", ["", " ", " x", "x ", "x" * 256, "a\nb", "a\x1b[31mb"])
def test_a_policy_that_a_stamp_cannot_carry_is_refused(policy: str) -> None:
    with pytest.raises(ConfigurationError, match="--policy"):
        asked(policy=policy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "x"),
        ("evs_snap_key", "x"),
        ("evs_snap_anything", "x"),
        ("__system__enableActive", "true"),
        ("k" * 256, "x"),
        ("k", "x" * 256),
    ],
)
def test_properties_that_are_reserved_or_too_long_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="--property"):
        asked(properties={key: value})


def test_properties_and_descriptions_may_be_as_long_as_the_service_takes() -> None:
    asked(properties={"k" * 255: "x" * 255, "evs": ""}, description="x" * 85)
    with pytest.raises(ConfigurationError, match="--description"):
        asked(description="x" * 86)


@pytest.mark.parametrize(
    ("once_per", "moment", "bucket"),
    [
        (None, "2026-11-23T02:17:00", None),
        ("hour", "2026-11-23T02:59:59", "2026-11-23T02"),
        ("hour", "2026-11-23T03:00:00", "2026-11-23T03"),
        ("day", "2026-11-23T23:59:59", "2026-11-23"),
        ("day", "2028-02-29T00:00:00", "2028-02-29"),
        ("week", "2026-12-31T12:00:00", "2026-W53"),
        ("week", "2027-01-01T02:17:00", "2026-W53"),
        ("week", "2027-01-03T23:59:59", "2026-W53"),
        ("week", "2027-01-04T00:00:00", "2027-W01"),
        ("week", "2024-12-30T00:00:00", "2025-W01"),
    ],
)
def test_periods_are_utc_hours_days_and_iso_weeks(
    once_per: str | None, moment: str, bucket: str | None
) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    for zone in (UTC, timezone(timedelta(hours=13)), timezone(timedelta(hours=-11))):
        assert asked(once_per=once_per).bucket(now.astimezone(zone)) == bucket
