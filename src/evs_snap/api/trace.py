"""Tells people about each request and its answer (-v, -vv), without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evs_snap.api.http import httpx
from evs_snap.api.redaction import HIDDEN, mask, redact_body, redact_headers
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evs_snap.clock import Clock

    Send = Callable[[httpx.Request], httpx.Response]


class Trace:
    """Writes one line for each request; with ``bodies``, its headers and bodies too.

    ``secrets`` returns the values known to be secret at that moment.
    """

    def __init__(
        self,
        emit: Callable[[str], None],
        *,
        clock: Clock,
        secrets: Callable[[], Iterable[str]],
        bodies: bool,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._secrets = secrets
        self._bodies = bodies

    def send(self, send: Send, request: httpx.Request) -> httpx.Response:
        """Pass the request on, telling what went out and what came back."""
        if self._bodies:
            self._tell(">", request.headers, request.content)
        started = self._clock.monotonic()
        outcome = "interrupted"
        try:
            response = send(request)
            outcome = str(response.status_code)
        except (httpx.TransportError, EvsSnapError) as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            took = self._clock.monotonic() - started
            self._say(f"{request.method} {request.url} -> {outcome} ({took:.2f} s)")
        if self._bodies:
            self._tell("<", response.headers, response.read())
        return response

    def _tell(self, mark: str, headers: httpx.Headers, body: bytes) -> None:
        shown = redact_headers(headers)
        for name, value in shown.items():
            self._say(f"{mark} {name}: {value}")
        if body:
            # The answer that grants a token is the first to name it: `secrets` lacks it yet.
            hidden = [headers[name] for name, value in shown.items() if value == HIDDEN]
            self._say(f"{mark} {redact_body(body)}", hidden=hidden)

    def _say(self, line: str, *, hidden: Iterable[str] = ()) -> None:
        shown = mask(line, secrets=(*self._secrets(), *hidden))
        # Control characters from the service would move the terminal's cursor.
        if not shown.isprintable():
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
        self._emit(shown)
