"""Where settings come from, and which source counts where two set the same."""

from __future__ import annotations

import pytest

from evs_snap.settings.sources import VARIABLES, Values, from_cloud, from_environment


def values(**settings: str) -> Values:
    return Values(settings, dict.fromkeys(settings, "test"))


@pytest.mark.parametrize(
    ("key", "name"), [(key, name) for key, names in VARIABLES.items() for name in names]
)
def test_each_variable_sets_its_key_and_is_named_as_origin(key: str, name: str) -> None:
    found = from_environment({"OS_ACCESS_KEY": "y", name: "x"})
    assert found == {"access_key": "y", key: "x"}
    assert found.origins == {"access_key": "OS_ACCESS_KEY", key: name}


def test_a_security_token_without_its_key_is_passed_over() -> None:
    assert from_environment({"OS_SECURITY_TOKEN": "t"}) == {}
    assert from_cloud({"security_token": "t"}, where="x") == {}


def test_an_empty_variable_counts_as_not_set() -> None:
    found = from_environment({"OS_USERNAME": "", "OS_USER_NAME": "cron"})
    assert found == {"username": "cron"}


def test_the_first_of_several_names_wins() -> None:
    found = from_environment({"OS_TENANT_NAME": "old", "OS_PROJECT_NAME": "new"})
    assert found == {"project_name": "new"}


def test_the_auth_part_of_a_cloud_goes_before_its_top_level() -> None:
    cloud = {"auth": {"auth_url": "https://a", "tenant_name": "p"}, "auth_url": "https://b"}
    found = from_cloud({**cloud, "region_name": "r"}, where="clouds.yaml: x")
    assert found == {"auth_url": "https://a", "project_name": "p", "region": "r"}
    assert set(found.origins.values()) == {"clouds.yaml: x"}


@pytest.mark.parametrize("auth", [None, [], "text", {"password": ["a"], "username": {"b": 1}}])
def test_values_of_an_odd_type_are_passed_over(auth: object) -> None:
    assert from_cloud({"auth": auth, "region_name": None}, where="x") == {}


def test_an_empty_value_of_a_cloud_counts_as_not_set() -> None:
    """As in the environment; else the name beside it would be silenced."""
    cloud = {"auth": {"project_id": "", "project_name": "p"}}
    assert from_cloud(cloud, where="x") == {"project_name": "p"}


@pytest.mark.parametrize("verify", [False, "false", "no", "off", "0", "False"])
def test_verify_false_is_insecure(verify: object) -> None:
    assert from_cloud({"verify": verify}, where="x") == {"insecure": "true"}


@pytest.mark.parametrize("verify", [True, None, "true", "yes", {}])
def test_anything_else_stays_verified(verify: object) -> None:
    assert from_cloud({"verify": verify}, where="x") == {}


def test_the_stronger_source_counts_and_replaces_the_alternatives_too() -> None:
    """A project ID in the environment and a name in clouds.yaml are not two demands."""
    weak = values(project_id="1", username="u", region="a")
    both = weak.replaced_by(values(project_name="n", username="v"))
    assert both == {"project_name": "n", "username": "v", "region": "a"}
    assert both.origins.keys() == both.keys()


def test_values_are_not_shown() -> None:
    assert "s3cret" not in repr(values(password="s3cret"))
