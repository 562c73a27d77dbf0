"""Where settings come from: the environment, clouds.yaml and the vendor's file of keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evs_snap.errors import ConfigurationError

# Our key -> the environment variables that set it. The first one that is set counts.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "auth_type": ("OS_AUTH_TYPE",),
    "auth_url": ("OS_AUTH_URL",),
    "username": ("OS_USERNAME", "OS_USER_NAME"),
    "user_id": ("OS_USER_ID",),
    "password": ("OS_PASSWORD",),
    "token": ("OS_TOKEN", "OS_AUTH_TOKEN"),
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

# The variables of each vendor's tools for keys, by our key. The first set that has an access
# key or a secret key is used, and no other: the key of one set does not belong to the secret
# of another.
_KEY_SETS: tuple[Mapping[str, str], ...] = (
    {
        "access_key": "OS_ACCESS_KEY",
        "secret_key": "OS_SECRET_KEY",
        "security_token": "OS_SECURITY_TOKEN",
    },
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
_CLOUD_NAMES: Mapping[str, tuple[str, ...]] = {
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
    {"user_domain_name", "user_domain_id"},
    {"project_name", "project_id"},
    {"project_domain_name", "project_domain_id"},
)

# The secrets of each kind of sign-in: who sets one kind replaces all other kinds.
_SECRETS = ({"password"}, {"token"}, {"access_key", "secret_key", "security_token"})

SIGN_IN_KEYS = frozenset({"auth_url", "auth_type", "username", "user_id"}.union(*_SECRETS))
"""The settings that are about signing in."""

OF_ONE_CLOUD = SIGN_IN_KEYS.union(
    {"region", "interface", "endpoint", "api_version"}, *_ALTERNATIVES
)
"""The settings that say who we are and where to go: never taken from one cloud for another."""

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
        if any(kind & stronger.keys() for kind in _SECRETS):
            dropped |= {k for kind in _SECRETS if not kind & stronger.keys() for k in kind}
            dropped.add("auth_type")
        if "access_key" in stronger:
            dropped.add("security_token")  # it belongs to the access key that is replaced
        kept = self.without(dropped)
        return Values({**kept, **stronger}, {**kept.origins, **stronger.origins})

    def without(self, keys: set[str] | frozenset[str]) -> Values:
        """Return all other settings."""
        kept = self.keys() - keys
        return Values({k: self[k] for k in kept}, {k: self.origins[k] for k in kept})


def has_sign_in(values: Values) -> bool:
    """Whether there is anything to sign in with, beyond the kind of sign-in that is wanted."""
    return bool(values.keys() & SIGN_IN_KEYS - {"auth_type"}) or (
        values.get("auth_type") == "agency"
    )


def from_environment(environ: Mapping[str, str]) -> Values:
    """Read the environment variables. An empty one counts as not set."""
    values, origins = {}, {}
    for key, names in VARIABLES.items():
        name = next((n for n in names if environ.get(n)), None)
        if name:
            values[key], origins[key] = environ[name], name
    for names_of in _KEY_SETS:
        if not any(environ.get(names_of[key]) for key in ("access_key", "secret_key")):
            continue
        for key, name in names_of.items():
            if environ.get(name) and key not in values:
                values[key], origins[key] = environ[name], name
        break
    return Values(values, origins)


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
    except (OSError, UnicodeDecodeError, Error) as error:
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
    for key in (*VARIABLES, "access_key", "secret_key", "security_token"):
        names = _CLOUD_NAMES.get(key, (key,))
        found = [part[n] for part in parts for n in names if part.get(n) not in (None, "")]
        if found and not isinstance(found[0], dict | list):
            values[key] = str(found[0])
    if str(cloud.get("verify")).lower() in _NO:
        values["insecure"] = "true"
    own = cloud.get("evs_snap")
    if isinstance(own, dict) and own.get("limit") is not None:
        values["limit"] = str(own["limit"])
    return Values(values, dict.fromkeys(values, where))


def fitting(environment: Values, *, cloud: Values, named_by_option: bool) -> Values:
    """Return what of the environment may be used together with a named cloud.

    A password in the environment often completes an entry of clouds.yaml. But where the
    environment is about another cloud (another OS_AUTH_URL), using both would send the
    secret of one cloud to the other. Then the option counts alone; OS_CLOUD raises
    ConfigurationError.
    """
    theirs, ours = environment.get("auth_url"), cloud.get("auth_url")
    if theirs is None or ours is None or _root(theirs) == _root(ours):
        return environment
    if named_by_option:
        return environment.without(OF_ONE_CLOUD)
    raise ConfigurationError(
        "OS_CLOUD and OS_AUTH_URL name two different clouds",
        hint="Unset one of them, or choose with --os-cloud, which wins.",
    )


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


def _root(auth_url: str) -> str:
    return auth_url.rstrip("/").removesuffix("/v3").rstrip("/")
