"""Snapshots of EVS disks: taken, awaited, counted and rotated.

The public names are loaded when first used, so that importing the package is free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.errors import EvsSnapError
    from evs_snap.settings import Settings, load_settings

__all__ = [
    "EvsClient",
    "EvsSnapError",
    "Settings",
    "Snapshot",
    "Volume",
    "load_settings",
]

_HOMES = {
    "EvsClient": "api.client",
    "EvsSnapError": "errors",
    "Settings": "settings",
    "Snapshot": "api.models",
    "Volume": "api.models",
    "load_settings": "settings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"evs_snap.{_HOMES[name]}"), name)
