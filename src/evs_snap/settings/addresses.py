"""Which addresses a secret may be sent to, and the addresses of the known regions."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from evs_snap.errors import ConfigurationError


def require_safe(url: str, *, allow_http: bool, what: str) -> None:
    """Refuse an address where others could read the secret on its way.

    Raises ConfigurationError for all but https, http to this machine, and http where
    ``allow_http`` is set. ``what`` names the address in the message.
    """
    # Text before the last @ may hold a password, even where the scheme was left out.
    shown = re.sub("^([a-z]+://)?.*@", r"\1***@", url, flags=re.DOTALL | re.IGNORECASE)
    host = _host(url)
    if host is None:
        raise ConfigurationError(
            f"{what} {shown!r} is not an http(s) address",
            hint="It should look like https://iam.example.com/v3: a host, perhaps a port "
            "and a path; no blanks, no user, no braces (but {region_name}), ASCII alone.",
        )
    if urlsplit(url).scheme == "https" or allow_http or is_loopback(host):
        return
    raise ConfigurationError(
        f"{what} {shown!r} is plain http: the password or token could be read on the way",
        hint="Use https, or set EVS_SNAP_ALLOW_HTTP=1 if that network is yours.",
    )


def _host(url: str) -> str | None:
    """Return the host of an http(s) address, or None where it is not one."""
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
        and not {"{", "}"} & {*url}
        and not (parts.query or parts.fragment or port == 0)
        and (":" in host or all(re.fullmatch(r"[\w-]{1,63}", x, re.ASCII) for x in labels))
    )
    return host if plain else None


def base_url(auth_url: str) -> str:
    """Remove what OS_AUTH_URL often ends in: a slash, /v3, the path of the tokens."""
    url = auth_url.rstrip("/").removesuffix("/auth/tokens")
    return url.removesuffix("/v3").rstrip("/")


def same_address(one: str, other: str) -> bool:
    """Whether two addresses mean the same IAM, with or without port 443 and /v3."""
    return _parts(one) == _parts(other)


def _parts(url: str) -> tuple[object, ...]:
    try:
        parts = urlsplit(base_url(url))
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:  # not an address
        return (url,)
    return parts.scheme, parts.username, parts.hostname, port, parts.path


def is_loopback(host: str) -> bool:
    """Whether a host name or address always means this machine (RFC 6761, section 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# Region -> host names of IAM and EVS; the first pattern that fits. Sources:
# https://docs.otc.t-systems.com/regions-and-endpoints/index.html
# https://developer.huaweicloud.com/intl/en-us/endpoint?EVS
_CLOUDS = (
    (r"eu-de|eu-nl", "iam.{}.otc.t-systems.com", "evs.{}.otc.t-systems.com"),
    (r"eu-ch2", "iam-pub.{}.sc.otc.t-systems.com", "evs.{}.sc.otc.t-systems.com"),
    (
        r"eu-west-0",
        "iam.{}.prod-cloud-ocb.orange-business.com",
        "evs.{}.prod-cloud-ocb.orange-business.com",
    ),
    (r"ru-moscow-\d", "iam.{}.hc.sbercloud.ru", "evs.{}.hc.sbercloud.ru"),
    (
        r"(cn|ap|af|la|na|sa|me|tr|ae|my|ru|eu)-[a-z]+-\d+",
        "iam.{}.myhuaweicloud.com",
        "evs.{}.myhuaweicloud.com",
    ),
)


def iam_url(region: str) -> str:
    """Return the address of a region's IAM. Raises ConfigurationError for an unknown one."""
    return f"https://{_hosts(region)[0].format(region)}"


def evs_url(region: str) -> str:
    """Return the address of a region's EVS. Raises ConfigurationError for an unknown one."""
    return f"https://{_hosts(region)[1].format(region)}"


def _hosts(region: str) -> tuple[str, str]:
    for pattern, iam, evs in _CLOUDS:
        if re.fullmatch(pattern, region):
            return iam, evs
    raise ConfigurationError(
        f"the addresses of region {region!r} are not known",
        hint="Correct the region, or give both addresses: OS_AUTH_URL (IAM) and "
        "OS_VOLUME_ENDPOINT_OVERRIDE (EVS); for a cloud of clouds.yaml, auth_url and "
        "volume_endpoint_override in its entry.",
    )
