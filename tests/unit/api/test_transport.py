"""What is sent again and what never, and how failures are worded."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.conftest import Known

from evs_snap.api import bounds, network, transport
from evs_snap.api.bounds import SENT, UNTIL
from evs_snap.api.identity import REPEATABLE
from evs_snap.api.project import Project
from evs_snap.api.refusals import refused
from evs_snap.api.transport import open_http, pause_before_retry
from evs_snap.auth.agency import PATIENCE, AgencyKeys
from evs_snap.clock import Clock, system_clock
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NotSentError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from tests.conftest import FakeClock
    from tests.unit.api.conftest import Play, Service

TOKEN = "gAAAA-t0ken"
URL = "https://evs.example.com/v3/p/snapshots"
OPENSSL = shutil.which("openssl")
SHORT = httpx.Timeout(0.15)


def send(service: Service, *, method: str = "GET", repeatable: bool = False) -> int:
    """Send one request; return the status of its answer."""
    request = httpx.Request(method, URL, extensions={REPEATABLE: repeatable})
    return service.http.send(request).status_code


LOST = [
    httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("broken pipe"),
    httpx.RemoteProtocolError("cut off"),
]
UNSENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")]


BUSY: list[Play] = [502, 503, 504]
REFUSED: list[Play] = [400, 401, 404, 409, 413]
AGAIN: dict[str, tuple[list[Play], list[Play]]] = {
    "GET": ([*LOST, *UNSENT, 429, 500, *BUSY], REFUSED),
    "DELETE": ([*LOST, *UNSENT, 429, *BUSY], [*REFUSED, 500]),
    # A lost answer or a 5xx may have made a snapshot: a second POST would make its duplicate.
    "POST": ([*UNSENT, 429], [*REFUSED, 500, *LOST, *BUSY]),
    # It changes nothing, as a sign-in, yet may be what broke the service.
    "repeatable POST": ([*LOST, *UNSENT, 429, *BUSY], [*REFUSED, 500]),
}


@pytest.mark.parametrize(
    ("kind", "failure", "again"),
    [
        (kind, failure, again)
        for kind, both in AGAIN.items()
        for again, failures in zip((True, False), both, strict=True)
        for failure in failures
    ],
    ids=repr,
)
def test_only_what_is_safe_is_sent_again(
    kind: str, failure: Play, service: Service, *, again: bool
) -> None:
    service.plays(failure, failure, 202)
    with nullcontext() if again or isinstance(failure, int) else pytest.raises(AnswerLostError):
        status = send(
            service, method=kind.rsplit(maxsplit=1)[-1], repeatable=kind.startswith("repeatable")
        )
        assert status == (202 if again else failure)
    assert len(service.sent) == (3 if again else 1)


# How often a request may have reached a service.


class Renewing(Known):
    """Somebody whose token is refused once, and then renewed by another request."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        if response.status_code == 401:
            renewed = yield httpx.Request("POST", "https://evs.example.com/v3/auth/tokens")
            if not renewed.is_success:
                raise refused(renewed, doing="signing in", secrets=())
            yield request


DAMAGED = httpx.Response(
    200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")
)
SENT_COUNTS: list[tuple[list[Play], int]] = [
    ([httpx.Response(202, json={})], 1),
    ([409], 1),
    ([503], 1),
    ([httpx.ReadTimeout("slow")], 1),
    ([httpx.ConnectError("refused")], 0),
    ([httpx.ConnectError("refused"), httpx.Response(202, json={})], 1),
    ([429, 202], 2),
    ([429, httpx.ConnectError("refused"), 409], 2),
    ([429, 429, httpx.ReadTimeout("slow")], 3),
    ([429, httpx.ConnectError("refused")], 1),
    ([DAMAGED], 1),
    ([httpx.Response(200, content=b"no JSON")], 1),
    ([401, 201, 202], 2),
    ([401, 201, 429, 409], 3),
    ([401, 500], 1),
    ([401, httpx.ConnectError("refused")], 1),
    ([401, 201, httpx.ConnectError("refused")], 1),
]


@pytest.mark.parametrize(("plays", "sent"), SENT_COUNTS, ids=repr)
def test_answers_and_errors_tell_how_often_the_request_was_sent(
    plays: list[Play], sent: int, service: Service, fake: FakeClock
) -> None:
    """found: a POST refused after an earlier try had arrived was taken for one that did nothing.

    A sign-in on the way is another request, and does not count.
    """
    service.plays(*plays)
    project = Project(service.http, auth=Renewing(), clock=fake.clock)
    told: httpx.Response | EvsSnapError
    try:
        told = project.send("POST", "snapshots", body={})
        project.document(told)
    except EvsSnapError as error:
        told = error
    if isinstance(told, httpx.Response):
        assert told.extensions[SENT] == sent
    else:
        assert told.sent == sent
        is_of_sign_in = plays[0] == 401
        assert is_of_sign_in or isinstance(told, NotSentError) is (sent == 0)


def test_threads_do_not_wait_for_each_others_connections(fake: FakeClock) -> None:
    """found: `prune` had four threads on three connections."""
    together = threading.Barrier(12, timeout=5)
    with (
        served(together.wait) as url,
        open_http(verify=False, clock=fake.clock, timeout=httpx.Timeout(5)) as http,
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(http.post, [url] * 12))
    assert [answer.status_code for answer in answers] == [200] * 12


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_413_with_retry_after_zero_is_never_sent_again(
    method: str, service: Service, fake: FakeClock
) -> None:
    """Cinder says so of its quota: obeying would spin."""
    service.plays(httpx.Response(413, headers={"Retry-After": "0"}))
    assert send(service, method=method) == 413
    assert (len(service.sent), fake.slept) == (1, [])


def test_attempts_are_bounded_and_pauses_grow(service: Service, fake: FakeClock) -> None:
    service.plays(503)
    assert send(service) == 503
    assert fake.slept == [0.75, 1.5, 3.0]
    service.plays(httpx.ConnectError("refused"))
    with pytest.raises(NotSentError):
        send(service)
    assert len(service.sent) == transport.ATTEMPTS


def test_throttling_is_waited_out_for_longer(service: Service, fake: FakeClock) -> None:
    """The clouds count by the minute: a few seconds would not do."""
    service.plays(429)
    assert send(service, method="POST") == 429
    assert fake.slept == [1.5, 3.0, 6.0, 12.0, 24.0, 45.0]
    assert sum(fake.slept) > 60


def throttled(period: str) -> httpx.Response:
    """Return a refusal as the clouds' gateway words it."""
    text = f"The throttling threshold has been reached: policy user over ratelimit,{period}"
    return httpx.Response(429, json={"error_msg": text, "error_code": "APIGW.0308"})


@pytest.mark.parametrize(
    ("period", "slept"),
    [
        ("limit:100,time:1 minute", [63.0]),
        ("limit:200,time:5 minute", [315.0]),
        ("limit:5,time:5 second", [5.25]),
        ("limit:5,time:1 second", [1.5]),
        ("limit:9,time:1 hour", [1.5]),
        ("limit:9,time:one minute", [1.5]),
    ],
)
def test_a_period_that_the_refusal_names_is_waited_out(
    period: str, slept: list[float], service: Service, fake: FakeClock
) -> None:
    """found: a run gave up after 90 s although the refusal said five minutes."""
    service.plays(throttled(period), 202)
    assert send(service, method="POST") == 202
    assert fake.slept == slept


def test_threads_share_what_a_refusal_says(fake: FakeClock) -> None:
    """found: each worker ran into the same limit, and made the wait longer for all."""
    start = fake.clock.monotonic()
    came: list[float] = []
    notes: list[str] = []

    def handler(_: httpx.Request) -> httpx.Response:
        came.append(fake.clock.monotonic() - start)
        return throttled("limit:100,time:1 minute") if len(came) == 1 else httpx.Response(200)

    def sleep(seconds: float) -> None:
        if len(came) == 1 and len(fake.slept) == 0:
            fake.slept.append(seconds)
            http.get(URL)  # another thread's request, in the middle of the pause
        fake.sleep(seconds)

    clock = replace(fake.clock, sleep=sleep)
    with (
        respx.mock() as router,
        open_http(verify=False, clock=clock, note=notes.append) as http,
    ):
        router.get(URL).mock(side_effect=handler)
        assert http.get(URL).status_code == 200
    assert came == [0.0, 63.0, 126.0]
    assert notes == ["too many requests for evs.example.com; going on in 63 s"]


def test_a_stop_ends_the_wait_of_threads_that_were_not_refused(fake: FakeClock) -> None:
    clock = replace(fake.clock, sleep=lambda _: fake.stop.ask(143))
    with (
        respx.mock() as router,
        open_http(verify=False, clock=clock) as http,
    ):
        route = router.get(URL).mock(return_value=throttled("limit:100,time:1 minute"))
        assert [http.get(URL).status_code, http.get(URL).status_code] == [429, 429]
    assert route.call_count == 2


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("slow"), 503, 429])
def test_nothing_is_repeated_once_a_stop_is_asked_for(
    failure: Play, service: Service, fake: FakeClock
) -> None:
    """found: SIGTERM during the pause before a retry was followed by that retry."""
    fake.stop.ask(143)
    service.plays(failure, 200)
    with suppress(AnswerLostError):
        assert send(service) == failure
    assert len(service.sent) == 1


def pause(
    retry_after: str | None = None,
    *,
    status: int = 503,
    attempt: int = 1,
    jitter: float = 0.0,
    period: float | None = None,
) -> float | None:
    return pause_before_retry(
        attempt=attempt,
        method="GET",
        repeatable=False,
        status=status,
        retry_after=retry_after,
        period=period,
        was_sent=True,
        jitter=jitter,
    )


@pytest.mark.parametrize("status", [429, 503])
def test_a_sane_retry_after_is_obeyed(status: int) -> None:
    assert pause("30", status=status) == 30.0
    assert pause("99999", status=status) == transport.LONGEST_PAUSE


@pytest.mark.parametrize(
    "odd",
    ["", "0", "-1", "1.5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 5000, "²", "٣٣", "1e9"],
)
def test_an_odd_retry_after_is_not_obeyed(odd: str) -> None:
    assert pause(odd) == pause(None)


def test_what_was_throttled_before_is_not_sent_more_often_for_it() -> None:
    assert pause(status=503, attempt=transport.ATTEMPTS + 1) is None


def test_retry_after_of_another_status_is_not_obeyed() -> None:
    assert pause("30", status=502) == pause(None, status=502)


@given(st.integers(1, 7), st.floats(0, 1, exclude_max=True), st.sampled_from([429, 500, 503]))
def test_a_pause_is_jittered_and_bounded(attempt: int, jitter: float, status: int) -> None:
    """Property: threads that failed together do not come back together."""
    chosen = pause(attempt=attempt, jitter=jitter, status=status)
    lowest = pause(attempt=attempt, jitter=0.0, status=status)
    if chosen is None or lowest is None:
        assert chosen is lowest is None
    else:
        assert lowest <= chosen <= 2 * lowest  # just 2, where floats are rounded
        assert chosen <= transport.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("failure", "said", "hint"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "no connection", "firewall"),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "no connection", "address"),
        (httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version"), "no TLS", "https"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "the proxy", "HTTPS_PROXY"),
        (httpx.ConnectTimeout(""), "ConnectTimeout", "firewall"),
    ],
)
def test_a_missing_connection_is_worded_with_a_hint(
    failure: Exception, said: str, hint: str, service: Service
) -> None:
    service.plays(failure)
    with pytest.raises(NotSentError, match=said) as caught:
        send(service)
    assert "GET https://evs.example.com" in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "not trusted"),
        (httpx.UnsupportedProtocol("x"), "cannot be sent"),
        (httpx.LocalProtocolError(f"Illegal header value b'{TOKEN}\\n'"), "cannot be sent"),
        (UnicodeError("label empty or too long"), "cannot be sent"),
    ],
)
def test_what_can_never_work_is_tried_once(failure: Exception, said: str, service: Service) -> None:
    service.plays(failure)
    with pytest.raises(NotSentError, match=said) as caught:
        send(service, method="POST")
    assert len(service.sent) == 1
    assert TOKEN not in caught.value.message


# From here on, real sockets on loopback.


@contextmanager
def server(*answers: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """Serve raw bytes, one connection each and the last for ever; None keeps silent."""
    heard: list[bytes] = []
    silent: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def run() -> None:
        left = list(answers)
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            heard.append(peer.recv(65536))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer is None:
                silent.append(peer)
                continue
            with peer:
                peer.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v3/p/volumes", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for peer in silent:
            peer.close()


@contextmanager
def served(before: Callable[[], object]) -> Iterator[str]:
    """Answer each request with 200, in a thread of its own, after calling ``before``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer, suppress(threading.BrokenBarrierError):
            peer.recv(65536)
            before()
            peer.sendall(answer(b"{}"))

    def run() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]]).start()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(url: str, fake: FakeClock, *, method: str = "GET") -> httpx.Response:
    with open_http(verify=True, clock=fake.clock, timeout=SHORT) as http:
        return http.send(httpx.Request(method, url))


CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
GARBAGE = [
    b"",
    b"garbage\r\n\r\n",
    b"\x16\x03\x01\x00\x01\x01",
    b"HTTP/1.1 9999 Odd\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: \x00\x01\r\n\r\n",
    CUT_OFF,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_on_the_wire_is_a_lost_answer(garbage: bytes, fake: FakeClock) -> None:
    with server(garbage) as (url, heard), pytest.raises(AnswerLostError):
        ask(url, fake, method="POST")
    assert len(heard) == 1
    with server(garbage, answer(b"{}")) as (url, heard):
        assert ask(url, fake).content == b"{}"
    assert len(heard) == 2


def test_silence_is_a_lost_answer(fake: FakeClock) -> None:
    with server(None) as (url, heard), pytest.raises(AnswerLostError, match="timed out"):
        ask(url, fake, method="POST")
    assert len(heard) == 1


def test_nobody_listening_is_not_sent(fake: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSentError, match="refused"):
        ask(f"http://127.0.0.1:{port}/", fake, method="POST")


@pytest.mark.parametrize(
    "url", ["https://iam..example.com/", f"https://{'a' * 64}.com/", "https://-.invalid/"]
)
def test_a_name_that_cannot_be_looked_up_is_not_sent(url: str, fake: FakeClock) -> None:
    with pytest.raises(NotSentError):
        ask(url, fake)


def test_plain_http_where_tls_is_expected_is_worded(fake: FakeClock) -> None:
    with (
        server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _),
        pytest.raises(NotSentError, match="no TLS connection") as caught,
    ):
        ask(url.replace("http:", "https:"), fake)
    assert "https" in (caught.value.hint or "")


def certified(folder: Path) -> ssl.SSLContext:
    """Return what a server needs to speak TLS with a certificate that nobody trusts."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key}"
    subprocess.run(
        [OPENSSL or "", "req", *made.split(), "-subj", "/CN=localhost", "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")
def test_an_untrusted_certificate_is_worded_and_tried_once(fake: FakeClock, tmp_path: Path) -> None:
    context = certified(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    refusals: list[str] = []

    def run() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                context.wrap_socket(peer, server_side=True).close()
            except OSError as error:
                refusals.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    with pytest.raises(NotSentError, match="not trusted") as caught:
        ask(f"https://localhost:{listener.getsockname()[1]}/", fake)
    thread.join()
    listener.close()
    assert "OS_CACERT" in (caught.value.hint or "")
    assert (len(refusals), fake.slept) == (1, [])


@pytest.mark.parametrize(
    "location",
    ["https://evil.example.com/", "/elsewhere", "", "http://[", "http://a:x", "https://..", "\xff"],
)
def test_redirects_are_not_followed(location: str, fake: FakeClock) -> None:
    redirect = answer(b"", f"Location: {location}", status="302 Found")
    with server(redirect) as (url, heard), suppress(AnswerLostError):
        assert ask(url, fake, method="POST").status_code == 302
    assert len(heard) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_bodies_are_unpacked(encoding: str, fake: FakeClock) -> None:
    body = b'{"volumes": []}'
    raw = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    with server(answer(raw, f"Content-Encoding: {encoding}")) as (url, _):
        found = ask(url, fake)
    assert found.json() == {"volumes": []}
    assert "Content-Encoding" not in found.headers


def test_a_corrupt_packed_body_is_a_bad_answer(fake: FakeClock) -> None:
    corrupt = answer(b"not gzip", "Content-Encoding: gzip")
    with server(corrupt) as (url, _), pytest.raises(BadAnswerError, match="cannot be unpacked"):
        ask(url, fake)


def test_an_unknown_encoding_is_left_as_it_is(fake: FakeClock) -> None:
    with server(answer(b"{}", "Content-Encoding: rot13")) as (url, _):
        assert ask(url, fake).content == b"{}"


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_given_up(fake: FakeClock, *, packed: bool) -> None:
    """A few kilobytes may unpack to gigabytes."""
    body = b"\x00" * (bounds.LARGEST_ANSWER + 1)
    raw = answer(gzip.compress(body, 1), "Content-Encoding: gzip") if packed else answer(body)
    with server(raw) as (url, _), pytest.raises(BadAnswerError, match="larger than"):
        ask(url, fake)


def test_a_small_answer_that_unpacks_to_much_is_refused_early(
    fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: a kilobyte became 512 MiB in memory before its size was looked at."""
    monkeypatch.setattr(bounds, "LARGEST_ANSWER", 2**22)
    bomb = answer(gzip.compress(b"\x00" * 2**25, 1), "Content-Encoding: gzip")
    with server(bomb) as (url, _):
        tracemalloc.start()
        with pytest.raises(BadAnswerError, match="larger than 4 MiB"):
            ask(url, fake)
        assert tracemalloc.get_traced_memory()[1] < 2**23
        tracemalloc.stop()


def test_an_answer_packed_twice_is_not_unpacked(fake: FakeClock) -> None:
    """found: the unpacked size of one in another was not bounded at all."""
    twice = gzip.compress(gzip.compress(b"\x00" * 2**25))
    with server(answer(twice, "Content-Encoding: gzip, gzip")) as (url, _):
        assert ask(url, fake).content == twice


# Answers that drip.


@contextmanager
def dripping(start: bytes, *, pause: float = 0.02) -> Iterator[tuple[str, list[bytes]]]:
    """Serve the start of an answer, and then a byte every ``pause`` seconds without end."""
    heard: list[bytes] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            heard.append(peer.recv(65536))
            peer.sendall(start)
            while not over.wait(pause):
                peer.sendall(b"x")

    def run() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]]).start()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", heard
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def hasty(factor: float) -> Clock:
    """Return the machine's clock, ``factor`` times as fast, and without pauses."""
    real = system_clock()
    return replace(real, monotonic=lambda: real.monotonic() * factor, sleep=lambda _: None)


DRIPS = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "chunked body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9000\r\n",
    "header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "status": b"HTTP/1.1 ",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("start", DRIPS)
def test_an_answer_that_drips_is_given_up(start: str, method: str) -> None:
    """found: an answer of a byte a second was never ended, for GET, POST and sign-in."""
    with (
        dripping(DRIPS[start]) as (url, heard),
        open_http(verify=False, clock=hasty(400.0)) as http,
        pytest.raises(AnswerLostError, match="too slowly"),
    ):
        http.send(httpx.Request(method, url, extensions={REPEATABLE: True}))
    assert len(heard) == 1, "it would only drip again"


@contextmanager
def mute(way: str) -> Iterator[str]:
    """Give the address of a service that takes connections and then says nothing."""
    if way == "dripping":
        with dripping(DRIPS["header"]) as (url, _):
            yield url
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "https" if way == "before TLS" else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("way", ["after the request", "before TLS", "dripping"])
def test_a_request_ends_when_its_caller_stops_waiting(
    way: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: `restore --in-place --timeout 10s` hung for 75 s on a service that said nothing."""
    monkeypatch.setattr(transport, "LEAST", 0.1)
    clock = system_clock()
    with mute(way) as url, open_http(verify=False, clock=clock) as http:
        for patience in (0.2, 0.0):
            began = clock.monotonic()
            request = httpx.Request(method, url, extensions={UNTIL: began + patience})
            with pytest.raises(UnreachableError):
                http.send(request)
            assert 0.1 <= clock.monotonic() - began < 2


def test_the_metadata_address_may_not_drip_either() -> None:
    """found: an answer of a byte a second was never ended; then it took 120 s, twice."""
    with (
        dripping(DRIPS["body"]) as (url, heard),
        pytest.raises(NotSentError, match="too slowly"),
    ):
        AgencyKeys(url, clock=hasty(PATIENCE * 4)).current()
    assert len(heard) == 1


@pytest.mark.parametrize("pause", [0.02, 30.0])
def test_a_stop_ends_a_request_that_drips_or_says_nothing(
    pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: SIGTERM did not end a request whose answer dripped."""
    monkeypatch.setattr(network, "ONCE_STOPPED", 0.1)
    clock = system_clock()
    began = clock.monotonic()
    timer = threading.Timer(0.1, clock.stop.ask, [143])
    with (
        dripping(DRIPS["body"], pause=pause) as (url, heard),
        open_http(verify=False, clock=clock) as http,
    ):
        timer.start()
        with pytest.raises(AnswerLostError):
            http.get(url)
        timer.join()
    assert len(heard) == 1
    assert clock.monotonic() - began < 20, "not by the read time-out of 60 s, nor by the deadline"


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("tls", [False, True])
def test_looking_whether_to_stop_does_not_disturb_a_slow_answer(
    fake: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    monkeypatch.setattr(network, "_STEP", 0.02)
    context = certified(tmp_path) if tls else None
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        peer, _ = listener.accept()
        with context.wrap_socket(peer, server_side=True) if context else peer as wire:
            wire.recv(65536)
            for part in (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\n{", b" ", b" }"):
                time.sleep(0.1)  # noqa: TID251 - on a real wire
                wire.sendall(part)

    thread = threading.Thread(target=run)
    thread.start()
    url = f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/"
    with open_http(verify=False, clock=fake.clock) as http:
        assert http.get(url).content == b"{  }"
    thread.join()
    listener.close()


def test_a_proxy_is_used_and_gets_no_token(fake: FakeClock) -> None:
    with server(answer(b"", status="407 Proxy Authentication Required")) as (url, heard):
        proxy = url.removesuffix("/v3/p/volumes")
        with (
            open_http(verify=False, clock=fake.clock, proxy_for=lambda _url: proxy) as http,
            pytest.raises(NotSentError, match="the proxy refused: 407"),
        ):
            http.post("https://evs.example.com/", headers={"X-Auth-Token": TOKEN})
    assert heard[0].startswith(b"CONNECT evs.example.com:443 ")
    assert TOKEN.encode() not in heard[0]


@pytest.mark.parametrize("proxy", ["ftp://u:s3cret@proxy", "socks5://proxy:1080", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_a_configuration_error(proxy: str, fake: FakeClock) -> None:
    with (
        open_http(verify=False, clock=fake.clock, proxy_for=lambda _url: proxy) as http,
        pytest.raises(ConfigurationError, match="proxy") as caught,
    ):
        http.get("https://evs.example.com/")
    assert "NO_PROXY" in (caught.value.hint or "")
    assert "s3cret" not in str(caught.value)


def test_ca_files_that_cannot_be_read_are_a_configuration_error(
    fake: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
    for path in ("/nonexistent.pem", str(tmp_path), str(empty), "~nosuchuser/ca.pem", True):
        with pytest.raises(ConfigurationError, match=r"CA (file|certificates)") as caught:
            open_http(verify=path, clock=fake.clock)
        assert "OS_CACERT" in (caught.value.hint or "")


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")
def test_a_folder_of_cas_is_trusted(fake: FakeClock, tmp_path: Path) -> None:
    """found: a folder, which `openstack` takes, was refused as a CA file."""
    certified(tmp_path)
    (tmp_path / "0123abcd.0").write_bytes(next(tmp_path.glob("*.pem")).read_bytes())
    open_http(verify=str(tmp_path), clock=fake.clock).close()


def test_closing_the_client_closes_its_connections(fake: FakeClock) -> None:
    """A connection that is kept alive must not outlive the run."""
    kept_alive = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    listener = socket.create_server(("127.0.0.1", 0))
    with open_http(verify=True, clock=fake.clock, timeout=SHORT) as http:
        thread = threading.Thread(
            target=http.get, args=[f"http://127.0.0.1:{listener.getsockname()[1]}"]
        )
        thread.start()
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(kept_alive)
        thread.join()
    peer.settimeout(2)
    assert peer.recv(1) == b""
    peer.close()
    listener.close()
