"""Signing with keys: the project looked up, and the keys of the machine's own agency."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.unit.auth.conftest import (
    GIVEN,
    IAM,
    LIFE,
    LOOKED_UP,
    Cloud,
    answered,
    in_eight_threads,
)

from evs_snap.auth import agency
from evs_snap.auth.agency import AGAIN_AFTER, MARGIN, AgencyKeys
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
from evs_snap.settings.credentials import METADATA_ADDRESS, Keys

if TYPE_CHECKING:
    import respx
    from tests.conftest import FakeClock

WRONG_KEY = answered(401, {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"})
EXPIRED = answered(400, {"error_code": "IAM.1108", "error_msg": "The security token has expired"})


def listed(*names: str) -> httpx.Response:
    projects = [{"id": f"{n:032x}", "name": name} for n, name in enumerate(names, start=1)]
    return answered(200, {"projects": projects, "links": {}})


# The project's ID.


@pytest.mark.parametrize(
    ("name", "query"), [(None, "eu-de"), ("eu-de_prod", "eu-de_prod"), ("a b/ü", "a%20b%2F%C3%BC")]
)
def test_the_project_is_looked_up_once_by_its_name_or_the_regions(
    name: str | None, query: str, cloud: Cloud
) -> None:
    cloud.projects = listed(name or "eu-de")
    asking = cloud.client(replace(LOOKED_UP, project_name=name, endpoint=None))
    assert asking.address() == f"https://evs.eu-de.otc.t-systems.com/v3/{1:032x}"
    asking = cloud.client(replace(LOOKED_UP, project_name=name))
    asking.send("GET", "volumes")
    asking.send("GET", "volumes")
    urls = [str(call.request.url) for call in cloud.look_ups.calls]
    assert urls == [f"{IAM}/v3/projects?name={query}"] * 2, "once by each"
    assert "X-Project-Id" not in cloud.look_ups.calls.last.request.headers
    assert cloud.evs.calls.last.request.headers["X-Project-Id"] == f"{1:032x}"


@pytest.mark.parametrize(
    ("names", "told", "details"),
    [
        ([], "no project is called 'eu-de'", ()),
        (["EU-DE", "eu-de "], "no project is called 'eu-de'", ()),
        (["eu-de", "eu-de"], "2 projects are called 'eu-de'", (f"{2:032x}", f"{3:032x}")),
    ],
)
def test_no_project_or_several_are_for_the_user_to_settle(
    names: list[str], told: str, details: tuple[str, ...], cloud: Cloud
) -> None:
    """The service may ignore the filter: only the very name counts."""
    cloud.projects = listed("MOS", *names, "eu-nl")
    with pytest.raises(ConfigurationError, match=told) as caught:
        cloud.client(LOOKED_UP).address()
    assert "OS_PROJECT_ID" in (caught.value.hint or "")
    assert caught.value.details == details
    assert len(cloud.tried) == 1


BODIES = [
    b"", b"<html>", b"null", b"[]", b'{"projects": null}', b'{"projects": ["x"]}',
    b'{"projects": [{"name": "eu-de"}]}', b"[" * 100_000,
]  # fmt: skip
ODD_IDS: list[Any] = ["", None, 7, "a/b", "..?", "ü", "a\r\nb", "x y", "a" * 65]


def test_an_odd_answer_of_iam_is_told_and_never_put_into_an_address(cloud: Cloud) -> None:
    for body in BODIES:
        cloud.projects = httpx.Response(200, content=body)
        with pytest.raises(BadAnswerError) as caught:
            cloud.client(LOOKED_UP).address()
        assert "OS_AUTH_URL" in (caught.value.hint or "")
    for id_ in ODD_IDS:
        cloud.projects = answered(200, {"projects": [{"id": id_, "name": "eu-de"}]})
        with pytest.raises(ConfigurationError):
            cloud.client(LOOKED_UP).send("GET", "volumes")
        if isinstance(id_, str) and id_:
            with pytest.raises(ConfigurationError, match="project ID"):
                cloud.client(replace(GIVEN, project_id=id_)).send("GET", "volumes")
    assert cloud.evs.call_count == 0


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
    answer: httpx.Response, expected: type[EvsSnapError], hint: str, cloud: Cloud
) -> None:
    cloud.projects = answer
    with pytest.raises(expected, match="looking up the project 'eu-de'") as caught:
        cloud.client(LOOKED_UP).address()
    assert hint in (caught.value.hint or "")


def test_a_look_up_and_a_post_are_signed_anew_each_time_they_are_sent(
    cloud: Cloud, fake: FakeClock
) -> None:
    cloud.meanwhile = lambda: fake.advance(1)
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
    with pytest.raises(SignInError):
        asking.send("GET", "volumes")
    assert asking.send("GET", "volumes").is_success


# The machine's own agency.


@pytest.fixture(name="keys")
def _keys(cloud: Cloud, fake: FakeClock) -> AgencyKeys:  # noqa: ARG001 - it must be there
    return AgencyKeys(METADATA_ADDRESS, clock=fake.clock)


def failure(keys: AgencyKeys) -> EvsSnapError:
    with pytest.raises(EvsSnapError) as caught:
        keys.current()
    told = f"{caught.value.message} {caught.value.hint}"
    assert told.isprintable()
    assert "s3cret" not in told
    assert "metadata-t0ken" not in told
    return caught.value


def test_the_first_use_fetches_a_token_and_with_it_keys(
    cloud: Cloud, keys: AgencyKeys, fake: FakeClock
) -> None:
    end = fake.moment + LIFE
    assert keys.current() == Keys("AK1", "sk1-s3cret", "t0ken1-s3cret", end)
    asked = cloud.metadata_token.calls.last.request
    assert asked.headers["X-Metadata-Token-Ttl-Seconds"] == "21600"
    assert cloud.keys.calls.last.request.headers["X-Metadata-Token"] == "metadata-t0ken"
    assert keys.secrets == ("sk1-s3cret", "t0ken1-s3cret")
    assert "s3cret" not in repr(keys.current())


@pytest.mark.parametrize("status", [404, 405, 503])
def test_where_no_token_is_offered_none_is_sent(
    status: int, cloud: Cloud, keys: AgencyKeys
) -> None:
    cloud.metadata_token.return_value = httpx.Response(status, content=b"metadata-t0ken")
    assert keys.current().access_key == "AK1"
    assert "X-Metadata-Token" not in cloud.keys.calls.last.request.headers


def test_an_address_that_hands_out_old_keys_is_not_asked_all_the_time(
    cloud: Cloud, keys: AgencyKeys, fake: FakeClock
) -> None:
    keys.current()
    cloud.keys_answer = cloud.grant_keys()
    fake.advance((LIFE - MARGIN).total_seconds())
    for _ in range(20):
        keys.current()
    assert cloud.keys.call_count == 2
    fake.advance(AGAIN_AFTER.total_seconds())
    keys.current()
    assert cloud.keys.call_count == 3


@pytest.mark.parametrize("answer", [(500, b""), (404, b""), (200, b"<html>")])
def test_a_renewal_that_fails_costs_nothing_while_the_old_keys_last(
    answer: tuple[int, bytes], cloud: Cloud, keys: AgencyKeys, fake: FakeClock
) -> None:
    first = keys.current()
    cloud.keys_answer = httpx.Response(answer[0], content=answer[1])
    fake.advance((LIFE - MARGIN).total_seconds())
    assert {id(keys.current()) for _ in range(5)} == {id(first)}
    assert cloud.keys.call_count == 2
    fake.advance(MARGIN.total_seconds())
    assert isinstance(failure(keys), SignInError), "they ended"
    fake.advance(AGAIN_AFTER.total_seconds())
    cloud.keys_answer = None
    assert keys.current().access_key == "AK2"


@pytest.mark.parametrize("end", [None, "", "soon", 7, "9999-12-31T23:59:59Z"])
def test_keys_without_an_end_are_kept_until_they_are_refused(
    end: object, cloud: Cloud, keys: AgencyKeys, fake: FakeClock
) -> None:
    cloud.keys_answer = credential(expires_at=end)
    first = keys.current()
    fake.advance(10 * LIFE.total_seconds())
    assert keys.current() is first


def test_eight_threads_fetch_once_and_renew_once(
    cloud: Cloud, keys: AgencyKeys, fake: FakeClock
) -> None:
    first = in_eight_threads(keys.current)
    assert {k.access_key for k in first} == {"AK1"}
    fake.advance((LIFE - MARGIN).total_seconds())
    assert {k.access_key for k in in_eight_threads(keys.current)} == {"AK2"}
    second = keys.current()
    renewed = in_eight_threads(lambda: keys.current(refused=second))
    assert {k.access_key for k in renewed} == {"AK3"}
    assert cloud.keys.call_count == 3


NO_AGENCY = b"The ECS has no permission. Please configure Cloud Service Agency first."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_machine_without_an_agency_is_told_so(
    status: int, cloud: Cloud, keys: AgencyKeys
) -> None:
    cloud.keys_answer = httpx.Response(status, content=NO_AGENCY)
    error = failure(keys)
    assert isinstance(error, SignInError)
    assert "Cloud Service Agency" in error.message
    assert error.status == status
    assert "agency" in (error.hint or "")
    if status != 404:  # there, none is offered
        cloud.metadata_token.return_value = cloud.keys_answer
        assert "Cloud Service Agency" in failure(keys).message
        assert cloud.keys.call_count == 1


def credential(**changes: object) -> httpx.Response:
    whole = {"access": "AK", "secret": "sk-s3cret", "securitytoken": "t0ken-s3cret"}
    return answered(200, {"credential": {**whole, **changes}})


GARBAGE = [
    b"", b"{", b"null", b"[]", b'"text"', b"[" * 100_000, b"\xff\xfe\x00",
    b"<html><title>Log in</title>s3cret</html>", b'{"credential": null}',
    b'{"credential": "sk-s3cret"}', b'{"credential": []}', b'{"credential": {"secret": "s3cret"}}',
    *(credential(**{key: v}).content for key in ("access", "secret", "securitytoken")
      for v in (None, "", 7, ["x"], "s3cret\r\nX-Evil: 1", "s3cret gr\u00f6\u00dfe", " s3cret")),
]  # fmt: skip
NO_TOKENS = [b"", b"\n", b"<html>\n<p>s3cret</p>", b"s3cret t0ken", b"s3cret\xff", b"a\r\nb"]


def test_garbage_is_neither_keys_nor_a_token_and_is_not_quoted(
    cloud: Cloud, keys: AgencyKeys
) -> None:
    """As from a log-in page that answers everything."""
    for body in GARBAGE:
        cloud.keys_answer = httpx.Response(200, content=body)
        error = failure(keys)
        assert "not with keys" in error.message
        assert "ECS" in (error.hint or "")
    cloud.keys_answer = httpx.Response(401, content=b"no such token: metadata-t0ken")
    failure(keys)
    fetched = cloud.keys.call_count
    for body in NO_TOKENS:
        cloud.metadata_token.return_value = httpx.Response(200, content=body)
        assert "not with a token" in failure(keys).message
    assert cloud.keys.call_count == fetched


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("step", ["metadata_token", "keys"])
def test_no_redirect_is_followed(
    step: str, status: int, cloud: Cloud, keys: AgencyKeys, wire: respx.MockRouter
) -> None:
    place = {"Location": f"{METADATA_ADDRESS}/elsewhere"}
    getattr(cloud, step).mock(return_value=httpx.Response(status, headers=place))
    error = failure(keys)
    assert isinstance(error, SignInError)
    assert str(status) in error.message
    assert len(wire.calls) == (2 if step == "keys" else 1)


def test_where_nobody_listens_no_proxy_is_asked_and_the_other_ways_are_named(
    fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: exit code 4, which says that trying again is of no use."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        error = failure(AgencyKeys("http://127.0.0.1:1", clock=fake.clock))
    assert isinstance(error, NotSentError)
    assert error.exit_code == 1
    assert "http://127.0.0.1:1 does not answer" in error.message
    assert "password or AK/SK" in (error.hint or "")


def test_where_nobody_answers_it_is_not_waited_for_long(cloud: Cloud, keys: AgencyKeys) -> None:
    cloud.metadata_token.side_effect = httpx.ReadTimeout("timed out")
    assert agency.TIMEOUT.read == 3.0
    assert "does not answer: timed out" in failure(keys).message
    assert cloud.metadata_token.call_count == 2
