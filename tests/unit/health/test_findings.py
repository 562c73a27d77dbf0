"""The doctor's judgement of one fact at a time: clock, quota, slots, disks, errors in full."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import NOW, snapshot, volume

from evs_snap.errors import AmbiguousError, SignInError
from evs_snap.health.findings import (
    Finding,
    Result,
    failure,
    on_clock,
    on_disks,
    on_limit,
    on_quota,
)
from evs_snap.runs.gather import Gathered
from evs_snap.services.interface import QuotaSet
from evs_snap.settings.credentials import AgencyCredentials, Keys, PasswordCredentials, User

if TYPE_CHECKING:
    from evs_snap.services.interface import Volume
    from evs_snap.settings.credentials import Credentials

USER, KEYS = PasswordCredentials(User("cron", domain_name="D"), "p4ss-s3cret"), Keys("AK", "s3cret")
PASS, WARN, FAIL, SKIP = Result


@pytest.mark.parametrize(
    ("credentials", "minutes", "result", "code"),
    [
        (USER, 1.9, PASS, 0),
        (USER, 3, WARN, 0),
        (USER, 20, WARN, 0),
        (KEYS, 1.9, PASS, 0),
        (KEYS, 14.9, WARN, 0),
        (KEYS, 15.1, FAIL, 4),
        (AgencyCredentials("http://127.0.0.1:1"), 20, FAIL, 4),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_clock_fails_where_a_signature_would(
    *, credentials: Credentials, minutes: float, sign: int, result: Result, code: int
) -> None:
    """With a password or token the other commands work: no reason for an exit code."""
    date = format_datetime(NOW + sign * timedelta(minutes=minutes), usegmt=True)
    found = on_clock(date, now=NOW, signs=credentials.signs)
    assert (found.result, found.exit_code) == (result, code)
    way = "behind" if sign > 0 else "ahead of"
    assert f"{minutes * 60:.0f} s {way} the service" in found.detail
    assert bool(found.fix) is (result is not PASS)


@pytest.mark.parametrize(
    "date",
    [None, "", "soon", "Mon, 23 Nov 2026 02:17:00", "Mon, 23 Nov 99999 02:17:00 GMT",
     "Mon, 23 Nov 2026 02:17:00 -0000", "Mon, 99999999999999999999 Nov 2026 02:17:00 GMT",
     "2026-11-23T02:17:00Z"],
)  # fmt: skip
def test_a_service_that_does_not_tell_the_time_is_no_fault(date: str | None) -> None:
    found = on_clock(date, now=NOW, signs=True)
    assert (found.result, found.detail) == (SKIP, "the service does not tell the time")


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
    | st.from_regex(
        r"(Mon, )?\d{1,20} (Jan|Nov) \d{1,20} \d{1,3}:\d{1,3}:\d{1,3} (GMT|[+-]\d{1,12})",
        fullmatch=True,
    )
)
def test_no_date_whatever_ends_in_a_traceback(date: str) -> None:
    assert on_clock(date, now=NOW, signs=True).step == "clock"


@pytest.mark.parametrize(
    ("quota", "result", "told"),
    [
        ({"limit": 100, "in_use": 98}, PASS, "2 snapshots left"),
        ({"limit": 100, "in_use": 99}, WARN, "1 snapshot left in the project, for 2 disks"),
        ({"limit": 100, "in_use": 120}, WARN, "0 snapshots left"),
        ({"limit": -1, "in_use": 1}, PASS, "no limit"),
        (100, SKIP, "the service does not tell"),
        ({"limit": 100}, SKIP, "the service does not tell"),
        (None, SKIP, "the service does not tell"),
    ],
)
def test_a_quota_is_held_against_the_number_of_disks(
    quota: object, result: Result, told: str
) -> None:
    found = on_quota(QuotaSet.model_validate({"snapshots": quota}), wanted=2)
    assert (found.result, bool(found.fix)) == (result, result is WARN)
    assert found.detail.startswith(told)


def holding(**disks: int) -> Gathered:
    """Return disks by name, each with so many snapshots."""
    return Gathered(
        tuple(volume(name, name=name) for name in disks),
        {
            name: tuple(snapshot(f"{name}-{n}", volume_id=name) for n in range(count))
            for name, count in disks.items()
        },
    )


@pytest.mark.parametrize(
    ("disks", "result", "told"),
    [
        ({"a": 5}, PASS, "no disk is near 7"),
        ({"a": 6, "b": 1}, WARN, "one slot left: a"),
        ({"a": 6, "b": 7, "c": 8}, WARN, "full, 7 of 7: b, c"),
        ({f"d{n}": 7 for n in range(7)}, WARN, "full, 7 of 7: d0, d1, d2, d3, d4 and 2 more"),
    ],
)
def test_disks_without_room_are_named(disks: dict[str, int], result: Result, told: str) -> None:
    found = on_limit(holding(**disks), limit=7)
    assert (found.result, bool(found.fix)) == (result, result is WARN)
    assert found.detail.startswith(told)


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        ((), "there is none"),
        ((volume("a", name="a", status="error"),), "1 of 1 in no state for it: a"),
    ],
)
def test_no_disks_and_unfit_ones_are_noticed(volumes: tuple[Volume, ...], told: str) -> None:
    found = on_disks(volumes)
    assert found.result is WARN
    assert told in found.detail


def test_a_finding_tells_all_that_the_error_does() -> None:
    error = AmbiguousError("2 disks", details=("id-1", "id-2"), hint="Say which.")
    assert failure("disks", error) == Finding("disks", FAIL, "2 disks; id-1; id-2", "Say which.", 5)
    refused = SignInError("no", request_id="req-1")
    assert failure("sign-in", refused).detail == "no (request ID: req-1)"
