"""Where settings come from: the environment, clouds.yaml and the vendor's file of keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from evs_snap.errors import ConfigurationError
from evs_snap.settings.addresses import iam_url, same_address

# Our key -> the environment variables that set it. The first one that is set counts.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "auth_type": ("OS_AUTH_TYPE",),
    "auth_url": ("OS_AUTH_URL",),
    "username": ("OS_USERNAME", "OS_USER_NAME"),
    "user_id": ("OS_USER_ID",),
    "password": ("OS_PASSWORD",),
    "token": ("OS_TOKEN", "OS_AUTH_TOKEN"),
    "access_key": ("OS_ACCESS_KEY",),
    "secret_key": ("OS_SECRET_KEY",),
    "security_token": ("OS_SECURITY_TOKEN",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME"),
    "user_domain_id": ("OS_USER_DOMAIN_ID", "OS_DOMAIN_ID"),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "region": ("OS_REGION_NAME",),
    "interface": ("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
    "endpoint": ("OS_VOLUME_ENDPOINT_OVERRIDE", "OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE"),
    "api_version": ("OS_VOLUME_API_VERSION",),
    "cacert": ("OS_CACERT",),
    "insecure": ("OS_INSECURE",),
    "allow_http": ("EVS_SNAP_ALLOW_HTTP",),
    "metadata_url": ("EVS_SNAP_METADATA_URL",),
}

# The variables of other tools for keys, by our key. They are used where no cloud is named and
# OS_ACCESS_KEY and OS_SECRET_KEY are not set. The first set that has an access key or a secret
# key is used, and no other: the key of one set does not belong to the secret of another.
OTHER_TOOLS: tuple[Mapping[str, str], ...] = (
    {
        "access_key": "HUAWEICLOUD_SDK_AK",
        "secret_key": "HUAWEICLOUD_SDK_SK",
        "security_token": "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        "project_id": "HUAWEICLOUD_SDK_PROJECT_ID",
        "auth_url": "HUAWEICLOUD_SDK_IAM_ENDPOINT",
    },
    {
        "access_key": "HW_ACCESS_KEY",
        "secret_key": "HW_SECRET_KEY",
        "security_token": "HW_SECURITY_TOKEN",
        "region": "HW_REGION_NAME",
        "project_name": "HW_PROJECT_NAME",
        "project_id": "HW_PROJECT_ID",
        "auth_url": "HW_AUTH_URL",
    },
)

# Our key -> its names in clouds.yaml, where they are not the same.
CLOUD_NAMES: Mapping[str, tuple[str, ...]] = {
    "project_name": ("project_name", "tenant_name"),
    "project_id": ("project_id", "tenant_id"),
    "user_domain_name": ("user_domain_name", "domain_name"),
    "user_domain_id": ("user_domain_id", "domain_id"),
    "region": ("region_name",),
    "access_key": ("access_key", "ak"),
    "secret_key": ("secret_key", "sk"),
    "interface": ("interface", "endpoint_type"),
    "endpoint": ("volume_endpoint_override", "block_storage_endpoint_override"),
    "api_version": ("volume_api_version",),
}

# Two ways to say the same: who sets one of a group replaces all of it.
_ALTERNATIVES = (
    {"username", "user_id"},
    {"application_credential_id", "application_credential_name"},
    {"user_domain_name", "user_domain_id"},
    {"project_name", "project_id"},
    {"project_domain_name", "project_domain_id"},
)

# Kind of sign-in -> its secret, and all settings that belong to this kind alone.
_SECRETS = {
    "password": "password",
    "token": "token",
    "keys": "secret_key",
    "application credential": "application_credential_secret",
}
_KINDS: Mapping[str, frozenset[str]] = {
    "password": frozenset({"username", "user_id", "password"}),
    "token": frozenset({"token"}),
    "keys": frozenset({"access_key", "secret_key", "security_token"}),
    "application credential": frozenset(
        {
            "application_credential_id",
            "application_credential_name",
            "application_credential_secret",
        }
    ),
}

_SIGN_IN = frozenset({"auth_type", "user_domain_name", "user_domain_id"}).union(*_KINDS.values())
_SELECTION = frozenset({"region"}.union(*_ALTERNATIVES[-2:]))
_OWN = frozenset({"allow_http", "metadata_url"})

_IN_HEADERS = frozenset({"token", "access_key", "security_token"})
_NO = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Values(Mapping[str, str]):
    """Settings by our key. ``origins`` names the variable, option or file of each.

    Its repr shows no value, since some are secret.
    """

    by_key: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        return self.by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)

    def replaced_by(self, stronger: Values) -> Values:
        """Return both together. Where they say different things, ``stronger`` counts."""
        dropped = {key for group in _ALTERNATIVES if group & stronger.keys() for key in group}
        kept = self.only(self.keys() - dropped)
        return Values({**kept, **stronger}, {**kept.origins, **stronger.origins})

    def only(self, keys: AbstractSet[str]) -> Values:
        """Return these settings alone."""
        kept = self.keys() & keys
        return Values({k: self[k] for k in kept}, {k: self.origins[k] for k in kept})


def has_sign_in(values: Values) -> bool:
    """Whether there is anything to sign in with, beyond the kind of sign-in that is wanted."""
    return "auth_url" in values or bool(_kinds(values))


def from_environment(environ: Mapping[str, str], *, with_other_tools: bool = True) -> Values:
    """Read the environment variables. An empty one counts as not set.

    ``with_other_tools`` reads the variables HUAWEICLOUD_SDK_* and HW_* too.
    """
    origins = {
        key: name
        for key, names in VARIABLES.items()
        if (name := next((n for n in names if environ.get(n)), None))
    }
    if "access_key" not in origins:
        origins.pop("security_token", None)  # a token without its key
    if with_other_tools and not {"access_key", "secret_key"} & origins.keys():
        for names_of in OTHER_TOOLS:
            found = {key: name for key, name in names_of.items() if environ.get(name)}
            if {"access_key", "secret_key"} & found.keys():
                origins = found | origins
                break
    return Values({key: environ[name] for key, name in origins.items()}, origins)


def from_keys_file(environ: Mapping[str, str]) -> Values:
    """Read the file of Huawei Cloud's SDK, ``~/.huaweicloud/credentials``, if it exists.

    Source: https://github.com/huaweicloud/huaweicloud-sdk-python-v3, "Use Credentials".
    Raises ConfigurationError for a file that cannot be read.
    """
    from configparser import ConfigParser, Error  # noqa: PLC0415 - few have the file

    given = environ.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")
    path = Path(given or Path(environ.get("HOME", "/nonexistent")) / ".huaweicloud/credentials")
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Values()
    except (OSError, ValueError, Error) as error:
        raise ConfigurationError(f"cannot read {path}: {type(error).__name__}") from error
    names = {
        "access_key": "ak",
        "secret_key": "sk",
        "security_token": "security_token",
        "project_id": "project_id",
        "auth_url": "iam_endpoint",
    }
    section = parser["basic"] if parser.has_section("basic") else {}
    values = {key: section[name] for key, name in names.items() if section.get(name)}
    return Values(values, dict.fromkeys(values, str(path)))


def from_cloud(cloud: Mapping[str, object], *, where: str) -> Values:
    """Read one cloud of clouds.yaml: what is under ``auth`` first, then what is beside it."""
    auth = cloud.get("auth")
    parts = [part for part in (auth, cloud) if isinstance(part, dict)]
    values = {}
    for key in VARIABLES:
        names = CLOUD_NAMES.get(key, (key,))
        found = [part[n] for part in parts for n in names if part.get(n) not in (None, "")]
        if found and isinstance(found[0], str):
            values[key] = found[0]
    if "access_key" not in values:
        values.pop("security_token", None)  # a token without its key
    verify = cloud.get("verify")
    if verify is False or (isinstance(verify, str) and verify.lower() in _NO):
        values["insecure"] = "true"
    own = cloud.get("evs_snap")
    if isinstance(own, dict) and own.get("limit") is not None:
        values["limit"] = own["limit"] if isinstance(own["limit"], str) else "not a number"
    return Values(values, dict.fromkeys(values, where))


def of_named_cloud(
    cloud: Values, *, environment: Values, by_option: bool, region: str | None
) -> Values:
    """Return the settings of a named cloud, with what the environment may add to them.

    Who we are, where to go and whom to trust come from the cloud's entry in clouds.yaml. The
    environment only completes its sign-in (a password that the entry leaves out), and sets
    region and project. ``region`` is that of the command line.

    An environment that is about another sign-in (another OS_AUTH_URL, user, secret or kind
    of sign-in) adds nothing: its secrets are for another cloud. The option --os-cloud
    (``by_option``) passes it over; beside OS_CLOUD it is a ConfigurationError.
    """
    other = _about_another_sign_in(
        environment, cloud, region=region or cloud.get("region") or environment.get("region")
    )
    if other and not by_option:
        raise ConfigurationError(
            f"OS_CLOUD and {environment.origins[other]} are about two different sign-ins",
            hint="Unset one of them, or choose the cloud with --os-cloud, which counts alone.",
        )
    if other:
        return cloud.replaced_by(environment.only(_OWN))
    completing = _SIGN_IN - {"auth_type"} if _kinds(cloud) else _SIGN_IN
    whole = environment.only(completing).replaced_by(cloud)
    return whole.replaced_by(environment.only(_SELECTION | _OWN))


def _about_another_sign_in(environment: Values, cloud: Values, *, region: str | None) -> str | None:
    """Return the setting that shows that the environment is not about this cloud."""
    if "auth_url" in environment and not same_address(
        environment["auth_url"], _identity_address(cloud, region=region)
    ):
        return "auth_url"
    for key in sorted(_SIGN_IN - {"auth_type"}):
        if key in environment and cloud.get(key, environment[key]) != environment[key]:
            return key
    kinds = _kinds(cloud)
    offered = {kind: key for kind, key in _SECRETS.items() if key in environment}
    if environment.get("auth_type") == "agency":
        offered["agency"] = "auth_type"
    return next((key for kind, key in offered.items() if kinds and kind not in kinds), None)


def _kinds(values: Values) -> set[str]:
    """Return the kinds of sign-in that have at least one setting."""
    kinds = {kind for kind, keys in _KINDS.items() if keys & values.keys()}
    return kinds | ({"agency"} if values.get("auth_type") == "agency" else set())


def _identity_address(cloud: Values, *, region: str | None) -> str:
    """Return the address of the cloud's IAM; empty where it is not known."""
    if "auth_url" in cloud:
        return cloud["auth_url"].replace("{region_name}", region or "")
    try:
        return iam_url(region or "")
    except ConfigurationError:
        return ""


def require_sendable(values: Values) -> None:
    """Refuse values that cannot be part of a request; a wrong password costs one of few tries.

    Raises ConfigurationError that names the variable and never shows the value.
    """
    for key, value in values.items():
        odd = any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)
        if odd or (key in _IN_HEADERS and not value.isascii()):
            raise ConfigurationError(
                f"{key} ({values.origins[key]}) has a line break, another control character, "
                "or bytes that are not text",
                hint="Often it is the line break at the end of a file: leave it out.",
            )
