"""What all kinds of sign-in share: running a flow of requests, and keeping to one host."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from evs_snap.api.http import httpx
from evs_snap.errors import ConfigurationError

T = TypeVar("T")

Flow = Generator[httpx.Request, httpx.Response, T]
"""Yields requests, is sent their answers, and returns a result, as ``httpx.Auth.auth_flow``."""


def run_flow(flow: Flow[T], *, send: Callable[[httpx.Request], httpx.Response]) -> T:
    """Send the requests of a flow one by one and return its result."""
    # When sending fails, close the flow at once: it holds a lock that other threads wait for.
    with closing(flow):
        try:
            request = next(flow)
            while True:
                request = flow.send(send(request))
        except StopIteration as end:
            result: T = end.value
            return result


def require_host_of(endpoint: str, *, request: httpx.Request, what: str) -> None:
    """Refuse to send ``what`` anywhere but to the scheme, host and port of ``endpoint``.

    Raises ConfigurationError.
    """
    place = httpx.URL(endpoint)
    if (place.scheme, place.netloc) != (request.url.scheme, request.url.netloc):
        raise ConfigurationError(
            f"refusing to send {what} to {request.url.host}: only {place.host} may get it"
        )
