"""What every kind of sign-in offers the client."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATABLE = "evs_snap.repeatable"
"""Request extension: this POST changes nothing and may be sent again."""

BEFORE_REPEAT = "evs_snap.before_repeat"
"""Request extension: to be called before the request is sent once more."""


class Identity(httpx.Auth):
    """Proves each request, and knows where the project's volumes are served."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles in the project, where the sign-in tells them."""
        return ()

    @abstractmethod
    def volume_url(self, send: Callable[[httpx.Request], httpx.Response]) -> str:
        """Return the base of the project's volume API, asking for it if need be.

        ``send`` carries a request as it is. Raises SignInError, ConfigurationError
        and whatever keeps an answer from coming.
        """
