"""The pretend cloud on a port: HTTP/1.1 with keep-alive, a thread a connection."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, cast
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket
    from typing import IO
    from wsgiref.headers import Headers
    from wsgiref.types import WSGIApplication

LOOPBACK = "127.0.0.1"

_IDLE_SECONDS = 60


def serve(
    app: WSGIApplication,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    ready: Callable[[int], None],
    log: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, then return; to be called in the main thread.

    ``ready`` gets the bound port, ``log`` a line for every request. A port that
    cannot be had is an OSError.
    """
    with _Server(app, host=host, port=port, log=log) as server:
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            ready(server.server_port)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, previous)


@contextmanager
def serving(
    app: WSGIApplication,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    log: Callable[[str], None] | None = None,
) -> Iterator[int]:
    """Serve in a thread while the block runs, and yield the bound port."""
    with _Server(app, host=host, port=port, log=log) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # an idle connection must not keep the process alive
    request_queue_size = 128

    def __init__(
        self,
        app: WSGIApplication,
        *,
        host: str,
        port: int,
        log: Callable[[str], None] | None,
    ) -> None:
        super().__init__((host, port), _Handler)
        self.app = app
        self.log = log

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this host's name; that can hang.
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port
        self.setup_environ()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        # Whoever hung up will not read a traceback.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Gateway(ServerHandler):
    http_version = "1.1"
    headers: Headers
    request_handler: _Handler

    def cleanup_headers(self) -> None:
        super().cleanup_headers()
        if self.request_handler.close_connection:
            self.headers["Connection"] = "close"


class _Handler(WSGIRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    # Head and body leave in one packet, at once: else keep-alive costs 40 ms a call.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        # Past WSGIRequestHandler's, which speaks HTTP/1.0 and hangs up.
        BaseHTTPRequestHandler.handle(self)

    def answer(self) -> None:
        if "Transfer-Encoding" in self.headers:
            # Its body is not read, and must not pass for the next request.
            self.close_connection = True
        gateway = _Gateway(
            cast("IO[bytes]", self.rfile),
            cast("IO[bytes]", self.wfile),
            self.get_stderr(),
            self.get_environ(),
        )
        gateway.os_environ = {}  # a variable HTTP_X of ours is no header X of theirs
        gateway.request_handler = self
        gateway.run(self.server.app)

    # These names are http.server's.
    do_GET = do_HEAD = do_POST = answer  # noqa: N815
    do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        if self.server.log is not None:
            line = format % args
            self.server.log("".join(c if c.isprintable() else "?" for c in line))
