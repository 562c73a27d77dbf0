"""Signing in, from the environment to the address; and tokens between runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from tests.unit.auth.conftest import (
    IAM,
    PROJECT,
    SETTINGS,
    TOKENS,
    answered,
    granted,
    in_eight_threads,
)  # fmt: skip

from evs_snap import errors
from evs_snap.api.bounds import UNTIL
from evs_snap.auth.cache import TokenCache
from evs_snap.settings import load_settings

if TYPE_CHECKING:
    from tests.unit.auth.conftest import Cloud

SAMPLES = Path(__file__).parents[2] / "samples"
TABLE: dict[str, Any] = yaml.safe_load((SAMPLES / "sign_in.yaml").read_text("utf-8"))
USER, _, APPLICATION, KEYS = TABLE["environments"]


def reply(word: Any) -> httpx.Response:
    """Return the answer that a sample's word stands for."""
    if word == "deep":
        return httpx.Response(200, headers={"X-Subject-Token": "t"}, content=b"[" * 100_000)
    if isinstance(word, list):
        status, body, token = [*word, "t"][:3]
        content = body if isinstance(body, str) else json.dumps(body)
        headers = {b"X-Subject-Token": token.encode("latin-1")}
        return httpx.Response(status, headers=headers, content=content.encode())
    if "sample" in word:
        recorded = json.loads((SAMPLES / f"cinder/{word['sample']}.json").read_text("utf-8"))
        return reply([201, recorded["response"]["body_raw"]])
    return granted(**word)


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["it"])
def test_each_answer_gives_the_address_or_its_refusal(case: dict[str, Any], cloud: Cloud) -> None:
    """Words that are told hold no secret, and nothing is sent to the service itself."""
    settings = load_settings({key: value for key, value in case["environ"].items() if value})
    for word in case.get("answers", [None]):
        before = len(cloud.tried)
        if word is not None:
            cloud.tokens_answer = cloud.projects = reply(word)
        if "error" in case:
            with pytest.raises(getattr(errors, case["error"])) as caught:
                cloud.client(settings).address()
            told = " ".join([str(caught.value), *caught.value.details, caught.value.hint or ""])
            assert [word for word in case.get("says", ()) if word not in told] == [], told
            assert "s3cret" not in told
        else:
            address = cloud.client(settings).address()
            assert address == case.get("address", address)
        assert len(cloud.tried) - before == case.get("sent", 1)
    if "scope" in case:
        assert cloud.sign_ins[-1]["auth"].get("scope") == case["scope"]
    assert cloud.evs.call_count == 0


def test_what_proves_the_user_is_sent(cloud: Cloud) -> None:
    for settings in TOKENS.values():
        cloud.client(settings).address()
        identity = getattr(settings.credentials, "identity", None)
        assert cloud.sign_ins[-1]["auth"]["identity"] == identity


@pytest.mark.parametrize("project", [{"OS_PROJECT_ID": "1"}, {"OS_PROJECT_NAME": "other"}])
def test_an_application_credential_for_another_project_is_tried_once(
    project: dict[str, str], cloud: Cloud
) -> None:
    settings = load_settings(APPLICATION | {"OS_PROJECT_DOMAIN_NAME": "D"} | project)
    outcomes = in_eight_threads(cloud.client(settings).address)
    assert [type(outcome) for outcome in outcomes] == [errors.ConfigurationError] * 8
    assert len(cloud.sign_ins) == 1


def test_a_sign_in_ends_with_the_request_that_needs_it(cloud: Cloud) -> None:
    """found: with a mute Keystone, `--timeout 10s` did not end a run whose token was renewed."""
    cloud.valid = 2
    cloud.client(SETTINGS).until(10.0).send("GET", "volumes")
    assert [c.request.extensions[UNTIL] for c in cloud.tokens.calls] == [10.0, 10.0]


@pytest.mark.parametrize(("name", "query"), TABLE["names"].items())
def test_a_project_is_looked_up_by_its_name_once(name: str, query: str, cloud: Cloud) -> None:
    cloud.projects = answered(200, {"projects": [{"id": PROJECT, "name": name}]})
    endpoint = {"OS_VOLUME_ENDPOINT_OVERRIDE": "https://evs.example.com"}
    project = cloud.client(load_settings(KEYS | endpoint | {"OS_PROJECT_NAME": name}))
    for _ in range(2):
        project.send("GET", "volumes")
    (asked,) = [call.request for call in cloud.look_ups.calls]
    assert str(asked.url) == f"{IAM}/v3/projects?name={query}"
    assert "X-Project-Id" not in asked.headers
    assert cloud.evs.calls.last.request.headers["X-Project-Id"] == PROJECT


# Tokens between runs.


def sign_ins(cloud: Cloud, folder: Path, **changes: str) -> int:
    """Make one request in a run of its own; return how many sign-ins there were."""
    before = len(cloud.sign_ins)
    settings = load_settings(USER | changes)
    assert cloud.client(settings, cache=TokenCache(folder)).send("GET", "volumes").is_success
    return len(cloud.sign_ins) - before


def test_a_token_serves_the_next_runs_until_it_ends_or_is_revoked(
    cloud: Cloud, tmp_path: Path
) -> None:
    assert [sign_ins(cloud, tmp_path) for _ in range(3)] == [1, 0, 0]
    cloud.valid = 2  # and no longer the first
    assert [sign_ins(cloud, tmp_path) for _ in range(2)] == [1, 0]
    cloud.valid = None
    cloud.fake.advance(24 * 3600 - 60)
    assert sign_ins(cloud, tmp_path) == 1
    for expires_at in (None, 7, "soon", "0001-01-01T00:00:00Z", "9999-12-31"):
        cloud.tokens_answer = granted(expires_at=expires_at)
        for _ in range(2):
            assert sign_ins(cloud, tmp_path) <= 1, "an odd end is no reason to fail"


@pytest.mark.parametrize("changes", TABLE["others"], ids=str)
def test_another_identity_signs_in_anew(
    changes: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    """found: a token and endpoint cached with OS_INSECURE were used by a run without it."""
    sign_ins(cloud, tmp_path)
    assert sign_ins(cloud, tmp_path, **changes) == 1
