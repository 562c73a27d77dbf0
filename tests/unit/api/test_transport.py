"""What is sent again and what never, after which pauses, and how failures are worded."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import respx
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.conftest import Known, made

from evs_snap import errors
from evs_snap.api.bounds import SENT, UNTIL
from evs_snap.api.identity import REPEATABLE
from evs_snap.api.project import Project
from evs_snap.api.refusals import refused
from evs_snap.api.transport import LONGEST_PAUSE, open_http, pause_before_retry
from evs_snap.errors import EvsSnapError, NotSentError

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.conftest import FakeClock
    from tests.unit.api.conftest import Play, Service

SAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "samples/transport.yaml").read_text("utf-8")
)
URL = "https://evs.example.com/v3/p/snapshots"


def outcome(service: Service, *, method: str = "GET", **extensions: object) -> httpx.Response:
    return service.http.send(httpx.Request(method, URL, extensions=extensions))


@pytest.mark.parametrize(
    ("kind", "verdict", "failure"),
    [(k, v, play) for k, lists in SAMPLES["again"].items() for v in lists for play in lists[v]],
    ids=str,
)
def test_only_what_is_safe_is_sent_again(
    kind: str, verdict: str, failure: Play, service: Service
) -> None:
    service.plays(failure, failure, 202)
    again, is_status = verdict == "again", not isinstance(failure, str)
    with nullcontext() if again or is_status else pytest.raises(errors.AnswerLostError):
        repeatable, _, method = kind.rpartition(" ")
        told = outcome(service, method=method, **{REPEATABLE: bool(repeatable)})
        assert (told.status_code == 202) is again
    assert len(service.sent) == (3 if again else 1)


@pytest.mark.parametrize("case", SAMPLES["cases"], ids=lambda case: case["it"])
def test_each_failure_costs_its_requests_and_pauses_and_is_told(
    case: dict[str, Any], service: Service, fake: FakeClock
) -> None:
    if case.get("stopped"):
        fake.stop.ask(143)
    service.plays(*case["plays"])
    until = {UNTIL: case["until"]} if "until" in case else {}
    if isinstance(case["ends"], int):
        told = outcome(service, method=case.get("method", "GET"), **until)
        assert told.status_code == case["ends"]
    else:
        with pytest.raises(getattr(errors, case["ends"])) as caught:
            outcome(service, method=case.get("method", "GET"), **until)
        message, hint = caught.value.message, caught.value.hint or ""
        assert [word for word in case.get("says", ()) if word not in message] == [], message
        assert case.get("hint", "") in hint
        assert "t0ken" not in message
    assert len(service.sent) == case.get("sent", len(service.sent))
    assert fake.slept == case.get("slept", fake.slept)


@pytest.mark.parametrize("odd", SAMPLES["odd_retry_after"])
def test_an_odd_retry_after_is_not_obeyed(odd: str, service: Service, fake: FakeClock) -> None:
    service.plays({"status": 503, "headers": {"Retry-After": odd}}, 200)
    assert outcome(service).status_code == 200
    assert fake.slept == [0.75]


class Renewing(Known):
    """Somebody whose token is refused once, and then renewed by another request."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        if response.status_code == 401:
            renewed = yield httpx.Request("POST", "https://evs.example.com/v3/auth/tokens")
            if not renewed.is_success:
                raise refused(renewed, doing="signing in", secrets=())
            yield request


@pytest.mark.parametrize("case", SAMPLES["counted"], ids=str)
def test_answers_and_errors_tell_how_often_the_request_was_sent(
    case: dict[str, Any], service: Service, fake: FakeClock
) -> None:
    """found: a POST refused after an earlier try had arrived was taken for one that did nothing."""
    service.plays(*case["plays"])
    project = Project(service.http, auth=Renewing(), clock=fake.clock)
    told: httpx.Response | EvsSnapError
    try:
        told = project.send("POST", "snapshots", body={})
        project.document(told)
    except EvsSnapError as error:
        told = error
    sent = told.sent if isinstance(told, EvsSnapError) else told.extensions[SENT]
    assert sent == case["sent"]
    assert case["plays"][0] == 401 or isinstance(told, NotSentError) is (sent == 0)


@given(st.integers(1, 7), st.floats(0, 1, exclude_max=True), st.sampled_from([429, 500, 503]))
def test_a_pause_is_jittered_and_bounded(attempt: int, jitter: float, status: int) -> None:
    """Property: threads that failed together do not come back together."""
    lowest, chosen = (
        pause_before_retry(
            attempt=attempt,
            method="GET",
            repeatable=False,
            status=status,
            retry_after=None,
            period=None,
            was_sent=True,
            jitter=chance,
        )
        for chance in (0.0, jitter)
    )
    if chosen is None or lowest is None:
        assert chosen is lowest is None
    else:
        assert lowest <= chosen <= min(2 * lowest, LONGEST_PAUSE)  # just 2, where it is rounded


THROTTLED = cast("httpx.Response", made({"period": "limit:100,time:1 minute"}))


def test_threads_share_what_a_refusal_says(fake: FakeClock) -> None:
    """found: each worker ran into the same limit, and made the wait longer for all."""
    start = fake.clock.monotonic()
    came: list[float] = []
    notes: list[str] = []

    def handler(_: httpx.Request) -> httpx.Response:
        came.append(fake.clock.monotonic() - start)
        return THROTTLED if len(came) == 1 else httpx.Response(200)

    def sleep(seconds: float) -> None:
        if len(came) == 1 and not fake.slept:
            fake.slept.append(seconds)
            http.get(URL)  # another thread's request, in the middle of the pause
        fake.sleep(seconds)

    clock = replace(fake.clock, sleep=sleep)
    with respx.mock() as router, open_http(verify=False, clock=clock, note=notes.append) as http:
        router.get(URL).mock(side_effect=handler)
        assert http.get(URL).status_code == 200
    assert came == [0.0, 63.0, 126.0]
    assert notes == ["too many requests for evs.example.com; going on in 63 s"]


def test_a_stop_ends_the_wait_of_threads_that_were_not_refused(fake: FakeClock) -> None:
    clock = replace(fake.clock, sleep=lambda _: fake.stop.ask(143))
    with respx.mock() as router, open_http(verify=False, clock=clock) as http:
        route = router.get(URL).mock(return_value=THROTTLED)
        assert [http.get(URL).status_code, http.get(URL).status_code] == [429, 429]
    assert route.call_count == 2


# What goes along with every request, and what is kept of every answer.


def test_every_request_names_the_program_waits_for_seconds_and_asks_for_gzip(
    service: Service,
) -> None:
    """found: -vv showed no User-Agent, because none was sent.

    found: a change of the time-outs to milliseconds was noticed by no test.
    """
    service.plays(200)
    outcome(service)
    (sent,) = service.sent
    assert sent.headers["User-Agent"] == f"evs-snap/{version('evs-snap')} httpx/{httpx.__version__}"
    assert sent.headers["Accept-Encoding"] == "gzip"
    waits = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 60.0}
    assert sent.extensions["timeout"] == waits


@pytest.mark.parametrize(
    "cookie", ["a=b; Domain=.example.com", "x" * 5000, "a=b; Expires=Sat, 99 Foo 99999", "=;;=\x01"]
)
def test_cookies_are_not_kept(cookie: str, service: Service) -> None:
    service.plays({"status": 200, "headers": {"Set-Cookie": cookie}})
    outcome(service)
    outcome(service)
    assert all("Cookie" not in request.headers for request in service.sent)


def test_a_date_without_a_zone_is_utc(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """found: where TZ was set, such a date was read as this machine's local time."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        service.plays({"status": 200, "headers": {"Date": "Mon, 23 Nov 2026 04:17:00"}})
        service.client.project.send("GET", "x")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert service.client.service_now == datetime(2026, 11, 23, 4, 17, tzinfo=UTC)
