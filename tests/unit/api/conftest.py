"""EVS on the wire: played by respx, or by a real socket. A test says what it answers."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx

from evs_snap.api.identity import Identity
from evs_snap.api.project import Project
from evs_snap.api.transport import open_http
from evs_snap.services.client import EvsClient
from evs_snap.services.legacy import Legacy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterator

    from tests.conftest import FakeClock

    Play = httpx.Response | Exception | int | str | dict[str, Any]
    Act = bytes | Callable[[socket.socket, threading.Event], None]

PROJECT = "0123456789abcdef0123456789abcdef"


class Known(Identity):
    """Somebody who is signed in already."""

    secrets = ("token-1", "s3cret-p4ssword")

    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:  # noqa: ARG002 - nothing is asked
        return f"https://evs.example.com/v3/{PROJECT}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Auth-Token"] = "token-1"
        yield request


def made(play: Play) -> httpx.Response | Exception:
    """Return what a sample's word stands for: see tests/samples/transport.yaml."""
    if isinstance(play, str):
        name, _, text = play.partition(" ")
        error: Exception = getattr(httpx, name, UnicodeError)(text)
        return error
    if isinstance(play, int):
        return httpx.Response(play)
    if isinstance(play, dict) and "period" in play:
        text = f"The throttling threshold has been reached: user over ratelimit,{play['period']}"
        return httpx.Response(429, json={"error_msg": text, "error_code": "APIGW.0308"})
    if isinstance(play, dict):
        headers = {name: value.encode() for name, value in play.get("headers", {}).items()}
        body = httpx.ByteStream(play.get("text", "").encode())
        return httpx.Response(play["status"], headers=headers, stream=body)
    return play


@dataclass(frozen=True)
class Service:
    """The only host that answers; a request to any other fails the test."""

    http: httpx.Client
    client: EvsClient
    route: respx.Route

    def plays(self, *plays: Play) -> None:
        """Answer with these in turn, with the last one for ever."""
        answers = [made(play) for play in plays]
        self.route.side_effect = chain(answers, repeat(answers[-1]))
        self.route.reset()

    def plays_by(self, handler: Callable[[httpx.Request], httpx.Response]) -> None:
        """Answer each request with what ``handler`` makes of it."""
        self.route.side_effect = handler
        self.route.reset()

    @property
    def sent(self) -> list[httpx.Request]:
        return [call.request for call in self.route.calls]

    @property
    def targets(self) -> list[str]:
        """What was asked for, byte for byte, below the project."""
        return [r.url.raw_path.decode().removeprefix(f"/v3/{PROJECT}") for r in self.sent]


@pytest.fixture(name="known")
def _known() -> Known:
    return Known()


@pytest.fixture(name="service")
def _service(fake: FakeClock) -> Iterator[Service]:
    with (
        respx.mock(assert_all_called=False) as router,
        open_http(verify=False, clock=fake.clock) as http,
    ):
        evs = EvsClient(Project(http, auth=Known(), clock=fake.clock), kind=Legacy)
        yield Service(http, evs, router.route(host="evs.example.com"))


# Real sockets on loopback.


def _request(wire: socket.socket) -> bytes:
    """Return a whole request, or the first bytes of what is none, as a TLS greeting."""
    heard = wire.recv(65536)
    while b"\r\n\r\n" not in heard and heard[:1].isalpha() and (more := wire.recv(65536)):
        heard += more
    head, _, body = heard.partition(b"\r\n\r\n")
    lengths = [int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if b"-length:" in x]
    while lengths and len(body) < lengths[0] and (more := wire.recv(65536)):
        body, heard = body + more, heard + more
    return heard


@contextmanager
def server(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """Give an address, and what was heard there: an item for each connection.

    Each connection hears one request and then gets one act, the last one for ever: bytes to
    send, or a function of the socket and of an event, which is set when the server ends.
    """
    heard: list[bytes] = []
    over = threading.Event()
    left = list(acts)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket, act: Act, number: int) -> None:
        with suppress(OSError), tls.wrap_socket(peer, server_side=True) if tls else peer as wire:
            heard[number] = _request(wire)
            if isinstance(act, bytes):
                wire.sendall(act)
            else:
                act(wire, over)

    def run() -> None:
        with suppress(OSError), ThreadPoolExecutor(16) as pool:
            while True:
                peer, _ = listener.accept()
                heard.append(b"")
                act = left.pop(0) if len(left) > 1 else left[0]
                pool.submit(serve, peer, act, len(heard) - 1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v3/p/volumes", heard
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
