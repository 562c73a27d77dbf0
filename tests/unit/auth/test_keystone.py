"""Signing in: what is sent, to whom, how often, and what is made of the answer."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from evs_snap.api.bounds import UNTIL
from evs_snap.auth import identify
from evs_snap.auth.cache import TokenCache
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NoEndpointError,
    NotSentError,
    PermissionDeniedError,
    ServerError,
    SignInError,
    WrongEndpointError,
)
from evs_snap.settings import Settings
from evs_snap.settings.credentials import (
    ApplicationCredentials,
    PasswordCredentials,
    TokenCredentials,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import respx
    from tests.conftest import FakeClock

    from evs_snap.settings.credentials import KeystoneCredentials

    Threads = Callable[[Callable[[], object]], list[object]]

PASSWORD = "s3cret-p4ssword"
PROJECT = "0123456789abcdef0123456789abcdef"
EVS = "https://evs.example.com"
USER = PasswordCredentials(User("cron", domain_name="OTC-1"), PASSWORD)
SETTINGS = Settings("https://iam.example.com", USER, project_name="eu-de_prod", region="eu-de")
SAMPLES = Path(__file__).parents[2] / "samples" / "cinder"


def granted(
    token: str = "token-1", *, url: str = f"{EVS}/v2/{PROJECT}", **changes: object
) -> httpx.Response:
    endpoint = {"interface": "public", "region_id": "eu-de", "url": url}
    body = {
        "project": {"id": PROJECT, "name": "eu-de_prod"},
        "expires_at": "2026-11-24T02:17:00.000000Z",
        "catalog": [{"type": "volumev3", "endpoints": [endpoint]}],
        **changes,
    }
    return httpx.Response(201, headers={"X-Subject-Token": token}, json={"token": body})


def answered(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=json.dumps(body).encode())


class Cloud:
    """Keystone, and an EVS that takes the token ``valid`` alone."""

    def __init__(self, wire: respx.MockRouter) -> None:
        self.keystone = wire.post(host="iam.example.com", path__regex=r".*/v3/auth/tokens$")
        self.keystone.return_value = granted()
        self.evs = wire.route(host="evs.example.com").mock(side_effect=self._answer)
        self.valid = "token-1"
        self.refusal = httpx.Response(401)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        is_valid = request.headers["X-Auth-Token"] == self.valid
        return httpx.Response(200, json={}) if is_valid else self.refusal

    @property
    def sign_ins(self) -> list[Any]:
        return [json.loads(call.request.content) for call in self.keystone.calls]


@pytest.fixture(name="cloud")
def _cloud(wire: respx.MockRouter) -> Cloud:
    return Cloud(wire)


@contextmanager
def signing_in(
    fake: FakeClock, settings: Settings = SETTINGS, cache: TokenCache | None = None
) -> Iterator[httpx.Client]:
    auth = identify(settings, clock=fake.clock, cache=cache)
    with httpx.Client(auth=auth, verify=False) as http:  # noqa: S501 - it reads no CAs: that is slow
        yield http


def sign_in(fake: FakeClock, settings: Settings = SETTINGS) -> str:
    auth = identify(settings, clock=fake.clock, cache=None)
    with signing_in(fake) as http:
        return auth.volume_url(lambda request: http.send(request, auth=None))


def test_a_sign_in_ends_with_the_request_that_needs_it(cloud: Cloud, fake: FakeClock) -> None:
    """found: with a mute Keystone, `--timeout 10s` did not end a run whose token was renewed."""
    cloud.valid = "token-2"
    cloud.keystone.side_effect = [granted(), granted("token-2")]
    with signing_in(fake) as http:
        http.get(EVS, extensions={UNTIL: 10.0})
    assert [c.request.extensions[UNTIL] for c in cloud.keystone.calls] == [10.0, 10.0]


DOMAIN = {"name": "OTC-1"}
BY_ID = ApplicationCredentials("a1", PASSWORD)
BY_NAME = ApplicationCredentials(None, PASSWORD, "key", User("cron", domain_name="OTC-1"))
OF_ID = ApplicationCredentials(None, PASSWORD, "key", User(id="u1"))
APP = "application_credential"
PROOFS: list[tuple[KeystoneCredentials, str, dict[str, object]]] = [
    (USER, "password", {"user": {"name": "cron", "domain": DOMAIN, "password": PASSWORD}}),
    (
        PasswordCredentials(User("cron", domain_name="OTC-1", domain_id="d1"), PASSWORD),
        "password",
        {"user": {"name": "cron", "domain": {"id": "d1"}, "password": PASSWORD}},
    ),
    (
        PasswordCredentials(User("cron", "u1", "OTC-1"), PASSWORD),
        "password",
        {"user": {"id": "u1", "password": PASSWORD}},
    ),
    (TokenCredentials("old"), "token", {"id": "old"}),
    (BY_ID, APP, {"id": "a1", "secret": PASSWORD}),
    (
        BY_NAME,
        APP,
        {"name": "key", "secret": PASSWORD, "user": {"name": "cron", "domain": DOMAIN}},
    ),
    (OF_ID, APP, {"name": "key", "secret": PASSWORD, "user": {"id": "u1"}}),
]


@pytest.mark.parametrize(("credentials", "method", "proof"), PROOFS)
def test_each_kind_proves_itself_as_documented(
    *,
    credentials: KeystoneCredentials,
    method: str,
    proof: dict[str, object],
    cloud: Cloud,
    fake: FakeClock,
) -> None:
    """An application credential has a project of its own: Keystone refuses a scope beside it."""
    given = replace(SETTINGS, credentials=credentials, project_id=PROJECT)
    assert sign_in(fake, given) == f"{EVS}/v3/{PROJECT}"
    scope = {} if method == APP else {"scope": {"project": {"id": PROJECT}}}
    assert cloud.sign_ins == [{"auth": {"identity": {"methods": [method], method: proof}, **scope}}]


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
    changes: dict[str, str], project: object, cloud: Cloud, fake: FakeClock
) -> None:
    sign_in(fake, replace(SETTINGS, **changes))  # type: ignore[arg-type]  # all text
    assert cloud.sign_ins[0]["auth"]["scope"] == {"project": project}


@pytest.mark.parametrize("project", [{"project_id": "1"}, {"project_name": "other"}])
def test_an_application_credential_for_another_project_is_refused_and_tried_once(
    project: dict[str, str], cloud: Cloud, fake: FakeClock, in_eight_threads: Threads
) -> None:
    settings = Settings("https://iam.example.com", ApplicationCredentials("a1", PASSWORD))
    with signing_in(fake, replace(settings, **project)) as http:  # type: ignore[arg-type]  # all text
        outcomes = in_eight_threads(lambda: http.get(EVS))
    (told,) = {str(outcome) for outcome in outcomes}
    assert told.startswith("the application credential is for project 'eu-de_prod', not for")
    assert len(cloud.sign_ins) == 1


def test_a_projects_name_needs_a_domain(cloud: Cloud, fake: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="domain") as caught:
        sign_in(fake, replace(SETTINGS, credentials=TokenCredentials("t")))
    assert "OS_PROJECT_DOMAIN_NAME" in (caught.value.hint or "")
    assert cloud.sign_ins == []


def test_a_recorded_answer_of_keystone_is_understood(cloud: Cloud, fake: FakeClock) -> None:
    answer = json.loads((SAMPLES / "003-token-password-project.json").read_text())["response"]
    cloud.keystone.return_value = httpx.Response(
        201, headers={"X-Subject-Token": "t"}, content=answer["body_raw"]
    )
    url = sign_in(fake, replace(SETTINGS, region=None))
    assert url == f"http://127.0.0.1:18776/v3/{answer['body']['token']['project']['id']}"


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"api_version": "v2"}, f"{EVS}/v2/{PROJECT}"),
        (
            {"endpoint": "https://gate.example.com/evs/v3/$(tenant_id)s"},
            f"https://gate.example.com/evs/v3/{PROJECT}",
        ),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_version_and_address_can_be_set(changes: dict[str, str], url: str, fake: FakeClock) -> None:
    assert sign_in(fake, replace(SETTINGS, **changes)) == url  # type: ignore[arg-type]  # all text


def test_a_catalog_cannot_send_the_token_over_plain_http(cloud: Cloud, fake: FakeClock) -> None:
    for url in ("http://evs.example.com", "ftp://evs.example.com", "nonsense", ""):
        cloud.keystone.return_value = granted(url=url)
        with pytest.raises(NoEndpointError, match="volume endpoint"):
            sign_in(fake)


def test_what_was_allowed_over_http_is_not_cached_for_runs_that_forbid_it(
    cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.keystone.return_value = granted(url="http://evs.example.com")
    for allowed in (True, False):
        settings = replace(SETTINGS, allow_http=allowed)
        with signing_in(fake, settings, TokenCache(tmp_path)) as http:
            if allowed:
                assert http.get("http://evs.example.com/v3").is_success
            else:
                with pytest.raises(ConfigurationError, match="plain http"):
                    http.get("http://evs.example.com/v3")


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


def test_an_answer_that_grants_nothing_is_a_bad_answer(cloud: Cloud, fake: FakeClock) -> None:
    for answer in BAD:
        cloud.keystone.return_value = answer
        with pytest.raises(BadAnswerError, match="not a token for a project") as caught:
            sign_in(fake)
        assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_an_odd_catalog_is_told_as_such(cloud: Cloud, fake: FakeClock) -> None:
    odd: list[object] = [None, [], {}, "odd", [None], [{"type": []}]]
    for catalog in odd:
        cloud.keystone.return_value = granted(catalog=catalog)
        with pytest.raises(NoEndpointError, match="catalog"):
            sign_in(fake)
        assert sign_in(fake, replace(SETTINGS, endpoint=EVS)) == f"{EVS}/v3/{PROJECT}"


def test_an_odd_expiry_is_no_reason_to_fail(cloud: Cloud, fake: FakeClock, tmp_path: Path) -> None:
    for expires_at in (None, 7, "soon", "0001-01-01T00:00:00Z", "9999-12-31"):
        cloud.keystone.return_value = granted(expires_at=expires_at)
        for _ in range(2):
            with signing_in(fake, cache=TokenCache(tmp_path)) as http:
                assert http.get(EVS).is_success


@pytest.mark.parametrize(
    ("answer", "expected", "hint"),
    [
        (httpx.Response(404, html="<title>Not here</title>"), WrongEndpointError, "OS_AUTH_URL"),
        (httpx.Response(302, html="<title>Log in</title>"), WrongEndpointError, "OS_AUTH_URL"),
        (
            answered(403, {"error_code": "IAM.0081", "error_msg": "console only"}),
            PermissionDeniedError,
            "programmatic",
        ),
        # What a real Keystone says to an application credential's ID that was deleted.
        (
            answered(404, {"error": {"message": "Could not find Application Credential: a1."}}),
            SignInError,
            "",
        ),
    ],
)
def test_a_refusal_says_what_to_do(
    *,
    answer: httpx.Response,
    expected: type[EvsSnapError],
    hint: str,
    cloud: Cloud,
    fake: FakeClock,
) -> None:
    cloud.keystone.return_value = answer
    with pytest.raises(expected) as caught:
        sign_in(fake, replace(SETTINGS, credentials=BY_ID))
    assert hint in (caught.value.hint or "")
    assert len(cloud.sign_ins) == 1


def test_a_refusal_never_quotes_the_password(cloud: Cloud, fake: FakeClock) -> None:
    cloud.keystone.return_value = answered(401, {"error": {"message": f"{PASSWORD} is wrong"}})
    with pytest.raises(SignInError) as caught:
        sign_in(fake)
    assert PASSWORD not in caught.value.message
    assert "***" in caught.value.message


def test_a_wrong_password_is_tried_once_even_by_eight_threads(
    cloud: Cloud, fake: FakeClock, in_eight_threads: Threads
) -> None:
    """The clouds lock a user after a few wrong ones."""
    cloud.keystone.return_value = answered(401, {"error": {"message": "wrong"}})
    with signing_in(fake) as http:
        outcomes = in_eight_threads(lambda: http.get(EVS))
    assert [type(outcome) for outcome in outcomes] == [SignInError] * 8
    assert len(cloud.sign_ins) == 1


def test_a_broken_keystone_is_asked_again(cloud: Cloud, fake: FakeClock) -> None:
    """A server fault says nothing about the password: a long wait may go on after it."""
    cloud.keystone.side_effect = [httpx.Response(503), granted()]
    with signing_in(fake) as http:
        with pytest.raises(ServerError):
            http.get(EVS)
        assert http.get(EVS).is_success


def test_a_failed_sign_in_keeps_nobody_waiting(fake: FakeClock, in_eight_threads: Threads) -> None:
    """An error that is kept keeps its frames, and must not keep the lock with them."""
    auth = identify(SETTINGS, clock=fake.clock, cache=None)

    def fail(_: httpx.Request) -> httpx.Response:
        raise NotSentError("no connection")

    outcomes = in_eight_threads(lambda: auth.volume_url(fail))
    assert [type(outcome) for outcome in outcomes] == [NotSentError] * 8


STALE = [
    (401, None),
    (401, {"error": {"code": "EVS.5401", "message": "authentication required"}}),
    (400, {"code": "Common.0013", "message": "x-auth-token verified failed"}),
    (400, {"error": {"code": "EVS.0002", "message": "invalid token"}}),
]


@pytest.mark.parametrize(("status", "body"), STALE)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_stale_token_is_renewed_and_the_request_repeated(
    status: int, body: object, method: str, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.keystone.side_effect = [granted("token-1"), granted("token-2")]
    cloud.valid = "token-2"
    cloud.refusal = answered(status, body)
    with signing_in(fake) as http:
        assert http.request(method, EVS, content=b"the body").is_success
    assert len(cloud.sign_ins) == 2
    sent = [call.request for call in cloud.evs.calls]
    assert [request.headers["X-Auth-Token"] for request in sent] == ["token-1", "token-2"]
    assert [request.content for request in sent] == [b"the body"] * 2


@pytest.mark.parametrize(("status", "body"), STALE)
def test_a_token_refused_twice_is_renewed_once(
    status: int, body: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.valid = "none"
    cloud.refusal = answered(status, body)
    with signing_in(fake) as http:
        assert http.get(EVS).status_code == status
    assert len(cloud.sign_ins) == 2


@pytest.mark.parametrize(
    ("status", "body"), [(400, {"code": "Common.0018"}), (403, None), (404, None), (500, None)]
)
def test_no_other_refusal_renews_the_token(
    status: int, body: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.valid = "none"
    cloud.refusal = answered(status, body)
    with signing_in(fake) as http:
        assert http.get(EVS).status_code == status
    assert len(cloud.sign_ins) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/v3",
        "https://evs.example.com:8443/v3",
        "http://evs.example.com/v3",
        "https://evs.example.com.evil.example.com/",
        "https://172.28.9.185:8776/v2",
    ],
)
def test_the_token_goes_to_no_other_host(
    url: str, cloud: Cloud, wire: respx.MockRouter, fake: FakeClock
) -> None:
    wire.route().mock(return_value=httpx.Response(200))
    with signing_in(fake) as http, pytest.raises(ConfigurationError, match="refusing"):
        http.get(url)
    assert len(wire.calls) == len(cloud.sign_ins) == 1


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("url", [f"{EVS}:443/v3", "https://EVS.example.com/v3"])
def test_the_same_host_in_another_spelling_is_the_same(url: str, fake: FakeClock) -> None:
    with signing_in(fake) as http:
        assert http.get(url).is_success


def run_once(cloud: Cloud, fake: FakeClock, folder: Path, settings: Settings = SETTINGS) -> int:
    """Make one request in a run of its own; return how many sign-ins there were."""
    before = len(cloud.sign_ins)
    with signing_in(fake, settings, TokenCache(folder)) as http:
        assert http.get(EVS).is_success
    return len(cloud.sign_ins) - before


def test_the_next_run_uses_the_cached_token(cloud: Cloud, fake: FakeClock, tmp_path: Path) -> None:
    assert [run_once(cloud, fake, tmp_path) for _ in range(3)] == [1, 0, 0]


def test_an_expired_token_is_not_used(cloud: Cloud, fake: FakeClock, tmp_path: Path) -> None:
    run_once(cloud, fake, tmp_path)
    fake.advance(24 * 3600 - 60)
    assert run_once(cloud, fake, tmp_path) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"credentials": replace(USER, password="another")},
        {"credentials": replace(USER, user=User("other", domain_name="OTC-1"))},
        {"credentials": replace(USER, user=User("cron", domain_name="other"))},
        {"credentials": replace(USER, user=User("cron", "u1", "OTC-1"))},
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
        {"auth_url": "https://iam.example.com/identity"},
    ],
)
def test_another_identity_signs_in_anew(
    changed: dict[str, Any], cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    """found: a token and endpoint cached with OS_INSECURE were used by a run without it."""
    run_once(cloud, fake, tmp_path)
    assert run_once(cloud, fake, tmp_path, replace(SETTINGS, **changed)) == 1


def test_a_cached_token_that_was_revoked_is_renewed_and_cached(
    cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.keystone.side_effect = [granted("token-1"), granted("token-2")]
    run_once(cloud, fake, tmp_path)
    cloud.valid = "token-2"
    assert [run_once(cloud, fake, tmp_path) for _ in range(2)] == [1, 0]


@pytest.mark.usefixtures("cloud")
def test_password_and_tokens_are_known_as_secrets(fake: FakeClock) -> None:
    auth = identify(SETTINGS, clock=fake.clock, cache=None)
    before = auth.secrets
    with signing_in(fake) as http:
        http.get(EVS, auth=auth)
    assert (before, auth.secrets) == ((PASSWORD,), (PASSWORD, "token-1"))
