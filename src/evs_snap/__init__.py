"""Snapshots of EVS disks: the library that the command line is built on.

::

    from evs_snap import connect, create_snapshots

    with connect(cloud="prod") as evs:
        record = create_snapshots(evs, "data-01", once_per="day")

Names are loaded when first used: importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from evs_snap.api.version import __version__

if TYPE_CHECKING:
    from evs_snap.clock import Clock
    from evs_snap.connection import connect
    from evs_snap.errors import (
        AmbiguousError,
        AnswerLostError,
        BadAnswerError,
        BusyError,
        ConfigurationError,
        EvsSnapError,
        HoldError,
        InterruptedRunError,
        LimitError,
        LockedError,
        NotConsistentError,
        NotFoundError,
        NotOursError,
        NotSentError,
        PermissionDeniedError,
        QuotaError,
        RestoreFailedError,
        SelectionError,
        ServerError,
        ServiceError,
        SignInError,
        SnapshotFailedError,
        ThrottledError,
        UnreachableError,
        VolumeStateError,
        WaitTimeoutError,
        WrongEndpointError,
    )
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection
    from evs_snap.plan.slots import Usage
    from evs_snap.runs.by_name import delete_snapshots, wait_for_snapshots
    from evs_snap.runs.pin import pin_snapshots, unpin_snapshots
    from evs_snap.runs.record import Action, Item, RunRecord
    from evs_snap.runs.restore import restore
    from evs_snap.runs.rotation import create_snapshots, prune_snapshots
    from evs_snap.services.client import EvsClient
    from evs_snap.services.interface import Snapshot, Stamp, Volume
    from evs_snap.settings import Settings

__all__ = [
    "Action",
    "AmbiguousError",
    "AnswerLostError",
    "BadAnswerError",
    "BusyError",
    "Clock",
    "ConfigurationError",
    "EvsClient",
    "EvsSnapError",
    "HoldError",
    "InterruptedRunError",
    "Item",
    "Keep",
    "LimitError",
    "LockedError",
    "NotConsistentError",
    "NotFoundError",
    "NotOursError",
    "NotSentError",
    "PermissionDeniedError",
    "QuotaError",
    "RestoreFailedError",
    "RunRecord",
    "Selection",
    "SelectionError",
    "ServerError",
    "ServiceError",
    "Settings",
    "SignInError",
    "Snapshot",
    "SnapshotFailedError",
    "Stamp",
    "ThrottledError",
    "UnreachableError",
    "Usage",
    "Volume",
    "VolumeStateError",
    "WaitTimeoutError",
    "WrongEndpointError",
    "__version__",
    "connect",
    "create_snapshots",
    "delete_snapshots",
    "pin_snapshots",
    "prune_snapshots",
    "restore",
    "unpin_snapshots",
    "wait_for_snapshots",
]

_MODULES = {
    "Action": "runs.record",
    "Clock": "clock",
    "EvsClient": "services.client",
    "Item": "runs.record",
    "Keep": "plan.retention",
    "RunRecord": "runs.record",
    "Selection": "plan.selection",
    "Settings": "settings",
    "Snapshot": "services.interface",
    "Stamp": "services.interface",
    "Usage": "plan.slots",
    "Volume": "services.interface",
    "connect": "connection",
    "create_snapshots": "runs.rotation",
    "delete_snapshots": "runs.by_name",
    "pin_snapshots": "runs.pin",
    "prune_snapshots": "runs.rotation",
    "restore": "runs.restore",
    "unpin_snapshots": "runs.pin",
    "wait_for_snapshots": "runs.by_name",
}
"""Where each name is defined. All others of ``__all__`` are in ``errors``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"evs_snap.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
