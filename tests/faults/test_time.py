"""Clocks that disagree or jump: what counts is the service's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import Run
    from tests.faults.conftest import Service

pytestmark = pytest.mark.usefixtures("online")

POST = "POST snapshots"
DAY = 86_400.0


def moment_of(service: Service, text: str) -> None:
    """Let it be this time, in UTC."""
    service.fake.moment = datetime.fromisoformat(text).replace(tzinfo=service.fake.moment.tzinfo)


@pytest.mark.parametrize(
    ("keep", "hour", "step"), [("--keep-daily 4", 0, DAY), ("--keep-hourly 4", 7, 3600.0)]
)
def test_a_rotation_over_the_end_of_a_period_keeps_the_one_before(
    keep: str, hour: int, step: float, service: Service, run: Run
) -> None:
    """found: what the rules give up was judged by the time of the plan, not by the real dates."""
    disk = service.disk("d1")
    end = service.fake.moment.replace(hour=hour, minute=0, second=0) + timedelta(days=6)
    before = []
    for seconds in (4 * step - 600, 3 * step - 600, 2 * step - 600, 60):
        service.fake.moment = end - timedelta(seconds=seconds)
        before.append(service.snapshot(disk, f"{seconds} s before", policy="default"))
    service.fake.moment = end - timedelta(seconds=5)
    service.once(POST, lambda: service.fake.advance(10))
    run(f"rotate d1 {keep}")
    # The plan gave up the last one, as of the same period; by the real dates it is the oldest.
    assert [s.id for s in service.left(disk)][:-1] == before


@pytest.mark.parametrize(
    ("skew", "moments", "now", "keep"),
    [
        # found: with this machine's clock days ahead, snapshots made hours ago were deleted.
        (
            timedelta(days=-5),
            ["2026-11-24 02:00", "2026-11-24 03:00", "2026-11-24 04:00"],
            "2026-11-24 05:00",
            "--keep-within 2d",
        ),
        # found: by this machine's clock the new one was of the same day as the one before, which
        # was made at 23:17 where the service is.
        (timedelta(hours=1), ["2026-11-24 22:17"], "2026-11-24 23:17", "--keep-daily 2"),
    ],
)
def test_days_and_spans_count_from_the_services_dates(
    skew: timedelta, moments: list[str], now: str, keep: str, service: Service, run: Run
) -> None:
    service.skew = skew
    disk = service.disk("d1")
    before = []
    for text in moments:
        moment_of(service, text)
        before.append(service.snapshot(disk, text, policy="default"))
    moment_of(service, now)
    run(f"rotate d1 {keep}")
    assert [s.id for s in service.left(disk)][:-1] == before


@pytest.mark.parametrize("minutes", [-600, -20, 20, 600])
def test_rotation_holds_its_count_whatever_the_servers_clock_says(
    minutes: int, service: Service, run: Run
) -> None:
    """One dated ahead of us is left alone, and never takes an older one along."""
    service.skew = timedelta(minutes=minutes)
    disk = service.disk("d1")
    made = []
    for _ in range(5):
        result = run("rotate --volume d1 --keep-last 3 -f json")
        made += [i["snapshot"]["id"] for i in result.json["items"] if i["action"] == "created"]
        service.fake.advance(DAY)
    assert [s.id for s in service.left(disk)] == made[-3:]


def test_a_date_beyond_all_sense_is_ignored(service: Service, run: Run) -> None:
    """found: a Date of the year 9999 ended a run in a traceback, after it had made its snapshot."""
    disk = service.disk("d1")
    service.snapshot(disk, "old", policy="default")

    def beyond(answer: httpx.Response) -> httpx.Response:
        answer.headers["Date"] = "Fri, 31 Dec 9999 23:59:59 GMT"
        return answer

    service.mishap(".*", beyond, times=99)
    run("rotate d1 --keep-last 1")
    assert len(service.left(disk)) == 1


@pytest.mark.parametrize("days", [-3, 0, 3])
def test_lists_and_check_tell_ages_by_the_services_clock(
    days: int, service: Service, run: Run
) -> None:
    """found: with this machine's clock three days behind a snapshot three days old was fresh."""
    service.skew = timedelta(days=days)
    service.disk("d1")
    run("create --volume d1 --policy default")
    for hours, code, older in ((0, 0, 0), (30, 2, 1)):
        service.fake.advance(3600 * hours)
        run("check d1 --max-age 26h", exit_code=code)
        told = run("snapshots d1 -c Age -f value").stdout
        assert re.fullmatch(r"1d\n" if hours else r"\d+s\n", told)
        assert len(run("snapshots d1 --older-than 26h -f value").stdout.splitlines()) == older
        assert len(run("snapshots d1 --newer-than 26h -f value").stdout.splitlines()) == 1 - older
        unprotected = run("volumes d1 --unprotected --newer-than 26h -f value").stdout
        assert len(unprotected.splitlines()) == older


def test_our_clock_going_back_loses_no_snapshot(service: Service, run: Run) -> None:
    disk = service.disk("d1")
    for _ in range(3):
        run("rotate --volume d1 --keep-last 3")
        service.fake.advance(DAY)
    before = [s.id for s in service.left(disk)]
    # The service's clock goes on, and that one counts; ours falls back by a month.
    service.skew = timedelta(days=30)
    service.fake.moment -= timedelta(days=30)
    run("rotate --volume d1 --keep-last 3")
    left = [s.id for s in service.left(disk)]
    assert (left[:2], len(left)) == (before[1:], 3)
    # And back again: what was dated ahead is judged as ever.
    service.skew = timedelta()
    service.fake.moment += timedelta(days=31)
    run("rotate --volume d1 --keep-last 3")
    assert len(service.left(disk)) == 3


@pytest.mark.usefixtures("online")
def test_one_just_as_old_as_the_bound_is_listed_once(service: Service, run: Run) -> None:
    (made,) = run(f"create {service.disk('d1')} -f json").json["items"]
    made_at = datetime.fromisoformat(made["snapshot"]["created_at"])
    service.fake.advance((made_at + timedelta(days=1) - service.fake.moment).total_seconds())
    listed = {way: run(f"snapshots d1 --{way}-than 1d -f json").json for way in ("newer", "older")}
    assert {way: len(rows) for way, rows in listed.items()} == {"newer": 1, "older": 0}
