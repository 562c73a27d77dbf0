"""What the user said: tables of samples, and what holds for every cloud, file and address."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.addresses import evs_url, iam_url, is_loopback, require_safe
from evs_snap.settings.folders import cache_folder, state_folder
from evs_snap.settings.proxies import proxy_for
from evs_snap.settings.sources import KEYS, from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "samples/settings/cases.yaml").read_text("utf-8")
)
USER, FOREIGN, CLOUDS = SAMPLES["shared"][0], SAMPLES["shared"][5], SAMPLES["shared"][6]
PROXY = "http://proxy.example.com:3128"
FILES = {"clouds": "clouds.yaml", "secure": "secure.yaml", "public": "clouds-public.yaml"}


def load(
    environ: dict[str, str], *, cloud: str | None = None, options: dict[str, Any] | None = None
) -> Settings:
    home = {"HOME": str(Path.cwd())}
    return load_settings(home | environ, cloud=cloud, options=options)


def refusal(environ: dict[str, str], **named: Any) -> str:
    """Return what a refusal says; it tells no secret and nothing unprintable."""
    with pytest.raises(ConfigurationError) as caught:
        load(environ, **named)
    told = " ".join([caught.value.message, *caught.value.details, caught.value.hint or ""])
    assert "s3cret" not in told
    assert told.isprintable()
    return told


def shown(settings: Settings) -> dict[str, Any]:
    """Return all that a sample may compare, the credentials' own fields included."""
    credentials = asdict(settings.credentials)
    user = credentials.pop("user", {})
    return {
        **{name: getattr(settings, name) for name in settings.__slots__},
        "kind": settings.credentials.kind,
        "identity": getattr(settings.credentials, "identity", None),
        "secrets": [*settings.secrets],
        "sign_in": settings.sign_in,
        "remarks": [*settings.remarks],
        **credentials,
        "user": user.get("name"),
        "user_id": user.get("id"),
        "domain": user.get("domain_name"),
        "domain_id": user.get("domain_id"),
    }


@pytest.mark.parametrize("case", SAMPLES["cases"], ids=lambda case: case["it"])
def test_each_sample_gives_its_settings_or_its_refusal(case: dict[str, Any]) -> None:
    texts = {FILES[key]: case[key] for key in FILES if key in case} | case.get("files", {})
    for name, text in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    named = {"cloud": case.get("cloud"), "options": case.get("options")}
    environ = case.get("environ", {})
    if "gives" in case:
        settings = load(environ, **named)
        got = shown(settings)
        assert {key: got[key] for key in case["gives"]} == case["gives"]
        assert "s3cret" not in repr(settings)
        return
    told = refusal(environ, **named)
    assert [word for word in case["refuses"] if word not in told] == [], told
    assert [word for word in case.get("lacks", ()) if word in told] == [], told


@pytest.mark.parametrize("name", ["user", "keys", "temporary", "application", "agency", "otc"])
def test_an_environment_about_another_cloud_changes_nothing(name: str) -> None:
    """found: it chose the project, its keys went to the named host, its OS_INSECURE counted."""
    Path("clouds.yaml").write_text(CLOUDS, encoding="utf-8")
    alone = load({}, cloud=name)
    for left_out in ([], *([variable] for variable in FOREIGN if variable != "OS_AUTH_URL")):
        environ = {k: v for k, v in FOREIGN.items() if k not in left_out}
        assert load(environ, cloud=name) == alone
    for variable in ("OS_INSECURE", "OS_CACERT", "OS_VOLUME_ENDPOINT_OVERRIDE", "HW_ACCESS_KEY"):
        assert load({"OS_CLOUD": name, variable: FOREIGN[variable]}) == alone


@pytest.mark.parametrize("other", SAMPLES["beside"], ids=str)
def test_another_sign_in_beside_a_named_cloud_is_left_out_or_a_contradiction(
    other: dict[str, str],
) -> None:
    """Left out where --os-cloud chooses; beside OS_CLOUD nobody knows which is meant."""
    Path("clouds.yaml").write_text(CLOUDS, encoding="utf-8")
    assert load(other, cloud="user") == load({}, cloud="user")
    told = refusal({"OS_CLOUD": "user", **other})
    for word in ("two different sign-ins", *other, "OS_CLOUD", "--os-cloud"):
        assert word in told


NEEDED = {**USER, "OS_REGION_NAME": "eu-de", "OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "sk-s3cret"}


@pytest.mark.parametrize("auth_type", [None, "password", "aksk", "token"])
@pytest.mark.parametrize("cloud", [None, "bare", "half", "half-keys", "empty"])
def test_a_hint_about_missing_settings_leads_on(auth_type: str | None, cloud: str | None) -> None:
    """Setting every variable that a refusal names as missing leaves none missing."""
    Path("clouds.yaml").write_text(CLOUDS, encoding="utf-8")
    place = {"OS_AUTH_URL": USER["OS_AUTH_URL"]} if cloud is None else {}
    asked = {"OS_AUTH_TYPE": auth_type} if auth_type else {}
    for given_name in ("OS_USERNAME", "OS_ACCESS_KEY", "OS_PROJECT_NAME"):
        environ = {**place, **asked, given_name: NEEDED[given_name]}
        with pytest.raises(ConfigurationError) as caught:
            load(environ, cloud=cloud)
        told, hint = caught.value.message, caught.value.hint or ""
        named = {name: value for name, value in {**NEEDED, "OS_TOKEN": "t"}.items() if name in told}
        if named and cloud != "empty":  # which lacks an address, and no variable sets that
            load({**environ, **named}, cloud=cloud)
        else:
            assert f"the entry {cloud!r} of clouds.yaml" in hint


@pytest.mark.parametrize("end", ["\n", "\r", "\x00", "\x1b[0m", "\udce9"])
@pytest.mark.parametrize("variable", sorted(USER))
def test_a_value_no_request_can_carry_is_named(variable: str, end: str) -> None:
    """A line break at the end of a password would cost one of few tries."""
    assert variable in refusal({**USER, variable: USER[variable] + end})


def test_each_variable_sets_its_key_and_is_named_as_its_origin() -> None:
    for key, names in KEYS.items():
        for name in (f"OS_{name.upper()}" for name in names):
            beside = {"OS_ACCESS_KEY": "y"} if key == "security_token" else {}
            found = from_environment({**beside, name: "x"})
            assert found[key] == "x"
            assert found.origins[key] == name


def test_a_strange_address_is_a_configuration_error() -> None:
    """found: without a scheme, the password in it was part of the message."""
    for url in SAMPLES["no_addresses"]:
        for variable in ("OS_AUTH_URL", "OS_VOLUME_ENDPOINT_OVERRIDE"):
            assert variable in refusal({**USER, variable: url})


@given(st.text(), st.booleans())
def test_any_address_is_accepted_or_refused(url: str, allow_http: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    """Property: no address ends in a traceback."""
    for address in (f"https://{url}", url):
        with suppress(ConfigurationError):
            require_safe(address, allow_http=allow_http, what="x")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "x.localhost"])
def test_this_machine_is_known(host: str) -> None:
    """found: nothing noticed when evillocalhost was taken for this machine."""
    assert is_loopback(host)
    assert not is_loopback(f"{host}.example.com")
    assert not is_loopback("evillocalhost")


HUAWEI = {
    r: [f"{s}.{r}.myhuaweicloud.com" for s in ("iam", "evs")] for r in SAMPLES["regions_of_huawei"]
}


def test_each_region_has_its_addresses() -> None:
    for region, hosts in {**SAMPLES["regions"], **HUAWEI}.items():
        assert [iam_url(region), evs_url(region)] == [f"https://{host}" for host in hosts]


@pytest.mark.parametrize("region", SAMPLES["no_regions"])
@pytest.mark.parametrize("url", [iam_url, evs_url])
def test_an_unknown_region_leads_nowhere(url: Callable[[str], str], region: str) -> None:
    """Least of all to a host of somebody else's."""
    with pytest.raises(ConfigurationError) as caught:
        url(region)
    for way in ("OS_AUTH_URL", "OS_VOLUME_ENDPOINT_OVERRIDE"):
        assert way in (caught.value.hint or "")


# Files that nobody should have written.


def test_what_is_no_clouds_file_is_a_configuration_error() -> None:
    for content in (*SAMPLES["no_clouds_files"], "[" * 1000, f"clouds: !!int {'9' * 5000}"):
        Path("clouds.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        assert "clouds.yaml" in refusal({}, cloud="x")


@pytest.mark.parametrize("text", SAMPLES["endless_files"])
def test_an_anchor_inside_itself_is_read_or_refused(text: str) -> None:
    """found: a traceback. secure.yaml holds the same, so that both endless trees are merged."""
    for name in ("clouds.yaml", "secure.yaml"):
        Path(name).write_text(text, encoding="utf-8")
    with suppress(ConfigurationError):
        load({}, cloud="x")


@pytest.mark.parametrize("place", ["x" * 5000, "clouds.yaml/below-a-file", "/proc/self/mem"])
def test_a_place_that_cannot_be_looked_into_is_skipped(place: str) -> None:
    """/etc/openstack is often closed to users: that is no reason to fail."""
    Path("clouds").write_text("not read", encoding="utf-8")
    assert "no cloud is configured" in refusal({"XDG_CONFIG_HOME": place})


# Proxies.


@pytest.mark.parametrize(("url", "environ", "proxy"), SAMPLES["proxies"], ids=str)
def test_the_schemes_own_variable_counts_before_all_proxy(
    url: str, environ: dict[str, str], proxy: str | None
) -> None:
    """found: a SOCKS proxy that no request would have used ended the run."""
    named = {key: PROXY if value == "P" else value for key, value in environ.items()}
    assert proxy_for(url, environ=named) == (proxy and PROXY)


@pytest.mark.parametrize(("verdict", "proxy"), [("covers", None), ("leaves", PROXY)])
def test_no_proxy_holds_names_addresses_and_networks(verdict: str, proxy: str | None) -> None:
    for url, values in SAMPLES["no_proxy"][verdict].items():
        for value in values:
            environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": value}
            assert proxy_for(url, environ=environ) == proxy, (url, value)


@given(st.text(), st.text())
def test_any_variable_is_read_or_skipped(no_proxy: str, proxy: str) -> None:
    """Property: what cannot be read in NO_PROXY is skipped."""
    with suppress(UnicodeError):
        proxy_for("https://evs.example.com", environ={"NO_PROXY": no_proxy, "ALL_PROXY": proxy})


# Folders.


@pytest.mark.skipif(sys.platform == "darwin", reason="it has places of its own")
@pytest.mark.parametrize("relative", ["", "x", "not/absolute"])
def test_folders_are_below_the_home_directory_or_where_a_whole_path_says(relative: str) -> None:
    """A relative path in a variable is ignored: it would move with the working directory."""
    home = {"XDG_CACHE_HOME": relative, "XDG_STATE_HOME": relative, "HOME": "/srv/cron"}
    assert cache_folder(home) == Path("/srv/cron/.cache/evs-snap")
    assert state_folder(home) == Path("/srv/cron/.local/state/evs-snap")
    assert cache_folder({"XDG_CACHE_HOME": "/run/x"}) == Path("/run/x/evs-snap")
    assert state_folder({"XDG_STATE_HOME": "/run/x"}) == Path("/run/x/evs-snap")


@pytest.mark.skipif(sys.platform == "darwin", reason="it has places of its own")
def test_a_user_without_a_home_directory_is_told_both_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """found: a traceback; then one variable a run, and lists failed for want of a cache."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert cache_folder({}) is None
    with pytest.raises(ConfigurationError, match="no home directory") as caught:
        state_folder({"XDG_STATE_HOME": "not/absolute"})
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        assert variable in (caught.value.hint or "")
