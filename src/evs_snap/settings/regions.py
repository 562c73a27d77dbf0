"""Where IAM and EVS of a region are, for sign-ins that bring no catalog.

Source: evs-api.md, section 5.5, and the vendors' lists that it cites.
"""

from __future__ import annotations

import re

from evs_snap.errors import ConfigurationError

# Region pattern -> host names; the first that fits.
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
        hint="Set OS_AUTH_URL (IAM) and OS_VOLUME_ENDPOINT_OVERRIDE (EVS), or correct the region.",
    )
