"""The one place where a client is put together: settings, sign-in, transport, service."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from os import environ
from typing import TYPE_CHECKING

from evs_snap.api.project import Project
from evs_snap.api.trace import Trace
from evs_snap.api.transport import open_http
from evs_snap.auth import identify
from evs_snap.auth.cache import kept_tokens
from evs_snap.clock import system_clock
from evs_snap.errors import ConfigurationError
from evs_snap.services.client import EvsClient
from evs_snap.services.legacy import Legacy
from evs_snap.settings import kind_named, load_settings, sandbox_settings
from evs_snap.settings.folders import state_folder
from evs_snap.settings.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import WSGIApplication

    from evs_snap.clock import Clock
    from evs_snap.services.interface import SnapshotService
    from evs_snap.settings import Kind, Settings


@contextmanager
def connect(  # noqa: PLR0913 - all that a client is put together from
    cloud: str | None = None,
    *,
    sandbox: bool = False,
    settings: Settings | None = None,
    region: str | None = None,
    kind: Kind | None = None,
    keep_token: bool = True,
    clock: Clock | None = None,
    app: WSGIApplication | None = None,
    trace: Callable[[str], None] | None = None,
    bodies: bool = False,
    note: Callable[[str], None] | None = None,
) -> Iterator[EvsClient]:
    """Give a client for one project; it signs in with its first request.

    Which project: a ``cloud`` of clouds.yaml, else what the ``OS_*`` variables and their
    kin say; the built-in pretend cloud (``sandbox``); or ready-made ``settings``. Any number of
    threads may share the client. ``region`` is one of the cloud's, where it has several or the
    settings name none. ``kind`` is that of the snapshots, "legacy" or "standard",
    else what EVS_SNAP_KIND or the cloud's ``evs_snap.kind`` says, else legacy. A token is kept
    for the next run in the user's cache folder (``keep_token``), readable by the user alone.

    ``app`` answers in place of the network. ``trace`` is told each request in one line, with
    ``bodies`` whole, without secrets; ``note`` is told why a request waits or is repeated.

    Raises ConfigurationError where the settings are not complete or contradict each other, and
    where the sandbox's file cannot be used.
    """
    clock = clock or system_clock()
    for name, value in (("cloud", cloud), ("region", region), ("kind", kind)):
        if not isinstance(value, str | None):
            raise ConfigurationError(f"connect: {name} must be a text, not {value!r}")
    if not isinstance(sandbox, bool):
        raise ConfigurationError(f"connect: sandbox must be True or False, not {sandbox!r}")
    if cloud and (sandbox or settings is not None):
        other = "the sandbox" if sandbox else "ready-made settings"
        raise ConfigurationError(f"connect: {other} and the cloud {cloud!r} contradict each other")
    if sandbox:
        # Here, because sqlite3 and wsgiref would cost every other command their import.
        from evs_snap.sandbox import Sandbox  # noqa: PLC0415

        settings = settings or sandbox_settings(environ, region=region, kind=kind)
        pretend = Sandbox(state_folder(environ) / "sandbox.db", now=clock.now)
        try:
            pretend.check()
        except OSError as error:
            raise ConfigurationError(str(error)) from error
        app = pretend
    settings = settings or load_settings(
        environ, cloud=cloud, options={"kind": kind, "region": region}
    )
    if kind is not None:
        settings = replace(settings, kind=kind_named(kind))
    cache = kept_tokens(environ) if keep_token and app is None else None
    auth = identify(settings, clock=clock, cache=cache)
    with open_http(
        verify=settings.verify,
        clock=clock,
        trace=Trace(trace, clock=clock, secrets=lambda: auth.secrets, bodies=bodies)
        if trace
        else None,
        app=app,
        note=note or (lambda _text: None),
        refresh=auth.refresh,
        proxy_for=partial(proxy_for, environ=environ),
    ) as http:
        project = Project(http, auth=auth, clock=clock)
        kind_of_service = partial(
            _service(settings.kind), enterprise_project_id=settings.enterprise_project_id
        )
        yield EvsClient(project, kind=kind_of_service, limit=settings.limit)


def most_of(kind: str | None) -> int:
    """Return how many snapshots of a kind the vendor allows a disk."""
    return _service(kind_named(kind)).limit


def _service(kind: Kind) -> type[SnapshotService]:
    if kind == "legacy":
        return Legacy
    from evs_snap.services.standard import Standard  # noqa: PLC0415 - few regions have them

    return Standard
