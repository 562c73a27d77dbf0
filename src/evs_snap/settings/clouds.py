"""clouds.yaml, secure.yaml and the built-in profiles, merged into one mapping.

Files are searched and merged as openstacksdk does it: the first clouds.yaml in the working
directory, the user's and then the system's configuration folder; secure.yaml in the same
places. Where both files set a value, that of secure.yaml counts. Source:
https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

Tree = dict[str, object]

PROFILES: Mapping[str, Tree] = {
    "otc": {"auth": {"auth_url": "https://iam.{region_name}.otc.t-systems.com/v3"}},
    "otc-swiss": {
        "auth": {"auth_url": "https://iam-pub.{region_name}.sc.otc.t-systems.com/v3"},
        "region_name": "eu-ch2",
    },
}

# What PyYAML raises besides its own errors: for `!!int x`, for ten thousand brackets.
_FROM_TAGS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


def find_cloud(environ: Mapping[str, str], *, name: str | None) -> tuple[str, Tree] | None:
    """Return the cloud called ``name``: where it was found, and its settings.

    Without a name: the only cloud in the file, or None. Raises ConfigurationError for a name
    that is not in the file, and for a file that cannot be read.
    """
    path = _first(environ, variable="OS_CLIENT_CONFIG_FILE", file="clouds.yaml")
    clouds = _clouds(path) if path else {}
    if name is None:
        if len(clouds) != 1:
            return None
        name = next(iter(clouds))
    if name not in clouds:
        places = str(path) if path else "no clouds.yaml was found"
        known = ", ".join(sorted(clouds)) or "none"
        raise ConfigurationError(
            f"cloud {name!r} is not configured ({places})",
            hint=f"Clouds there: {known}. Name one with --os-cloud or OS_CLOUD.",
        )
    secure = _first(environ, variable="OS_CLIENT_SECURE_FILE", file="secure.yaml")
    cloud = _merged(clouds[name], _clouds(secure).get(name, {}) if secure else {})
    return f"{path}: {name}", _with_profile(cloud, name=name)


def cloud_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of all clouds in clouds.yaml."""
    path = _first(environ, variable="OS_CLIENT_CONFIG_FILE", file="clouds.yaml")
    return sorted(_clouds(path)) if path else []


def _first(environ: Mapping[str, str], *, variable: str, file: str) -> Path | None:
    given = environ.get(variable)
    if given:
        if not _is_file(Path(given)):
            raise ConfigurationError(f"{variable} names {given!r}, which is not a file")
        return Path(given)
    places = (Path(), *_config_folders(environ), Path("/etc/openstack"))
    return next((p / file for p in places if _is_file(p / file)), None)


def _config_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    given, home = environ.get("XDG_CONFIG_HOME"), environ.get("HOME")
    try:
        config = Path(given) if given else Path(home or Path.home()) / ".config"
    except RuntimeError:  # a user without a home directory, as in some containers
        return ()
    return (config / "openstack",)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered
        return False


def _clouds(path: Path) -> dict[str, Tree]:
    import yaml  # noqa: PLC0415 - slow to load, and few use clouds.yaml

    class Loader(yaml.SafeLoader):
        """Leaves values as they were typed: YAML reads the password 0123 as the number 83."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
            first: [(tag, form) for tag, form in forms if tag.endswith((":null", ":merge"))]
            for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    except (yaml.YAMLError, *_FROM_TAGS) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{line} is not valid YAML") from error
    clouds = document.get("clouds") if isinstance(document, dict) else None
    if not isinstance(clouds, dict):
        raise ConfigurationError(f"{path} has no 'clouds' mapping at its top")
    return {str(k): v if isinstance(v, dict) else {} for k, v in clouds.items()}


def _merged(under: Tree, over: Tree) -> Tree:
    """Merge two levels, which is all that a cloud has: a YAML tree may be endless."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = {**below, **value} if both else value  # type: ignore[dict-item]  # both are
    return result


def _with_profile(cloud: Tree, *, name: str) -> Tree:
    profile = cloud.get("profile") or cloud.get("cloud")
    if not profile:
        return cloud
    if not isinstance(profile, str):
        raise ConfigurationError(f"the profile of cloud {name!r} is not a name")
    if profile not in PROFILES:
        raise ConfigurationError(
            f"cloud {name!r} uses the profile {profile!r}, which is not built in",
            hint=f"Built in: {', '.join(PROFILES)}. Or give auth_url and region_name.",
        )
    return _merged(PROFILES[profile], cloud)
