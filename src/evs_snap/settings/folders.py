"""Where this program keeps files between runs: its cache and its state.

Source: https://specifications.freedesktop.org/basedir-spec/latest/ (XDG_CACHE_HOME and
XDG_STATE_HOME). macOS has places of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from evs_snap.errors import ConfigurationError


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder for files that may be lost, such as tokens; it may not exist yet.

    None where neither XDG_CACHE_HOME nor a home directory is set: then nothing is cached.
    """
    return _folder(environ, "cache", below_home=".cache")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for files that must stay, such as locks; it may not exist yet.

    Raises ConfigurationError where neither XDG_STATE_HOME nor a home directory is set.
    """
    folder = _folder(environ, "state", below_home=".local/state")
    if folder is None:
        raise ConfigurationError(
            "there is no home directory, so no place for the locks and other files of evs-snap",
            hint="Set HOME to a folder that this user may write, or XDG_STATE_HOME (locks) "
            "and XDG_CACHE_HOME (tokens; without it each run signs in).",
        )
    return folder


def _folder(environ: Mapping[str, str], kind: str, *, below_home: str) -> Path | None:
    if sys.platform == "darwin":
        import platformdirs  # noqa: PLC0415 - needed on macOS alone

        return Path(getattr(platformdirs, f"user_{kind}_dir")("evs-snap", appauthor=False))
    given = Path(environ.get(f"XDG_{kind.upper()}_HOME", ""))
    if given.is_absolute():
        return given / "evs-snap"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError:  # this user has no home directory, as in some containers
        return None
    return home / below_home / "evs-snap"
