"""clouds.yaml and secure.yaml that nobody should have written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings.clouds import find_cloud
from evs_snap.settings.sources import from_cloud, unknown_keys

HOME = {"HOME": "."}


def write(text: str | bytes, *, name: str = "clouds.yaml") -> None:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


NO_CLOUDS: list[str | bytes] = [
    "- a", "text", "", "7", "clouds:", "clouds: []", "clouds: text", "cloud: {}",
    "clouds:\n\tx: {}", "clouds: {x: {", "a: b: c", "\x00", "&a [*b]",
    "!!python/object:os.x {}", "clouds: !!int x", "clouds: !!bool x", "clouds: !!timestamp x",
    "clouds: !!float x", "[" * 3000, "? [a]\n: b", "clouds: !!int " + "9" * 5000,
    "clouds: !!binary é", b"clouds: {x: {auth: {password: \xff\xfe\xe9}}}",
]  # fmt: skip


def test_what_is_no_clouds_file_is_a_configuration_error() -> None:
    for text in NO_CLOUDS:
        write(text)
        with pytest.raises(ConfigurationError, match=r"clouds\.yaml"):
            find_cloud(HOME, name="x")


ENDLESS = [
    "clouds: &a {x: *a}",
    "clouds: {x: &a {auth: *a}}",
    "clouds: {x: &a {auth: {auth: *a}}}",
    "clouds: {x: {auth: &a {username: u, more: *a}}}",
    "clouds: {x: {auth: &a [*a], profile: otc}}",
    "clouds: {x: {regions: &a [{name: r, values: {regions: *a}}]}}",
    "&a clouds: &b {x: &c {profile: otc, auth: {auth_url: &d [*d]}, verify: *c, evs_snap: *b}}",
]


@pytest.mark.parametrize("text", ENDLESS)
def test_an_anchor_inside_itself_is_read_or_refused(text: str) -> None:
    """found: a traceback. secure.yaml holds the same, so that both endless trees are merged."""
    write(text)
    write(text, name="secure.yaml")
    with suppress(ConfigurationError):
        cloud = find_cloud(HOME, name="x")
        assert cloud
        unknown_keys(cloud)
        from_cloud(cloud, region=None)


@pytest.mark.parametrize("place", ["x" * 5000, "clouds.yaml/below-a-file", "/proc/self/mem"])
def test_a_place_that_cannot_be_looked_into_is_skipped(place: str) -> None:
    """/etc/openstack is often closed to users: that is no reason to fail."""
    Path("clouds").write_text("not read", encoding="utf-8")
    assert find_cloud({"HOME": ".", "XDG_CONFIG_HOME": place}, name=None) is None


@given(st.text() | st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_or_refused(content: str | bytes) -> None:
    """Property: no file ends in a traceback."""
    write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    with suppress(ConfigurationError):
        find_cloud(HOME, name="x")
