"""Where IAM and EVS of a region are, on each vendor's cloud; overrides and profiles too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from evs_snap.auth import identify
from evs_snap.errors import ConfigurationError
from evs_snap.settings import load_settings
from evs_snap.settings.addresses import evs_url, iam_url

if TYPE_CHECKING:
    from tests.conftest import FakeClock

PROJECT = "0123456789abcdef0123456789abcdef"
KEYS = {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "SK-s3cret"}

OTC, ORANGE, CRU, HW = (
    "otc.t-systems.com",
    "prod-cloud-ocb.orange-business.com",
    "hc.sbercloud.ru",
    "myhuaweicloud.com",
)
OF_HW = (  # of the list in huaweicloudsdkevs 3.1.219
    "eu-west-101", "af-south-1", "af-north-1", "cn-north-1", "cn-north-4", "cn-north-12",
    "cn-east-3", "cn-south-1", "cn-southwest-2", "ap-southeast-1", "ap-southeast-5",
    "sa-brazil-1", "la-north-2", "la-south-2", "na-mexico-1", "tr-west-1", "ae-ad-1",
    "me-east-1", "my-kualalumpur-1", "ru-northwest-2",
)  # fmt: skip
PLACES = [
    ("eu-de", f"https://iam.eu-de.{OTC}", f"https://evs.eu-de.{OTC}"),
    ("eu-nl", f"https://iam.eu-nl.{OTC}", f"https://evs.eu-nl.{OTC}"),
    ("eu-ch2", f"https://iam-pub.eu-ch2.sc.{OTC}", f"https://evs.eu-ch2.sc.{OTC}"),
    ("eu-west-0", f"https://iam.eu-west-0.{ORANGE}", f"https://evs.eu-west-0.{ORANGE}"),
    ("ru-moscow-1", f"https://iam.ru-moscow-1.{CRU}", f"https://evs.ru-moscow-1.{CRU}"),
    *((region, f"https://iam.{region}.{HW}", f"https://evs.{region}.{HW}") for region in OF_HW),
]


@pytest.mark.parametrize(("region", "iam", "evs"), PLACES, ids=[place[0] for place in PLACES])
def test_each_region_has_its_addresses(region: str, iam: str, evs: str) -> None:
    assert (iam_url(region), evs_url(region)) == (iam, evs)


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


def addresses(fake: FakeClock, **environ: str) -> tuple[list[str], str]:
    """Return the hosts asked for the project, and the address of EVS."""
    settings = load_settings({"HOME": str(Path.cwd()), **KEYS, **environ})
    asked = []

    def send(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.scheme}://{request.url.host}{request.url.path}")
        name = request.url.params["name"]
        return httpx.Response(200, json={"projects": [{"id": PROJECT, "name": name}]})

    return asked, identify(settings, clock=fake.clock, cache=None).volume_url(send)


@pytest.mark.parametrize(("region", "iam", "evs"), PLACES, ids=[place[0] for place in PLACES])
def test_keys_and_a_region_are_all_it_takes(
    region: str, iam: str, evs: str, fake: FakeClock
) -> None:
    asked, url = addresses(fake, OS_REGION_NAME=region)
    assert (asked, url) == ([f"{iam}/v3/projects"], f"{evs}/v3/{PROJECT}")


def test_with_a_project_id_nobody_is_asked(fake: FakeClock) -> None:
    asked, url = addresses(fake, OS_REGION_NAME="eu-de", OS_PROJECT_ID=PROJECT)
    assert (asked, url) == ([], f"https://evs.eu-de.{OTC}/v3/{PROJECT}")


@pytest.mark.parametrize(
    "iam", ["https://iam.example.com", "https://iam.example.com/v3/", "https://iam.example.com/v3"]
)
@pytest.mark.parametrize(
    "evs", ["https://evs.example.com/v2/$(tenant_id)s", "https://evs.example.com", "https://evs.example.com/v3/"]
)  # fmt: skip
def test_both_addresses_can_be_given_for_a_region_nobody_knows(
    iam: str, evs: str, fake: FakeClock
) -> None:
    asked, url = addresses(
        fake, OS_REGION_NAME="mars-1", OS_AUTH_URL=iam, OS_VOLUME_ENDPOINT_OVERRIDE=evs
    )
    assert asked == ["https://iam.example.com/v3/projects"]
    assert url == f"https://evs.example.com/v3/{PROJECT}"


def test_one_address_given_leaves_the_other_to_the_region(fake: FakeClock) -> None:
    asked, url = addresses(fake, OS_REGION_NAME="eu-nl", OS_AUTH_URL="https://iam.example.com")
    assert asked == ["https://iam.example.com/v3/projects"]
    assert url.startswith(f"https://evs.eu-nl.{OTC}/")
    asked, url = addresses(
        fake, OS_REGION_NAME="eu-nl", OS_VOLUME_ENDPOINT_OVERRIDE="https://evs.example.com"
    )
    assert asked == [f"https://iam.eu-nl.{OTC}/v3/projects"]
    assert url.startswith("https://evs.example.com/")


def test_an_endpoint_and_a_project_id_need_no_region(fake: FakeClock) -> None:
    asked, url = addresses(
        fake, OS_VOLUME_ENDPOINT_OVERRIDE="https://evs.example.com", OS_PROJECT_ID=PROJECT
    )
    assert (asked, url) == ([], f"https://evs.example.com/v3/{PROJECT}")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OS_PROJECT_ID": PROJECT},
        {"OS_PROJECT_NAME": "p"},
        {"OS_VOLUME_ENDPOINT_OVERRIDE": "https://evs.example.com"},
    ],
)
def test_less_than_that_lacks_a_region(environ: dict[str, str], fake: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="OS_REGION_NAME"):
        addresses(fake, **environ)


@pytest.mark.parametrize(
    ("version", "path"), [("2", "v2"), ("v2", "v2"), ("3", "v3"), ("V3", "v3"), ("", "v3")]
)
def test_the_version_can_be_set(version: str, path: str, fake: FakeClock) -> None:
    _, url = addresses(fake, OS_REGION_NAME="eu-de", OS_VOLUME_API_VERSION=version)
    assert url == f"https://evs.eu-de.{OTC}/{path}/{PROJECT}"


@pytest.mark.parametrize("variable", ["OS_AUTH_URL", "OS_VOLUME_ENDPOINT_OVERRIDE"])
def test_no_override_is_plain_http(variable: str, fake: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="plain http"):
        addresses(fake, **{"OS_REGION_NAME": "eu-de", variable: "http://gate.example.com"})


@pytest.mark.parametrize(
    ("profile", "region", "iam", "evs"),
    [
        ("otc", "eu-de", f"iam.eu-de.{OTC}", f"evs.eu-de.{OTC}"),
        ("otc", "eu-nl", f"iam.eu-nl.{OTC}", f"evs.eu-nl.{OTC}"),
        ("otc-swiss", None, f"iam-pub.eu-ch2.sc.{OTC}", f"evs.eu-ch2.sc.{OTC}"),
    ],
)
def test_a_profile_knows_its_addresses(
    profile: str, region: str | None, iam: str, evs: str, fake: FakeClock
) -> None:
    where = f"region_name: {region}" if region else "{}"
    text = f"clouds: {{x: {{profile: {profile}, ak: AK, sk: SK-s3cret, {where.strip('{}')}}}}}"
    Path("clouds.yaml").write_text(text, encoding="utf-8")
    settings = load_settings({"HOME": str(Path.cwd())}, cloud="x")
    assert settings.auth_url == f"https://{iam}"
    url = identify(settings, clock=fake.clock, cache=None).volume_url(
        lambda _: httpx.Response(200, json={"projects": [{"id": PROJECT, "name": settings.region}]})
    )
    assert url == f"https://{evs}/v3/{PROJECT}"


def test_the_profile_of_several_regions_lacks_one() -> None:
    text = "clouds: {x: {profile: otc, ak: AK, sk: SK-s3cret}}"
    Path("clouds.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="OS_REGION_NAME"):
        load_settings({"HOME": str(Path.cwd())}, cloud="x")
