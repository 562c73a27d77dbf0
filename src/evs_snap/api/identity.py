"""The port that every kind of sign-in implements, for the client and the transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from evs_snap.api.http import httpx

REPEATABLE = "evs_snap.repeatable"
"""Request extension: this POST changes nothing and may be sent again."""


class Identity(httpx.Auth, ABC):
    """Proves each request, and knows where the project's volumes are served."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the user's roles in the project; empty where the sign-in does not tell."""
        return ()

    @abstractmethod
    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Return the base address of the project's volume API, asking for it if need be.

        ``send`` sends a request as it is. Raises SignInError, ConfigurationError, and all
        that ``send`` raises.
        """

    def refresh(self, request: httpx.Request) -> None:
        """Renew the proof on a request that is about to be sent once more.

        A signature holds a date and grows old; a token stays as it is.
        """
