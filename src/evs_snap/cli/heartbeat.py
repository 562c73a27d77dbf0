"""Tells a heartbeat service, such as healthchecks.io, that a run began and how it ended.

Source of the convention: https://healthchecks.io/docs/http_api/ (``/start``, and the exit code).
"""

from __future__ import annotations

import re
from functools import partial
from os import environ
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx

from evs_snap.api.bounds import ENDS
from evs_snap.api.network import Network
from evs_snap.api.redaction import HIDDEN, mask
from evs_snap.errors import ConfigurationError, EvsSnapError
from evs_snap.settings.addresses import is_loopback
from evs_snap.settings.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.clock import Clock

PATIENCE = 10.0
"""Seconds for each try."""

IN_HURRY = 3.0
"""Seconds for the one try of a run that was told to stop: it may be killed soon."""

_PAUSES = (1.0, 2.0, 0.0)
"""Seconds after each of the tries."""

_LONGEST = 10_000
_TOO_MANY, _BROKEN = 429, 500


class Heartbeat:
    """Sends pings to one address. The address is a secret: anyone who knows it can ping it.

    No token and no cookie is sent, and redirects are not followed. The address must be https,
    unless it is on this machine or ``allow_http`` is set.
    """

    def __init__(
        self, url: str, *, clock: Clock, note: Callable[[str], None], allow_http: bool = False
    ) -> None:
        """Take the address. Raises ConfigurationError where it is none, or not safe."""
        self._clock = clock
        self._note = note
        try:
            self._url = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError):
            self._url = httpx.URL()
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ConfigurationError("it is no http:// or https:// address")
        if not (self._url.scheme == "https" or allow_http or is_loopback(self._url.host)):
            raise ConfigurationError(
                "it is plain http: others could read the address on the way",
                hint="Use https, or set EVS_SNAP_ALLOW_HTTP=1 if that network is yours.",
            )
        # Where a service quotes the address, it may quote a part of it.
        parts = re.split("[/?&=:@]", f"{self._url.userinfo.decode()}/{self._url.raw_path.decode()}")
        self._secrets = (url, str(self._url), *parts, *map(unquote, parts))
        proxies = partial(proxy_for, environ=environ)
        self._network = Network(verify=True, clock=clock, proxy_for=proxies, once_stopped=IN_HURRY)

    def tell(self, ending: str, *, body: str = "", in_hurry: bool = False) -> str | None:
        """Post to the address with ``ending`` added to its path; return why that failed, if so.

        ``in_hurry``, and once the run was told to stop, there is one try of three seconds.
        """
        url = self._with(ending)
        why = ""
        for pause in _PAUSES:
            hurried = in_hurry or self._clock.stop.asked
            patience = IN_HURRY if hurried else PATIENCE
            why, may_help = self._attempt(url, body[:_LONGEST], patience=patience)
            shown = f"{self._url.scheme}://{self._url.host}/{HIDDEN}{ending}"
            self._note(f"ping {shown} -> {why or 'told'}")
            if not (why and may_help) or hurried or self._clock.stop.asked:
                break
            self._clock.sleep(pause)
        return f"the ping to {self._url.host} failed: {why}" if why else None

    def _with(self, ending: str) -> httpx.URL:
        """Return the address with ``ending`` added to its path, and all its escapes kept."""
        path, mark, query = self._url.raw_path.partition(b"?")
        return self._url.copy_with(raw_path=path.rstrip(b"/") + ending.encode() + mark + query)

    def _attempt(self, url: httpx.URL, body: str, *, patience: float) -> tuple[str, bool]:
        """Return why it failed, "" if it did not, and whether another try may help."""
        try:
            request = httpx.Request(
                "POST",
                url,
                content=body.encode(errors="backslashreplace"),
                headers={"Content-Type": "text/plain; charset=utf-8"},
                extensions={
                    ENDS: self._clock.monotonic() + patience,
                    "timeout": httpx.Timeout(patience).as_dict(),
                },
            )
            answer = self._network.handle_request(request)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, EvsSnapError) as error:
            return mask(str(error) or type(error).__name__, secrets=self._secrets), True
        status = answer.status_code
        why = "" if answer.is_success else f"HTTP {status}"
        return why, status >= _BROKEN or status == _TOO_MANY
