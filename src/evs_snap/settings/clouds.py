"""clouds.yaml, secure.yaml, clouds-public.yaml and the built-in profiles.

Files are searched and merged as openstacksdk does it. In each folder the endings .yaml, .yml and
.json are tried; the first file found counts. secure.yaml is merged over clouds.yaml. An entry's
profile is read from clouds-public.yaml, else it is one of those built in. Source:
https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html

Unlike openstacksdk, values stay as they were typed: YAML reads the password 0123 as 83.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from evs_snap.errors import ConfigurationError

Tree = dict[str, object]

PROFILES: Mapping[str, Tree] = {
    "otc": {
        "auth": {"auth_url": "https://iam.{region_name}.otc.t-systems.com/v3"},
        "regions": ["eu-de", "eu-nl"],
    },
    "otc-swiss": {
        "auth": {"auth_url": "https://iam-pub.{region_name}.sc.otc.t-systems.com/v3"},
        "regions": ["eu-ch2"],
    },
}

_ENDINGS = (".yaml", ".yml", ".json")

# What PyYAML raises besides its own errors: for `!!int x`, for ten thousand brackets.
_FROM_TAGS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: its entry in clouds.yaml (with secure.yaml), and its profile's entry.

    ``place`` names the file and the cloud. ``remarks`` are sentences for the user.
    """

    name: str
    place: str
    entry: Tree
    profile: Tree = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def region(self, wanted: str | None) -> tuple[str | None, Tree]:
        """Return the region ``wanted``, else the cloud's first one, and the values of it.

        Raises ConfigurationError where the cloud lists its regions and this is not among them.
        """
        names, is_list = self._regions()
        if wanted is None:
            return next(iter(names.items()), (None, {}))
        if is_list and wanted not in names:
            raise ConfigurationError(
                f"region {wanted!r} is not one of the regions of cloud {self.name!r} "
                f"({self.place})",
                hint=f"Its regions: {', '.join(names)}. Choose one with --os-region-name, or "
                "add it to 'regions' there.",
            )
        return wanted, names.get(wanted, {})

    def own_region(self) -> str | None:
        """Return the only region of the cloud; None where it has several or names none."""
        names, _ = self._regions()
        return next(iter(names)) if len(names) == 1 else None

    def tree(self, region: str | None) -> Tree:
        """Return the profile, the entry over it, and the region's values over both.

        Raises ConfigurationError as ``region`` does.
        """
        name, values = self.region(region)
        merged = _merged(_merged(self.profile, self.entry), values)
        return merged | {"region_name": name}

    def _regions(self) -> tuple[dict[str, Tree], bool]:
        """Return the values of each known region, and whether no other region is allowed."""
        for layer in (self.entry, self.profile):
            usual = {key.replace("-", "_"): value for key, value in layer.items()}
            regions, name = usual.get("regions"), usual.get("region_name")
            if regions:
                return self._expanded(regions), True
            if isinstance(name, str) and name:
                names = name.split(",")
                return {n.strip(): {} for n in names}, len(names) > 1
            if name:
                return self._expanded(name), True
        return {}, False

    def _expanded(self, regions: object) -> dict[str, Tree]:
        names: dict[str, Tree] = {}
        for region in regions if isinstance(regions, list) else [None]:
            row = region if isinstance(region, dict) else {"name": region}
            name, values = row.get("name"), row.get("values") or {}
            if not (isinstance(name, str) and name and isinstance(values, dict)) or not (
                row.keys() <= {"name", "values"}
            ):
                raise ConfigurationError(
                    f"'regions' of cloud {self.name!r} ({self.place}) cannot be read",
                    hint="It is a list of names, or of mappings with 'name' and 'values'.",
                )
            names.setdefault(name, values)
        return names


def find_cloud(environ: Mapping[str, str], *, name: str | None) -> Cloud | None:
    """Return the cloud called ``name``. Without a name: the only cloud in the file, or None.

    Raises ConfigurationError for a name that is not in the file, and for a file that cannot be
    read.
    """
    path, clouds = _all_clouds(environ)
    if name is None:
        if len(clouds) != 1:
            return None
        name = next(iter(clouds))
    if name not in clouds:
        known = ", ".join(sorted(clouds))
        raise ConfigurationError(
            f"cloud {name!r} is not configured ({path or 'no clouds.yaml was found'})",
            hint=f"Clouds there: {known}. Name one with --os-cloud or OS_CLOUD."
            if known
            else "Add it under 'clouds' to ~/.config/openstack/clouds.yaml, or set the file with "
            "OS_CLIENT_CONFIG_FILE.",
        )
    return _with_profile(Cloud(name, f"{path}: {name}", clouds[name]), environ)


def cloud_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of all clouds in clouds.yaml."""
    return sorted(_all_clouds(environ)[1])


def _all_clouds(environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Tree]]:
    """Return the file, and its clouds with secure.yaml merged over them."""
    path = _first(environ, "clouds", variable="OS_CLIENT_CONFIG_FILE")
    secure = _first(environ, "secure", variable="OS_CLIENT_SECURE_FILE")
    clouds = _section(path, "clouds") if path else {}
    for name, tree in (_section(secure, "clouds") if secure else {}).items():
        clouds[name] = _merged(clouds.get(name, {}), tree)
    return path or secure, clouds


def _with_profile(cloud: Cloud, environ: Mapping[str, str]) -> Cloud:
    """Return the cloud with its profile. A profile that is not known leaves the entry alone."""
    key = "profile" if cloud.entry.get("profile") else "cloud"
    profile = cloud.entry.get(key)
    if not profile:
        return cloud
    if not isinstance(profile, str):
        raise ConfigurationError(f"'{key}' of cloud {cloud.name!r} ({cloud.place}) is not a name")
    path = _first(environ, "clouds-public")
    public = _section(path, "public-clouds", needed=False) if path else {}
    known = {**PROFILES, **public}
    if profile in known:
        return Cloud(cloud.name, cloud.place, cloud.entry, known[profile])
    remark = (
        f"{cloud.place}: {key} {profile!r} is not known and is left out "
        f"(known: {', '.join(sorted(known))}; others belong into a clouds-public.yaml)"
    )
    return Cloud(cloud.name, cloud.place, cloud.entry, {}, (remark,))


def _first(environ: Mapping[str, str], stem: str, *, variable: str = "") -> Path | None:
    given = environ.get(variable)
    if given:
        if not _is_file(Path(given)):
            raise ConfigurationError(f"{variable} names {given!r}, which is not a file")
        return Path(given)
    places = (Path(), *_config_folders(environ), Path("/etc/xdg/openstack"), Path("/etc/openstack"))
    paths = (folder / f"{stem}{ending}" for folder in places for ending in _ENDINGS)
    return next((path for path in paths if _is_file(path)), None)


def _config_folders(environ: Mapping[str, str]) -> list[Path]:
    given = [Path(folder) for folder in [environ.get("XDG_CONFIG_HOME")] if folder]
    with suppress(RuntimeError):  # this user has no home directory, as in some containers
        given.append(Path(environ.get("HOME") or Path.home()) / ".config")
    return [folder / "openstack" for folder in given]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered
        return False


def _section(path: Path, section: str, *, needed: bool = True) -> dict[str, Tree]:
    """Return the entries of a file by name.

    Raises ConfigurationError where the file cannot be read, or lacks a section that is ``needed``.
    """
    try:
        document = _parsed(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    entries = document.get(section) if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        if not needed:
            return {}
        raise ConfigurationError(f"{path} has no {section!r} mapping at its top")
    return {
        str(name): {str(key): value for key, value in entry.items()}
        if isinstance(entry, dict)
        else {}
        for name, entry in entries.items()
    }


def _parsed(path: Path, text: str) -> object:
    import yaml  # noqa: PLC0415 - slow to load, and few use clouds.yaml

    class Loader(yaml.SafeLoader):
        """Leaves values as they were typed."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
            first: [(tag, form) for tag, form in forms if tag.endswith((":null", ":merge"))]
            for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        if path.suffix == ".json":
            return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        return yaml.load(text, Loader)  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, *_FROM_TAGS) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        form = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigurationError(f"{path}{line} is not valid {form}") from error


def _merged(under: Tree, over: Tree) -> Tree:
    """Merge two levels, which is all that a cloud has: a YAML tree may be endless."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = {**below, **value} if both else value  # type: ignore[dict-item]  # both are
    return result
