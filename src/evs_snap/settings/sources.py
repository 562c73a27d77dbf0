"""Where settings come from: the environment, an entry of clouds.yaml, the vendor's file of keys.

The OS_* variables and an entry are read alike, as openstacksdk does it: OS_REGION_NAME is the
entry's key region_name. Source of names and precedence: openstack/config/loader.py and
cloud_region.py at https://opendev.org/openstack/openstacksdk
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from evs_snap.errors import ConfigurationError
from evs_snap.settings.clouds import Cloud
from evs_snap.settings.values import Values

SERVICES = ("block_storage", "volumev3", "volumev2", "volume", "block_store", "evs")
"""Prefixes of settings for the volume service, best first: the service type and its aliases
(https://service-types.openstack.org/service-types.json); ``evs`` is the vendors' own."""

# Our key -> its names, best first. Read under 'auth' first, then beside it.
_UNDER_AUTH: Mapping[str, tuple[str, ...]] = {
    "auth_url": ("auth_url",),
    "username": ("username", "user_name"),
    "user_id": ("user_id",),
    "password": ("password",),
    "application_credential_id": ("application_credential_id",),
    "application_credential_name": ("application_credential_name",),
    "application_credential_secret": ("application_credential_secret",),
    "access_key": ("access_key", "ak"),
    "secret_key": ("secret_key", "sk"),
    "security_token": ("security_token",),
    "trust_id": ("trust_id",),
    "system_scope": ("system_scope",),
}

# Read beside 'auth' first, then under it.
_BESIDE_AUTH: Mapping[str, tuple[str, ...]] = {
    "token": ("token", "auth_token"),
    "project_name": ("project_name", "tenant_name"),
    "project_id": ("project_id", "tenant_id"),
    "user_domain_name": ("user_domain_name", "domain_name", "default_domain_name"),
    "user_domain_id": ("user_domain_id", "domain_id", "default_domain_id"),
    "project_domain_name": ("project_domain_name", "domain_name", "default_domain_name"),
    "project_domain_id": ("project_domain_id", "domain_id", "default_domain_id"),
}

# Read beside 'auth' alone.
_OUTSIDE: Mapping[str, tuple[str, ...]] = {
    "auth_type": ("auth_type", "auth_plugin"),
    "region": ("region_name",),
    "cacert": ("cacert",),
    "insecure": ("insecure",),
    "verify": ("verify",),
    "cert": ("cert",),
    "volume_region": tuple(f"{service}_region_name" for service in SERVICES),
    "interface": (*(f"{service}_interface" for service in SERVICES), "interface"),
    "endpoint": (
        *(f"{service}_endpoint_override" for service in SERVICES),
        *(f"{service}_endpoint" for service in SERVICES),
    ),
    "api_version": tuple(f"{service}_api_version" for service in SERVICES),
    "service_type": tuple(f"{service}_service_type" for service in SERVICES),
    "service_name": tuple(f"{service}_service_name" for service in SERVICES),
}

KEYS: Mapping[str, tuple[str, ...]] = {**_UNDER_AUTH, **_BESIDE_AUTH, **_OUTSIDE}
"""Our key -> all names that openstacksdk reads for it, best first."""

OWN_VARIABLES: Mapping[str, str] = {
    "allow_http": "EVS_SNAP_ALLOW_HTTP",
    "metadata_url": "EVS_SNAP_METADATA_URL",
    "limit": "EVS_SNAP_LIMIT",
    "kind": "EVS_SNAP_KIND",
    "enterprise_project_id": "EVS_SNAP_ENTERPRISE_PROJECT_ID",
}
"""Our key -> the variable that sets it, whichever cloud is named."""

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

OWN_KEYS = frozenset({"enterprise_project_id", "kind", "limit"})
"""Keys below ``evs_snap:`` in an entry of clouds.yaml."""

_IN_HEADERS = frozenset({"token", "access_key", "security_token"})


def from_environment(environ: Mapping[str, str], *, with_other_tools: bool = True) -> Values:
    """Read the environment variables. An empty one counts as not set.

    ``with_other_tools`` reads the variables HUAWEICLOUD_SDK_* and HW_* too.
    """
    names = {name for name in environ if name.startswith("OS_") and name == name.upper()}
    tree = {name.removeprefix("OS_").lower(): environ[name] for name in sorted(names)}
    found = {key: f"OS_{name.upper()}" for key, (name, _) in _read(tree).items()}
    found |= {key: name for key, name in OWN_VARIABLES.items() if environ.get(name)}
    if with_other_tools and not {"access_key", "secret_key"} & found.keys():
        for names_of in OTHER_TOOLS:
            given = {key: name for key, name in names_of.items() if environ.get(name)}
            if {"access_key", "secret_key"} & given.keys():
                found = given | found
                break
    return Values({key: environ[name] for key, name in found.items()}, found, found)


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
    return Values(values, dict.fromkeys(values, str(path)), names)


def from_cloud(cloud: Cloud, *, region: str | None) -> Values:
    """Read a cloud of clouds.yaml, for ``region`` or else its first one.

    Raises ConfigurationError that names the key of a value that cannot be read.
    """
    tree = cloud.tree(region)
    if not isinstance(tree.get("auth") or {}, dict):
        raise ConfigurationError(f"auth ({cloud.place}) is no mapping of keys and values")
    for key in tree:
        if key.endswith("endpoint-type"):
            raise ConfigurationError(
                f"{key} ({cloud.place}) is not read by openstack, which uses the default instead",
                hint=f"Write {key.removesuffix('endpoint-type').replace('-', '_')}interface.",
            )
    found = _read(tree)
    values = {
        key: _text(value, told=f"{name} ({cloud.place})") for key, (name, value) in found.items()
    }
    own = tree.get("evs_snap")
    names = {key: name for key, (name, _) in found.items()}
    if isinstance(own, dict):
        names |= {key: f"evs_snap.{key}" for key in OWN_KEYS & own.keys()}
        for key in OWN_KEYS:
            if own.get(key) is not None:
                values[key] = _text(own[key], told=f"evs_snap.{key} ({cloud.place})")
    return Values(values, dict.fromkeys(values, cloud.place), names)


def unknown_keys(cloud: Cloud) -> list[str]:
    """Return a remark where keys below ``evs_snap:`` are none that this program reads."""
    own = cloud.tree(None).get("evs_snap")
    if own is None:
        return []
    unknown = sorted(map(str, own.keys() - OWN_KEYS)) if isinstance(own, dict) else ["(no mapping)"]
    known = ", ".join(sorted(OWN_KEYS))
    told = ", ".join(f"evs_snap.{key}" for key in unknown)
    return [f"{cloud.place}: not known and left out: {told} (known: {known})"] if unknown else []


def _read(tree: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """Return each of our keys that the tree sets: its name as written, and its value."""
    beside = _usual(tree)
    auth = beside.get("auth", ("auth", {}))[1]
    if not isinstance(auth, dict):
        auth = {}
    under = _usual(auth)
    found: dict[str, tuple[str, object]] = {}
    for key, names in KEYS.items():
        if key in _UNDER_AUTH:
            candidates = [(part, name) for part in (under, beside) for name in names]
        elif key in _BESIDE_AUTH:
            candidates = [(part, name) for name in names for part in (beside, under)]
        else:
            candidates = [(beside, name) for name in names]
        given = next((part[name] for part, name in candidates if name in part), None)
        if given is not None:
            found[key] = given
    if "access_key" not in found:
        found.pop("security_token", None)  # a token without its key
    return found


def _usual(tree: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """Return the values by the usual spelling of their keys, each with the key as written.

    An empty value counts as not set. Of two spellings the later one counts; ``endpoint_type``
    comes after ``interface`` wherever it stands.
    """
    found: dict[str, tuple[str, object]] = {}
    for key in sorted(tree, key=lambda key: key != "interface"):
        usual = key.replace("-", "_")
        if usual.endswith("endpoint_type"):
            usual = usual.removesuffix("endpoint_type") + "interface"
        if tree[key] not in (None, ""):
            found[usual] = (key, tree[key])
    return found


def _text(value: object, *, told: str) -> str:
    if isinstance(value, bool):  # from JSON; a YAML file's values stay text
        return str(value).lower()
    if not isinstance(value, str):
        raise ConfigurationError(f"{told} is a list or a mapping, and must be a text")
    return value


def require_sendable(values: Values) -> None:
    """Refuse values that cannot be part of a request; a wrong password costs one of few tries.

    Raises ConfigurationError that names the variable and never shows the value.
    """
    if "-----BEGIN" in values.get("cacert", ""):
        raise ConfigurationError(
            f"{values.told('cacert')} holds a certificate, and must be the path of a file",
            hint="Write the certificate to a file and name that file.",
        )
    for key, value in values.items():
        odd = any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)
        if odd or (key in _IN_HEADERS and not value.isascii()):
            raise ConfigurationError(
                f"{values.told(key)} has a line break, another control character, "
                "or bytes that are not text",
                hint="Often it is the line break at the end of a file: leave it out.",
            )
