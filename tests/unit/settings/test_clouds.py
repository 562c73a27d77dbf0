"""clouds.yaml, secure.yaml and the profiles, as openstacksdk merges them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings.clouds import cloud_names, find_cloud
from evs_snap.settings.sources import from_cloud


def write(text: str | bytes, *, name: str = "clouds.yaml") -> Path:
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def find(name: str | None = "x", **environ: str) -> dict[str, object]:
    found = find_cloud({"HOME": str(Path.cwd() / "home"), **environ}, name=name)
    assert found
    return found[1]


def test_the_first_file_found_is_read(tmp_path: Path) -> None:
    """Working directory, then the user's folder; OS_CLIENT_CONFIG_FILE before all."""
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    write("clouds: {x: {at: home}}", name="home/.config/openstack/clouds.yaml")
    assert find() == {"at": "home"}
    write("clouds: {x: {at: config}}", name="config/openstack/clouds.yaml")
    assert find(**config) == {"at": "config"}
    write("clouds: {x: {at: here}}")
    assert find(**config) == {"at": "here"}
    given_path = write("clouds: {x: {at: given}}", name="given.yaml")
    assert find(OS_CLIENT_CONFIG_FILE=str(given_path)) == {"at": "given"}


def test_secure_yaml_is_merged_and_wins() -> None:
    write("clouds: {x: {auth: {username: u, password: old}, region_name: r}}")
    write("clouds: {x: {auth: {password: new}}, y: {auth: {}}}", name="secure.yaml")
    assert find() == {"auth": {"username": "u", "password": "new"}, "region_name": "r"}


def test_the_file_for_secrets_can_be_named() -> None:
    write("clouds: {x: {auth: {username: u}}}")
    path = write("clouds: {x: {auth: {password: p}}}", name="elsewhere.yaml")
    assert find(OS_CLIENT_SECURE_FILE=str(path))["auth"] == {"username": "u", "password": "p"}


def test_values_stay_as_they_were_typed() -> None:
    """YAML would make the password 0123 the number 83, and lock the user with it."""
    write(
        "clouds: {x: {auth: {password: 0123, username: yes, project_id: 1_0, user: 2026-01-02, "
        "token: 1:30, a: 1e3, b: null, c: ~}}}"
    )
    assert find()["auth"] == {
        "password": "0123",
        "username": "yes",
        "project_id": "1_0",
        "user": "2026-01-02",
        "token": "1:30",
        "a": "1e3",
        "b": None,
        "c": None,
    }


def test_anchors_and_merge_keys_work() -> None:
    write("base: &b {region_name: r, verify: false}\nclouds: {x: {<<: *b, region_name: s}}")
    assert find() == {"region_name": "s", "verify": "false"}


def test_without_a_name_the_only_cloud_is_meant() -> None:
    assert find_cloud({"HOME": "."}, name=None) is None
    write("clouds: {only: {region_name: r}}")
    assert find(None) == {"region_name": "r"}
    write("clouds: {one: {}, two: {}}")
    assert find_cloud({"HOME": "."}, name=None) is None
    assert cloud_names({"HOME": "."}) == ["one", "two"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    write("clouds: {one: {}, two: {}}")
    with pytest.raises(ConfigurationError, match="'three' is not configured") as caught:
        find("three")
    assert "one, two" in (caught.value.hint or "")


def test_a_name_without_any_file_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"no clouds\.yaml was found"):
        find("x")


def test_the_profile_otc_is_built_in() -> None:
    write("clouds: {x: {profile: otc, region_name: eu-de, auth: {username: u}}}")
    assert find()["auth"] == {
        "auth_url": "https://iam.{region_name}.otc.t-systems.com/v3",
        "username": "u",
    }


def test_a_profile_fills_in_only_what_is_not_said() -> None:
    write("clouds: {x: {cloud: otc-swiss, auth: {auth_url: 'https://mine'}}}")
    assert find() == {
        "cloud": "otc-swiss",
        "auth": {"auth_url": "https://mine"},
        "region_name": "eu-ch2",
    }


@pytest.mark.parametrize("key", ["profile", "cloud"])
def test_a_profile_that_is_no_name_is_not_quoted(key: str) -> None:
    """found: a mapping where a name belongs was quoted, password included."""
    write(f"clouds: {{x: {{{key}: {{password: s3cret}}}}}}")
    with pytest.raises(ConfigurationError, match="is not a name") as caught:
        find()
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


ENDLESS = [
    "clouds: &a {x: *a}",
    "clouds: {x: &a {auth: *a}}",
    "clouds: {x: &a {auth: {auth: *a}}}",
    "clouds: {x: {auth: &a {username: u, more: *a}}}",
    "clouds: {x: {auth: &a [*a], profile: otc}}",
    "&a clouds: &b {x: &c {profile: otc, auth: {auth_url: &d [*d]}, verify: *c, evs_snap: *b}}",
]


@pytest.mark.parametrize("text", ENDLESS)
def test_an_anchor_inside_itself_is_read_or_refused(text: str) -> None:
    """found: a traceback. secure.yaml holds the same, so that both endless trees are merged."""
    write(text)
    write(text, name="secure.yaml")
    with suppress(ConfigurationError):
        from_cloud(find(), where="x")


def test_an_unknown_profile_is_named() -> None:
    write("clouds: {x: {profile: rackspace}}")
    with pytest.raises(ConfigurationError, match="'rackspace'") as caught:
        find()
    assert "otc" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "text",
        "",
        "7",
        "clouds:",
        "clouds: []",
        "clouds: text",
        "cloud: {}",
        "clouds:\n\tx: {}",
        "clouds: {x: {",
        "a: b: c",
        "\x00",
        "&a [*b]",
        "!!python/object:os.x {}",
        "clouds: !!int x",
        "clouds: !!bool x",
        "clouds: !!timestamp x",
        "clouds: !!float x",
        "[" * 3000,
        "? [a]\n: b",
        "clouds: !!int " + "9" * 5000,
        "clouds: !!binary é",
    ],
)
def test_what_is_no_clouds_file_is_a_configuration_error(text: str) -> None:
    path = write(text)
    with pytest.raises(ConfigurationError, match=str(path.name)):
        find()


def test_a_file_that_is_no_utf8_is_a_configuration_error() -> None:
    write(b"clouds: {x: {auth: {password: \xff\xfe\xe9}}}")
    with pytest.raises(ConfigurationError, match="cannot read"):
        find()


def test_a_broken_secure_file_shows_none_of_its_secrets() -> None:
    write("clouds: {x: {}}")
    write("clouds: {x: {auth: {password: s3cret, [", name="secure.yaml")
    with pytest.raises(ConfigurationError, match=r"secure\.yaml, line 1") as caught:
        find()
    assert "s3cret" not in caught.value.message


def test_a_cloud_that_is_no_mapping_is_empty() -> None:
    write("clouds: {x: text}")
    assert find() == {}


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigurationError, match="OS_CLIENT_CONFIG_FILE"):
        find(OS_CLIENT_CONFIG_FILE="/nonexistent")
    with pytest.raises(ConfigurationError, match="OS_CLIENT_CONFIG_FILE"):
        find(OS_CLIENT_CONFIG_FILE=str(Path.cwd()))


@pytest.mark.parametrize("place", ["x" * 5000, "clouds.yaml/below-a-file", "/proc/self/mem"])
def test_a_place_that_cannot_be_looked_into_is_passed_over(place: str) -> None:
    """/etc/openstack is often closed to users: that is no reason to fail."""
    write("not read", name="clouds.yaml")
    Path("clouds.yaml").rename("clouds")
    assert find_cloud({"HOME": ".", "XDG_CONFIG_HOME": place}, name=None) is None


@given(st.text() | st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_or_refused(content: str | bytes) -> None:
    """Property: no file ends in a traceback."""
    write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    with suppress(ConfigurationError):
        find_cloud({"HOME": "."}, name="x")
