"""Signing in: what is sent, to whom, how often, and what is made of the answer."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from evs_snap.auth.cache import Session, TokenCache
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
from evs_snap.settings.credentials import PasswordCredentials, TokenCredentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock

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
        "project": {"id": PROJECT},
        "expires_at": "2026-11-24T02:17:00.000000Z",
        "catalog": [{"type": "volumev3", "endpoints": [endpoint]}],
        **changes,
    }
    return httpx.Response(201, headers={"X-Subject-Token": token}, json={"token": body})


class Cloud:
    """Keystone and EVS behind one transport; only ``valid`` opens EVS."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.told: list[tuple[str, bytes]] = []
        self.valid = "token-1"
        self.grants = [granted()]
        self.refused_with: Callable[[], httpx.Response] = lambda: httpx.Response(401)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host == "iam.example.com":
            play = self.grants.pop(0) if len(self.grants) > 1 else self.grants[0]
            # A response is read once by each client.
            return httpx.Response(play.status_code, headers=play.headers, content=play.content)
        self.told.append((request.headers["X-Auth-Token"], request.content))
        if request.headers["X-Auth-Token"] == self.valid:
            return httpx.Response(200, json={})
        return self.refused_with()

    @property
    def sign_ins(self) -> list[Any]:
        return [json.loads(r.content) for r in self.requests if r.url.host == "iam.example.com"]

    def open(self, auth: KeystoneAuth) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), auth=auth)


@pytest.fixture(name="cloud")
def _cloud() -> Cloud:
    return Cloud()


def sign_in(cloud: Cloud, fake: FakeClock, settings: Settings = SETTINGS) -> str:
    auth = KeystoneAuth(settings, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        return auth.volume_url(lambda request: http.send(request, auth=None))


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
    assert sign_in(cloud, fake, settings) == f"{EVS}/v3/{PROJECT}"
    (request,) = cloud.requests
    assert (request.method, str(request.url)) == ("POST", "https://iam.example.com/v3/auth/tokens")
    assert json.loads(request.content) == {
        "auth": {"identity": identity, "scope": {"project": {"id": PROJECT}}}
    }


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
    sign_in(cloud, fake, replace(SETTINGS, **changes))  # type: ignore[arg-type]  # all text
    assert cloud.sign_ins[0]["auth"]["scope"] == {"project": project}


def test_a_projects_name_needs_a_domain(cloud: Cloud, fake: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="domain") as caught:
        sign_in(cloud, fake, replace(SETTINGS, credentials=TokenCredentials("t")))
    assert "OS_PROJECT_DOMAIN_NAME" in (caught.value.hint or "")
    assert cloud.requests == []


def test_a_recorded_answer_of_keystone_is_understood(cloud: Cloud, fake: FakeClock) -> None:
    answer = json.loads((SAMPLES / "003-token-password-project.json").read_text())["response"]
    cloud.grants = [
        httpx.Response(201, headers={"X-Subject-Token": "t"}, content=answer["body_raw"])
    ]
    url = sign_in(cloud, fake, replace(SETTINGS, region=None))
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
def test_version_and_address_can_be_set(
    changes: dict[str, str], url: str, cloud: Cloud, fake: FakeClock
) -> None:
    assert sign_in(cloud, fake, replace(SETTINGS, **changes)) == url  # type: ignore[arg-type]  # all text


@pytest.mark.parametrize("url", ["http://evs.example.com", "ftp://evs.example.com", "nonsense", ""])
def test_a_catalog_cannot_send_the_token_over_plain_http(
    url: str, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.grants = [granted(url=url)]
    with pytest.raises(ConfigurationError, match="volume endpoint"):
        sign_in(cloud, fake)


def test_what_was_allowed_over_http_is_not_cached_for_runs_that_forbid_it(
    cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.grants = [granted(url="http://evs.example.com")]
    for allowed in (True, False):
        auth = KeystoneAuth(
            replace(SETTINGS, allow_http=allowed), clock=fake.clock, cache=TokenCache(tmp_path)
        )
        with cloud.open(auth) as http:
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
    cloud.grants = [answer]
    with pytest.raises(BadAnswerError, match="no project-scoped token") as caught:
        sign_in(cloud, fake)
    assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_an_unscoped_token_is_a_bad_answer(cloud: Cloud, fake: FakeClock) -> None:
    body = json.loads((SAMPLES / "005-token-unscoped.json").read_text())["response"]["body_raw"]
    cloud.grants = [httpx.Response(201, headers={"X-Subject-Token": "t"}, content=body)]
    with pytest.raises(BadAnswerError):
        sign_in(cloud, fake)


@pytest.mark.parametrize("catalog", [None, [], {}, "odd", [None], [{"type": []}]])
def test_an_odd_catalog_is_a_configuration_error(
    catalog: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.grants = [granted(catalog=catalog)]
    with pytest.raises(ConfigurationError, match="catalog"):
        sign_in(cloud, fake)
    assert sign_in(cloud, fake, replace(SETTINGS, endpoint=EVS)) == f"{EVS}/v3/{PROJECT}"


@pytest.mark.parametrize("expires_at", [None, 7, "soon", "0001-01-01T00:00:00Z", "9999-12-31"])
def test_an_odd_expiry_is_no_reason_to_fail(
    expires_at: object, cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.grants = [granted(expires_at=expires_at)]
    for _ in range(2):
        auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=TokenCache(tmp_path))
        with cloud.open(auth) as http:
            assert http.get(EVS).is_success


def test_a_wrong_address_is_told_apart_from_a_wrong_password(cloud: Cloud, fake: FakeClock) -> None:
    for status in (404, 302):
        cloud.grants = [httpx.Response(status, html="<title>Not here</title>")]
        with pytest.raises(WrongEndpointError) as caught:
            sign_in(cloud, fake)
        assert "OS_AUTH_URL" in (caught.value.hint or "")


def test_a_user_without_programmatic_access_is_told_so(cloud: Cloud, fake: FakeClock) -> None:
    cloud.grants = [answered(403, {"error_code": "IAM.0081", "error_msg": "console only"})]
    with pytest.raises(PermissionDeniedError) as caught:
        sign_in(cloud, fake)
    assert "programmatic" in (caught.value.hint or "")


def test_a_refusal_never_quotes_the_password(cloud: Cloud, fake: FakeClock) -> None:
    cloud.grants = [answered(401, {"error": {"message": f"{PASSWORD} is wrong"}})]
    with pytest.raises(SignInError) as caught:
        sign_in(cloud, fake)
    assert PASSWORD not in caught.value.message
    assert "***" in caught.value.message


def in_eight_threads(task: Callable[[], object]) -> list[object]:
    ready = threading.Barrier(8)

    def run(_: int) -> object:
        ready.wait()
        try:
            return task()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            return error

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, range(8)))


def test_a_wrong_password_is_tried_once_even_by_eight_threads(
    cloud: Cloud, fake: FakeClock
) -> None:
    """The clouds lock a user after a few."""
    cloud.grants = [answered(401, {"error": {"message": "wrong"}})]
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        outcomes = in_eight_threads(lambda: http.get(EVS))
    assert [type(outcome) for outcome in outcomes] == [SignInError] * 8
    assert len(cloud.requests) == 1


def test_a_broken_keystone_is_asked_again(cloud: Cloud, fake: FakeClock) -> None:
    """A server fault says nothing about the password: a long wait may go on after it."""
    cloud.grants = [httpx.Response(503), granted()]
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        with pytest.raises(ServerError):
            http.get(EVS)
        assert http.get(EVS).is_success


def test_a_failed_sign_in_keeps_nobody_waiting(fake: FakeClock) -> None:
    """Kept errors keep their frames alive, and must not keep the lock with them."""
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    kept: list[object] = []

    def fail(_: httpx.Request) -> httpx.Response:
        raise NotSentError("no connection")

    def ask() -> object:
        try:
            return auth.volume_url(fail)
        except NotSentError as error:
            kept.append(error)
            return error

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=2)
    assert len(kept) == 8


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
    cloud.grants = [granted("token-1"), granted("token-2")]
    cloud.valid = "token-2"
    cloud.refused_with = lambda: answered(status, body)
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        assert http.request(method, EVS, content=b"the body").is_success
    assert len(cloud.sign_ins) == 2
    assert cloud.told == [("token-1", b"the body"), ("token-2", b"the body")]


@pytest.mark.parametrize(("status", "body"), STALE)
def test_a_token_refused_twice_is_renewed_once(
    status: int, body: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.valid = "none"
    cloud.refused_with = lambda: answered(status, body)
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        assert http.get(EVS).status_code == status
    assert len(cloud.sign_ins) == 2


@pytest.mark.parametrize(
    ("status", "body"), [(400, {"code": "Common.0018"}), (403, None), (404, None), (500, None)]
)
def test_no_other_refusal_renews_the_token(
    status: int, body: object, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.valid = "none"
    cloud.refused_with = lambda: answered(status, body)
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        assert http.get(EVS).status_code == status
    assert len(cloud.sign_ins) == 1


def test_eight_threads_with_an_expired_token_renew_it_once(cloud: Cloud, fake: FakeClock) -> None:
    cloud.grants = [granted("token-1"), granted("token-2")]
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
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
def test_the_token_goes_to_no_other_host(url: str, cloud: Cloud, fake: FakeClock) -> None:
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http, pytest.raises(ConfigurationError, match="refusing"):
        http.get(url)
    assert [r.url.host for r in cloud.requests] == ["iam.example.com"]


@pytest.mark.parametrize("url", [f"{EVS}:443/v3", "https://EVS.example.com/v3"])
def test_the_same_host_in_another_spelling_is_the_same(
    url: str, cloud: Cloud, fake: FakeClock
) -> None:
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    with cloud.open(auth) as http:
        assert http.get(url).is_success


def run_once(cloud: Cloud, fake: FakeClock, folder: Path, settings: Settings = SETTINGS) -> int:
    """Make one request in a run of its own; return how many sign-ins there were."""
    before = len(cloud.sign_ins)
    auth = KeystoneAuth(settings, clock=fake.clock, cache=TokenCache(folder))
    with cloud.open(auth) as http:
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
        {"project_name": "other"},
        {"project_id": "other"},
        {"project_domain_id": "other"},
        {"endpoint": f"{EVS}/v2"},
        {"allow_http": True},
        {"auth_url": "https://iam.example.com/identity"},
    ],
)
def test_another_identity_signs_in_anew(
    changed: dict[str, Any], cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    run_once(cloud, fake, tmp_path)
    assert run_once(cloud, fake, tmp_path, replace(SETTINGS, **changed)) == 1


def test_a_cached_token_that_was_revoked_is_renewed_and_cached(
    cloud: Cloud, fake: FakeClock, tmp_path: Path
) -> None:
    cloud.grants = [granted("token-1"), granted("token-2")]
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


def test_password_and_tokens_are_known_as_secrets(cloud: Cloud, fake: FakeClock) -> None:
    auth = KeystoneAuth(SETTINGS, clock=fake.clock, cache=None)
    before = auth.secrets
    with cloud.open(auth) as http:
        http.get(EVS)
    assert (before, auth.secrets) == ((PASSWORD,), (PASSWORD, "token-1"))


def test_a_session_says_when_it_ends() -> None:
    ends = datetime(2026, 1, 1, tzinfo=UTC)
    assert not Session("t", ends, "p", EVS).is_fresh(ends - timedelta(minutes=5))
