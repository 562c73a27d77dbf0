"""From the global options to an open client: the real cloud's or the sandbox's."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from typing import TYPE_CHECKING

import click

from evs_snap.cli.output import is_coloured, is_watched, say, tell
from evs_snap.cli.signals import heeding_signals
from evs_snap.clock import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from wsgiref.types import WSGIApplication

    import httpx

    from evs_snap.api.client import EvsClient
    from evs_snap.api.identity import Identity
    from evs_snap.cli.context import Context
    from evs_snap.runs import Orders
    from evs_snap.runs.report import Item
    from evs_snap.runs.work import Work
    from evs_snap.settings import Settings


@dataclass(frozen=True, slots=True)
class Session:
    """A client signed in, or about to be, and what was set for this cloud."""

    client: EvsClient
    settings: Settings
    http: httpx.Client
    auth: Identity

    def limit(self, option: int | None) -> int:
        """Return how many snapshots a disk may hold: option, clouds.yaml, or EVS's own 7."""
        from evs_snap.api.models import DEFAULT_LIMIT

        return option or self.settings.limit or DEFAULT_LIMIT


@contextmanager
def open_session(context: Context, *, workers: int = 1, cached: bool = True) -> Iterator[Session]:
    """Open a client for at most ``workers`` threads, the caller's besides.

    Without ``cached``, it signs in anew even where a token is at hand.
    """
    from evs_snap.api.client import EvsClient
    from evs_snap.api.trace import Trace
    from evs_snap.api.transport import open_http
    from evs_snap.auth import identify
    from evs_snap.auth.cache import TokenCache

    clock = context.surroundings.clock
    settings, app = _sandbox(context) if context.sandbox else (_settings(context), None)
    cache = None
    if cached and not context.sandbox:
        cache = TokenCache(context.surroundings.cache / "tokens")
    auth = identify(settings, clock=clock, cache=cache)
    trace = None
    if context.verbose:
        say(context, f"sign-in: {settings.sign_in}")
        trace = Trace(
            lambda line: say(context, line),
            clock=clock,
            secrets=lambda: auth.secrets,
            bodies=context.verbose > 1,
        )
    with open_http(
        verify=settings.verify,
        clock=clock,
        connections=workers + 2,
        trace=trace,
        app=app,
        note=lambda text: tell(" ", text) if is_watched(context) else None,
    ) as http:
        yield Session(EvsClient(http, auth=auth), settings, http, auth)


@dataclass(frozen=True, slots=True)
class Acting:
    """What a changing command works with."""

    session: Session
    work: Work
    orders: Orders


@contextmanager
def acting(
    context: Context,
    *,
    lock_wait: float | None,
    dry_run: bool,
    parallel: int = 1,
    timeout: float | None = None,
    confirm: Callable[[Sequence[Item]], bool] = lambda _items: True,
) -> Iterator[Acting]:
    """Open what it takes to change something: client, locks, progress, and ears for signals."""
    from evs_snap.render.progress import telling
    from evs_snap.runs import Orders
    from evs_snap.runs.locks import DiskLocks
    from evs_snap.runs.work import Work

    surroundings = context.surroundings
    stop = Stop()
    shown = is_watched(context) and not context.verbose
    with (
        open_session(context, workers=parallel) as session,
        telling(sys.stderr, shown=shown, colour=is_coloured(context, sys.stderr)) as progress,
        heeding_signals(stop),
    ):
        locks = DiskLocks(
            surroundings.state / "locks",
            place=session.client.address(),
            wait=lock_wait if lock_wait is not None else context.lock_wait or 0.0,
            clock=surroundings.clock,
        )
        work = Work(
            client=session.client,
            clock=surroundings.interruptible(stop),
            stop=stop,
            tell=progress.tell,
            parallel=parallel,
            timeout=timeout,
        )

        def paused(items: Sequence[Item]) -> bool:
            with progress.paused():
                return confirm(items)

        yield Acting(session, work, Orders(locks, dry_run=dry_run, confirm=paused))


def confirmation(*, needed: bool) -> Callable[[Sequence[Item]], bool]:
    """Return what asks before deleting. Where nobody can be asked: a usage error."""
    if not needed:
        return lambda _items: True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nobody is here to be asked: add -y, or look first with --dry-run.")

    def ask(items: Sequence[Item]) -> bool:
        from evs_snap.render.text import printable, rfc3339

        for item in items:
            snapshot = item.snapshot
            if snapshot is not None:
                words = (snapshot.id, rfc3339(snapshot.created_at), snapshot.name, *item.reasons)
                click.echo("  " + printable("  ".join(w for w in words if w)), err=True)
        return click.confirm(f"Delete {len(items)} snapshots?", err=True)

    return ask


def _settings(context: Context) -> Settings:
    from evs_snap.settings import load_settings

    return load_settings(
        environ,
        cloud=context.os_cloud,
        options={
            "region": context.os_region_name,
            "project_name": context.os_project_name,
            "project_id": context.os_project_id,
        },
    )


def _sandbox(context: Context) -> tuple[Settings, WSGIApplication]:
    from evs_snap.cli.sandbox import sandbox_app, sandbox_settings

    say(context, "sandbox: a pretend cloud on this machine, not a real one")
    return sandbox_settings(), sandbox_app(context)
