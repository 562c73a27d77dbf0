"""``evs-snap completion``: the script that a shell sources, and what it completes values with."""

from __future__ import annotations

import re
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from evs_snap.cli.connection import connection
from evs_snap.cli.options import Argument, Command
from evs_snap.cli.output import write_result
from evs_snap.errors import EvsSnapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evs_snap.cli.context import Context
    from evs_snap.services.client import EvsClient

_PATIENCE = 3.0
"""Seconds that somebody who pressed the tab key waits for the cloud."""

_SAFE = re.compile(r"[\w.@%+/-]+")
"""What a shell takes as it stands. The scripts that Click writes do not quote."""


@click.command(
    cls=Command,
    examples=(
        "source <(evs-snap completion bash)                        in ~/.bashrc",
        "source <(evs-snap completion zsh)                         in ~/.zshrc",
        "evs-snap completion fish | source         in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", cls=Argument, type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script that completes commands, options, disks and clouds in a shell."""
    root = ctx.find_root()
    script = get_completion_class(shell)
    if script is None or root.info_name is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    write_result(script(root.command, {}, root.info_name, "_EVS_SNAP_COMPLETE").source())


def clouds(_ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the clouds of clouds.yaml."""
    from os import environ

    from evs_snap.settings.clouds import cloud_names

    try:
        return _items((name, "") for name in cloud_names(environ) if name.startswith(text))
    except EvsSnapError:
        return []


def columns(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the command's columns."""
    from evs_snap.render.columns import titles

    usual, on_request = titles(ctx.command.name or "")
    return [CompletionItem(t) for t in (*usual, *on_request) if t.lower().startswith(text.lower())]


def disks(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the names of the cloud's disks."""
    return _asked(ctx, lambda evs: [(v.name or v.id, v.id) for v in evs.volumes()], text)


def snapshots(ctx: click.Context, _param: click.Parameter, text: str) -> list[CompletionItem]:
    """Return the IDs of the cloud's snapshots."""
    return _asked(ctx, lambda evs: [(s.id, s.name or "") for s in evs.snapshots()], text)


def _asked(
    ctx: click.Context, ask: Callable[[EvsClient], Iterable[tuple[str, str]]], text: str
) -> list[CompletionItem]:
    """Return what the cloud answers in time; nothing, and silently, where it does not."""
    import_module("evs_snap.services.client")  # what this machine needs is no time of the cloud's
    import_module("evs_snap.api.transport")
    found: list[tuple[str, str]] = []

    def run() -> None:
        try:
            with connection(_context(ctx)) as evs:
                found.extend(ask(evs))
        except (EvsSnapError, OSError):
            return

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return _items((value, about) for value, about in list(found) if value.startswith(text))


def _context(ctx: click.Context) -> Context:
    """Return the global options typed so far, silent."""
    from dataclasses import replace

    context: Context = ctx.find_root().obj
    chain = [ctx]
    while chain[0].parent is not None:
        chain.insert(0, chain[0].parent)
    for step in chain:
        context = context.merged(step)
    return replace(context, quiet=True, verbose=0)


def _items(found: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    from evs_snap.render.text import printable

    return [
        CompletionItem(value, help=printable(about) or None)
        for value, about in found
        if _SAFE.fullmatch(value)
    ]
