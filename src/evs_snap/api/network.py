"""One request over the network, with an end in time.

httpx's read time-out starts anew with each byte, so an answer of one byte a second would
never end. Here every request has a moment at which it ends, whatever has come in by then.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import httpcore

from evs_snap.api.bounds import DEADLINE, ENDS, whole
from evs_snap.api.http import httpx
from evs_snap.clock import Clock
from evs_snap.errors import ConfigurationError

ONCE_STOPPED = 5.0
"""Seconds that a request may still take after a stop was asked for. systemd and Kubernetes kill a
process 30 to 90 s after they asked it to stop."""

STEP = 0.5
"""Seconds between two checks whether a stop was asked for."""


class Network(httpx.BaseTransport):
    """Sends a request once and reads its whole answer. May be shared by threads.

    ``verify`` is True, False, or the path of a file or folder of CAs. ``proxy_for`` gives the
    proxy for an address, or None; each proxy is looked at when a request first needs it. A
    request has ``once_stopped`` seconds left when somebody asks to stop, which is looked at
    every ``step`` seconds.
    """

    def __init__(
        self,
        *,
        verify: bool | str,
        clock: Clock,
        proxy_for: Callable[[str], str | None] = lambda _url: None,
        once_stopped: float = ONCE_STOPPED,
        step: float = STEP,
    ) -> None:
        self._clock = clock
        self._backend = _Backend(clock, once_stopped=once_stopped, step=step)
        self._proxy_for = proxy_for
        self._context = _tls(verify)
        self._lock = threading.Lock()
        self._clients: dict[str | None, httpx.Client] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer.

        Raises httpx's TransportErrors, BadAnswerError, and ConfigurationError for a proxy that
        cannot be used.
        """
        self._backend.end_at(request.extensions.get(ENDS, self._clock.monotonic() + DEADLINE))
        client = self._client(str(request.url))
        return whole(partial(client.send, stream=True), request)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def _client(self, url: str) -> httpx.Client:
        proxy = self._proxy_for(url)
        with self._lock:
            if proxy not in self._clients:
                self._clients[proxy] = self._opened(proxy)
            return self._clients[proxy]

    def _opened(self, proxy: str | None) -> httpx.Client:
        # A thread uses one connection at a time: their number needs no bound, and with one some
        # threads would wait for others.
        limits = httpx.Limits()
        try:
            client = httpx.Client(verify=self._context, limits=limits, proxy=proxy, trust_env=False)
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                "the proxy settings of the environment cannot be used",
                hint="Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY (http:// or https:// and a "
                "host; a SOCKS proxy is socks5:// and needs `pip install 'httpx[socks]'`), or "
                "name the host in NO_PROXY.",
            ) from error
        # httpcore takes a backend as an argument, but httpx does not pass one on.
        for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = self._backend  # noqa: SLF001
        return client


def _tls(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - the setting as it is
    try:
        if isinstance(verify, str):
            path = Path(verify).expanduser()
            if path.is_dir():
                return _trusting(path)
            return ssl.create_default_context(cafile=path)
        return httpx.create_ssl_context(verify=verify)
    except (OSError, RuntimeError) as error:  # no such file, no certificates in it, no such ~user
        what = f"the CA file {verify!r}" if isinstance(verify, str) else "the CA certificates"
        raise ConfigurationError(
            f"{what} cannot be read: {error}",
            hint="Correct OS_CACERT or cacert, or SSL_CERT_FILE.",
        ) from error


def _trusting(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts the CAs of a folder, as ``openssl rehash`` prepares one."""
    if not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", path.name) for path in folder.iterdir()):
        raise OSError("the folder has no certificates under their hashes (see openssl rehash)")
    return ssl.create_default_context(capath=folder)


class _Backend(httpcore.SyncBackend):
    """Opens connections that end with the request for which a thread uses them."""

    def __init__(self, clock: Clock, *, once_stopped: float, step: float) -> None:
        self._clock = clock
        self._once_stopped = once_stopped
        self.step = step
        self._of_thread = threading.local()

    def end_at(self, moment: float) -> None:
        """Set when the request that this thread sends next must end."""
        self._of_thread.ends = moment

    def left(self) -> float:
        """Return the seconds that are left to this thread's request."""
        now = self._clock.monotonic()
        ends: float = self._of_thread.ends
        if self._clock.stop.asked:
            self._of_thread.ends = ends = min(ends, now + self._once_stopped)
        return ends - now

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        patience = _at_most(timeout, self.left())
        stream = super().connect_tcp(host, port, patience, local_address, socket_options)
        return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads end with the request."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _Backend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        quiet, patience = 0.0, float("inf") if timeout is None else timeout
        while True:
            left = self._backend.left()
            if left <= 0:
                raise httpcore.ReadTimeout("it came too slowly and was given up")
            step = min(self._backend.step, left, patience - quiet)
            try:
                return self._stream.read(max_bytes, step)
            except httpcore.ReadTimeout:
                quiet += step
                if quiet >= patience:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _at_most(timeout, self._backend.left()))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        patience = _at_most(timeout, self._backend.left())
        stream = self._stream.start_tls(ssl_context, server_hostname, patience)
        return _Stream(stream, self._backend)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _at_most(timeout: float | None, left: float) -> float:
    # A time-out of 0 makes a socket non-blocking, which fails with another error.
    return max(0.01, left if timeout is None else min(timeout, left))
