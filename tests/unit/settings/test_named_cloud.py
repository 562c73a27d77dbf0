"""A named cloud: its entry in clouds.yaml says who, where and whom to trust.

The environment may complete its sign-in and choose region and project; an environment that is
about another sign-in adds nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.credentials import (
    AgencyCredentials,
    ApplicationCredentials,
    Keys,
    PasswordCredentials,
    TokenCredentials,
)

CLOUDS = """
clouds:
  user:
    auth: {auth_url: "https://cloud.example.com/v3", username: u, password: of-file,
           user_domain_name: d, project_name: p}
    region_name: of-file
  half:
    auth: {auth_url: "https://cloud.example.com/v3", username: u, user_domain_name: d,
           project_name: p}
  bare:
    auth: {auth_url: "https://cloud.example.com/v3", user_domain_name: d, project_name: p}
    region_name: eu-de
  keys: {ak: AK-of-file, sk: SK-of-file, region_name: eu-de}
  half-keys: {ak: AK-of-file, region_name: eu-de}
  temporary: {ak: AK-of-file, sk: SK-of-file, security_token: token-of-file, region_name: eu-de}
  lonely-token: {security_token: token-of-file, region_name: eu-de}
  application:
    auth_type: v3applicationcredential
    auth: {auth_url: "https://cloud.example.com/v3", application_credential_id: a1,
           application_credential_secret: of-file}
  half-application:
    auth_type: v3applicationcredential
    auth: {auth_url: "https://cloud.example.com/v3", application_credential_name: n,
           username: u, user_domain_name: d}
  agency: {auth_type: agency, region_name: eu-de}
  otc: {profile: otc, region_name: eu-nl,
        auth: {username: u, password: of-file, user_domain_name: d, project_name: p}}
  otc-anywhere: {profile: otc,
                 auth: {username: u, password: of-file, user_domain_name: d, project_name: p}}
"""
USER = PasswordCredentials("u", None, "d", None, "of-file")
OPENRC = {
    "OS_AUTH_URL": "https://other.example.com/v3",
    "OS_USERNAME": "stranger",
    "OS_PASSWORD": "of-env",
    "OS_USER_DOMAIN_NAME": "other",
    "OS_PROJECT_NAME": "other",
    "OS_PROJECT_ID": "1" * 32,
    "OS_REGION_NAME": "other",
    "OS_VOLUME_ENDPOINT_OVERRIDE": "https://evs.other.example.com",
    "OS_INTERFACE": "internal",
    "OS_VOLUME_API_VERSION": "2",
    "OS_CACERT": "/other.pem",
    "OS_INSECURE": "true",
}
OTHER_TOOLS = {
    "HW_ACCESS_KEY": "AK-of-env",
    "HW_SECRET_KEY": "SK-of-env",
    "HW_SECURITY_TOKEN": "token-of-env",
    "HW_REGION_NAME": "cn-north-1",
    "HW_AUTH_URL": "https://iam.cn-north-1.myhuaweicloud.com",
    "HUAWEICLOUD_SDK_AK": "AK-of-env",
    "HUAWEICLOUD_SDK_SK": "SK-of-env",
}


@pytest.fixture(autouse=True)
def _clouds() -> None:
    Path("clouds.yaml").write_text(CLOUDS, encoding="utf-8")


def load(cloud: str | None = None, *, region: str | None = None, **environ: str) -> Settings:
    environ = {"HOME": str(Path.cwd()), **environ}
    return load_settings(environ, cloud=cloud, options={"region": region})


@pytest.mark.parametrize("name", ["user", "keys", "temporary", "application", "agency", "otc"])
@pytest.mark.parametrize("environ", [OPENRC, OTHER_TOOLS, OPENRC | OTHER_TOOLS])
def test_an_openrc_of_another_cloud_changes_nothing(name: str, environ: dict[str, str]) -> None:
    """found: it chose the project, its keys went to the named host, its OS_INSECURE counted."""
    assert load(name, **environ) == load(name)


@pytest.mark.parametrize("name", ["user", "keys"])
@pytest.mark.parametrize("left_out", ["OS_USERNAME", "OS_PASSWORD", "OS_REGION_NAME"])
def test_nor_does_half_of_one(name: str, left_out: str) -> None:
    environ = {k: v for k, v in OPENRC.items() if k != left_out}
    assert load(name, **environ) == load(name)


@pytest.mark.parametrize("variable", ["OS_INSECURE", "OS_CACERT", "OS_VOLUME_ENDPOINT_OVERRIDE"])
def test_where_to_go_and_whom_to_trust_is_said_by_the_entry_alone(variable: str) -> None:
    """found: OS_INSECURE=true for another cloud turned the named one's verification off."""
    for named in ({"cloud": "user"}, {"OS_CLOUD": "user"}):
        assert load(**named, **{variable: OPENRC[variable]}) == load("user")


@pytest.mark.parametrize(
    "environ",
    [
        {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "SK", "OS_REGION_NAME": "cn-north-1"},
        {"OS_TOKEN": "t", "OS_PROJECT_NAME": "other"},
        {"OS_APPLICATION_CREDENTIAL_SECRET": "s", "OS_APPLICATION_CREDENTIAL_ID": "i"},
        {"OS_AUTH_TYPE": "agency", "OS_REGION_NAME": "cn-north-1"},
        {"OS_PASSWORD": "another", "OS_REGION_NAME": "cn-north-1"},
        {"OS_USERNAME": "another", "OS_REGION_NAME": "cn-north-1"},
        {"OS_AUTH_URL": "https://other.example.com", "OS_REGION_NAME": "cn-north-1"},
    ],
)
def test_another_sign_in_in_the_environment_is_passed_over_or_a_contradiction(
    environ: dict[str, str],
) -> None:
    """Passed over where --os-cloud chooses; beside OS_CLOUD nobody knows which is meant."""
    assert load("user", **environ) == load("user")
    with pytest.raises(ConfigurationError, match="two different sign-ins") as caught:
        load(OS_CLOUD="user", **environ)
    assert {*environ} & {*caught.value.message.split()}
    assert "--os-cloud" in (caught.value.hint or "")


def test_keys_for_another_tool_are_not_for_a_named_cloud() -> None:
    """found: they were sent to the named cloud, whatever its own sign-in was."""
    assert load(OS_CLOUD="user", **OTHER_TOOLS) == load("user")
    with pytest.raises(ConfigurationError, match="OS_USERNAME is missing"):
        load("bare", **OTHER_TOOLS)


def test_the_option_counts_before_os_cloud() -> None:
    assert load("user", OS_CLOUD="keys", **OPENRC) == load("user")


@pytest.mark.parametrize("named", ["option", "variable"])
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"OS_AUTH_URL": "https://cloud.example.com/v3"},
        {"OS_AUTH_URL": "https://Cloud.example.com:443/", "OS_USERNAME": "u"},
    ],
)
def test_a_password_of_the_environment_completes_an_entry(
    named: str, place: dict[str, str]
) -> None:
    """Where the environment is about the same cloud, or about none."""
    environ = {"OS_PASSWORD": "of-env", **place}
    settings = load("half", **environ) if named == "option" else load(OS_CLOUD="half", **environ)
    assert settings.credentials == PasswordCredentials("u", None, "d", None, "of-env")
    assert settings.sign_in == "password (OS_PASSWORD, clouds.yaml: half)"


def test_an_application_credential_is_read_from_an_entry_and_completed_by_the_environment() -> None:
    assert load("application").credentials == ApplicationCredentials("a1", "of-file")
    secret = {"OS_APPLICATION_CREDENTIAL_SECRET": "of-env"}
    expected = ApplicationCredentials(None, "of-env", "n", "u", None, "d", None)
    assert load("half-application", **secret).credentials == expected
    with pytest.raises(ConfigurationError, match="OS_APPLICATION_CREDENTIAL_SECRET is missing"):
        load("half-application", OS_APPLICATION_CREDENTIAL_NAME="another", **secret)


@pytest.mark.parametrize(
    "place", [{"OS_AUTH_URL": "https://other.example.com"}, {"OS_USERNAME": "another"}]
)
def test_a_password_for_another_cloud_or_user_completes_nothing(place: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="OS_PASSWORD is missing"):
        load("half", OS_PASSWORD="of-env", **place)


@pytest.mark.parametrize(
    ("environ", "credentials"),
    [
        ({"OS_TOKEN": "t"}, TokenCredentials("t")),
        ({"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "SK"}, Keys("AK", "SK")),
        ({"OS_USERNAME": "v", "OS_PASSWORD": "w"}, PasswordCredentials("v", None, "d", None, "w")),
        ({"OS_AUTH_TYPE": "agency"}, AgencyCredentials()),
    ],
)
def test_an_entry_without_a_sign_in_takes_that_of_the_environment(
    environ: dict[str, str], credentials: object
) -> None:
    assert load("bare", **environ).credentials == credentials


def test_a_half_pair_of_keys_is_completed_for_the_same_key_alone() -> None:
    assert load("half-keys", OS_SECRET_KEY="SK").credentials == Keys("AK-of-file", "SK")
    with pytest.raises(ConfigurationError, match="OS_SECRET_KEY is missing"):
        load("half-keys", OS_ACCESS_KEY="another", OS_SECRET_KEY="SK")


@pytest.mark.parametrize(
    ("name", "environ", "keys"),
    [
        ("keys", "AK SK token", ("AK-of-file", "SK-of-file", None)),
        ("temporary", "AK SK -", ("AK-of-file", "SK-of-file", "token-of-file")),
        ("lonely-token", "AK SK -", ("AK", "SK", None)),
        ("lonely-token", "AK SK token", ("AK", "SK", "token")),
        ("half-keys", "- SK token", ("AK-of-file", "SK", None)),
        ("half-keys", "AK-of-file SK token", ("AK-of-file", "SK", "token")),
    ],
)
def test_a_security_token_never_goes_with_another_key(
    name: str, environ: str, keys: tuple[str, str, str | None]
) -> None:
    """found: the token of another key was kept beside the key of the environment."""
    names = ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN")
    given = {k: v for k, v in zip(names, environ.split(), strict=True) if v != "-"}
    assert load(name, **given).credentials == Keys(*keys)


def test_the_environment_chooses_region_and_project_and_the_option_counts_before_it() -> None:
    assert load("user").region == "of-file"
    environ = {"OS_REGION_NAME": "of-env", "OS_PROJECT_ID": "7"}
    settings = load("user", **environ)
    assert (settings.region, settings.project_id, settings.project_name) == ("of-env", "7", None)
    assert load("user", region="of-option", **environ).region == "of-option"


@pytest.mark.parametrize("named", ["option", "variable"])
def test_the_address_of_a_profile_is_compared_with_its_region_filled_in(named: str) -> None:
    """found: OS_AUTH_URL equal to the profile's address was called a contradiction."""
    environ = {"OS_AUTH_URL": "https://iam.eu-nl.otc.t-systems.com/v3", "OS_PROJECT_NAME": "env"}
    settings = load("otc", **environ) if named == "option" else load(OS_CLOUD="otc", **environ)
    assert settings.project_name == "env"
    environ["OS_REGION_NAME"] = "eu-nl"
    assert load(OS_CLOUD="otc-anywhere", **environ).project_name == "env"
    assert load("otc-anywhere", region="eu-de", **environ).project_name == "p"


def test_keys_are_compared_with_the_address_of_their_region() -> None:
    environ = {"OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com", "OS_PROJECT_ID": "7"}
    assert load(OS_CLOUD="keys", **environ).project_id == "7"


@pytest.mark.parametrize("auth_url", ["https://[::1", "https://x:y", "", "\udcff"])
def test_an_odd_address_is_another_one(auth_url: str) -> None:
    assert load("user", OS_AUTH_URL=auth_url or "x") == load("user")


def test_the_vendors_file_of_keys_is_not_for_a_named_cloud() -> None:
    path = Path(".huaweicloud/credentials")
    path.parent.mkdir()
    path.write_text("[basic]\nak = AK\nsk = SK\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no cloud is configured"):
        load("lonely-token")
    assert load(OS_REGION_NAME="eu-de").credentials == Keys("AK", "SK")
