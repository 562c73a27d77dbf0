"""Signing in: what proves who we are, and where the project's volumes are served.

Each kind of sign-in is an ``Identity`` (api/identity.py). Nothing here knows about disks.
"""

from __future__ import annotations

from evs_snap.api.identity import Identity
from evs_snap.auth.cache import TokenCache
from evs_snap.clock import Clock
from evs_snap.settings import Settings


def identify(settings: Settings, *, clock: Clock, cache: TokenCache | None) -> Identity:
    """Return the sign-in that the settings ask for. Nothing is sent yet.

    Each kind is imported only where it is used, which saves time at the start.
    """
    from evs_snap.settings.credentials import AgencyCredentials, Keys  # noqa: PLC0415

    match settings.credentials:
        case Keys() as keys:
            from evs_snap.auth.aksk import GivenKeys, SignatureAuth  # noqa: PLC0415

            return SignatureAuth(settings, clock=clock, keys=GivenKeys(keys))
        case AgencyCredentials(address):
            from evs_snap.auth.agency import AgencyKeys  # noqa: PLC0415
            from evs_snap.auth.aksk import SignatureAuth  # noqa: PLC0415

            return SignatureAuth(settings, clock=clock, keys=AgencyKeys(address, clock=clock))
        case credentials:
            from evs_snap.auth.keystone import KeystoneAuth  # noqa: PLC0415

            return KeystoneAuth(settings, credentials=credentials, clock=clock, cache=cache)
