"""Tells a heartbeat service, as healthchecks.io, that a run began and how it ended.

Source of the convention: https://healthchecks.io/docs/http_api/ (``/start``, and the exit code).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from evs_snap.api.bounds import ENDS
from evs_snap.api.network import Network
from evs_snap.api.redaction import HIDDEN, mask
from evs_snap.errors import ConfigurationError, EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.clock import Clock

PATIENCE = 10.0
"""Seconds for each try."""

_PAUSES = (1.0, 2.0, 0.0)
"""Seconds after each of the tries."""

_LONGEST = 10_000
_TOO_MANY, _BROKEN = 429, 500


class Heartbeat:
    """The address to ping. It is a secret: who knows it can say that all is well.

    Nothing but its own bytes goes there: no token, no cookie; redirects are not followed.
    """

    def __init__(self, url: str, *, clock: Clock, note: Callable[[str], None]) -> None:
        """Take the address. Raises ConfigurationError where it is none."""
        self._clock = clock
        self._note = note
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL:
            self._url = httpx.URL()
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ConfigurationError("--ping is no http:// or https:// address")
        self._secrets = (url, str(self._url), self._url.raw_path.decode(), self._url.password)
        self._network = Network(verify=True, clock=clock)

    def tell(self, ending: str, *, body: str = "") -> str | None:
        """Post to the address with ``ending`` added to its path; return why that failed, if so."""
        url = self._url.copy_with(path=self._url.path.rstrip("/") + ending)
        why = ""
        for pause in _PAUSES:
            why, may_help = self._attempt(url, body[:_LONGEST])
            shown = f"{self._url.scheme}://{self._url.host}/{HIDDEN}{ending}"
            self._note(f"ping {shown} -> {why or 'told'}")
            if not (why and may_help) or self._clock.stop.asked:
                break
            self._clock.sleep(pause)
        return f"the ping to {self._url.host} failed: {why}" if why else None

    def _attempt(self, url: httpx.URL, body: str) -> tuple[str, bool]:
        """Return why it failed, "" if it did not, and whether another try may help."""
        request = httpx.Request(
            "POST",
            url,
            content=body.encode(errors="backslashreplace"),
            headers={"Content-Type": "text/plain; charset=utf-8"},
            extensions={
                ENDS: self._clock.monotonic() + PATIENCE,
                "timeout": httpx.Timeout(PATIENCE).as_dict(),
            },
        )
        try:
            answer = self._network.handle_request(request)
        except (httpx.HTTPError, UnicodeError, EvsSnapError) as error:
            return mask(str(error) or type(error).__name__, secrets=self._secrets), True
        status = answer.status_code
        why = "" if answer.is_success else f"HTTP {status}"
        return why, status >= _BROKEN or status == _TOO_MANY
