"""From the global options to a client, with what a person at a terminal is told meanwhile."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from os import environ
from typing import TYPE_CHECKING

import click

from evs_snap.cli.output import (
    ask,
    is_coloured,
    is_watched,
    note,
    show_on_stderr,
    write_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evs_snap.cli.context import Context
    from evs_snap.render.progress import Progress
    from evs_snap.runs.record import Item
    from evs_snap.services.client import EvsClient
    from evs_snap.settings import Settings


def settings_of(context: Context) -> Settings:
    """Return the settings of the cloud that is meant. Raises ConfigurationError."""
    from evs_snap.settings import load_settings, sandbox_settings

    if context.sandbox:
        return sandbox_settings()
    return load_settings(
        environ,
        cloud=context.os_cloud,
        options={
            "region": context.os_region_name,
            "project_name": context.os_project_name,
            "project_id": context.os_project_id,
        },
    )


@contextmanager
def connection(
    context: Context,
    *,
    settings: Settings | None = None,
    keep_token: bool = True,
) -> Iterator[EvsClient]:
    """Give a client for the cloud that is meant."""
    from evs_snap import connect

    settings = settings or settings_of(context)
    if context.sandbox:
        note(context, "sandbox: a pretend cloud on this machine, not a real one")
    if context.verbose:
        note(context, f"sign-in: {settings.sign_in}")
    with connect(
        settings=settings,
        sandbox=context.sandbox,
        keep_token=keep_token,
        clock=context.clock,
        trace=(lambda line: note(context, line)) if context.verbose else None,
        bodies=context.verbose > 1,
        note=lambda text: write_line(context, " ", text) if is_watched(context) else None,
    ) as evs:
        yield evs


@contextmanager
def changing(context: Context) -> Iterator[tuple[EvsClient, Progress]]:
    """Give a client and a progress line, for a command that changes or awaits something."""
    from evs_snap.render.progress import progress_line

    shown = is_watched(context) and not context.verbose
    with (
        connection(context) as evs,
        progress_line(sys.stderr, shown=shown, colour=is_coloured(context, sys.stderr)) as progress,
    ):
        yield evs, progress


def is_somebody_here() -> bool:
    """Whether a question would be seen, and could be answered."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def confirmation(
    context: Context, *, needed: bool
) -> Callable[[Progress], Callable[[Sequence[Item]], bool]]:
    """Return what asks before deleting. Where nobody can be asked: a usage error."""
    if needed and not is_somebody_here():
        raise click.UsageError("Nobody is here to be asked: add -y, or look first with --dry-run.")

    def asking(progress: Progress) -> Callable[[Sequence[Item]], bool]:
        def confirm(items: Sequence[Item]) -> bool:
            with progress.paused():
                return _is_confirmed(context, items)

        return confirm if needed else lambda _items: True

    return asking


def _is_confirmed(context: Context, items: Sequence[Item]) -> bool:
    from evs_snap.health.words import count_of
    from evs_snap.render.columns import going_columns

    columns = [c for c in going_columns(context.clock.now()) if any(map(c.value, items))]
    show_on_stderr(context, items, columns)
    return ask(f"Delete {count_of(len(items), 'snapshot')}?")
