"""Snapshots of EVS disks: the library that the command line is built on.

::

    from evs_snap import connect, create_snapshots

    with connect(cloud="prod") as evs:
        record = create_snapshots(evs, "data-01", once_per="day")

Names are loaded when first used: importing the package costs nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import WSGIApplication

    from evs_snap.api.client import EvsClient
    from evs_snap.api.models import Snapshot, Volume
    from evs_snap.clock import Clock
    from evs_snap.errors import EvsSnapError
    from evs_snap.plan.retention import Keep
    from evs_snap.plan.selection import Selection
    from evs_snap.runs.report import RunRecord
    from evs_snap.runs.restore import restore
    from evs_snap.runs.snapshots import (
        create_snapshots,
        delete_snapshots,
        prune_snapshots,
        wait_for_snapshots,
    )
    from evs_snap.settings import Settings

__all__ = [
    "EvsClient",
    "EvsSnapError",
    "Keep",
    "RunRecord",
    "Selection",
    "Snapshot",
    "Volume",
    "connect",
    "create_snapshots",
    "delete_snapshots",
    "prune_snapshots",
    "restore",
    "wait_for_snapshots",
]

__version__ = "0.1.0"

_MODULES = {
    "EvsClient": "api.client",
    "EvsSnapError": "errors",
    "Keep": "plan.retention",
    "RunRecord": "runs.report",
    "Selection": "plan.selection",
    "Snapshot": "api.models",
    "Volume": "api.models",
    "create_snapshots": "runs.snapshots",
    "delete_snapshots": "runs.snapshots",
    "prune_snapshots": "runs.snapshots",
    "restore": "runs.restore",
    "wait_for_snapshots": "runs.snapshots",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"evs_snap.{_MODULES[name]}"), name)


@contextmanager
def connect(  # noqa: PLR0913 - the one place where a client is put together
    cloud: str | None = None,
    *,
    sandbox: bool = False,
    settings: Settings | None = None,
    parallel: int = 4,
    keep_token: bool = True,
    clock: Clock | None = None,
    app: WSGIApplication | None = None,
    trace: Callable[[str], None] | None = None,
    bodies: bool = False,
    note: Callable[[str], None] | None = None,
) -> Iterator[EvsClient]:
    """Give a client for one project; it signs in with its first request.

    Which project: a ``cloud`` of clouds.yaml, else what the ``OS_*`` variables and their
    kin say; the built-in pretend cloud (``sandbox``); or ready-made ``settings``. The client
    may be shared by ``parallel`` threads and the caller's own. A token is kept for the next
    run in the user's cache folder (``keep_token``), readable by the user alone.

    ``app`` answers in place of the network. ``trace`` is told each request in one line, with
    ``bodies`` whole, without secrets; ``note`` is told why a request waits or is repeated.

    Raises ConfigurationError where the settings are not complete or contradict each other.
    """
    # Here and not above: a name of this package must cost no more than itself.
    from functools import partial  # noqa: PLC0415
    from os import environ  # noqa: PLC0415

    from evs_snap.api.client import EvsClient  # noqa: PLC0415
    from evs_snap.api.models import DEFAULT_LIMIT  # noqa: PLC0415
    from evs_snap.api.trace import Trace  # noqa: PLC0415
    from evs_snap.api.transport import open_http  # noqa: PLC0415
    from evs_snap.auth import identify  # noqa: PLC0415
    from evs_snap.auth.cache import kept_tokens  # noqa: PLC0415
    from evs_snap.clock import system_clock  # noqa: PLC0415
    from evs_snap.settings import load_settings, sandbox_settings  # noqa: PLC0415
    from evs_snap.settings.folders import state_folder  # noqa: PLC0415
    from evs_snap.settings.proxies import proxy_for  # noqa: PLC0415

    clock = clock or system_clock()
    if sandbox:
        from evs_snap.sandbox import Sandbox  # noqa: PLC0415

        settings = sandbox_settings()
        app = Sandbox(state_folder(environ) / "sandbox.db", now=clock.now)
    settings = settings or load_settings(environ, cloud=cloud)
    cache = kept_tokens(environ) if keep_token and app is None else None
    auth = identify(settings, clock=clock, cache=cache)
    with open_http(
        verify=settings.verify,
        clock=clock,
        connections=parallel + 2,
        trace=Trace(trace, clock=clock, secrets=lambda: auth.secrets, bodies=bodies)
        if trace
        else None,
        app=app,
        note=note or (lambda _text: None),
        refresh=auth.refresh,
        proxy_for=partial(proxy_for, environ=environ),
    ) as http:
        yield EvsClient(http, auth=auth, clock=clock, limit=settings.limit or DEFAULT_LIMIT)
