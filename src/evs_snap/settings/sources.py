"""What was values where: environment and clouds.yaml as flat values with their origin."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Our key -> the environment variables that set it, first one wins.
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

# Each vendor's set of variables for keys, by our key. The first set that has a key or a
# secret is taken, and taken alone: one set's key does not go with another's secret.
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

# Our key -> its names in clouds.yaml, under "auth" or beside it, where they differ.
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

# Ways to say one thing: a stronger source that says one silences the others below it.
_ALTERNATIVES = (
    {"username", "user_id"},
    {"user_domain_name", "user_domain_id"},
    {"project_name", "project_id"},
    {"project_domain_name", "project_domain_id"},
)

# Kinds of sign-in: a stronger source that speaks of one silences the others below it.
_SECRETS = ({"password"}, {"token"}, {"access_key", "secret_key", "security_token"})

SIGN_IN_KEYS = frozenset({"auth_url", "auth_type", "username", "user_id"}.union(*_SECRETS))
"""What shows that a source speaks of signing in at all."""

OF_ONE_CLOUD = SIGN_IN_KEYS.union(
    {"region", "interface", "endpoint", "api_version"}, *_ALTERNATIVES
)
"""What says who we are and where: never to be taken from one cloud for another."""

_IN_HEADERS = frozenset({"token", "access_key", "security_token"})
_NO = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Values:
    """Values by our key, and the variable, option or file each came from."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict)

    def under(self, stronger: Values) -> Values:
        """Return both combined, the stronger's word standing where they meet."""
        spoken = stronger.values.keys()
        silenced = {key for group in _ALTERNATIVES if group & spoken for key in group}
        if any(kind & spoken for kind in _SECRETS):
            silenced |= {key for kind in _SECRETS if not kind & spoken for key in kind}
            silenced.add("auth_type")
        if "access_key" in spoken:
            silenced.add("security_token")  # it belongs to the key that is not taken
        kept = {k: v for k, v in self.values.items() if k not in silenced}
        origins = {k: self.origins[k] for k in kept}
        return Values({**kept, **stronger.values}, {**origins, **stronger.origins})

    def without(self, keys: frozenset[str]) -> Values:
        """Return the rest."""
        kept = self.values.keys() - keys
        return Values({k: self.values[k] for k in kept}, {k: self.origins[k] for k in kept})


def speaks_of_sign_in(values: Values) -> bool:
    """Whether a source says who we are, not just which kind of proof it would prefer."""
    keys = values.values.keys() & SIGN_IN_KEYS
    return bool(keys - {"auth_type"}) or values.values.get("auth_type") == "agency"


def from_environment(environ: Mapping[str, str]) -> Values:
    """Read the ``OS_*`` variables; empty ones count as not set."""
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
    """Read the vendor SDK's ``~/.huaweicloud/credentials``, where there is one."""
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
    """Read one cloud of clouds.yaml, its ``auth`` part before its top level."""
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


def agreeing(environment: Values, *, cloud: Values, named_by_option: bool) -> Values:
    """Return what of the environment may be combined with a named cloud.

    A password in the environment often completes a clouds.yaml entry. Where the
    environment speaks of another cloud altogether (its own OS_AUTH_URL), mixing the
    two would send one cloud's secret to the other: the option wins, OS_CLOUD is a
    contradiction.
    """
    theirs, ours = environment.values.get("auth_url"), cloud.values.get("auth_url")
    if theirs is None or ours is None or _root(theirs) == _root(ours):
        return environment
    if named_by_option:
        return environment.without(OF_ONE_CLOUD)
    raise ConfigurationError(
        "OS_CLOUD and OS_AUTH_URL name two different clouds",
        hint="Unset one of them, or choose with --os-cloud, which wins.",
    )


def require_sendable(values: Values) -> None:
    """Refuse what no request can carry; a wrong password costs one of few tries."""
    for key, value in values.values.items():
        odd = any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)
        if odd or (key in _IN_HEADERS and not value.isascii()):
            raise ConfigurationError(
                f"{key} ({values.origins[key]}) holds a line break, another control character, "
                "or bytes that are no text",
                hint="Often it is the line break at the end of a file: leave it out.",
            )


def _root(auth_url: str) -> str:
    return auth_url.rstrip("/").removesuffix("/v3").rstrip("/")
