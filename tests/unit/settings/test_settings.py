"""What the user said: tables of samples, and what holds for every cloud and every address."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.addresses import is_loopback, require_safe
from evs_snap.settings.sources import KEYS, from_environment

SAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "samples/settings/cases.yaml").read_text("utf-8")
)
USER, FOREIGN, CLOUDS = SAMPLES["shared"][0], SAMPLES["shared"][5], SAMPLES["shared"][6]
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


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OS_SECRET_KEY", "s3cret"), ("OS_TOKEN", "s3cret"), ("OS_AUTH_TYPE", "agency"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "s3cret"), ("OS_PASSWORD", "another"),
        ("OS_USERNAME", "another"), ("OS_AUTH_URL", "https://other.example.com"),
        ("OS_AUTH_URL", "https://[::1"), ("OS_AUTH_URL", "https://x:y"), ("OS_AUTH_URL", "\udcff"),
    ],
)  # fmt: skip
def test_another_sign_in_beside_a_named_cloud_is_left_out_or_a_contradiction(
    variable: str, value: str
) -> None:
    """Left out where --os-cloud chooses; beside OS_CLOUD nobody knows which is meant."""
    Path("clouds.yaml").write_text(CLOUDS, encoding="utf-8")
    assert load({variable: value}, cloud="user") == load({}, cloud="user")
    told = refusal({"OS_CLOUD": "user", variable: value})
    for word in ("two different sign-ins", variable, "OS_CLOUD", "--os-cloud"):
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


STRANGE = [
    "https://", "https:///v3", "https:/iam", "iam.example.com", "//iam.example.com", "https",
    "ftp://iam.example.com", "file:///etc/passwd", "javascript:x", "u:p-s3cret@iam.example.com",
    "//u:p-s3cret@iam.example.com", "u:p-s3cret@x@iam.example.com/v3", "HTTPS:\\\\iam",
    "https://u:p-s3cret@iam.example.com", "https://:p-s3cret@iam.example.com",
    "https://u:p-s3cret/x@iam.example.com", "https://@iam.example.com",
    "https://iam.example.com:99999", "https://iam.example.com:x", "https://iam.example.com:0",
    "https://iam.example.com:-1", "https://iam .example.com", " https://iam.example.com",
    "https://[::1", "https://::1/", "https://[nonsense]/", "https://[fe80::1%25eth0]/",
    "https://iam..example.com/v3", "https://.example.com", f"https://{'a' * 64}.com",
    "https://iam.example.com?a=b", "https://iam.example.com#a", "https://iäm.example.com",
    "https://iam.example.com/\x7f", "https://iam.$(region).com", "https://iam%00.com",
    "https://iam.example.com\\@evil.example.com/", "https://iam.{region}.example.com",
]  # fmt: skip


def test_a_strange_address_is_a_configuration_error() -> None:
    """found: without a scheme, the password in it was part of the message."""
    for url in STRANGE:
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
