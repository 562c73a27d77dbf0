"""The pretend cloud on a port of this machine, by the standard library's WSGI server.

A thread answers each connection, which ends with the answer (HTTP/1.0).
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from socket import AF_INET, AF_INET6
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket
    from wsgiref.types import WSGIApplication

LOOPBACK = "127.0.0.1"


def serve(
    app: WSGIApplication,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    ready: Callable[[int], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM, then return; to be called in the main thread.

    ``ready`` gets the bound port. Raises OSError for a port that cannot be bound.
    """
    with _Server(app, host=host, port=port) as server:
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            ready(server.server_port)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, previous)


@contextmanager
def serving(app: WSGIApplication) -> Iterator[int]:
    """Serve in a thread while the block runs, and yield the bound port."""
    with _Server(app, host=LOOPBACK, port=0) as server:
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

    def __init__(self, app: WSGIApplication, *, host: str, port: int) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this host's name; that can hang.
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port
        self.setup_environ()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        # A client that hung up needs no traceback on our terminal.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    timeout = 60
    # Head and body leave in one packet: else each answer costs 40 ms (delayed ACK).
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        """Say nothing of a request."""
