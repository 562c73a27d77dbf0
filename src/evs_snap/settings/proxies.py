"""Which proxy the environment names for an address.

Only the proxy that a request would use is looked at. A part of NO_PROXY that cannot be read is
skipped, as curl does. Source: https://everything.curl.dev/usingcurl/proxies/env.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from evs_snap.settings.addresses import is_loopback


def proxy_for(url: str, *, environ: Mapping[str, str]) -> str | None:
    """Return the address of the proxy for ``url``, or None where it is asked directly.

    This machine is always asked directly. Without a scheme the proxy is an http one.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    proxy = _variable(environ, f"{parts.scheme}_proxy") or _variable(environ, "all_proxy")
    if not proxy or is_loopback(host):
        return None
    exceptions = _variable(environ, "no_proxy").replace(",", " ").split()
    if any(_covers(exception, host=host, port=port) for exception in exceptions):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    """Return a variable. Where both spellings are set, the one in small letters counts."""
    return environ.get(name, environ.get(name.upper(), "")).strip()


def _covers(exception: str, *, host: str, port: int) -> bool:
    """Whether a part of NO_PROXY is about this host: a name, an address, a network, or ``*``."""
    if exception == "*":
        return True
    try:
        # Brackets are an address's, [::1], or a network's, [fe80::]/10.
        bare = re.sub(r"^\[([^]]*)\](/\d+)?$", r"\1\2", exception)
        network = ip_network(bare, strict=False)
    except ValueError:
        network = None
    if network is not None:
        try:
            return ip_address(host) in network
        except ValueError:  # a name
            return False
    try:
        # A URL and a host with a port are read alike.
        parts = urlsplit(exception if "://" in exception else f"//{exception}")
        name, only = (parts.hostname or "").strip("."), parts.port
    except ValueError:
        return False
    name = name.removeprefix("*.")
    if not name or (only is not None and only != port):
        return False
    return host == name or host.endswith(f".{name}")
