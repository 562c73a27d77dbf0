"""How requests are sent: which are repeated, after which pause, and how failures are worded."""

from __future__ import annotations

import re
import threading
from functools import partial
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from evs_snap.api.bounds import DEADLINE, ENDS, LEAST, SENT, UNTIL, whole
from evs_snap.api.http import httpx
from evs_snap.api.identity import REPEATABLE
from evs_snap.api.refusals import period_of
from evs_snap.api.version import __version__
from evs_snap.errors import AnswerLostError, BadAnswerError, NotSentError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

    from evs_snap.api.trace import Trace
    from evs_snap.clock import Clock

    Send = Callable[[httpx.Request], httpx.Response]

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds. EVS answers a POST slowly when busy; httpx's own 5 s would lose answers."""

ATTEMPTS = 4
THROTTLED_ATTEMPTS = 7
"""Tries after 429: the clouds count by the minute ("over ratelimit,limit:100,time:1 minute")."""

LONGEST_PAUSE = 60.0
LONGEST_PERIOD = 600.0
"""Seconds. A refusal that names a longer period is not waited out."""

TOO_MANY = 429
BROKEN = 500
_PASSING = frozenset({TOO_MANY, 502, 503, 504})
_PROMISING = frozenset({TOO_MANY, 503})  # the only ones whose Retry-After means this request

HEADERS = {
    "Accept-Encoding": "gzip",
    "User-Agent": f"evs-snap/{__version__} httpx/{httpx.__version__}",
}


def open_http(  # noqa: PLR0913 - the one place where a client is put together
    *,
    verify: bool | str,
    clock: Clock,
    trace: Trace | None = None,
    app: WSGIApplication | None = None,
    timeout: httpx.Timeout = TIMEOUT,
    note: Callable[[str], None] = lambda _text: None,
    refresh: Callable[[httpx.Request], None] = lambda _request: None,
    proxy_for: Callable[[str], str | None] = lambda _url: None,
) -> httpx.Client:
    """Return a client that repeats what may be repeated and follows no redirects.

    ``verify`` is True, False, or the path of a CA file. Any number of threads may share the
    client: each uses one connection at a time. ``app`` answers in place of the network.
    ``note`` is told before each repetition; ``refresh`` (``Identity.refresh``) then renews what
    proves the request. ``proxy_for`` gives the proxy for an address, or None.
    """
    network: httpx.BaseTransport
    if app is not None:
        network = httpx.WSGITransport(app=app)
        send: Send = partial(whole, network.handle_request)
    else:
        from evs_snap.api.network import Network  # noqa: PLC0415 - not for the sandbox

        network = Network(verify=verify, clock=clock, proxy_for=proxy_for)
        send = network.handle_request
    if trace is not None:
        send = partial(trace.send, send)
    transport = RetryTransport(send, clock=clock, network=network, note=note, refresh=refresh)
    return httpx.Client(transport=transport, timeout=timeout)


def open_direct(*, verify: bool, clock: Clock, timeout: httpx.Timeout) -> httpx.Client:
    """Return a client for an address on the machine's own link.

    It asks no proxy, repeats nothing, and raises httpx's own errors, and BadAnswerError.
    """
    from evs_snap.api.network import Network  # noqa: PLC0415 - as above

    network = Network(verify=verify, clock=clock)
    return httpx.Client(transport=network, timeout=timeout, headers=HEADERS)


def pause_before_retry(  # noqa: PLR0913 - all that the decision rests on
    *,
    attempt: int,
    method: str,
    repeatable: bool,
    status: int | None,
    retry_after: str | None,
    period: float | None,
    was_sent: bool,
    jitter: float,
) -> float | None:
    """Return the seconds to wait before sending again, or None to give up.

    ``attempt`` counts from 1; ``status`` is None where no answer came. A POST is sent
    again only where it never left or was refused with 429; after a 500 only a GET is. 413 with
    ``Retry-After: 0`` is Cinder's quota answer and never retried. ``period`` is the one by
    which a 429 says that requests are counted: it is waited out.
    """
    throttled = status == TOO_MANY
    passing = status in _PASSING or (status == BROKEN and method == "GET")
    if status is not None and not passing:
        return None
    safe = repeatable or method in {"GET", "DELETE"} or throttled or not was_sent
    if not safe or attempt >= (THROTTLED_ATTEMPTS if throttled else ATTEMPTS):
        return None
    pause = min(LONGEST_PAUSE, 2.0 ** (attempt if throttled else attempt - 1))
    pause *= 0.5 + jitter / 2
    if status in _PROMISING and re.fullmatch("[0-9]{1,9}", retry_after or ""):
        pause = max(pause, min(LONGEST_PAUSE, float(retry_after or 0)))
    if throttled and period is not None and period <= LONGEST_PERIOD:
        # All machines of a user share the count: they need not come back in the same second.
        pause = max(pause, period * (1 + jitter / 10))
    return pause


class RetryTransport(httpx.BaseTransport):
    """Sends, reads the whole answer, repeats where that is safe, and words failures."""

    def __init__(
        self,
        send: Send,
        *,
        clock: Clock,
        network: httpx.BaseTransport | None = None,
        note: Callable[[str], None] = lambda _text: None,
        refresh: Callable[[httpx.Request], None] = lambda _request: None,
        least: float = LEAST,
    ) -> None:
        self._send = send
        self._least = least
        self._refresh = refresh
        self._note = note
        self._clock = clock
        self._network = network
        self._lock = threading.Lock()
        self._closed_until: dict[str, float] = {}  # by host, for all threads

    def close(self) -> None:
        """Close the connections below."""
        if self._network is not None:
            self._network.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, read. Raises NotSentError, AnswerLostError, BadAnswerError."""
        request.headers.update(HEADERS)
        until = request.extensions.get(UNTIL, inf)
        for attempt in count(1):
            self._await_turn(request.url.host, until=until)
            now = self._clock.monotonic()
            ends = now + min(DEADLINE, max(until - now, self._least))
            request.extensions[ENDS] = ends
            outcome = self._outcome(request)
            answer = outcome if isinstance(outcome, httpx.Response) else None
            pause = pause_before_retry(
                attempt=attempt,
                method=request.method,
                repeatable=bool(request.extensions.get(REPEATABLE)),
                status=answer.status_code if answer else None,
                retry_after=answer.headers.get("Retry-After") if answer else None,
                period=period_of(answer) if answer else None,
                was_sent=not isinstance(outcome, NotSentError),
                jitter=self._clock.jitter(),
            )
            now = self._clock.monotonic()
            hopeless = isinstance(outcome, _HopelessError) or now >= ends
            if pause is not None and not hopeless and now + pause < until:
                if answer and answer.status_code == TOO_MANY:
                    self._close(request.url.host, until=now + pause)
                else:
                    why = f"{request.url.host} is busy" if answer else str(outcome)
                    self._note(f"{why}; trying again in {pause:.0f} s")
                self._clock.sleep(pause)
                if not self._clock.stop.asked:
                    self._refresh(request)
                    continue
            return _counted(outcome, sent=request.extensions[SENT])
        raise AssertionError("unreachable")

    def _await_turn(self, host: str, *, until: float) -> None:
        """Wait while the host refuses all requests, as it told another thread."""
        opens = min(until, self._closed_until.get(host, 0.0))
        while (left := opens - self._clock.monotonic()) > 0 and not self._clock.stop.asked:
            self._clock.sleep(left)

    def _close(self, host: str, *, until: float) -> None:
        """Let no thread send to the host until then; note it once for all threads."""
        with self._lock:
            before = self._closed_until.get(host, 0.0)
            self._closed_until[host] = max(before, until)
        if until > before + 1:
            left = until - self._clock.monotonic()
            self._note(f"too many requests for {host}; going on in {left:.0f} s")

    def _outcome(self, request: httpx.Request) -> httpx.Response | UnreachableError:
        """Send once; count the request as sent unless it surely never left."""
        before = request.extensions.get(SENT, 0)
        request.extensions[SENT] = before + 1
        try:
            return self._send(request)
        except BadAnswerError as error:
            error.sent = before + 1
            raise
        except (httpx.TransportError, UnicodeError) as error:
            failure = _worded(error, request)
            if isinstance(failure, NotSentError):
                request.extensions[SENT] = before
            return failure


def _counted(outcome: httpx.Response | UnreachableError, *, sent: int) -> httpx.Response:
    """Return the answer, or raise the failure, either with the count of its tries."""
    if isinstance(outcome, httpx.Response):
        outcome.extensions[SENT] = sent
        return outcome
    if sent and isinstance(outcome, NotSentError):
        outcome = AnswerLostError(
            f"{outcome.message}; an earlier try may have arrived", hint=outcome.hint
        )
    outcome.sent = sent
    raise outcome


class _HopelessError(NotSentError):
    """Trying again cannot help."""


def _worded(error: httpx.TransportError | UnicodeError, request: httpx.Request) -> UnreachableError:
    where = f"{request.method} {request.url.scheme}://{request.url.netloc.decode()}"
    why = str(error) or type(error).__name__
    if isinstance(error, UnicodeError | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        # The error's own words are left out: they would quote the header at fault.
        return _HopelessError(
            f"{where}: cannot be sent ({type(error).__name__})",
            hint="Check the address (OS_AUTH_URL, region) and the proxy's.",
        )
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return _HopelessError(
            f"{where}: its certificate is not trusted: {why}",
            hint="Name the CA's file in OS_CACERT; for a cloud of clouds.yaml, in its cacert.",
        )
    if "[SSL" in why and isinstance(error, httpx.ConnectError):
        return NotSentError(
            f"{where}: no TLS connection: {why}",
            hint="Check that the address speaks https at that port, and the proxy.",
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return NotSentError(
            f"{where}: no connection: {why}",
            hint="Check the address (OS_AUTH_URL, region), name resolution, firewall and proxy.",
        )
    if isinstance(error, httpx.ProxyError):
        return NotSentError(f"{where}: the proxy refused: {why}", hint="Check HTTPS_PROXY.")
    return AnswerLostError(
        f"{where}: no answer: {why}",
        hint="The service or the network is slow or broken; try again later.",
    )
