"""Which addresses may be sent a secret."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from evs_snap.errors import ConfigurationError


def require_safe(url: str, *, allow_http: bool, what: str) -> None:
    """Refuse an address to which a secret would travel in the clear.

    Raises ConfigurationError for anything but https, http to loopback, or http
    where the user allowed it.
    """
    shown = re.sub("//.*@", "//***@", url, flags=re.DOTALL)
    host = _host(url)
    if host is None:
        raise ConfigurationError(
            f"{what} {shown!r} is no plain http(s) address",
            hint="It should look like https://iam.example.com/v3: a host, perhaps a port "
            "and a path; no blanks, no user, nothing outside ASCII.",
        )
    if urlsplit(url).scheme == "https" or allow_http or is_loopback(host):
        return
    raise ConfigurationError(
        f"{what} {shown!r} is plain http: the password or token could be read on the way",
        hint="Use https, or set EVS_SNAP_ALLOW_HTTP=1 if that network is yours.",
    )


def _host(url: str) -> str | None:
    """Return the host of a plain http(s) address that can be looked up, else None."""
    if not re.fullmatch("[!-~]+", url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            ip_address(host)
    except ValueError:
        return None
    labels = host.removesuffix(".").split(".")
    plain = (
        parts.scheme in {"http", "https"}
        and not {"@", "%"} & {*parts.netloc}
        and not (parts.query or parts.fragment or port == 0)
        and (":" in host or all(re.fullmatch(r"[\w-]{1,63}", x, re.ASCII) for x in labels))
    )
    return host if plain else None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
