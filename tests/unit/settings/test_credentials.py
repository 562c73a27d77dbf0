"""Which kind of sign-in was meant: exactly one, named, with its origin, never its secret."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from evs_snap.errors import ConfigurationError
from evs_snap.settings import Settings, load_settings
from evs_snap.settings.credentials import (
    METADATA_ADDRESS,
    AgencyCredentials,
    ApplicationCredentials,
    Credentials,
    Keys,
    PasswordCredentials,
    TokenCredentials,
    choose_credentials,
)
from evs_snap.settings.sources import from_environment

SECRETS = {
    "OS_PASSWORD": "p4ss-s3cret",
    "OS_TOKEN": "t0ken-s3cret",
    "OS_SECRET_KEY": "sk-s3cret",
    "OS_APPLICATION_CREDENTIAL_SECRET": "app-s3cret",
}
PASSWORD = {
    "OS_USERNAME": "cron",
    "OS_USER_DOMAIN_NAME": "D",
    "OS_PASSWORD": SECRETS["OS_PASSWORD"],
}
TOKEN = {"OS_TOKEN": SECRETS["OS_TOKEN"]}
KEYS = {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": SECRETS["OS_SECRET_KEY"]}
APPLICATION = {
    "OS_APPLICATION_CREDENTIAL_ID": "a1",
    "OS_APPLICATION_CREDENTIAL_SECRET": SECRETS["OS_APPLICATION_CREDENTIAL_SECRET"],
}
KINDS: dict[str, tuple[dict[str, str], type]] = {
    "password": (PASSWORD, PasswordCredentials),
    "token": (TOKEN, TokenCredentials),
    "aksk": (KEYS, Keys),
    "v3applicationcredential": (APPLICATION, ApplicationCredentials),
    "agency": ({}, AgencyCredentials),
}
REST = {"OS_AUTH_URL": "https://iam.example.com", "OS_PROJECT_ID": "1" * 32,
        "OS_REGION_NAME": "eu-de"}  # fmt: skip


def choose(**environ: str) -> Credentials:
    return choose_credentials(from_environment(environ))


def load(cloud: str | None = None, **environ: str) -> Settings:
    return load_settings({"HOME": str(Path.cwd()), **environ}, cloud=cloud)


def refused(**environ: str) -> str:
    """Return what a refusal says, having checked that it tells no secret."""
    with pytest.raises(ConfigurationError) as caught:
        choose(**environ)
    told = f"{caught.value.message} {caught.value.hint}"
    assert "s3cret" not in told
    assert caught.value.exit_code == 2
    return told


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "agency"])
def test_what_is_given_in_full_is_the_kind(kind: str) -> None:
    given, expected = KINDS[kind]
    assert type(choose(**given)) is expected


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_in_what_a_record_looks_like(kind: str) -> None:
    shown = repr(load(OS_AUTH_TYPE=kind, **REST, **KINDS[kind][0]))
    assert "s3cret" not in shown


@pytest.mark.parametrize("kinds", [*combinations([kind for kind in KINDS if kind != "agency"], 2)])
def test_two_kinds_in_full_are_one_too_many(kinds: tuple[str, str]) -> None:
    given = {**KINDS[kinds[0]][0], **KINDS[kinds[1]][0]}
    told = refused(**given)
    assert "several" in told
    for variable in given.keys() & SECRETS.keys():
        assert variable in told
    assert "OS_AUTH_TYPE" in told


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("password", PasswordCredentials),
        ("v3password", PasswordCredentials),
        ("token", TokenCredentials),
        ("v3token", TokenCredentials),
        ("v3applicationcredential", ApplicationCredentials),
        ("aksk", Keys),
        ("agency", AgencyCredentials),
    ],
)
def test_os_auth_type_chooses_between_them(asked: str, expected: type) -> None:
    given = {**PASSWORD, **TOKEN, **KEYS, **APPLICATION}
    assert type(choose(**given, OS_AUTH_TYPE=asked)) is expected


def test_a_kind_nobody_knows_is_named_with_those_there_are() -> None:
    told = refused(**KEYS, OS_AUTH_TYPE="v3oidcpassword")
    for word in (
        "OS_AUTH_TYPE",
        "v3oidcpassword",
        "password, token, v3applicationcredential, aksk, agency",
    ):
        assert word in told


HALVES = [
    ({"OS_USERNAME": "cron"}, "OS_PASSWORD"),
    ({"OS_USER_ID": "u"}, "OS_PASSWORD"),
    ({"OS_PASSWORD": SECRETS["OS_PASSWORD"]}, "OS_USERNAME"),
    ({"OS_APPLICATION_CREDENTIAL_ID": "a"}, "OS_APPLICATION_CREDENTIAL_SECRET"),
    ({"OS_APPLICATION_CREDENTIAL_NAME": "a"}, "OS_APPLICATION_CREDENTIAL_SECRET"),
    ({"OS_APPLICATION_CREDENTIAL_SECRET": "app-s3cret"}, "OS_APPLICATION_CREDENTIAL_ID"),
    ({"OS_ACCESS_KEY": "AK"}, "OS_SECRET_KEY"),
    ({"OS_SECRET_KEY": SECRETS["OS_SECRET_KEY"]}, "OS_ACCESS_KEY"),
    ({"HW_ACCESS_KEY": "AK"}, "HW_SECRET_KEY"),
    ({"HW_SECRET_KEY": SECRETS["OS_SECRET_KEY"]}, "HW_ACCESS_KEY"),
    ({"HUAWEICLOUD_SDK_AK": "AK"}, "HUAWEICLOUD_SDK_SK"),
    ({"HUAWEICLOUD_SDK_SK": SECRETS["OS_SECRET_KEY"]}, "HUAWEICLOUD_SDK_AK"),
]


@pytest.mark.parametrize(("half", "missing"), HALVES)
def test_of_one_half_the_other_is_named(half: dict[str, str], missing: str) -> None:
    """Of the same vendor's set: one set's key does not go with another's secret."""
    told = refused(OS_USER_DOMAIN_NAME="D", **half)
    assert f"{missing} is missing" in told


@pytest.mark.parametrize(("user", "lacks_of_user"), HALVES[:3])
@pytest.mark.parametrize(("keys", "lacks_of_keys"), HALVES[3:])
def test_of_two_halves_both_are_named(
    user: dict[str, str], lacks_of_user: str, keys: dict[str, str], lacks_of_keys: str
) -> None:
    told = refused(**user, **keys)
    assert lacks_of_user in told
    assert lacks_of_keys in told
    for variable in (*user, *keys):
        assert variable in told


@pytest.mark.parametrize(("half", "_missing"), HALVES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "agency"])
def test_what_is_complete_stands_beside_what_is_not(
    kind: str, half: dict[str, str], _missing: str
) -> None:
    given, expected = KINDS[kind]
    assert type(choose(**{**half, **given})) is expected


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("password", "OS_USERNAME"),
        ("token", "OS_TOKEN"),
        ("v3applicationcredential", "OS_APPLICATION_CREDENTIAL_SECRET"),
        ("aksk", "OS_ACCESS_KEY"),
    ],
)
def test_a_kind_asked_for_and_not_given_is_missing_whatever_else_is_there(
    kind: str, missing: str
) -> None:
    others = {k: v for name, (g, _) in KINDS.items() if name != kind for k, v in g.items()}
    assert missing in refused(OS_AUTH_TYPE=kind, **others)


def test_one_vendors_key_does_not_go_with_anothers_secret() -> None:
    told = refused(OS_ACCESS_KEY="AK", HW_SECRET_KEY="sk-s3cret")
    assert "OS_SECRET_KEY is missing" in told


def test_the_first_set_of_variables_is_taken_alone() -> None:
    keys = choose(**KEYS, HW_ACCESS_KEY="x", HW_SECRET_KEY="y", HW_SECURITY_TOKEN="z")
    assert keys == Keys("AK", "sk-s3cret")


@pytest.mark.parametrize(
    "names",
    [
        ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
        ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
        ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
    ],
)
def test_each_vendors_variables_make_keys(names: tuple[str, str, str]) -> None:
    environ = dict(zip(names, ("AK", "sk-s3cret", "t0ken-s3cret"), strict=True))
    assert choose(**environ) == Keys("AK", "sk-s3cret", "t0ken-s3cret")
    settings = load(**REST, **environ)
    assert settings.sign_in == f"AK/SK ({', '.join(sorted(names))})"
    assert settings.secrets == ("sk-s3cret", "t0ken-s3cret")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("password", "password (OS_PASSWORD, OS_USERNAME)"),
        ("token", "token (OS_TOKEN)"),
        ("aksk", "AK/SK (OS_ACCESS_KEY, OS_SECRET_KEY)"),
        (
            "v3applicationcredential",
            f"application credential ({', '.join(APPLICATION)})",
        ),
        ("agency", "ECS agency (OS_AUTH_TYPE)"),
    ],
)
def test_the_kind_is_told_with_its_origin(kind: str, told: str) -> None:
    assert load(**REST, **KINDS[kind][0], OS_AUTH_TYPE=kind).sign_in == told


def test_an_application_credential_needs_no_project() -> None:
    settings = load(OS_AUTH_URL="https://iam.example.com", **APPLICATION)
    assert settings.credentials == ApplicationCredentials("a1", "app-s3cret")
    assert (settings.project_id, settings.project_name) == (None, None)


def test_an_application_credential_by_name_needs_its_user() -> None:
    given = {"OS_APPLICATION_CREDENTIAL_NAME": "n", "OS_APPLICATION_CREDENTIAL_SECRET": "s"}
    assert "OS_USERNAME is missing" in refused(**given)
    assert "OS_USER_DOMAIN_NAME is missing" in refused(**given, OS_USERNAME="u")
    expected = ApplicationCredentials(None, "s", "n", "u", None, "d", None)
    assert choose(**given, OS_USERNAME="u", OS_USER_DOMAIN_NAME="d") == expected
    assert choose(**given, OS_USER_ID="7") == ApplicationCredentials(None, "s", "n", user_id="7")


# --- with files ---------------------------------------------------------------------

CLOUD = """
clouds:
  x:
    auth: {auth_url: "https://cloud.example.com/v3", username: u, password: p4ss-s3cret,
           user_domain_name: d, project_name: p}
    region_name: of-file
  keys:
    auth: {auth_url: "https://cloud.example.com/v3", project_name: p}
    region_name: eu-de
    ak: AK-of-file
    sk: sk-s3cret-of-file
"""


@pytest.fixture(name="clouds")
def _clouds() -> str:
    Path("clouds.yaml").write_text(CLOUD, encoding="utf-8")
    return CLOUD


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize("by_option", [True, False])
def test_os_auth_type_alone_leaves_a_named_clouds_password(by_option: bool) -> None:  # noqa: FBT001 - a parameter
    named = {} if by_option else {"OS_CLOUD": "x"}
    settings = load("x" if by_option else None, OS_AUTH_TYPE="password", **named)
    assert settings.credentials == PasswordCredentials("u", None, "d", None, "p4ss-s3cret")
    assert settings.sign_in == "password (clouds.yaml: x)"


@pytest.mark.usefixtures("clouds")
def test_keys_stand_beside_the_auth_part_of_a_cloud() -> None:
    settings = load("keys")
    assert settings.credentials == Keys("AK-of-file", "sk-s3cret-of-file")
    assert settings.sign_in == "AK/SK (clouds.yaml: keys)"


def keys_file(text: str) -> Path:
    path = Path(".huaweicloud/credentials")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_vendors_own_file_is_the_last_resort() -> None:
    keys_file("[basic]\nak = AK\nsk = sk%-s3cret\nproject_id = 11\nsecurity_token = t0ken-s3cret\n")
    settings = load(OS_REGION_NAME="eu-de")
    assert settings.credentials == Keys("AK", "sk%-s3cret", "t0ken-s3cret")
    assert settings.project_id == "11"
    assert settings.sign_in.endswith(".huaweicloud/credentials)")
    assert load(**REST, **TOKEN).credentials == TokenCredentials(TOKEN["OS_TOKEN"])


@pytest.mark.parametrize("text", ["ak = AK\nsk = s3cret", "[basic\nsk=s3cret", "\udcff"])
def test_a_file_that_cannot_be_read_is_named_and_not_quoted(text: str) -> None:
    path = keys_file("")
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError) as caught:
        load(OS_REGION_NAME="eu-de")
    assert str(path) in caught.value.message
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


# --- the agency ---------------------------------------------------------------------


def test_the_agency_is_asked_for_and_never_guessed() -> None:
    with pytest.raises(ConfigurationError, match="no cloud is configured"):
        load(OS_REGION_NAME="eu-de", EVS_SNAP_METADATA_URL=METADATA_ADDRESS)
    assert load(OS_REGION_NAME="eu-de", OS_AUTH_TYPE="agency").credentials == AgencyCredentials()


@pytest.mark.parametrize(
    "address", [METADATA_ADDRESS, f"{METADATA_ADDRESS}/", "http://127.0.0.1:8080", "https://m.example"]
)  # fmt: skip
def test_the_metadata_address_is_on_the_machines_own_link_or_safe(address: str) -> None:
    given = choose(OS_AUTH_TYPE="agency", EVS_SNAP_METADATA_URL=address)
    assert given == AgencyCredentials(address.rstrip("/"))


@pytest.mark.parametrize("allowed", ["", "0", "no", "false"])
def test_keys_are_not_fetched_over_plain_http_from_elsewhere(allowed: str) -> None:
    told = refused(
        OS_AUTH_TYPE="agency",
        EVS_SNAP_METADATA_URL="http://10.0.0.1",
        EVS_SNAP_ALLOW_HTTP=allowed,
    )
    assert "plain http" in told


def test_unless_that_is_allowed() -> None:
    given = choose(
        OS_AUTH_TYPE="agency", EVS_SNAP_METADATA_URL="http://10.0.0.1", EVS_SNAP_ALLOW_HTTP="1"
    )
    assert given == AgencyCredentials("http://10.0.0.1")
