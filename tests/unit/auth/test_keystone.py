"""Signing in at Keystone: what is sent, what is made of the answer, and tokens between runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.unit.auth.conftest import (
    EVS,
    IAM,
    PASSWORD,
    PROJECT,
    SETTINGS,
    TOKENS,
    USER,
    answered,
    granted,
    in_eight_threads,
)

from evs_snap import errors
from evs_snap.api.bounds import UNTIL
from evs_snap.auth.cache import TokenCache
from evs_snap.settings import Settings
from evs_snap.settings.credentials import (
    AgencyCredentials,
    ApplicationCredentials,
    Keys,
    PasswordCredentials,
    TokenCredentials,
    User,
)  # fmt: skip

if TYPE_CHECKING:
    from tests.unit.auth.conftest import Cloud


SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"
BY_ID = TOKENS["application credential"]
DOMAIN = {"name": "OTC-1"}
BY_NAME = ApplicationCredentials(None, PASSWORD, "key", User("cron", domain_name="OTC-1"))
WITH_ID = PasswordCredentials(User("cron", "u1", "OTC-1"), PASSWORD)


def changed(settings: Settings = SETTINGS, **changes: Any) -> Settings:
    return replace(settings, **changes)


# What is sent.


def test_what_proves_the_user_is_sent_with_the_project(cloud: Cloud) -> None:
    """An application credential has a project of its own: Keystone refuses a scope beside it."""
    for settings in (*TOKENS.values(), changed(BY_ID, project_id=PROJECT)):
        assert cloud.client(settings).address() == f"{EVS}/v3/{PROJECT}"
        given = settings.credentials
        assert not isinstance(given, Keys | AgencyCredentials)
        auth = {"identity": given.identity}
        assert cloud.sign_ins[-1]["auth"].items() >= auth.items()
        assert ("scope" in cloud.sign_ins[-1]["auth"]) is (given.kind != "application credential")


@pytest.mark.parametrize(
    ("changes", "project"),
    [
        ({}, {"name": "eu-de_prod", "domain": DOMAIN}),
        ({"project_domain_name": "P"}, {"name": "eu-de_prod", "domain": {"name": "P"}}),
        ({"project_domain_id": "p"}, {"name": "eu-de_prod", "domain": {"id": "p"}}),
        ({"project_id": "1"}, {"id": "1"}),
    ],
)
def test_a_project_is_named_in_its_own_or_the_users_domain(
    changes: dict[str, str], project: object, cloud: Cloud
) -> None:
    cloud.client(changed(**changes)).address()
    assert cloud.sign_ins[0]["auth"]["scope"] == {"project": project}


def test_a_projects_name_needs_a_domain(cloud: Cloud) -> None:
    with pytest.raises(errors.ConfigurationError, match="domain") as caught:
        cloud.client(changed(credentials=TokenCredentials("t"))).address()
    assert "OS_PROJECT_DOMAIN_NAME" in (caught.value.hint or "")
    assert cloud.sign_ins == []


def test_a_sign_in_ends_with_the_request_that_needs_it(cloud: Cloud) -> None:
    """found: with a mute Keystone, `--timeout 10s` did not end a run whose token was renewed."""
    cloud.valid = 2
    cloud.client(SETTINGS).until(10.0).send("GET", "volumes")
    assert [c.request.extensions[UNTIL] for c in cloud.tokens.calls] == [10.0, 10.0]


# What is made of the answer.


@pytest.mark.parametrize("project", [{"project_id": "1"}, {"project_name": "other"}])
def test_an_application_credential_for_another_project_is_refused_and_tried_once(
    project: dict[str, str], cloud: Cloud
) -> None:
    outcomes = in_eight_threads(cloud.client(changed(BY_ID, **project)).address)
    (told,) = {str(outcome) for outcome in outcomes}
    assert told.startswith("the application credential is for project 'eu-de_prod', not for")
    assert len(cloud.sign_ins) == 1


def test_a_recorded_answer_of_keystone_is_understood(cloud: Cloud) -> None:
    answer = json.loads((SAMPLES / "003-token-password-project.json").read_text())["response"]
    cloud.tokens_answer = httpx.Response(
        201, headers={"X-Subject-Token": "t"}, content=answer["body_raw"]
    )
    project_id = answer["body"]["token"]["project"]["id"]
    project = cloud.client(changed(region=None))
    assert project.address() == f"http://127.0.0.1:18776/v3/{project_id}"


def test_version_and_address_can_be_set(cloud: Cloud) -> None:
    assert cloud.client(changed(api_version="v2")).address() == f"{EVS}/v2/{PROJECT}"
    set_ = changed(endpoint="https://gate.example.com/evs/v3/$(tenant_id)s")
    assert cloud.client(set_).address() == f"https://gate.example.com/evs/v3/{PROJECT}"


def test_a_catalog_cannot_send_the_token_over_plain_http(cloud: Cloud) -> None:
    for url in ("http://evs.example.com", "ftp://evs.example.com", "nonsense", ""):
        cloud.tokens_answer = granted(url=url)
        with pytest.raises(errors.NoEndpointError, match="volume endpoint"):
            cloud.client(SETTINGS).address()


BAD = [
    httpx.Response(200, html="<title>Log in</title>", headers={"X-Subject-Token": "t"}),
    *(
        httpx.Response(201, content=body, headers={"X-Subject-Token": "t"})
        for body in (
            b"", b"{", b"[" * 100_000, b"[]", b'{"token": null}', b'{"token": "text"}',
            b'{"token": []}', b'{"token": {"project": "p"}}', b'{"token": {"project": {"id": 7}}}',
            (SAMPLES / "005-token-unscoped.json").read_bytes(),
        )
    ),
    granted(""),
    httpx.Response(201, headers=[(b"X-Subject-Token", b"t\xf6ken")], content=granted("t").content),
    granted("two words"),
]  # fmt: skip


def test_an_answer_that_grants_nothing_is_a_bad_answer(cloud: Cloud) -> None:
    for answer in BAD:
        cloud.tokens_answer = answer
        with pytest.raises(errors.BadAnswerError, match="not a token for a project") as caught:
            cloud.client(SETTINGS).address()
        assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_an_odd_catalog_is_told_as_such(cloud: Cloud) -> None:
    odd: list[object] = [None, [], {}, "odd", [None], [{"type": []}]]
    for catalog in odd:
        cloud.tokens_answer = granted(catalog=catalog)
        with pytest.raises(errors.NoEndpointError, match="catalog"):
            cloud.client(SETTINGS).address()
        assert cloud.client(changed(endpoint=EVS)).address() == f"{EVS}/v3/{PROJECT}"


@pytest.mark.parametrize(
    ("answer", "expected", "hint"),
    [
        (
            httpx.Response(404, html="<title>Not here</title>"),
            errors.WrongEndpointError,
            "OS_AUTH_URL",
        ),
        (
            httpx.Response(302, html="<title>Log in</title>"),
            errors.WrongEndpointError,
            "OS_AUTH_URL",
        ),
        (
            answered(403, {"error_code": "IAM.0081", "error_msg": "console only"}),
            errors.PermissionDeniedError,
            "programmatic",
        ),
        # What a real Keystone says to an application credential's ID that was deleted.
        (
            answered(404, {"error": {"message": "Could not find Application Credential: a1."}}),
            errors.SignInError,
            "",
        ),
        (answered(401, {"error": {"message": f"{PASSWORD} is wrong"}}), errors.SignInError, ""),
    ],
)
def test_a_refusal_says_what_to_do_and_quotes_no_password(
    answer: httpx.Response, expected: type[errors.EvsSnapError], hint: str, cloud: Cloud
) -> None:
    cloud.tokens_answer = answer
    with pytest.raises(expected) as caught:
        cloud.client(BY_ID).address()
    assert hint in (caught.value.hint or "")
    assert PASSWORD not in caught.value.message
    assert len(cloud.sign_ins) == 1


# Tokens between runs.


def sign_ins(cloud: Cloud, folder: Path, settings: Settings = SETTINGS) -> int:
    """Make one request in a run of its own; return how many sign-ins there were."""
    before = len(cloud.sign_ins)
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


def test_an_odd_expiry_is_no_reason_to_fail(cloud: Cloud, tmp_path: Path) -> None:
    for expires_at in (None, 7, "soon", "0001-01-01T00:00:00Z", "9999-12-31"):
        cloud.tokens_answer = granted(expires_at=expires_at)
        for _ in range(2):
            assert sign_ins(cloud, tmp_path) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"credentials": replace(USER, password="another")},
        {"credentials": replace(USER, user=User("other", domain_name="OTC-1"))},
        {"credentials": replace(USER, user=User("cron", domain_name="other"))},
        {"credentials": WITH_ID},
        {"credentials": BY_NAME},
        {"project_name": "other"},
        {"project_id": "other"},
        {"project_domain_id": "other"},
        {"endpoint": f"{EVS}/v2"},
        {"service_type": "volumev3"},
        {"interface": "internal", "endpoint": EVS},
        {"allow_http": True},
        {"verify": False},
        {"verify": "/ca.pem"},
        {"auth_url": f"{IAM}/identity"},
    ],
)
def test_another_identity_signs_in_anew(
    changes: dict[str, Any], cloud: Cloud, tmp_path: Path
) -> None:
    """found: a token and endpoint cached with OS_INSECURE were used by a run without it."""
    sign_ins(cloud, tmp_path)
    assert sign_ins(cloud, tmp_path, changed(**changes)) == 1
