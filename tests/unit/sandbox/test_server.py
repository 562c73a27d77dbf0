"""The pretend cloud on a port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from evs_snap.sandbox.server import _Server, serve, serving

if TYPE_CHECKING:
    from tests.unit.sandbox.conftest import Pretend

TOKENS = "/identity/v3/auth/tokens"


def test_connections_are_kept_alive_and_requests_told(cloud: Pretend) -> None:
    lines: list[str] = []
    with (
        serving(cloud.app, log=lines.append) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answers = [
            client.get("/identity/v3"),
            client.post(TOKENS, content=b"x" * 300_000),
            client.get("/identity/v3"),
        ]
        streams = [answer.extensions["network_stream"] for answer in answers]
        ports = {stream.get_extra_info("client_addr")[1] for stream in streams}
    assert [answer.status_code for answer in answers] == [200, 413, 200]
    assert len(ports) == 1
    assert answers[0].json()["version"]["links"][0]["href"].startswith(f"http://127.0.0.1:{port}/")
    assert lines[0].startswith('"GET /identity/v3 HTTP/1.1" 200 ')


def test_a_chunked_body_ends_the_connection(cloud: Pretend) -> None:
    with (
        serving(cloud.app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = client.post(TOKENS, content=iter([b"{}"]))
        assert answer.headers["Connection"] == "close"
        assert client.get("/identity/v3").status_code == 200


def test_it_answers_many_threads(cloud: Pretend, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serving(cloud.app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.get("/identity/v3"), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert capfd.readouterr() == ("", "")


def test_whoever_hangs_up_causes_no_traceback(
    cloud: Pretend, capfd: pytest.CaptureFixture[str]
) -> None:
    with _Server(cloud.app, host="127.0.0.1", port=0, log=None) as server, socket.socket() as peer:
        for error, told in ((ConnectionResetError(), False), (ValueError("a bug"), True)):
            with contextlib.suppress(type(error)), contextlib.ExitStack() as stack:
                stack.push(lambda *_: server.handle_error(peer, ("127.0.0.1", 1)))
                raise error
            assert ("Traceback" in capfd.readouterr().err) is told


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process there")
def test_serving_ends_with_sigterm(cloud: Pretend) -> None:
    before = signal.getsignal(signal.SIGTERM)
    statuses: list[int] = []

    def visit(port: int) -> None:
        answer = httpx.get(f"http://127.0.0.1:{port}/identity/v3", trust_env=False)
        statuses.append(answer.status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    serve(cloud.app, ready=lambda port: threading.Thread(target=visit, args=(port,)).start())
    assert statuses == [200]
    assert signal.getsignal(signal.SIGTERM) is before
