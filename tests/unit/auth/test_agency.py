"""The machine's own agency: what the metadata address is asked, and what its answers mean."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from evs_snap.auth import agency
from evs_snap.auth.agency import AGAIN_AFTER, MARGIN, AgencyKeys
from evs_snap.errors import EvsSnapError, NotSentError, SignInError
from evs_snap.settings.credentials import METADATA_ADDRESS, Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    import respx
    from tests.conftest import FakeClock

    Threads = Callable[[Callable[[], object]], list[Keys]]

LIFE = timedelta(hours=1)


class Metadata:
    """The metadata address of an ECS. It gives new keys each time it is asked."""

    def __init__(self, wire: respx.MockRouter, fake: FakeClock) -> None:
        self.fake = fake
        self.count = 0
        self.token = wire.put(f"{METADATA_ADDRESS}/meta-data/latest/api/token")
        self.token.return_value = httpx.Response(200, text="metadata-t0ken\n")
        self.keys = wire.get(f"{METADATA_ADDRESS}/openstack/latest/securitykey")
        self.keys.side_effect = self.new_keys

    def new_keys(self, _: object = None) -> httpx.Response:
        self.count += 1
        end = self.fake.moment + LIFE
        credential = {
            "access": f"AK{self.count}",
            "secret": f"sk{self.count}-s3cret",
            "securitytoken": f"t0ken{self.count}-s3cret",
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return httpx.Response(200, json={"credential": credential})

    def answer(self, status: int, content: bytes = b"") -> None:
        self.keys.mock(return_value=httpx.Response(status, content=content))

    @property
    def fetched(self) -> int:
        return self.keys.call_count


@pytest.fixture(name="metadata")
def _metadata(wire: respx.MockRouter, fake: FakeClock) -> Metadata:
    return Metadata(wire, fake)


@pytest.fixture(name="keys")
def _keys(metadata: Metadata, fake: FakeClock) -> AgencyKeys:  # noqa: ARG001 - it must be there
    return AgencyKeys(METADATA_ADDRESS, clock=fake.clock)


def refused(keys: AgencyKeys) -> SignInError:
    error = failure(keys)
    assert isinstance(error, SignInError)
    return error


def failure(keys: AgencyKeys) -> EvsSnapError:
    with pytest.raises(EvsSnapError) as caught:
        keys.current()
    told = f"{caught.value.message} {caught.value.hint}"
    assert told.isprintable()
    assert "s3cret" not in told
    return caught.value


def test_the_first_use_fetches_a_token_and_with_it_keys(
    metadata: Metadata, keys: AgencyKeys, fake: FakeClock
) -> None:
    end = fake.moment + LIFE
    assert keys.current() == Keys("AK1", "sk1-s3cret", "t0ken1-s3cret", end)
    asked = metadata.token.calls.last.request
    assert asked.headers["X-Metadata-Token-Ttl-Seconds"] == "21600"
    assert metadata.keys.calls.last.request.headers["X-Metadata-Token"] == "metadata-t0ken"
    assert keys.secrets == ("sk1-s3cret", "t0ken1-s3cret")
    assert "s3cret" not in repr(keys.current())


@pytest.mark.parametrize("status", [404, 405, 503])
def test_where_no_token_is_offered_none_is_sent(
    status: int, metadata: Metadata, keys: AgencyKeys
) -> None:
    metadata.token.return_value = httpx.Response(status, content=b"metadata-t0ken")
    assert keys.current().access_key == "AK1"
    assert "X-Metadata-Token" not in metadata.keys.calls.last.request.headers


def test_an_address_that_hands_out_old_keys_is_not_asked_all_the_time(
    metadata: Metadata, keys: AgencyKeys, fake: FakeClock
) -> None:
    keys.current()
    metadata.keys.mock(return_value=metadata.new_keys())
    fake.advance((LIFE - MARGIN).total_seconds())
    for _ in range(20):
        keys.current()
    assert metadata.fetched == 2
    fake.advance(AGAIN_AFTER.total_seconds())
    keys.current()
    assert metadata.fetched == 3


@pytest.mark.parametrize("answer", [(500, b""), (404, b""), (200, b"<html>")])
def test_a_renewal_that_fails_costs_nothing_while_the_old_keys_last(
    answer: tuple[int, bytes], metadata: Metadata, keys: AgencyKeys, fake: FakeClock
) -> None:
    first = keys.current()
    metadata.answer(*answer)
    fake.advance((LIFE - MARGIN).total_seconds())
    for _ in range(5):
        assert keys.current() is first
    assert metadata.fetched == 2
    fake.advance(AGAIN_AFTER.total_seconds())
    metadata.keys.side_effect = metadata.new_keys
    assert keys.current().access_key == "AK2"


def test_keys_that_ended_and_cannot_be_renewed_are_not_used(
    metadata: Metadata, keys: AgencyKeys, fake: FakeClock
) -> None:
    keys.current()
    metadata.answer(500, b"")
    fake.advance(LIFE.total_seconds())
    refused(keys)


@pytest.mark.parametrize("end", [None, "", "soon", 7, "9999-12-31T23:59:59Z"])
def test_keys_without_an_end_are_kept_until_they_are_refused(
    end: object, metadata: Metadata, keys: AgencyKeys, fake: FakeClock
) -> None:
    credential = {"access": "AK", "secret": "sk", "securitytoken": "t", "expires_at": end}
    metadata.answer(200, json.dumps({"credential": credential}).encode())
    first = keys.current()
    fake.advance(10 * LIFE.total_seconds())
    assert keys.current() is first


def test_eight_threads_fetch_once_and_renew_once(
    metadata: Metadata, keys: AgencyKeys, fake: FakeClock, in_eight_threads: Threads
) -> None:
    first = in_eight_threads(keys.current)
    assert {k.access_key for k in first} == {"AK1"}
    fake.advance((LIFE - MARGIN).total_seconds())
    assert {k.access_key for k in in_eight_threads(keys.current)} == {"AK2"}
    second = keys.current()
    renewed = in_eight_threads(lambda: keys.current(refused=second))
    assert {k.access_key for k in renewed} == {"AK3"}
    assert metadata.fetched == 3


# --- what it may say instead --------------------------------------------------------

NO_AGENCY = b"The ECS has no permission. Please configure Cloud Service Agency first."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_machine_without_an_agency_is_told_so(
    status: int, metadata: Metadata, keys: AgencyKeys
) -> None:
    metadata.answer(status, NO_AGENCY)
    error = refused(keys)
    assert "Cloud Service Agency" in error.message
    assert error.status == status
    assert "agency" in (error.hint or "")
    if status != 404:  # there, none is offered
        fetched = metadata.fetched
        metadata.token.return_value = httpx.Response(status, content=NO_AGENCY)
        assert "Cloud Service Agency" in refused(keys).message
        assert metadata.fetched == fetched


def credential(**changes: object) -> bytes:
    whole = {"access": "AK", "secret": "sk-s3cret", "securitytoken": "t0ken-s3cret"}
    return json.dumps({"credential": {**whole, **changes}}).encode()


GARBAGE = [
    b"", b"{", b"null", b"[]", b'"text"', b"[" * 100_000, b"\xff\xfe\x00",
    b"<html><title>Log in</title>s3cret</html>", b'{"credential": null}',
    b'{"credential": "sk-s3cret"}', b'{"credential": []}', b'{"credential": {"secret": "s3cret"}}',
    *(credential(**{key: v}) for key in ("access", "secret", "securitytoken")
      for v in (None, "", 7, ["x"], "s3cret\r\nX-Evil: 1", "s3cret gr\u00f6\u00dfe", " s3cret")),
]  # fmt: skip
NO_TOKENS = [b"", b"\n", b"<html>\n<p>s3cret</p>", b"s3cret t0ken", b"s3cret\xff", b"a\r\nb"]


def test_garbage_is_neither_keys_nor_a_token_and_is_not_quoted(
    metadata: Metadata, keys: AgencyKeys
) -> None:
    """As from a log-in page that answers everything."""
    for body in GARBAGE:
        metadata.answer(200, body)
        error = refused(keys)
        assert "not with keys" in error.message
        assert "ECS" in (error.hint or "")
    metadata.answer(401, b"no such token: metadata-t0ken")
    assert "metadata-t0ken" not in refused(keys).message
    fetched = metadata.fetched
    for body in NO_TOKENS:
        metadata.token.return_value = httpx.Response(200, content=body)
        assert "not with a token" in refused(keys).message
    assert metadata.fetched == fetched


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("step", ["token", "keys"])
def test_no_redirect_is_followed(
    step: str, status: int, metadata: Metadata, keys: AgencyKeys, wire: respx.MockRouter
) -> None:
    place = {"Location": f"{METADATA_ADDRESS}/elsewhere"}
    getattr(metadata, step).mock(return_value=httpx.Response(status, headers=place))
    assert str(status) in refused(keys).message
    assert len(wire.calls) == (1 if step == "token" else 2)


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


def test_where_nobody_answers_it_is_not_waited_for_long(
    metadata: Metadata, keys: AgencyKeys
) -> None:
    metadata.token.side_effect = httpx.ReadTimeout("timed out")
    assert agency.TIMEOUT.read == 3.0
    assert "does not answer: timed out" in failure(keys).message
    assert metadata.token.call_count == 2
