"""The doctor's judgement of what it is told: the clock, roles, quotas, errors in full."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.api.project import Project
from evs_snap.api.transport import RetryTransport
from evs_snap.auth import identify
from evs_snap.errors import AmbiguousError, SignInError
from evs_snap.health.doctor import examine
from evs_snap.health.findings import Finding, Result, failure
from evs_snap.plan.selection import Selection
from evs_snap.services.client import EvsClient
from evs_snap.services.legacy import Legacy
from evs_snap.settings import Settings
from evs_snap.settings.credentials import (
    AgencyCredentials,
    Keys,
    PasswordCredentials,
    User,
)

if TYPE_CHECKING:
    from tests.conftest import FakeClock

    from evs_snap.settings.credentials import Credentials

PROJECT = "0123456789abcdef0123456789abcdef"
EVS = "http://127.0.0.1:8776"
IAM = "http://127.0.0.1:5000"
USER = PasswordCredentials(User("cron", domain_name="D"), "p4ss-s3cret")
KEYS = Keys("AK", "sk-s3cret")


class Cloud:
    """Keystone and EVS: disks by name with the number of their snapshots."""

    def __init__(self, **disks: int) -> None:
        self.disks = disks
        self.status = "available"
        self.roles: object = [{"name": "member"}]
        self.quota: object = {"limit": 100, "in_use": 1}
        self.date: str | None = None
        self.answers: dict[str, httpx.Response] = {}
        self.asked: list[str] = []
        self.is_down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(f"{request.method} {path}")
        if self.is_down:
            raise httpx.ConnectError("refused")
        for part, answer in self.answers.items():
            if part in path:
                return httpx.Response(answer.status_code, content=answer.content)
        headers = {"Date": self.date} if self.date is not None else {}
        if path.startswith("/v5/"):
            return httpx.Response(404)
        if path == "/v3":
            return httpx.Response(300, headers=headers)
        if path.endswith("/auth/tokens"):
            return self._granted()
        return httpx.Response(200, json=self._document(path))

    def _granted(self) -> httpx.Response:
        endpoint = {"interface": "public", "region_id": "r", "url": EVS}
        token = {
            "project": {"id": PROJECT},
            "roles": self.roles,
            "catalog": [{"type": "volumev3", "endpoints": [endpoint]}],
        }
        return httpx.Response(201, headers={"X-Subject-Token": "t0ken"}, json={"token": token})

    def _document(self, path: str) -> dict[str, object]:
        if "os-quota-sets" in path:
            return {"quota_set": {"snapshots": self.quota}}
        if "volumes" in path:
            rows = [{"id": n, "name": n, "status": self.status} for n in self.disks]
            return {"volumes": rows}
        held = [
            {"id": f"{name}-{n}", "volume_id": name, "status": "available"}
            for name, count in self.disks.items()
            for n in range(count)
        ]
        return {"snapshots": held}


def findings(
    cloud: Cloud, fake: FakeClock, *, credentials: Credentials = USER, **changes: object
) -> dict[str, Finding]:
    """Return the findings by step, which come in order and once each."""
    given = Settings(IAM, credentials, project_id=PROJECT, region="r", endpoint=EVS)
    given = replace(given, **changes)  # type: ignore[arg-type]  # by name
    auth = identify(given, clock=fake.clock, cache=None)
    with httpx.Client(transport=RetryTransport(cloud, clock=fake.clock)) as http:
        evs = EvsClient(Project(http, auth=auth, clock=fake.clock), kind=Legacy)
        seen = list(examine(evs, Selection(), settings=given, limit=7))
    assert [f.step for f in seen] == [
        "settings", "files", "names", "connection", "clock", "sign-in", "endpoint", "rights",
        "disks", "quota", "limit", "kinds",
    ]  # fmt: skip
    assert all(f.fix for f in seen if f.result is Result.WARN)
    assert {bool(f.exit_code) for f in seen if f.result is Result.FAIL} <= {True}
    assert {f.exit_code for f in seen if f.result is not Result.FAIL} <= {0}
    return {f.step: f for f in seen}


def results(found: dict[str, Finding]) -> dict[str, str]:
    return {step: str(f.result) for step, f in found.items() if f.result is not Result.PASS}


# --- the clock ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "minutes", "result", "code"),
    [
        (USER, 1.9, Result.PASS, 0),
        (USER, 3, Result.WARN, 0),
        (USER, 20, Result.WARN, 0),
        (KEYS, 1.9, Result.PASS, 0),
        (KEYS, 14.9, Result.WARN, 0),
        (KEYS, 15.1, Result.FAIL, 4),
        (AgencyCredentials("http://127.0.0.1:1"), 20, Result.FAIL, 4),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_clock_fails_where_a_signature_would(
    *,
    credentials: Credentials,
    minutes: float,
    sign: int,
    result: Result,
    code: int,
    fake: FakeClock,
) -> None:
    """With a password or token the other commands work: no reason for an exit code."""
    cloud = Cloud(a=1)
    cloud.date = format_datetime(fake.moment + sign * timedelta(minutes=minutes), usegmt=True)
    clock = findings(cloud, fake, credentials=credentials)["clock"]
    assert (clock.result, clock.exit_code) == (result, code)
    way = "behind" if sign > 0 else "ahead of"
    assert f"{minutes * 60:.0f} s {way} the service" in clock.detail
    assert bool(clock.fix) is (result is not Result.PASS)


DATES = [None, "", "soon", "Mon, 23 Nov 2026 02:17:00", "Mon, 23 Nov 99999 02:17:00 GMT",
         "Mon, 23 Nov 2026 02:17:00 -0000", "Mon, 99999999999999999999 Nov 2026 02:17:00 GMT",
         "2026-11-23T02:17:00Z"]  # fmt: skip


@pytest.mark.parametrize("date", DATES)
def test_a_service_that_does_not_tell_the_time_is_no_fault(
    date: str | None, fake: FakeClock
) -> None:
    cloud = Cloud(a=1)
    cloud.date = date
    assert results(findings(cloud, fake)) == {"clock": "skip"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    date=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
    | st.from_regex(
        r"(Mon, )?\d{1,20} (Jan|Nov) \d{1,20} \d{1,3}:\d{1,3}:\d{1,3} (GMT|[+-]\d{1,12})",
        fullmatch=True,
    )
)
def test_no_date_whatever_ends_in_a_traceback(date: str, fake: FakeClock) -> None:
    cloud = Cloud(a=1)
    cloud.date = date
    assert "clock" in findings(cloud, fake)


# --- who, and what they may ---------------------------------------------------------


WRONG_KEY = httpx.Response(401, json={"error_code": "APIGW.0301", "error_msg": "wrong"})
SKIPPED = {"quota": "skip", "limit": "skip", "kinds": "skip"}
NO_RIGHTS = {"rights": "fail", "disks": "skip", **SKIPPED}
NO_ENDPOINT = {"endpoint": "fail", **NO_RIGHTS, "rights": "skip"}
SKIPPED_ALL = dict.fromkeys([*NO_ENDPOINT, "sign-in"], "skip")
NO_SIGN_IN = {"sign-in": "fail", **NO_ENDPOINT, "endpoint": "skip"}


@pytest.mark.parametrize(
    ("credentials", "where", "answer", "expected", "code"),
    [
        (USER, "/auth/tokens", WRONG_KEY, NO_SIGN_IN, 4),
        (USER, "volumes", httpx.Response(403), NO_RIGHTS, 4),
        (USER, "volumes", httpx.Response(404), NO_ENDPOINT, 2),
        (USER, "volumes", httpx.Response(200, text="<html>"), NO_ENDPOINT, 1),
        (USER, "volumes", httpx.Response(500), NO_RIGHTS, 1),
        (KEYS, "volumes", WRONG_KEY, NO_SIGN_IN, 4),
        (KEYS, "volumes", httpx.Response(403), NO_RIGHTS, 4),
        (KEYS, "volumes", httpx.Response(404), NO_ENDPOINT, 2),
    ],
)
def test_the_step_that_failed_is_the_one_at_fault(
    *,
    credentials: Credentials,
    where: str,
    answer: httpx.Response,
    expected: dict[str, str],
    code: int,
    fake: FakeClock,
) -> None:
    """Given keys and a project ID, nothing is signed before the lists are read."""
    cloud = Cloud(a=1)
    cloud.date = format_datetime(fake.moment, usegmt=True)
    cloud.answers = {where: answer}
    found = findings(cloud, fake, credentials=credentials)
    assert results(found) == expected
    assert [f.exit_code for f in found.values() if f.exit_code] == [code]


def test_without_a_connection_nothing_more_is_tried(fake: FakeClock) -> None:
    cloud = Cloud()
    cloud.is_down = True
    assert results(findings(cloud, fake)) == {"connection": "fail", "clock": "skip", **SKIPPED_ALL}
    assert len(cloud.asked) == 4, "the tries of one request"


# --- disks, quota, limit ------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "result", "told"),
    [
        ({"limit": 100, "in_use": 98}, Result.PASS, "2 snapshots left"),
        ({"limit": 100, "in_use": 99}, Result.WARN, "1 snapshot left in the project, for 2 disks"),
        ({"limit": 100, "in_use": 120}, Result.WARN, "0 snapshots left"),
        ({"limit": -1, "in_use": 1}, Result.PASS, "no limit"),
        (100, Result.SKIP, "the service does not tell"),
        ({"limit": 100}, Result.SKIP, "the service does not tell"),
        (None, Result.SKIP, "the service does not tell"),
    ],
)
def test_a_quota_is_held_against_the_number_of_disks(
    quota: object, result: Result, told: str, fake: FakeClock
) -> None:
    cloud = Cloud(a=1, b=1)
    cloud.quota = quota
    found = findings(cloud, fake)["quota"]
    assert (found.result, found.detail.startswith(told)) == (result, True)


@pytest.mark.parametrize(
    ("disks", "result", "told"),
    [
        ({"a": 5}, Result.PASS, "no disk is near 7"),
        ({"a": 6, "b": 1}, Result.WARN, "one slot left: a"),
        ({"a": 6, "b": 7, "c": 8}, Result.WARN, "full, 7 of 7: b, c"),
        (
            {f"d{n}": 7 for n in range(7)},
            Result.WARN,
            "full, 7 of 7: d0, d1, d2, d3, d4 and 2 more",
        ),
    ],
)
def test_disks_without_room_are_named(
    disks: dict[str, int], result: Result, told: str, fake: FakeClock
) -> None:
    found = findings(Cloud(**disks), fake)["limit"]
    assert (found.result, found.detail[: len(told)]) == (result, told)


def test_no_disks_and_unfit_ones_are_noticed(fake: FakeClock) -> None:
    assert "there is none" in findings(Cloud(), fake)["disks"].detail
    cloud = Cloud(a=0)
    cloud.status = "error"
    assert "1 of 1 in no state for it: a" in findings(cloud, fake)["disks"].detail


# --- errors in full -----------------------------------------------------------------


def test_a_finding_tells_all_that_the_error_does() -> None:
    error = AmbiguousError("2 disks", details=("id-1", "id-2"), hint="Say which.")
    assert failure("disks", error) == Finding(
        "disks", Result.FAIL, "2 disks; id-1; id-2", "Say which.", 5
    )
    refused = SignInError("no", request_id="req-1")
    assert failure("sign-in", refused).detail == "no (request ID: req-1)"
