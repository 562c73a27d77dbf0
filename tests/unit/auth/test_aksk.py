"""Signing in with keys: what is signed, the project looked up, and how often it is tried."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.factories import volume

from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.auth.aksk import GivenKeys, SignatureAuth
from evs_snap.auth.signer import sign
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NotSentError,
    PermissionDeniedError,
    ServerError,
    SignInError,
    WrongEndpointError,
)
from evs_snap.services.client import EvsClient
from evs_snap.services.legacy import Legacy
from evs_snap.settings import Settings
from evs_snap.settings.credentials import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    import respx
    from tests.conftest import FakeClock

    from evs_snap.auth.aksk import KeySource

    Threads = Callable[[Callable[[], object]], list[object]]

PROJECT = "0123456789abcdef0123456789abcdef"
EVS = "https://evs.eu-de.otc.t-systems.com"
IAM = "https://iam.eu-de.otc.t-systems.com"
KEYS = Keys("AKEXAMPLE", "sk-s3cret")
TEMPORARY = Keys("AKTEMPORARY", "sk-s3cret", "t0ken-s3cret")
LOOKING_UP = Settings(IAM, KEYS, region="eu-de")
GIVEN = Settings("", KEYS, region="eu-de", project_id=PROJECT)
BASE = f"{EVS}/v3/{PROJECT}"


def answered(status: int, body: object = None) -> httpx.Response:
    return httpx.Response(status, content=b"" if body is None else json.dumps(body).encode())


WRONG_KEY = answered(401, {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"})
EXPIRED = answered(400, {"error_code": "IAM.1108", "error_msg": "The security token has expired"})


def listed(*names: str) -> httpx.Response:
    projects = [{"id": f"{n:032x}", "name": name} for n, name in enumerate(names, start=1)]
    return answered(200, {"projects": projects, "links": {}})


class Cloud:
    """IAM and EVS. Each gives its answers in turn, the last one for ever."""

    def __init__(self, wire: respx.MockRouter) -> None:
        self.iam = [listed("eu-de")]
        self.evs = [answered(200, {"volumes": [], "snapshots": []})]
        self.meanwhile: Callable[[], object] = lambda: None
        self.calls = wire.calls
        wire.route(host__regex=r"^iam\.").mock(side_effect=lambda _: self._next(self.iam))
        wire.route(host__regex=r"^evs\.").mock(side_effect=lambda _: self._next(self.evs))
        wire.route().mock(return_value=httpx.Response(200))

    def _next(self, answers: list[httpx.Response]) -> httpx.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.meanwhile()
        return answer

    @property
    def sent(self) -> list[httpx.Request]:
        return [call.request for call in self.calls]

    @property
    def headers(self) -> list[httpx.Headers]:
        return [request.headers for request in self.sent]

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.sent]


class Renewable:
    """Keys that are others after each refusal."""

    def __init__(self) -> None:
        self.number = 1
        self.keys = replace(TEMPORARY, access_key="AK1")
        self._lock = threading.Lock()

    def current(self, *, refused: Keys | None = None) -> Keys:
        with self._lock:
            if refused is self.keys:
                self.number += 1
                self.keys = replace(TEMPORARY, access_key=f"AK{self.number}")
            return self.keys

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.keys.secrets


@pytest.fixture(name="cloud")
def _cloud(wire: respx.MockRouter) -> Cloud:
    return Cloud(wire)


def identity(
    fake: FakeClock, settings: Settings = GIVEN, keys: KeySource | None = None
) -> SignatureAuth:
    given = settings.credentials
    assert isinstance(given, Keys)
    return SignatureAuth(settings, clock=fake.clock, keys=keys or GivenKeys(given))


def client(fake: FakeClock, settings: Settings = GIVEN, keys: KeySource | None = None) -> EvsClient:
    auth = identity(fake, settings, keys)
    # No CAs are read: that is slow.
    http = open_http(verify=False, clock=fake.clock, refresh=auth.refresh)
    return EvsClient(Project(http, auth=auth, clock=fake.clock), kind=Legacy)


def is_signed(request: httpx.Request, keys: Keys) -> bool:
    """Whether the request has the signature that it should have at its date."""
    again = httpx.Request(
        request.method, request.url, headers=request.headers, content=request.content
    )
    date = datetime.strptime(request.headers["X-Sdk-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    sign(again, keys, now=date)
    return again.headers["Authorization"] == request.headers["Authorization"]


# --- what is sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "query"), [(None, "eu-de"), ("eu-de_prod", "eu-de_prod"), ("a b/ü", "a%20b%2F%C3%BC")]
)
def test_the_project_is_looked_up_by_its_name_or_the_regions(
    name: str | None, query: str, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.iam = [listed(name or "eu-de")]
    asking = client(fake, replace(LOOKING_UP, project_name=name))
    assert asking.project.address() == f"{EVS}/v3/{1:032x}"
    assert cloud.urls == [f"{IAM}/v3/projects?name={query}"]
    assert "X-Project-Id" not in cloud.headers[0]
    assert is_signed(cloud.sent[0], KEYS)
    asking.volumes()
    asking.snapshots()
    assert len(cloud.urls) == 3, "it is looked up once"
    assert cloud.headers[1]["X-Project-Id"] == f"{1:032x}"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "no project is called 'eu-de'"),
        (["EU-DE", "eu-de "], "no project is called 'eu-de'"),
        (["eu-de", "eu-de"], "2 projects are called 'eu-de'"),
    ],
)
def test_no_project_or_several_are_for_the_user_to_settle(
    names: list[str], told: str, cloud: Cloud, fake: FakeClock
) -> None:
    """The service may ignore the filter: only the very name counts."""
    cloud.iam = [listed("MOS", *names, "eu-nl")]
    with pytest.raises(ConfigurationError, match=told) as caught:
        client(fake, LOOKING_UP).volumes()
    assert "OS_PROJECT_ID" in (caught.value.hint or "")
    assert caught.value.details == ((f"{2:032x}", f"{3:032x}") if "2" in told else ())
    assert len(cloud.urls) == 1


BODIES = [
    b"", b"<html>", b"null", b"[]", b'{"projects": null}', b'{"projects": ["x"]}',
    b'{"projects": [{"name": "eu-de"}]}', b"[" * 100_000,
]  # fmt: skip
ODD_IDS = ["", None, 7, "a/b", "..?", "ü", "a\r\nb", "x y", "a" * 65]


def test_an_odd_answer_of_iam_is_told_and_never_put_into_an_address(
    cloud: Cloud, fake: FakeClock
) -> None:
    for body in BODIES:
        cloud.iam = [httpx.Response(200, content=body)]
        with pytest.raises(BadAnswerError) as caught:
            client(fake, LOOKING_UP).volumes()
        assert "OS_AUTH_URL" in (caught.value.hint or "")
    for id_ in ODD_IDS:
        cloud.iam = [answered(200, {"projects": [{"id": id_, "name": "eu-de"}]})]
        with pytest.raises(ConfigurationError):
            client(fake, LOOKING_UP).volumes()
        if isinstance(id_, str) and id_:
            with pytest.raises(ConfigurationError, match="project ID"):
                client(fake, replace(GIVEN, project_id=id_)).volumes()
    assert len(cloud.urls) == len(BODIES) + len(ODD_IDS)


@pytest.mark.parametrize(
    ("answer", "expected", "hint"),
    [
        (answered(404), WrongEndpointError, "OS_AUTH_URL"),
        (answered(302), WrongEndpointError, "OS_AUTH_URL"),
        (answered(403, {"error": {"message": "no"}}), PermissionDeniedError, "Ask for"),
        (WRONG_KEY, SignInError, "clock"),
        (EXPIRED, SignInError, "expired"),
        (answered(500), ServerError, "later"),
    ],
)
def test_a_look_up_that_is_refused_says_what_to_do(
    answer: httpx.Response,
    expected: type[EvsSnapError],
    hint: str,
    cloud: Cloud,
    fake: FakeClock,
) -> None:
    cloud.iam = [answer]
    with pytest.raises(expected, match="looking up the project 'eu-de'") as caught:
        client(fake, LOOKING_UP).volumes()
    assert hint in (caught.value.hint or "")


# --- sent once more ---------------------------------------------------------------------


def test_so_are_a_look_up_and_a_post(cloud: Cloud, fake: FakeClock) -> None:
    cloud.meanwhile = lambda: fake.advance(1)
    cloud.iam = [answered(503), *cloud.iam]
    cloud.evs = [answered(429), answered(202, {"snapshot": {"id": "s", "volume_id": "v"}})]
    asking = client(fake, LOOKING_UP)
    asking.create_snapshot(volume(), name="größe")
    assert [request.method for request in cloud.sent] == ["GET", "GET", "POST", "POST"]
    assert len({headers["X-Sdk-Date"] for headers in cloud.headers}) == 4
    assert all(is_signed(request, KEYS) for request in cloud.sent)
    assert "content-type;" in cloud.headers[3]["Authorization"]


@pytest.mark.parametrize("settings", [GIVEN, LOOKING_UP], ids=["given", "looked up"])
def test_expired_temporary_keys_are_renewed_once(
    settings: Settings, cloud: Cloud, fake: FakeClock
) -> None:
    plays = cloud.evs if settings is GIVEN else cloud.iam
    plays.insert(0, EXPIRED)
    keys = Renewable()
    client(fake, settings, keys).volumes()
    assert keys.number == 2
    assert [h["Authorization"].split(",")[0] for h in cloud.headers[:2]] == [
        "SDK-HMAC-SHA256 Access=AK1",
        "SDK-HMAC-SHA256 Access=AK2",
    ]
    assert cloud.urls[0] == cloud.urls[1]


@pytest.mark.parametrize("settings", [GIVEN, LOOKING_UP], ids=["given", "looked up"])
@pytest.mark.parametrize(("answer", "times"), [(EXPIRED, 2), (WRONG_KEY, 1)])
def test_keys_are_renewed_where_they_have_ended_and_once(
    answer: httpx.Response, times: int, settings: Settings, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.evs = cloud.iam = [answer]
    keys = Renewable()
    with pytest.raises(SignInError, match=r"IAM|APIGW"):
        client(fake, settings, keys).volumes()
    assert (keys.number, len(cloud.urls)) == (times, times)


# --- threads ------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [GIVEN, LOOKING_UP], ids=["given", "looked up"])
@pytest.mark.parametrize("answer", [WRONG_KEY, answered(401)])
def test_wrong_keys_are_tried_once_even_by_eight_threads(
    answer: httpx.Response,
    settings: Settings,
    cloud: Cloud,
    fake: FakeClock,
    in_eight_threads: Threads,
) -> None:
    """The clouds lock a user after a few wrong tries."""
    cloud.evs = cloud.iam = [answer]
    outcomes = in_eight_threads(client(fake, settings).volumes)
    assert [type(outcome) for outcome in outcomes] == [SignInError] * 8
    assert len(cloud.urls) == 1


def test_a_key_source_that_has_none_is_asked_once(
    cloud: Cloud, fake: FakeClock, in_eight_threads: Threads
) -> None:
    asked = []

    class Nobody:
        secrets = ()

        def current(self, *, refused: Keys | None = None) -> Keys:
            asked.append(refused)
            raise SignInError("this machine has no keys")

    outcomes = in_eight_threads(client(fake, keys=Nobody()).volumes)
    assert [str(outcome) for outcome in outcomes] == ["this machine has no keys"] * 8
    assert (asked, cloud.urls) == ([None], [])


@pytest.mark.parametrize("answer", [answered(500), answered(503), answered(429)])
def test_a_service_that_fails_says_nothing_about_the_keys(
    answer: httpx.Response, cloud: Cloud, fake: FakeClock
) -> None:
    cloud.evs = [answer]
    asking = client(fake)
    with pytest.raises(EvsSnapError):
        asking.volumes()
    cloud.evs = [answered(200, {"volumes": []})]
    assert asking.volumes() == []


def test_keys_that_were_good_are_not_given_up_for_one_refusal(
    cloud: Cloud, fake: FakeClock
) -> None:
    cloud.evs.insert(1, WRONG_KEY)
    cloud.evs.append(cloud.evs[0])
    asking = client(fake)
    assert asking.volumes() == []
    with pytest.raises(SignInError):
        asking.volumes()
    assert asking.volumes() == []


def test_good_keys_let_requests_go_side_by_side(
    cloud: Cloud, fake: FakeClock, in_eight_threads: Threads
) -> None:
    asking = client(fake)
    asking.volumes()
    together = threading.Barrier(8)
    cloud.meanwhile = lambda: together.wait(timeout=5)
    assert in_eight_threads(asking.volumes) == [[]] * 8


@pytest.mark.parametrize("settings", [GIVEN, LOOKING_UP], ids=["given", "looked up"])
def test_a_request_that_fails_keeps_nobody_waiting(
    settings: Settings, wire: respx.MockRouter, fake: FakeClock, in_eight_threads: Threads
) -> None:
    """An error that is kept keeps its frames, and must not keep the lock with them."""
    wire.route().mock(side_effect=httpx.ConnectError("no connection"))
    outcomes = in_eight_threads(client(fake, settings).volumes)
    assert [type(outcome) for outcome in outcomes] == [NotSentError] * 8


# --- to whom ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/v3",
        f"http://{EVS.removeprefix('https://')}/v3",
        f"{EVS}:8443/v3",
        f"{EVS}.evil.example.com/v3",
        IAM,
    ],
)
def test_nothing_is_signed_for_another_host_scheme_or_port(
    url: str, cloud: Cloud, fake: FakeClock
) -> None:
    with pytest.raises(ConfigurationError, match="refusing to send a signed request"):
        httpx.get(url, auth=identity(fake))
    assert cloud.urls == []


@pytest.mark.parametrize("endpoint", ["http://evs.example.com", "ftp://evs.example.com", "evs"])
def test_nothing_is_signed_for_an_endpoint_in_the_clear(
    endpoint: str, cloud: Cloud, fake: FakeClock
) -> None:
    with pytest.raises(ConfigurationError, match="volume endpoint"):
        client(fake, replace(GIVEN, endpoint=endpoint)).volumes()
    assert cloud.urls == []
