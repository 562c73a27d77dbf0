"""KEEP rules: restic's own results, and edges that no property of test_invariants meets."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.factories import DAY, HOUR, NOW, SECOND, snapshot

from evs_snap.plan.retention import Keep, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

RESTIC = tomllib.loads((Path(__file__).parents[2] / "samples" / "restic.toml").read_text("utf-8"))
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def places(text: str) -> list[int]:
    """Return the numbers of ``0-2 5``."""
    spans = [span.partition("-") for span in text.split()]
    return [n for first, _, last in spans for n in range(int(first), int(last or first) + 1)]


def kept_places(times: Sequence[str], keep: Keep, reason: str = "") -> list[int]:
    """Judge snapshots made at these times; return the places kept, for a reason like this."""
    rows = [snapshot(f"{n:03}", made=text) for n, text in enumerate(reversed(times))]
    verdicts = judge(rows, keep, now=LATER)
    return [n for n, v in enumerate(verdicts) if v.keep and reason in " ".join(v.reasons)]


@pytest.mark.parametrize("policy", RESTIC["policy"], ids=lambda policy: str(policy["rules"]))
def test_what_restic_keeps_is_kept(policy: dict[str, Any]) -> None:
    times = [text.strip() for text in RESTIC["times"].split(",")]
    rules = dict(policy["rules"])
    keep = Keep(within=timedelta(hours=rules.pop("within_hours", 0)) or None, **rules)
    assert kept_places(times, keep) == places(policy["keep"])
    assert kept_places(times, keep, "oldest") == places(policy.get("oldest", ""))


TIMES = ("2026-11-23 02:17", "2026-11-22 23:30", "2026-11-22 02:17", "2026-11-21 02:17")
NEW_YEAR = ("2027-01-04 00:00", "2027-01-03 23:59", "2027-01-01 02:17", "2026-12-31 02:17",
            "2026-12-28 00:00", "2026-12-27 23:59")  # fmt: skip


@pytest.mark.parametrize(
    ("times", "keep", "kept"),
    [
        (TIMES, Keep(), "0"),
        (TIMES, Keep(within=DAY), "0-1"),
        (TIMES, Keep(within=DAY + SECOND), "0-2"),
        (TIMES, Keep(within=timedelta(days=999_999 * 7)), "0-3"),
        # An ISO week goes across the new year, and may belong to the year to come.
        (NEW_YEAR, Keep(weekly=3), "0-1 5"),
        (("2024-12-31 02:17", "2024-12-30 02:17", "2024-12-29 02:17"), Keep(weekly=2), "0 2"),
        # A leap day is a day of its own.
        (("2028-03-01 00:00", "2028-02-29 23:59", "2028-02-28 23:59"), Keep(daily=9), "0-2"),
    ],
)
def test_edges_of_periods(times: Sequence[str], keep: Keep, kept: str) -> None:
    assert kept_places(times, keep) == places(kept)


@pytest.mark.parametrize(
    ("made", "keep", "reasons"),
    [
        ("2026-11-23 02:17", Keep(last=2, daily=2, weekly=1, within=HOUR),
         ("last 1", "daily 2026-11-23", "weekly 2026-W48", "within")),
        ("2027-01-01 02:17", Keep(weekly=1), ("weekly 2026-W53",)),
        ("2024-12-30 12:00", Keep(weekly=1), ("weekly 2025-W01",)),
        ("2024-12-30 12:00", Keep(yearly=1), ("yearly 2024",)),
    ],
)  # fmt: skip
def test_a_snapshot_stays_for_every_rule_that_wants_it(
    made: str, keep: Keep, reasons: tuple[str, ...]
) -> None:
    (verdict,) = judge([snapshot(made=made)], keep, now=LATER)
    assert verdict.reasons == reasons


def test_history_grows_while_a_rule_has_counts_left() -> None:
    """Nine years are asked for: the first snapshot ever stays until there are nine."""
    times = ("2026-11-23 02:17", "2026-06-01 02:17", "2026-03-01 02:17")
    assert kept_places(times, Keep(yearly=1)) == [0]
    assert kept_places(times, Keep(yearly=9)) == [0, 2]
    assert kept_places(times, Keep(yearly=9), "oldest yearly") == [2]


def test_the_time_zones_of_readers_and_their_summer_time_make_no_difference() -> None:
    """Berlin's clock shows 02:30 twice on 2026-10-25; these are two different hours."""
    summer, winter = timezone(2 * HOUR), timezone(HOUR)
    berlin = [
        snapshot("summer", made=datetime(2026, 10, 25, 2, 30, tzinfo=summer)),
        snapshot("winter", made=datetime(2026, 10, 25, 2, 30, tzinfo=winter)),
        snapshot("before", made=datetime(2026, 10, 25, 1, 30, tzinfo=summer)),
    ]
    for keep, second in ((Keep(hourly=2), "summer"), (Keep(daily=2), "before")):
        for now in (NOW, NOW.astimezone(winter), NOW.astimezone(timezone(-11 * HOUR))):
            kept = [v.snapshot.id for v in judge(berlin, keep, now=now) if v.keep]
            assert kept == ["winter", second]


@pytest.mark.parametrize(
    ("status", "keep", "told"),
    [
        *((s, True, f"left alone while {s}") for s in ("creating", "deleting", "error_deleting")),
        ("error", False, "in error"),
    ],
)
@pytest.mark.parametrize("made", ["2026-11-23 02:00", "2030-01-01", None])
def test_other_statuses_are_no_matter_for_rules(
    status: str, told: str, made: str | None, *, keep: bool
) -> None:
    rows = [snapshot("odd", made=made, status=status), snapshot("good", made="2026-11-20")]
    verdicts = {v.snapshot.id: v for v in judge(rows, Keep(last=1), now=NOW)}
    assert (verdicts["odd"].keep, verdicts["odd"].reasons) == (keep, (told,))
    assert verdicts["good"].reasons == ("last 1",)


@pytest.mark.parametrize(("minutes", "is_future"), [(14, False), (15, False), (16, True)])
def test_a_little_ahead_is_a_clock_that_differs_and_more_is_the_future(
    minutes: int, *, is_future: bool
) -> None:
    rows = [snapshot("ahead", made=NOW + timedelta(minutes=minutes)), snapshot("now", made=NOW)]
    kept = {v.snapshot.id for v in judge(rows, Keep(last=1), now=NOW) if v.keep}
    assert kept == ({"ahead", "now"} if is_future else {"ahead"})
