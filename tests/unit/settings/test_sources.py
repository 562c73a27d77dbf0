"""Where settings come from, and which source counts where two set the same."""

from __future__ import annotations

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings.sources import VARIABLES, Values, fitting, from_cloud, from_environment


def values(**settings: str) -> Values:
    return Values(settings, dict.fromkeys(settings, "test"))


@pytest.mark.parametrize(
    ("key", "name"), [(key, name) for key, names in VARIABLES.items() for name in names]
)
def test_each_variable_sets_its_key_and_is_named_as_origin(key: str, name: str) -> None:
    found = from_environment({name: "x"})
    assert found == {key: "x"}
    assert found.origins == {key: name}


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
    weak = values(project_id="1", username="u", region="a", password="p")
    both = weak.replaced_by(values(project_name="n", token="t"))
    assert both == {"project_name": "n", "token": "t", "username": "u", "region": "a"}
    assert both.origins.keys() == both.keys()


def test_values_are_not_shown() -> None:
    assert "s3cret" not in repr(values(password="s3cret"))


def test_an_environment_completes_a_cloud() -> None:
    environment = values(password="p")
    cloud = values(auth_url="https://a/v3")
    assert fitting(environment, cloud=cloud, named_by_option=False) is environment


@pytest.mark.parametrize("same", ["https://a", "https://a/", "https://a/v3", "https://a/v3/"])
def test_the_same_address_in_another_spelling_is_no_contradiction(same: str) -> None:
    environment = values(auth_url=same, password="p")
    cloud = values(auth_url="https://a/v3")
    assert fitting(environment, cloud=cloud, named_by_option=False) is environment


def test_os_cloud_and_another_os_auth_url_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError, match="OS_CLOUD and OS_AUTH_URL") as caught:
        fitting(
            values(auth_url="https://b"), cloud=values(auth_url="https://a"), named_by_option=False
        )
    assert "--os-cloud" in (caught.value.hint or "")


def test_nothing_of_another_cloud_is_mixed_into_the_one_named_by_option() -> None:
    """Its endpoint least of all: one cloud's token would be sent to the other."""
    environment = values(
        auth_url="https://b", password="p", region="rb", endpoint="https://evs.b", cacert="/ca"
    )
    kept = fitting(environment, cloud=values(auth_url="https://a"), named_by_option=True)
    assert kept == {"cacert": "/ca"}
