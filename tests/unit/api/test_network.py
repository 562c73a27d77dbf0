"""Real sockets on loopback: broken, mute, endless, packed and encrypted answers, and proxies."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.conftest import FakeClock
from tests.unit.api.conftest import answer, server

from evs_snap.api.bounds import LARGEST_ANSWER, UNTIL, whole
from evs_snap.api.identity import REPEATABLE
from evs_snap.api.network import Network
from evs_snap.api.transport import TIMEOUT, RetryTransport, open_http
from evs_snap.auth.agency import PATIENCE, AgencyKeys
from evs_snap.clock import Clock, system_clock
from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    ConfigurationError,
    NotSentError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.api.conftest import Act

TOKEN = "gAAAA-t0ken"
OPENSSL = shutil.which("openssl")
SHORT = httpx.Timeout(0.15)

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")


def ask(url: str, *, method: str = "GET", verify: bool = False) -> httpx.Response:
    with open_http(verify=verify, clock=FakeClock().clock, timeout=SHORT) as http:
        return http.send(httpx.Request(method, url))


def silent(_: socket.socket, over: threading.Event) -> None:
    over.wait()


def drip(start: bytes, *, pause: float = 0.02) -> Act:
    """Send the start of an answer, and then a byte every ``pause`` seconds without end."""

    def act(wire: socket.socket, over: threading.Event) -> None:
        wire.sendall(start)
        while not over.wait(pause):
            wire.sendall(b"x")

    return act


@contextmanager
def sending(network: Network, *, clock: Clock, least: float = 5.0) -> Iterator[httpx.Client]:
    transport = RetryTransport(network.handle_request, clock=clock, network=network, least=least)
    with httpx.Client(transport=transport, timeout=TIMEOUT) as http:
        yield http


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
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_on_the_wire_is_a_lost_answer(garbage: bytes) -> None:
    with server(garbage) as (url, heard), pytest.raises(AnswerLostError):
        ask(url, method="POST")
    assert len(heard) == 1
    with server(garbage, answer(b"{}")) as (url, heard):
        assert ask(url).content == b"{}"
    assert len(heard) == 2


def test_silence_is_a_lost_answer() -> None:
    with server(silent) as (url, heard), pytest.raises(AnswerLostError, match="timed out"):
        ask(url, method="POST")
    assert len(heard) == 1


def test_who_is_not_there_gets_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSentError, match="refused"):
        ask(f"http://127.0.0.1:{port}/", method="POST")
    for host in ("iam..example.com", f"{'a' * 64}.com", "-.invalid"):
        with pytest.raises(NotSentError):
            ask(f"https://{host}/")


def test_plain_http_where_tls_is_expected_is_worded() -> None:
    with (
        server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _),
        pytest.raises(NotSentError, match="no TLS connection") as caught,
    ):
        ask(url.replace("http:", "https:"))
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


@needs_openssl
def test_an_untrusted_certificate_is_worded_and_tried_once(tmp_path: Path) -> None:
    with (
        server(answer(b""), tls=certified(tmp_path)) as (url, heard),
        pytest.raises(NotSentError, match="not trusted") as caught,
    ):
        ask(url, verify=True)
    assert "OS_CACERT" in (caught.value.hint or "")
    assert heard == [b""], "once"


def test_redirects_are_not_followed() -> None:
    for location in ("https://evil.example.com/", "/x", "", "http://[", "http://a:x", "\xff"):
        redirect = answer(b"", f"Location: {location}", status="302 Found")
        with server(redirect) as (url, heard), suppress(AnswerLostError):
            assert ask(url, method="POST").status_code == 302
        assert len(heard) == 1


# Packed and endless bodies.


def test_packed_bodies_are_unpacked_or_told_and_unknown_encodings_left() -> None:
    body = b'{"volumes": []}'
    packings = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "rot13": body}
    for encoding, packed in packings.items():
        with server(answer(packed, f"Content-Encoding: {encoding}")) as (url, _):
            found = ask(url)
        assert found.content == body
        assert "Content-Encoding" not in found.headers
    corrupt = answer(b"not gzip", "Content-Encoding: gzip")
    with server(corrupt) as (url, _), pytest.raises(BadAnswerError, match="cannot be unpacked"):
        ask(url)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_given_up(*, packed: bool) -> None:
    """A few kilobytes may unpack to gigabytes."""
    body = b"\x00" * (LARGEST_ANSWER + 1)
    raw = answer(gzip.compress(body, 1), "Content-Encoding: gzip") if packed else answer(body)
    with server(raw) as (url, _), pytest.raises(BadAnswerError, match="larger than 64 MiB"):
        ask(url)


def test_what_unpacks_to_much_is_refused_early_and_packed_twice_left_packed() -> None:
    """found: a kilobyte became 512 MiB in memory before its size was looked at.

    found: the unpacked size of one in another was not bounded at all.
    """
    request = httpx.Request("GET", "https://evs.example.com")
    once = gzip.compress(b"\x00" * 2**25, 1)
    twice = gzip.compress(once)

    def unpacked(body: bytes, encoding: str) -> bytes:
        headers = {"Content-Encoding": encoding}
        got = httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))
        return whole(lambda _: got, request, largest=2**22).content

    tracemalloc.start()
    with pytest.raises(BadAnswerError, match="larger than 4 MiB"):
        unpacked(once, "gzip")
    assert unpacked(twice, "gzip, gzip") == twice
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


# Answers that drip, and services that say nothing.

DRIPS = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "chunked body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9000\r\n",
    "header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "status": b"HTTP/1.1 ",
}


def hasty(factor: float) -> Clock:
    """Return the machine's clock, ``factor`` times as fast, and without pauses."""
    real = system_clock()
    return replace(real, monotonic=lambda: real.monotonic() * factor, sleep=lambda _: None)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("start", DRIPS)
def test_an_answer_that_drips_is_given_up(start: str, method: str) -> None:
    """found: an answer of a byte a second was never ended, for GET, POST and sign-in."""
    with (
        server(drip(DRIPS[start])) as (url, heard),
        open_http(verify=False, clock=hasty(1000.0)) as http,
        pytest.raises(AnswerLostError, match="too slowly"),
    ):
        http.send(httpx.Request(method, url, extensions={REPEATABLE: True}))
    assert len(heard) == 1, "it would only drip again"


def test_the_metadata_address_may_not_drip_either() -> None:
    """found: an answer of a byte a second was never ended; then it took 120 s, twice."""
    with server(drip(DRIPS["body"])) as (url, heard), pytest.raises(NotSentError, match="slowly"):
        AgencyKeys(url, clock=hasty(PATIENCE * 4)).current()
    assert len(heard) == 1


def test_a_request_that_names_no_end_ends_by_the_deadline() -> None:
    network = Network(verify=False, clock=hasty(1000.0))
    with (
        server(drip(DRIPS["body"])) as (url, _),
        httpx.Client(transport=network) as http,
        pytest.raises(httpx.ReadTimeout, match="too slowly"),
    ):
        http.get(url)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("scheme", "act"), [("http", silent), ("https", silent), ("http", drip(DRIPS["header"]))]
)
def test_a_request_ends_when_its_caller_stops_waiting(scheme: str, act: Act, method: str) -> None:
    """found: `restore --in-place --timeout 10s` hung for 75 s on a service that said nothing."""
    clock = system_clock()
    network = Network(verify=False, clock=clock)
    with server(act) as (url, _), sending(network, clock=clock, least=0.1) as http:
        for patience in (0.2, 0.0):
            began = clock.monotonic()
            request = httpx.Request(
                method, url.replace("http", scheme, 1), extensions={UNTIL: began + patience}
            )
            with pytest.raises(UnreachableError):
                http.send(request)
            assert 0.1 <= clock.monotonic() - began < 2


@pytest.mark.parametrize("pause", [0.02, 30.0])
def test_a_stop_ends_a_request_that_drips_or_says_nothing(pause: float) -> None:
    """found: SIGTERM did not end a request whose answer dripped."""
    clock = system_clock()
    network = Network(verify=False, clock=clock, once_stopped=0.1, step=0.05)
    began = clock.monotonic()
    timer = threading.Timer(0.1, clock.stop.ask, [143])
    with server(drip(DRIPS["body"], pause=pause)) as (url, heard):
        timer.start()
        with sending(network, clock=clock) as http, pytest.raises(AnswerLostError):
            http.get(url)
        timer.join()
    assert len(heard) == 1
    assert clock.monotonic() - began < 20, "not by the read time-out of 60 s, nor by the deadline"


@needs_openssl
@pytest.mark.parametrize("encrypted", [False, True])
def test_looking_whether_to_stop_does_not_disturb_a_slow_answer(
    fake: FakeClock, tmp_path: Path, *, encrypted: bool
) -> None:
    def act(wire: socket.socket, over: threading.Event) -> None:
        for part in (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\n{", b" ", b" }"):
            over.wait(0.05)
            wire.sendall(part)

    network = Network(verify=False, clock=fake.clock, step=0.01)
    with (
        server(act, tls=certified(tmp_path) if encrypted else None) as (url, _),
        sending(network, clock=fake.clock) as http,
    ):
        assert http.get(url).content == b"{  }"


# Connections, proxies, certificates.


def test_threads_do_not_wait_for_each_others_connections(fake: FakeClock) -> None:
    """found: `prune` had four threads on three connections."""
    together = threading.Barrier(12, timeout=5)

    def act(wire: socket.socket, _: threading.Event) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait()
            wire.sendall(answer(b"{}"))

    with (
        server(act) as (url, _),
        open_http(verify=False, clock=fake.clock, timeout=httpx.Timeout(5)) as http,
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(http.post, [url] * 12))
    assert [answer.status_code for answer in answers] == [200] * 12


def test_closing_the_client_closes_its_connections() -> None:
    """A connection that is kept alive must not outlive the run."""
    ends: list[bytes] = []

    def act(wire: socket.socket, _: threading.Event) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        wire.settimeout(2)
        ends.append(wire.recv(1))

    with server(act) as (url, _):
        ask(url)
    assert ends == [b""]


def post_through(proxy: str) -> None:
    with open_http(verify=False, clock=FakeClock().clock, proxy_for=lambda _url: proxy) as http:
        http.post("https://evs.example.com/", headers={"X-Auth-Token": TOKEN})


def test_a_proxy_is_used_and_gets_no_token() -> None:
    with (
        server(answer(b"", status="407 Proxy Authentication Required")) as (url, heard),
        pytest.raises(NotSentError, match="the proxy refused: 407"),
    ):
        post_through(url.removesuffix("/v3/p/volumes"))
    assert heard[0].startswith(b"CONNECT evs.example.com:443 ")
    assert TOKEN.encode() not in heard[0]


@pytest.mark.parametrize("proxy", ["ftp://u:s3cret@proxy", "socks5://proxy:1080", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_a_configuration_error(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        post_through(proxy)
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


@needs_openssl
def test_a_folder_of_cas_is_trusted(fake: FakeClock, tmp_path: Path) -> None:
    """found: a folder, which `openstack` takes, was refused as a CA file."""
    certified(tmp_path)
    (tmp_path / "0123abcd.0").write_bytes(next(tmp_path.glob("*.pem")).read_bytes())
    open_http(verify=str(tmp_path), clock=fake.clock).close()
