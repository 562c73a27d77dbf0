"""Where this program keeps what it must remember: tokens, locks, the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what may be lost: tokens."""
    return _folder("cache", environ)


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what must stay: locks, and the sandbox's disks."""
    return _folder("state", environ)


def _folder(kind: str, environ: Mapping[str, str]) -> Path:
    given = environ.get(f"XDG_{kind.upper()}_HOME")
    if given:
        return Path(given) / "evs-snap"
    import platformdirs  # noqa: PLC0415 - most commands ask for no folder

    return Path(getattr(platformdirs, f"user_{kind}_dir")("evs-snap", appauthor=False))
