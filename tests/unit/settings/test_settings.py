"""What the user said, checked before anything is sent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.addresses import is_loopback, require_safe
from evs_snap.settings.credentials import PasswordCredentials, TokenCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "s3cret-p4ssword"
COMPLETE = {
    "OS_AUTH_URL": "https://iam.example.com/v3",
    "OS_USERNAME": "cron",
    "OS_USER_DOMAIN_NAME": "OTC-1",
    "OS_PASSWORD": PASSWORD,
    "OS_PROJECT_NAME": "eu-de_prod",
}


def load(
    environ: Mapping[str, str] | None = None,
    *,
    cloud: str | None = None,
    options: dict[str, str | None] | None = None,
    **more: str,
) -> Settings:
    environ = {"HOME": str(Path.cwd()), **(environ or {}), **more}
    return load_settings(environ, cloud=cloud, options=options)


def refused(**environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load({**COMPLETE, **environ})
    shown = f"{caught.value.message} {caught.value.hint}"
    assert PASSWORD not in shown
    assert shown.isprintable()
    return caught.value


def clouds(text: str) -> None:
    Path("clouds.yaml").write_text(text, encoding="utf-8")


CLOUD = """
clouds:
  x:
    auth: {auth_url: "https://cloud.example.com/v3", username: u, password: from-file,
           user_domain_name: d, project_name: p}
    region_name: of-file
"""


def test_the_environment_alone_is_enough() -> None:
    settings = load(COMPLETE)
    assert settings.auth_url == "https://iam.example.com"
    assert settings.credentials == PasswordCredentials("cron", None, "OTC-1", None, PASSWORD)
    assert settings.project_name == "eu-de_prod"
    assert (settings.verify, settings.interface, settings.api_version) == (True, "public", "v3")
    assert settings.secrets == (PASSWORD,)


def test_options_go_before_the_environment() -> None:
    settings = load(COMPLETE, OS_REGION_NAME="of-env", options={"region": "of-option"})
    assert settings.region == "of-option"
    assert settings.origins["region"] == "--os-region-name"
    assert load(COMPLETE, OS_REGION_NAME="of-env", options={"region": None}).region == "of-env"


def test_a_project_named_by_option_silences_the_projects_id() -> None:
    settings = load(COMPLETE, OS_PROJECT_ID="1" * 32, options={"project_name": "other"})
    assert (settings.project_name, settings.project_id) == ("other", None)


def test_a_complete_environment_needs_no_file_not_even_a_broken_one() -> None:
    Path("clouds.yaml").write_text("[", encoding="utf-8")
    assert load(COMPLETE).auth_url == "https://iam.example.com"


def test_the_profile_takes_the_region_into_its_address() -> None:
    clouds("clouds: {x: {profile: otc, auth: {username: u, password: p, user_domain_id: d}}}")
    settings = load(cloud="x", OS_REGION_NAME="eu-nl", OS_PROJECT_ID="1")
    assert settings.auth_url == "https://iam.eu-nl.otc.t-systems.com"
    with pytest.raises(ConfigurationError, match="OS_REGION_NAME"):
        load(cloud="x", OS_PROJECT_ID="1")


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ("OS_AUTH_URL", "OS_AUTH_URL"),
        ("OS_USERNAME", "OS_USERNAME"),
        ("OS_USER_DOMAIN_NAME", "OS_USER_DOMAIN_NAME"),
        ("OS_PASSWORD", "OS_PASSWORD"),
        ("OS_PROJECT_NAME", "OS_PROJECT_NAME"),
    ],
)
def test_a_missing_setting_is_named(left_out: str, named: str) -> None:
    environ = {k: v for k, v in COMPLETE.items() if k != left_out}
    with pytest.raises(ConfigurationError, match=named) as caught:
        load(environ)
    assert "clouds.yaml" in (caught.value.hint or "")


def test_nothing_configured_says_the_two_ways_on() -> None:
    with pytest.raises(ConfigurationError, match="no cloud is configured") as caught:
        load()
    assert "OS_AUTH_URL" in (caught.value.hint or "")
    assert "--sandbox" in (caught.value.hint or "")


def test_nothing_chosen_lists_the_clouds_of_the_file() -> None:
    clouds("clouds: {one: {}, two: {}}")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "one, two" in (caught.value.hint or "")


def test_password_and_token_together_need_a_choice() -> None:
    assert "OS_TOKEN" in refused(OS_TOKEN="t0ken").message
    assert load(COMPLETE, OS_TOKEN="t", OS_AUTH_TYPE="v3token").credentials == TokenCredentials("t")
    chosen = load(COMPLETE, OS_TOKEN="t", OS_AUTH_TYPE="password")
    assert isinstance(chosen.credentials, PasswordCredentials)


def test_an_unknown_kind_of_sign_in_is_named() -> None:
    error = refused(OS_AUTH_TYPE="v3oidcpassword")
    assert "OS_AUTH_TYPE" in error.message


def test_no_secret_is_in_the_repr() -> None:
    assert PASSWORD not in repr(load(COMPLETE))
    assert "t0ken" not in repr(TokenCredentials("t0ken"))


@pytest.mark.parametrize(
    "url",
    [
        "https://iam.example.com",
        "https://iam.example.com/",
        "https://iam.example.com/v3/",
        "https://iam.example.com/v3/auth/tokens",
    ],
)
def test_the_end_of_the_address_does_not_matter(url: str) -> None:
    assert load({**COMPLETE, "OS_AUTH_URL": url}).auth_url == "https://iam.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///v3",
        "https:/iam",
        "iam.example.com",
        "//iam.example.com",
        "https",
        "ftp://iam.example.com",
        "file:///etc/passwd",
        "javascript:x",
        f"u:{PASSWORD}@iam.example.com",
        f"//u:{PASSWORD}@iam.example.com",
        f"u:{PASSWORD}@x@iam.example.com/v3",
        "HTTPS:\\\\iam",
        f"https://u:{PASSWORD}@iam.example.com",
        f"https://:{PASSWORD}@iam.example.com",
        f"https://u:{PASSWORD}/x@iam.example.com",
        "https://@iam.example.com",
        "https://iam.example.com:99999",
        "https://iam.example.com:x",
        "https://iam.example.com:0",
        "https://iam.example.com:-1",
        "https://iam .example.com",
        " https://iam.example.com",
        "https://[::1",
        "https://::1/",
        "https://[nonsense]/",
        "https://[fe80::1%25eth0]/",
        "https://iam..example.com/v3",
        "https://.example.com",
        f"https://{'a' * 64}.com",
        "https://iam.example.com?a=b",
        "https://iam.example.com#a",
        "https://iäm.example.com",
        "https://iam.example.com/\x7f",
        "https://iam.$(region).com",
        "https://iam%00.com",
        "https://iam.example.com\\@evil.example.com/",
    ],
)
def test_a_strange_address_is_a_configuration_error(url: str) -> None:
    """found: without a scheme, the password in it was part of the message."""
    assert "auth_url" in refused(OS_AUTH_URL=url).message
    assert "endpoint" in refused(OS_VOLUME_ENDPOINT_OVERRIDE=url).message


@given(st.text(), st.booleans())
def test_any_address_is_accepted_or_refused(url: str, allow_http: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    """Property: no address ends in a traceback."""
    with suppress(ConfigurationError):
        require_safe(f"https://{url}", allow_http=allow_http, what="x")
    with suppress(ConfigurationError):
        require_safe(url, allow_http=allow_http, what="x")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000/v3",
        "http://localhost/identity",
        "http://[::1]:5000",
        "http://sandbox.localhost",
    ],
)
def test_plain_http_is_for_loopback(url: str) -> None:
    assert load({**COMPLETE, "OS_AUTH_URL": url}).auth_url.startswith("http://")


@pytest.mark.parametrize(
    "url",
    ["http://iam.example.com", "http://10.0.0.1", "http://localhost.a", "http://evillocalhost"],
)
def test_plain_http_elsewhere_is_refused_unless_allowed(url: str) -> None:
    """found: nothing noticed when evillocalhost was taken for this machine."""
    error = refused(OS_AUTH_URL=url)
    assert "plain http" in error.message
    assert "EVS_SNAP_ALLOW_HTTP=1" in (error.hint or "")
    assert "plain http" in refused(OS_VOLUME_ENDPOINT_OVERRIDE=url).message
    assert "plain http" in refused(OS_AUTH_URL=url, EVS_SNAP_ALLOW_HTTP="0").message
    assert load({**COMPLETE, "OS_AUTH_URL": url}, EVS_SNAP_ALLOW_HTTP="1").allow_http


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "x.localhost"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback(f"{host}.example.com")


@pytest.mark.parametrize("end", ["\n", "\r", "\x00", "\x1b[0m", "\udce9"])
@pytest.mark.parametrize("variable", sorted(COMPLETE))
def test_a_value_no_request_can_carry_is_named(variable: str, end: str) -> None:
    """A line break at the end of a password would cost one of few tries."""
    error = refused(**{variable: COMPLETE[variable] + end})
    assert variable in error.message


@pytest.mark.parametrize("token", ["tok\nen", "tökén", "to\udcffken"])
def test_a_token_no_header_can_carry_is_named_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="OS_TOKEN") as caught:
        load(OS_AUTH_URL="https://iam.example.com", OS_TOKEN=token, OS_PROJECT_ID="1")
    assert token not in str(caught.value)


def test_a_password_may_hold_any_letter() -> None:
    assert load({**COMPLETE, "OS_PASSWORD": "pässwörd 密码"}).secrets == ("pässwörd 密码",)


@pytest.mark.parametrize("value", ["1", "true", "Yes", " on "])
def test_os_insecure_turns_verification_off(value: str) -> None:
    assert load(COMPLETE, OS_INSECURE=value).verify is False


def test_a_ca_file_is_taken_from_environment_or_cloud() -> None:
    assert load(COMPLETE, OS_CACERT="/ca.pem").verify == "/ca.pem"
    clouds(CLOUD + "    cacert: /cloud.pem\n")
    assert load(OS_CLOUD="x").verify == "/cloud.pem"
    clouds(CLOUD + "    verify: false\n")
    assert load(OS_CLOUD="x").verify is False


@pytest.mark.parametrize(("value", "version"), [("2", "v2"), ("v3", "v3"), ("V2", "v2")])
def test_the_api_version_is_two_or_three(value: str, version: str) -> None:
    assert load(COMPLETE, OS_VOLUME_API_VERSION=value).api_version == version
    assert "neither 2 nor 3" in refused(OS_VOLUME_API_VERSION="3.50").message


@pytest.mark.parametrize("value", ["public", "publicURL"])
def test_the_interface_may_be_spelled_as_of_old(value: str) -> None:
    assert load(COMPLETE, OS_ENDPOINT_TYPE=value).interface == "public"


def test_the_limit_of_a_cloud_is_read() -> None:
    clouds(CLOUD + "    evs_snap: {limit: 20}\n")
    assert load(OS_CLOUD="x").limit == 20
    for odd in ("0", "-1", "many", "7.5", "'²'", "9" * 5000, f"{{password: {PASSWORD}}}"):
        clouds(CLOUD + f"    evs_snap: {{limit: {odd}}}\n")
        with pytest.raises(ConfigurationError, match="limit") as caught:
            load(OS_CLOUD="x")
        assert PASSWORD not in caught.value.message
