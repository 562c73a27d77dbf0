"""What every kind of sign-in does: each is held to the same suite."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.unit.auth.conftest import (
    AGENCIES,
    EVS,
    KINDS,
    TOKENS,
    answered,
    in_eight_threads,
    proof_of,
)

from evs_snap.api.transport import open_http
from evs_snap.auth import identify
from evs_snap.errors import ConfigurationError, EvsSnapError, NotSentError, SignInError

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.unit.auth.conftest import Cloud

    from evs_snap.settings import Settings

every_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS.keys())
WRONG_KEY = {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"}
STALE = [
    (401, None),
    (401, {"error": {"code": "EVS.5401", "message": "authentication required"}}),
    (400, {"code": "Common.0013", "message": "x-auth-token verified failed"}),
    (400, {"error": {"code": "EVS.0002", "message": "invalid token"}}),
]
EXPIRED = (400, {"error_code": "IAM.1108", "error_msg": "The security token has expired"})
RENEWED = [
    *((settings, *stale) for settings in TOKENS.values() for stale in STALE),
    *((settings, *EXPIRED) for settings in AGENCIES.values()),
]
"""Which refusals each kind answers with a new proof."""


@every_kind
@pytest.mark.parametrize("body", [WRONG_KEY, None])
def test_a_wrong_secret_is_tried_once_even_by_eight_threads(
    settings: Settings, body: object, cloud: Cloud
) -> None:
    """The clouds lock a user after a few wrong tries. Whoever is told first keeps it for all."""
    cloud.valid = 0
    cloud.refusal = cloud.tokens_answer = cloud.keys_answer = answered(401, body)
    outcomes = in_eight_threads(partial(cloud.client(settings).send, "GET", "volumes"))
    assert [type(outcome) for outcome in outcomes] == [SignInError] * 8
    assert len(cloud.tried) == 1


@every_kind
def test_a_request_that_fails_keeps_nobody_waiting(settings: Settings, cloud: Cloud) -> None:
    """An error that is kept keeps its frames, and must not keep the lock with them."""
    cloud.fail(httpx.ConnectError("no connection"))
    outcomes = in_eight_threads(partial(cloud.client(settings).send, "GET", "volumes"))
    assert [type(outcome) for outcome in outcomes] == [NotSentError] * 8


@every_kind
def test_good_proofs_let_requests_go_side_by_side(settings: Settings, cloud: Cloud) -> None:
    project = cloud.client(settings)
    project.send("GET", "volumes")
    together = threading.Barrier(8)
    cloud.meanwhile = lambda: together.wait(timeout=5)
    outcomes = in_eight_threads(lambda: project.send("GET", "volumes").status_code)
    assert outcomes == [200] * 8


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        *((settings, status) for settings in KINDS.values() for status in (429, 500, 503)),
    ],
)
@pytest.mark.parametrize("right", [True, False])
def test_a_service_that_fails_says_nothing_about_the_proof(
    settings: Settings, status: int, cloud: Cloud, *, right: bool
) -> None:
    """A long wait may go on after it; a wrong secret is still tried once."""
    cloud.valid, cloud.refusal, cloud.tokens_answer = 0, answered(status), answered(status)
    project = cloud.client(settings)
    with pytest.raises(EvsSnapError):
        project.send("GET", "volumes")
    before = len(cloud.tried)
    cloud.valid, cloud.tokens_answer = (None, None) if right else (0, answered(401))
    cloud.refusal = answered(401)
    outcomes = in_eight_threads(lambda: project.send("GET", "volumes").status_code)
    assert outcomes == [200] * 8 if right else {*map(type, outcomes)} == {SignInError}
    assert right or len(cloud.tried) - before == 1


@pytest.mark.parametrize(("settings", "status", "body"), RENEWED)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_stale_proof_is_renewed_once_and_the_request_repeated(
    settings: Settings, status: int, body: object, method: str, cloud: Cloud
) -> None:
    cloud.valid, cloud.refusal = 2, answered(status, body)
    assert cloud.client(settings).send(method, "volumes", body="the body").is_success
    assert cloud.count == 2
    shown = [call.request for call in (*cloud.look_ups.calls, *cloud.evs.calls)]
    assert [proof_of(request) for request in shown] == [1, *[2] * (len(shown) - 1)]
    assert cloud.evs.calls.last.request.content == b'"the body"'


@pytest.mark.parametrize(("settings", "status", "body"), RENEWED)
def test_a_proof_refused_twice_is_renewed_once(
    settings: Settings, status: int, body: object, cloud: Cloud
) -> None:
    cloud.valid, cloud.refusal = 0, answered(status, body)
    project = cloud.client(settings)
    for _ in range(2):  # no other request tries again
        with pytest.raises(EvsSnapError):
            project.send("GET", "volumes")
    assert cloud.count == 2
    assert len([*cloud.look_ups.calls, *cloud.evs.calls]) == 2


@every_kind
@pytest.mark.parametrize(
    ("status", "body"), [(400, {"code": "Common.0018"}), (403, None), (404, None), (500, None)]
)
def test_no_other_refusal_renews_the_proof(
    settings: Settings, status: int, body: object, cloud: Cloud
) -> None:
    cloud.valid, cloud.refusal = 0, answered(status, body)
    with pytest.raises(EvsSnapError):
        cloud.client(settings).send("POST", "volumes")
    assert cloud.count <= 1


PLACES = {
    "https://evil.example.com/v3": False,
    "https://evs.example.com:8443/v3": False,
    "http://evs.example.com/v3": False,
    "https://evs.example.com.evil.example.com/": False,
    "https://172.28.9.185:8776/v2": False,
    f"{EVS}:443/v3": True,
    "https://EVS.example.com/v3": True,
}


@every_kind
@pytest.mark.parametrize(("url", "same"), PLACES.items())
def test_the_proof_goes_to_no_other_host_scheme_or_port(
    *, settings: Settings, url: str, same: bool, cloud: Cloud, fake: FakeClock
) -> None:
    auth = identify(settings, clock=fake.clock, cache=None)
    with open_http(verify=False, clock=fake.clock) as http:
        if same:
            assert http.get(url, auth=auth).is_success
        else:
            with pytest.raises(ConfigurationError, match="refusing to send"):
                http.get(url, auth=auth)
    assert cloud.evs.call_count == same


@every_kind
@pytest.mark.parametrize("endpoint", ["http://evs.example.com", "ftp://evs.example.com", "evs"])
def test_nothing_is_sent_to_an_endpoint_in_the_clear(
    settings: Settings, endpoint: str, cloud: Cloud
) -> None:
    with pytest.raises(ConfigurationError, match="volume endpoint"):
        cloud.client(replace(settings, endpoint=endpoint)).send("GET", "volumes")
    assert cloud.evs.call_count == 0
