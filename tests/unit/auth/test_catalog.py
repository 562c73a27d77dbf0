"""Which entry of a catalog is meant, and what of its address is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.auth.conftest import PROJECT

from evs_snap.auth.catalog import SERVICE_TYPES, endpoint_base, find_endpoint
from evs_snap.errors import NoEndpointError

SAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "samples/catalog.yaml").read_text("utf-8")
)


def entry(
    kind: str, places: list[str | None], interface: str = "public", name: str = ""
) -> dict[str, object]:
    endpoints = [
        {"interface": interface, "region_id": place, "url": f"https://{kind}.{place}"}
        for place in places
    ]
    return {"type": kind, "name": name, "endpoints": endpoints}


@pytest.mark.parametrize("case", SAMPLES["cases"], ids=lambda case: case["it"])
def test_each_sample_gives_its_address_or_its_refusal(case: dict[str, Any]) -> None:
    catalog = [entry(*words) for words in case["catalog"]]
    asked = {"region": None, "interface": "public", **case.get("asked", {})}
    if "url" in case:
        assert find_endpoint(catalog, **asked) == case["url"]
        return
    with pytest.raises(NoEndpointError) as caught:
        find_endpoint(catalog, **asked)
    told = f"{caught.value.message} {caught.value.hint}"
    assert [word for word in case["refuses"] if word not in told] == [], told


def test_the_best_type_wins_whatever_the_order() -> None:
    for first, best in enumerate(SERVICE_TYPES):
        types = ["compute", *reversed(SERVICE_TYPES[first:])]
        catalog = [entry(kind, ["r"]) for kind in types]
        assert find_endpoint(catalog, region="r", interface="public") == f"https://{best}.r"


def test_the_first_of_two_entries_for_a_region_wins() -> None:
    later = {"interface": "public", "region_id": "a", "url": "https://later"}
    catalog = [entry("evs", ["a"]), {"type": "evs", "endpoints": [later]}]
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


@pytest.mark.parametrize(("url", "base"), SAMPLES["bases"].items())
def test_scheme_host_and_prefix_are_kept(url: str, base: str) -> None:
    """found: a prefix that holds a version was cut there, and another path was asked."""
    assert endpoint_base(url.replace("PROJECT", PROJECT), project_id="mine") == base
