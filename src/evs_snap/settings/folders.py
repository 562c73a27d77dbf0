"""Where this program keeps files between runs: its cache and its state.

Source: https://specifications.freedesktop.org/basedir-spec/latest/ (XDG_CACHE_HOME and
XDG_STATE_HOME). macOS and Windows have places of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what may be lost, such as tokens; it may not exist yet.

    Raises ConfigurationError where neither the variable nor a home directory is set.
    """
    return _folder(environ, "cache", below_home=".cache")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for what must stay, such as locks and the sandbox; it may not exist yet.

    Raises ConfigurationError where neither the variable nor a home directory is set.
    """
    return _folder(environ, "state", below_home=".local/state")


def _folder(environ: Mapping[str, str], kind: str, *, below_home: str) -> Path:
    if sys.platform in {"darwin", "win32"}:
        import platformdirs  # noqa: PLC0415 - needed on these systems alone

        return Path(getattr(platformdirs, f"user_{kind}_dir")("evs-snap", appauthor=False))
    variable = f"XDG_{kind.upper()}_HOME"
    given = Path(environ.get(variable, ""))
    if given.is_absolute():
        return given / "evs-snap"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError as error:
        raise ConfigurationError(
            f"there is no home directory, so no place for the {kind} files of evs-snap",
            hint=f"Set {variable} to a folder that this user may write, or set HOME.",
        ) from error
    return home / below_home / "evs-snap"
