"""Where a path leads: to which service, which version of it, which project."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOUNTS = ("/identity", "/volume")
_VERSIONED = re.compile(r"/(v[23])(|/.*)", re.DOTALL)
_IN_PROJECT = re.compile(r"/([0-9a-f-]+)(/.+)", re.DOTALL)
"""Cinder's own pattern for project IDs, which no word of Keystone's paths fits."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path taken apart."""

    service: str
    """identity, volume, or nothing for what belongs to neither."""

    mount: str
    """/identity and /volume, as with devstack; nothing at the root, as with EVS."""

    version: str
    """v3, v2 or nothing."""

    project_id: str | None
    tail: str
    """What comes after all that."""


def locate(path: str) -> Place:
    """Take a path apart.

    At the root both services share /v3. What names a project is block storage, all
    else is identity, /v3 alone too: who signs in begins there. /v2 is block storage.
    """
    mount = next((m for m in _MOUNTS if f"{path}/".startswith(f"{m}/")), "")
    version, tail = _split(_VERSIONED, path.removeprefix(mount))
    project_id, inside = _split(_IN_PROJECT, tail) if version else (None, tail)
    if mount:
        service = mount[1:]
    elif version is None:
        service = ""
    else:
        service = "volume" if project_id or version == "v2" else "identity"
    if service == "volume":
        tail = inside
    else:
        project_id = None
    return Place(service, mount, version or "", project_id, tail)


def _split(pattern: re.Pattern[str], path: str) -> tuple[str | None, str]:
    match = pattern.fullmatch(path)
    return (match[1], match[2]) if match else (None, path)
