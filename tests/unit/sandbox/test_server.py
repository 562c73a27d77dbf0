"""The pretend cloud on a port."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from evs_snap.sandbox.server import serve, serving

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    import pytest
    from tests.unit.sandbox.conftest import Pretend


def test_it_answers_many_threads_and_reads_a_long_body_to_its_end(
    cloud: Pretend, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(cloud.app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        long = client.post("/identity/v3/auth/tokens", content=b"x" * 300_000)
        answers = list(pool.map(lambda _: client.get("/identity/v3"), range(40)))
    assert long.status_code == 413
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json()["version"]["links"][0]["href"].startswith(f"http://127.0.0.1:{port}/")
    assert capfd.readouterr() == ("", "")


def test_whoever_hangs_up_causes_no_traceback(
    cloud: Pretend, capfd: pytest.CaptureFixture[str]
) -> None:
    begun = threading.Event()

    def slow(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        begun.set()
        return [*cloud.app(environ, start), b"x" * 9_000_000]

    with serving(slow) as port:
        peer = socket.create_connection(("127.0.0.1", port))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sendall(b"GET /identity/v3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(5)
        peer.close()
    assert "Traceback" not in capfd.readouterr().err


def test_serving_ends_with_sigterm(cloud: Pretend) -> None:
    before = signal.getsignal(signal.SIGTERM)
    statuses: list[int] = []

    def visit(port: int) -> None:
        answer = httpx.get(f"http://[::1]:{port}/identity/v3", trust_env=False)
        statuses.append(answer.status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    def ready(port: int) -> None:
        threading.Thread(target=visit, args=(port,)).start()

    serve(cloud.app, host="::1", ready=ready)
    assert statuses == [200]
    assert signal.getsignal(signal.SIGTERM) is before
