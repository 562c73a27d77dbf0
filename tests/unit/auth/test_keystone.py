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
from evs_snap.auth.cache import TokenCache
from evs_snap.auth.keystone import KeystoneAuth
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
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
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import respx
    from tests.conftest import FakeClock

    Threads = Callable[[Callable[[], object]], list[object]]

PASSWORD = "s3cret-p4ssword"
PROJECT = "0123456789abcdef0123456789abcdef"
EVS = "https://evs.example.com"
USER = PasswordCredentials("cron", None, "OTC-1", None, PASSWORD)
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
    auth = KeystoneAuth(settings, clock=fake.clock, cache=cache)
    with httpx.Client(auth=auth, verify=False) as http:  # noqa: S501 - it reads no CAs: that is slow
        yield http


def sign_in(fake: FakeClock, settings: Settings = SETTINGS) -> str:
    auth = KeystoneAuth(settings, clock=fake.clock, cache=None)
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


@pytest.mark.parametrize(
    ("credentials", "identity"),
    [
        (
            USER,
            {
                "methods": ["password"],
                "password": {"user": {"name": "cron", "domain": DOMAIN, "password": PASSWORD}},
            },
        ),
        (
            replace(USER, domain_id="d1"),
            {
                "methods": ["password"],
                "password": {
                    "user": {"name": "cron", "domain": {"id": "d1"}, "password": PASSWORD}
                },
            },
        ),
        (
            replace(USER, user_id="u1"),
            {"methods": ["password"], "password": {"user": {"id": "u1", "password": PASSWORD}}},
        ),
        (TokenCredentials("old"), {"methods": ["token"], "token": {"id": "old"}}),
    ],
)
def test_the_identity_is_sent_as_documented(
    credentials: PasswordCredentials | TokenCredentials,
    identity: object,
    cloud: Cloud,
    fake: FakeClock,
) -> None:
    settings = replace(SETTINGS, credentials=credentials, project_id=PROJECT)
    assert sign_in(fake, settings) == f"{EVS}/v3/{PROJECT}"
    assert cloud.sign_ins == [
        {"auth": {"identity": identity, "scope": {"project": {"id": PROJECT}}}}
    ]


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


@pytest.mark.parametrize(
    ("credentials", "proof"),
    [
        (ApplicationCredentials("a1", PASSWORD), {"id": "a1", "secret": PASSWORD}),
        (
            ApplicationCredentials(None, PASSWORD, "cron-key", "cron", domain_name="OTC-1"),
            {
                "name": "cron-key",
                "secret": PASSWORD,
                "user": {"name": "cron", "domain": DOMAIN},
            },
        ),
        (
            ApplicationCredentials(None, PASSWORD, "cron-key", user_id="u1"),
            {"name": "cron-key", "secret": PASSWORD, "user": {"id": "u1"}},
        ),
    ],
)
@pytest.mark.parametrize("project", [{}, {"project_id": PROJECT}, {"project_name": "eu-de_prod"}])
def test_an_application_credential_is_sent_without_a_scope(
    credentials: ApplicationCredentials,
    proof: object,
    project: dict[str, str],
    cloud: Cloud,
    fake: FakeClock,
) -> None:
    """It has a project of its own; Keystone refuses a scope beside it."""
    settings = Settings("https://iam.example.com", credentials, region="eu-de")
    assert sign_in(fake, replace(settings, **project)) == f"{EVS}/v3/{PROJECT}"  # type: ignore[arg-type]  # all text
    method = "application_credential"
    assert cloud.sign_ins == [{"auth": {"identity": {"methods": [method], method: proof}}}]


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


@pytest.mark.parametrize(
    "answer",
    [
        (401, "The request you have made requires authentication."),
        (404, "Could not find Application Credential: a1."),
    ],
)
def test_an_application_credential_that_keystone_does_not_take_is_a_refused_sign_in(
    answer: tuple[int, str], cloud: Cloud, fake: FakeClock
) -> None:
    """Both answers are a real Keystone's; 404 is that to an ID that was deleted."""
    status, message = answer
    cloud.keystone.return_value = answered(status, {"error": {"code": status, "message": message}})
    credentials = ApplicationCredentials("a1", PASSWORD)
    with pytest.raises(SignInError, match=message.rstrip(".")):
        sign_in(fake, Settings("https://iam.example.com", credentials))
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


@pytest.mark.parametrize("url", ["http://evs.example.com", "ftp://evs.example.com", "nonsense", ""])
def test_a_catalog_cannot_send_the_token_over_plain_http(
    url: str, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.keystone.return_value = granted(url=url)
    with pytest.raises(ConfigurationError, match="volume endpoint"):
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


def answered(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=json.dumps(body).encode())


BAD = [
    httpx.Response(200, html="<title>Log in</title>", headers={"X-Subject-Token": "t"}),
    httpx.Response(201, content=b"", headers={"X-Subject-Token": "t"}),
    httpx.Response(201, content=b"{", headers={"X-Subject-Token": "t"}),
    httpx.Response(201, content=b"[" * 100_000, headers={"X-Subject-Token": "t"}),
    answered(201, [], **{"X-Subject-Token": "t"}),
    answered(201, {"token": None}, **{"X-Subject-Token": "t"}),
    answered(201, {"token": "text"}, **{"X-Subject-Token": "t"}),
    answered(201, {"token": []}, **{"X-Subject-Token": "t"}),
    answered(201, {"token": {"project": "p"}}, **{"X-Subject-Token": "t"}),
    answered(201, {"token": {"project": {"id": 7}}}, **{"X-Subject-Token": "t"}),
    granted(""),
    httpx.Response(201, headers=[(b"X-Subject-Token", b"t\xf6ken")], content=granted("t").content),
    granted("two words"),
]


@pytest.mark.parametrize("answer", BAD, ids=range(len(BAD)))
def test_an_answer_that_grants_nothing_is_a_bad_answer(
    answer: httpx.Response, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.keystone.return_value = answer
    with pytest.raises(BadAnswerError, match="not a token for a project") as caught:
        sign_in(fake)
    assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_an_unscoped_token_is_a_bad_answer(cloud: Cloud, fake: FakeClock) -> None:
    body = json.loads((SAMPLES / "005-token-unscoped.json").read_text())["response"]["body_raw"]
    cloud.keystone.return_value = httpx.Response(
        201, headers={"X-Subject-Token": "t"}, content=body
    )
    with pytest.raises(BadAnswerError):
        sign_in(fake)


@pytest.mark.parametrize("catalog", [None, [], {}, "odd", [None], [{"type": []}]])
def test_an_odd_catalog_is_a_configuration_error(
    catalog: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.keystone.return_value = granted(catalog=catalog)
    with pytest.raises(ConfigurationError, match="catalog"):
        sign_in(fake)
    assert sign_in(fake, replace(SETTINGS, endpoint=EVS)) == f"{EVS}/v3/{PROJECT}"


@pytest.mark.parametrize("expires_at", [None, 7, "soon", "0001-01-01T00:00:00Z", "9999-12-31"])
def test_an_odd_expiry_is_no_reason_to_fail(
    expires_at: object, cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.keystone.return_value = granted(expires_at=expires_at)
    for _ in range(2):
        with signing_in(fake, cache=TokenCache(tmp_path)) as http:
            assert http.get(EVS).is_success


def test_a_wrong_address_is_told_apart_from_a_wrong_password(cloud: Cloud, fake: FakeClock) -> None:
    for status in (404, 302):
        cloud.keystone.return_value = httpx.Response(status, html="<title>Not here</title>")
        with pytest.raises(WrongEndpointError) as caught:
            sign_in(fake)
        assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_a_user_without_programmatic_access_is_told_so(cloud: Cloud, fake: FakeClock) -> None:
    cloud.keystone.return_value = answered(
        403, {"error_code": "IAM.0081", "error_msg": "console only"}
    )
    with pytest.raises(PermissionDeniedError) as caught:
        sign_in(fake)
    assert "programmatic" in (caught.value.hint or "")


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
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)

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


def test_eight_threads_with_an_expired_token_renew_it_once(
    cloud: Cloud, fake: FakeClock, in_eight_threads: Threads
) -> None:
    cloud.keystone.side_effect = [granted("token-1"), granted("token-2")]
    with signing_in(fake) as http:
        assert http.get(EVS).is_success
        cloud.valid = "token-2"
        outcomes = in_eight_threads(lambda: http.get(EVS).status_code)
    assert outcomes == [200] * 8
    assert len(cloud.sign_ins) == 2


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
        {"credentials": replace(USER, username="other")},
        {"credentials": replace(USER, domain_name="other")},
        {"credentials": replace(USER, user_id="u1")},
        {"credentials": ApplicationCredentials(None, PASSWORD, "a", "cron", None, "OTC-1")},
        {"project_name": "other"},
        {"project_id": "other"},
        {"project_domain_id": "other"},
        {"endpoint": f"{EVS}/v2"},
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


def test_no_password_is_in_the_cache(cloud: Cloud, fake: FakeClock, tmp_path: Path) -> None:
    run_once(cloud, fake, tmp_path)
    (path,) = tmp_path.iterdir()
    assert PASSWORD.encode() not in path.read_bytes()
    assert b"token-1" in path.read_bytes()


def test_a_cache_that_cannot_be_used_is_no_error(
    cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert [run_once(cloud, fake, tmp_path / "file") for _ in range(2)] == [1, 1]


@pytest.mark.usefixtures("cloud")
def test_password_and_tokens_are_known_as_secrets(fake: FakeClock) -> None:
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    before = auth.secrets
    with signing_in(fake) as http:
        http.get(EVS, auth=auth)
    assert (before, auth.secrets) == ((PASSWORD,), (PASSWORD, "token-1"))
