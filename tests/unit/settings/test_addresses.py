"""Where IAM and EVS of a region are, on each vendor's cloud."""

from __future__ import annotations

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings.addresses import evs_url, iam_url

HW = "myhuaweicloud.com"
OF_HW = (  # of the list in huaweicloudsdkevs 3.1.219
    "eu-west-101", "af-south-1", "af-north-1", "cn-north-1", "cn-north-4", "cn-north-12",
    "cn-east-3", "cn-south-1", "cn-southwest-2", "ap-southeast-1", "ap-southeast-5",
    "sa-brazil-1", "la-north-2", "la-south-2", "na-mexico-1", "tr-west-1", "ae-ad-1",
    "me-east-1", "my-kualalumpur-1", "ru-northwest-2",
)  # fmt: skip
PLACES = {
    "eu-de": ("iam.eu-de.otc.t-systems.com", "evs.eu-de.otc.t-systems.com"),
    "eu-nl": ("iam.eu-nl.otc.t-systems.com", "evs.eu-nl.otc.t-systems.com"),
    "eu-ch2": ("iam-pub.eu-ch2.sc.otc.t-systems.com", "evs.eu-ch2.sc.otc.t-systems.com"),
    "eu-west-0": (
        "iam.eu-west-0.prod-cloud-ocb.orange-business.com",
        "evs.eu-west-0.prod-cloud-ocb.orange-business.com",
    ),
    "ru-moscow-1": ("iam.ru-moscow-1.hc.sbercloud.ru", "evs.ru-moscow-1.hc.sbercloud.ru"),
    **{region: (f"iam.{region}.{HW}", f"evs.{region}.{HW}") for region in OF_HW},
}


def test_each_region_has_its_addresses() -> None:
    for region, (iam, evs) in PLACES.items():
        assert (iam_url(region), evs_url(region)) == (f"https://{iam}", f"https://{evs}")


@pytest.mark.parametrize(
    "region",
    ["", "mars-1", "eu-de_prod", "eu-de.evil.example.com", "eu-de\n", "eu-de/", "EU-DE", "eu-dex",
     "cn-north-4.", "cn-north-4@evil", "RegionOne", "{}"],
)  # fmt: skip
def test_an_unknown_region_leads_nowhere(region: str) -> None:
    """Least of all to a host of somebody else's."""
    for url in (iam_url, evs_url):
        with pytest.raises(ConfigurationError) as caught:
            url(region)
        for way in ("OS_AUTH_URL", "OS_VOLUME_ENDPOINT_OVERRIDE"):
            assert way in (caught.value.hint or "")
