"""Which entry of a catalog is meant, and what of its address is kept."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.auth.catalog import SERVICE_TYPES, endpoint_base, find_endpoint
from evs_snap.errors import NoEndpointError

SAMPLE = Path(__file__).parents[2] / "samples/cinder/003-token-password-project.json"


def service(kind: str, *places: str | None, interface: str = "public") -> dict[str, object]:
    return {
        "type": kind,
        "endpoints": [
            {"interface": interface, "region_id": place, "url": f"https://{kind}.{place}"}
            for place in places
        ],
    }


def test_a_recorded_catalog_is_understood() -> None:
    catalog = json.loads(SAMPLE.read_text())["response"]["body"]["token"]["catalog"]
    url = find_endpoint(catalog, region=None, interface="public")
    assert endpoint_base(url) == "http://127.0.0.1:18776"


def test_the_best_type_wins_whatever_the_order() -> None:
    for first, best in enumerate(SERVICE_TYPES):
        catalog = [service("compute", "r")]
        catalog += [service(kind, "r") for kind in reversed(SERVICE_TYPES[first:])]
        assert find_endpoint(catalog, region="r", interface="public") == f"https://{best}.r"


def test_only_the_type_and_the_name_asked_for_count() -> None:
    catalog = [service("volumev3", "a"), {**service("volumev2", "a"), "name": "cinderv2"}]
    asked = partial(find_endpoint, catalog, region="a", interface="public")
    assert asked(service_type="volumev2") == "https://volumev2.a"
    assert asked(service_name="cinderv2") == "https://volumev2.a"
    for only in ({"service_type": "evs"}, {"service_name": "cinderv4"}):
        with pytest.raises(NoEndpointError, match=next(iter(only.values()))):
            asked(**only)


def test_the_region_asked_for_wins_over_a_better_type() -> None:
    catalog = [service("volumev3", "a"), service("evs", "b")]
    assert find_endpoint(catalog, region="b", interface="public") == "https://evs.b"


def test_an_entry_for_every_region_serves_each() -> None:
    catalog = [service("evs", "*", "a")]
    assert find_endpoint(catalog, region="b", interface="public") == "https://evs.*"
    assert find_endpoint(catalog, region="a", interface="public") == "https://evs.a"


def test_the_only_region_needs_no_name_not_even_a_null_one() -> None:
    assert find_endpoint([service("evs", "a")], region=None, interface="public") == "https://evs.a"
    nameless = [service("evs", None)]
    assert find_endpoint(nameless, region=None, interface="public") == "https://evs.None"


def test_several_regions_need_a_choice() -> None:
    with pytest.raises(NoEndpointError, match="several regions: a, b") as caught:
        find_endpoint([service("evs", "b", "a")], region=None, interface="public")
    assert "OS_REGION_NAME" in (caught.value.hint or "")


def test_a_region_without_disks_lists_those_that_have_them() -> None:
    catalog = [service("evs", "b", "a", None), service("compute", "c")]
    with pytest.raises(NoEndpointError, match="region 'c'") as caught:
        find_endpoint(catalog, region="c", interface="public")
    assert "a, b" in (caught.value.hint or "")


def test_only_the_interface_asked_for_counts() -> None:
    catalog = [service("evs", "a", interface="internal"), service("volume", "a")]
    assert find_endpoint(catalog, region="a", interface="internal") == "https://evs.a"
    assert find_endpoint(catalog, region="a", interface="public") == "https://volume.a"
    with pytest.raises(NoEndpointError, match="no admin block storage") as caught:
        find_endpoint(catalog, region="a", interface="admin")
    assert "OS_VOLUME_ENDPOINT_OVERRIDE" in (caught.value.hint or "")


def test_the_first_of_two_entries_for_one_region_wins() -> None:
    catalog = [service("evs", "a"), {**service("evs", "a"), "endpoints": []}, service("evs", "a")]
    assert find_endpoint(catalog, region="a", interface="public") == "https://evs.a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(SERVICE_TYPES),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["type", "endpoints", "interface", "region", "region_id", "url"]), inner
        )
    ),
)


@given(JSON, st.none() | st.text())
def test_any_catalog_yields_an_address_or_a_clear_error(
    catalog: object, region: str | None
) -> None:
    """Property: odd entries are passed over."""
    try:
        url = find_endpoint(catalog, region=region, interface="public")
    except NoEndpointError:
        return
    assert isinstance(url, str)


PROJECT = "0123456789abcdef0123456789abcdef"
BASES = {
    "https://evs.eu-de.otc.t-systems.com": "https://evs.eu-de.otc.t-systems.com",
    "https://evs.example.com/": "https://evs.example.com",
    f"https://evs.example.com/v2/{PROJECT}": "https://evs.example.com",
    f"https://evs.example.com/v3/{PROJECT}/": "https://evs.example.com",
    f"https://evs.example.com/v3/AUTH_{PROJECT}": "https://evs.example.com",
    "https://evs.example.com/v3/mine": "https://evs.example.com",
    "https://evs.example.com/v3/$(tenant_id)s": "https://evs.example.com",
    "https://evs.example.com/v2/%(project_id)s": "https://evs.example.com",
    "https://evs.example.com/$(project_id)s": "https://evs.example.com",
    "https://evs.example.com/v2.0": "https://evs.example.com",
    "https://evs.example.com:8776/v3": "https://evs.example.com:8776",
    f"http://127.0.0.1/volume/v3/{PROJECT}": "http://127.0.0.1/volume",
    f"https://gate.example.com/a/b//v2/{PROJECT}": "https://gate.example.com/a/b",
    "HTTPS://[2001:db8::1]:8776/v3": "https://[2001:db8::1]:8776",
    f"https://h/api/v1/volume/v3/{PROJECT}": "https://h/api/v1/volume",
    "https://h/v2.0/cinder/v3/%(project_id)s": "https://h/v2.0/cinder",
    "https://h/api/v1/volume": "https://h/api/v1/volume",
    "https://h/v1/volume/": "https://h/v1/volume",
    "https://h/v1/v3": "https://h/v1",
}


def test_scheme_host_and_prefix_are_kept() -> None:
    """found: a prefix that holds a version was cut there, and another path was asked."""
    for url, base in BASES.items():
        assert endpoint_base(url, project_id="mine") == base
