"""What the tab key offers as values: clouds, columns, and the cloud's disks and snapshots."""

from __future__ import annotations

import threading
from collections import Counter
from hashlib import sha256
from importlib import import_module
from os import environ, utime
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from evs_snap.cli.connection import connection, settings_of
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from evs_snap.cli.context import Context
    from evs_snap.services.client import EvsClient
    from evs_snap.services.interface import Snapshot, Volume
    from evs_snap.settings import Settings

    Rows = Sequence[Volume] | Sequence[Snapshot]

_PATIENCE = 3.0
"""Seconds that somebody who pressed the tab key waits for the cloud."""

_PAUSE = 300.0
"""Seconds without another try after one that gave no answer: a wrong password that is tried at
each press of the key would lock the user, and a slow cloud would hold up the shell."""


def clouds(_ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the clouds of clouds.yaml."""
    from evs_snap.settings.clouds import cloud_names

    try:
        names = list(cloud_names(environ))
    except EvsSnapError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(text) and _is_plain(name)]


def columns(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the command's columns."""
    from evs_snap.render.columns import titles

    usual, on_request = titles(ctx.command.name or "")
    return [CompletionItem(t) for t in (*usual, *on_request) if t.lower().startswith(text.lower())]


def disks(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the cloud's disks."""
    return _offered(_asked(ctx, lambda evs: evs.volumes()), param, text)


def snapshots(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the cloud's snapshots."""
    return _offered(_asked(ctx, lambda evs: evs.snapshots()), param, text)


def disks_and_snapshots(
    ctx: click.Context, param: click.Parameter, text: str
) -> list[CompletionItem]:
    """Return the cloud's disks, then its snapshots."""
    return [*disks(ctx, param, text), *snapshots(ctx, param, text)]


def _offered(rows: Rows, param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return names, each with its ID; the ID where the name would not do, or was begun.

    A name will not do that several have, that holds control characters, or that would be read
    as an option. After ``--``, or as an option's value, no name is read as an option.
    """
    count = Counter(row.name for row in rows)
    found = []
    for row in rows:
        name = row.name or ""
        is_read_as_option = (
            isinstance(param, click.Argument) and name[:1] == "-" and text[:1] != "-"
        )
        will_do = _is_plain(name) and count[name] == 1 and not is_read_as_option
        if will_do and name.startswith(text):
            found.append(CompletionItem(name, help=row.id))
        elif row.id.startswith(text.lower()) and (text or not will_do):
            found.append(CompletionItem(row.id, help=_shown(name)))
    return found


def _is_plain(name: str) -> bool:
    return name != "" and _shown(name) == name


def _shown(name: str) -> str | None:
    from evs_snap.render.text import printable

    return printable(name) or None


def _asked(ctx: click.Context, ask: Callable[[EvsClient], Rows]) -> Rows:
    """Return what the cloud answers in time; nothing, and silently, where it does not."""
    import_module("evs_snap.services.client")  # before the seconds count, which are the cloud's
    import_module("evs_snap.api.transport")
    found: list[Rows] = []

    def run() -> None:
        try:
            context = _context(ctx)
            settings = settings_of(context)
            if context.sandbox or _may_ask(_mark(settings), now=context.clock.now().timestamp()):
                with connection(context, settings=settings) as evs:
                    found.append(ask(evs))
                _mark(settings).unlink(missing_ok=True)
        except (EvsSnapError, OSError):
            return

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return found[0] if found else []


def _mark(settings: Settings) -> Path:
    """Return the file that says when this user last asked and got no answer (yet)."""
    from evs_snap.settings.folders import cache_folder

    cache = cache_folder(environ)
    if cache is None:
        raise OSError("there is no cache folder")
    who = repr((settings.auth_url, settings.credentials))  # shows no secret
    name = sha256(who.encode(errors="surrogatepass")).hexdigest()[:32]
    return cache / "completion" / name


def _may_ask(mark: Path, *, now: float) -> bool:
    """Whether the cloud was not asked in vain just now. Leaves the mark that it is asked.

    Raises OSError where no mark can be left: then nothing would stop the next try.
    """
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if mark.exists() and abs(now - mark.stat().st_mtime) < _PAUSE:
        return False
    mark.touch(mode=0o600)
    utime(mark, (now, now))
    return True


def _context(ctx: click.Context) -> Context:
    """Return the global options typed so far, silent."""
    from dataclasses import replace

    context: Context = ctx.find_root().obj
    chain: Iterator[click.Context] = reversed([*_upwards(ctx)])
    for step in chain:
        context = context.merged(step)
    return replace(context, quiet=True, verbose=0)


def _upwards(ctx: click.Context | None) -> Iterator[click.Context]:
    while ctx is not None:
        yield ctx
        ctx = ctx.parent
