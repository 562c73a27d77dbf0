"""Signing with keys: what is signed anew, and the keys of the machine's own agency."""

from __future__ import annotations

from datetime import datetime
from itertools import product, repeat
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.unit.api.conftest import made
from tests.unit.auth.conftest import GIVEN, LIFE, LOOKED_UP, Cloud, answered, in_eight_threads

from evs_snap import errors
from evs_snap.auth import agency
from evs_snap.auth.agency import MARGIN, AgencyKeys
from evs_snap.auth.signer import sign
from evs_snap.settings.credentials import METADATA_ADDRESS, Keys

WRONG_KEY = answered(401, {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"})


def test_a_look_up_and_a_post_are_signed_anew_each_time_they_are_sent(cloud: Cloud) -> None:
    cloud.meanwhile = lambda: cloud.fake.advance(1)
    cloud.plays = [answered(503), cloud.projects, answered(429), answered(202)]
    cloud.client(LOOKED_UP).send("POST", "snapshots", body="größe")
    assert [request.method for request in cloud.tried] == ["GET", "GET", "POST", "POST"]
    assert len({request.headers["X-Sdk-Date"] for request in cloud.tried}) == 4
    for request in cloud.tried:
        before = request.headers["Authorization"]
        date = datetime.fromisoformat(request.headers["X-Sdk-Date"])
        sign(request, Keys("AK1", "sk-s3cret"), now=date)
        assert request.headers["Authorization"] == before
    assert "content-type;" in cloud.tried[-1].headers["Authorization"]


def test_keys_that_were_good_are_not_given_up_for_one_refusal(cloud: Cloud) -> None:
    asking = cloud.client(GIVEN)
    cloud.plays = [answered(200), WRONG_KEY]
    asking.send("GET", "volumes")
    with pytest.raises(errors.SignInError):
        asking.send("GET", "volumes")
    assert asking.send("GET", "volumes").is_success


# The machine's own agency.

SAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "samples/agency.yaml").read_text("utf-8")
)
WHOLE = {"access": "AK", "secret": "sk-s3cret", "securitytoken": "t0ken-s3cret"}


@pytest.fixture(name="keys")
def _keys(cloud: Cloud) -> AgencyKeys:
    return AgencyKeys(METADATA_ADDRESS, clock=cloud.fake.clock)


def reply(word: Any) -> httpx.Response | Exception | None:
    """Return what a sample's word stands for; None is what is granted."""
    if isinstance(word, dict):
        return answered(200, {"credential": {**WHOLE, **word}})
    if isinstance(word, list):
        status, text = word
        body = text.encode() if isinstance(text, str) else text
        return httpx.Response(status, content=body, headers={"Location": "/elsewhere"})
    if word == "deep":
        return httpx.Response(200, content=b"[" * 100_000)
    return None if word == "granted" else made(word)


def failure(keys: AgencyKeys) -> errors.EvsSnapError:
    with pytest.raises(errors.EvsSnapError) as caught:
        keys.current()
    told = f"{caught.value.message} {caught.value.hint}"
    assert told.isprintable()
    assert "s3cret" not in told
    assert "metadata-t0ken" not in told
    return caught.value


@pytest.mark.parametrize("case", SAMPLES["answers"], ids=lambda case: case["it"])
def test_each_answer_of_the_metadata_address_gives_keys_or_its_refusal(
    case: dict[str, Any], cloud: Cloud, keys: AgencyKeys
) -> None:
    for token, answer in product(case.get("token", ["granted"]), case.get("keys", [{}])):
        cloud.keys.reset()
        cloud.keys_answer = reply(answer)
        if (refused := reply(token)) is not None:
            cloud.metadata_token.side_effect = repeat(refused)
        if "gives" in case:
            assert keys.current().access_key == case["gives"]
            sent = cloud.keys.calls.last.request.headers.get("X-Metadata-Token")
            assert sent == ("metadata-t0ken" if token == "granted" else None)
            keys = AgencyKeys(METADATA_ADDRESS, clock=cloud.fake.clock)
        else:
            error = failure(keys)
            assert type(error) is getattr(errors, case["error"])
            told = f"{error.message} {error.hint}"
            assert [word for word in case["says"] if word not in told] == [], told
            if case.get("with_status"):
                assert getattr(error, "status", None) == (answer if refused is None else token)[0]
        assert cloud.keys.call_count == case["fetched"]


@pytest.mark.parametrize("case", SAMPLES["times"], ids=lambda case: case["it"])
def test_keys_are_renewed_before_they_end(
    case: dict[str, Any], cloud: Cloud, keys: AgencyKeys
) -> None:
    for minutes, answer, access_key, fetched in case["steps"]:
        cloud.fake.advance(60 * minutes)
        if answer != "aging":
            cloud.keys_answer = reply(answer)
        elif cloud.keys_answer is None:
            cloud.keys_answer = cloud.grant_keys()
        if access_key == "none":
            assert isinstance(failure(keys), errors.SignInError)
        else:
            assert {keys.current().access_key for _ in range(20)} == {access_key}
        assert cloud.keys.call_count == fetched


def test_the_first_use_fetches_all_that_keys_consist_of(cloud: Cloud, keys: AgencyKeys) -> None:
    end = cloud.fake.moment + LIFE
    assert keys.current() == Keys("AK1", "sk1-s3cret", "t0ken1-s3cret", end)
    asked = cloud.metadata_token.calls.last.request
    assert asked.headers["X-Metadata-Token-Ttl-Seconds"] == "21600"
    assert agency.TIMEOUT.read == 3.0
    assert keys.secrets == ("sk1-s3cret", "t0ken1-s3cret")
    assert "s3cret" not in repr(keys.current())


def test_eight_threads_fetch_once_and_renew_once(cloud: Cloud, keys: AgencyKeys) -> None:
    first = in_eight_threads(keys.current)
    assert {k.access_key for k in first} == {"AK1"}
    cloud.fake.advance((LIFE - MARGIN).total_seconds())
    assert {k.access_key for k in in_eight_threads(keys.current)} == {"AK2"}
    second = keys.current()
    renewed = in_eight_threads(lambda: keys.current(refused=second))
    assert {k.access_key for k in renewed} == {"AK3"}
    assert cloud.keys.call_count == 3
