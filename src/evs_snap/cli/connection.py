"""Makes a client from the global options, and shows a person at a terminal what goes on."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from os import environ
from typing import TYPE_CHECKING

from evs_snap.cli.output import is_coloured, is_watched, note, write_line
from evs_snap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evs_snap.cli.context import Context
    from evs_snap.render.progress import Progress
    from evs_snap.services.client import EvsClient
    from evs_snap.settings import Settings


def settings_of(context: Context) -> Settings:
    """Return the settings of the cloud that is meant.

    Raises ConfigurationError, also where the sandbox is asked for and a cloud was named.
    """
    from evs_snap.settings import load_settings, sandbox_settings

    if context.sandbox:
        _require_no_cloud(context)
        return sandbox_settings(environ, region=context.os_region_name, kind=context.kind)
    return load_settings(
        environ,
        cloud=context.os_cloud,
        options={
            "region": context.os_region_name,
            "project_name": context.os_project_name,
            "project_id": context.os_project_id,
            "kind": context.kind,
        },
    )


def _require_no_cloud(context: Context) -> None:
    """Refuse the sandbox where a cloud was named in the same way, or in a clearer one."""
    if "sandbox" in context.typed:
        cloud = context.os_cloud if "os_cloud" in context.typed else None
    else:
        cloud = context.os_cloud or environ.get("OS_CLOUD")
    if cloud:
        asked = "--sandbox" if "sandbox" in context.typed else "EVS_SNAP_SANDBOX"
        raise ConfigurationError(
            f"{asked} asks for the pretend cloud, and the cloud {cloud!r} was named as well",
            hint="Leave out one of them: --os-cloud or OS_CLOUD, or the sandbox.",
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
    for remark in settings.remarks:
        note(context, f"warning: {remark}")
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

    with (
        connection(context) as evs,
        progress_line(
            sys.stderr,
            shown=is_watched(context) and not context.verbose,
            colour=is_coloured(context, sys.stderr),
            write=lambda line: note(context, line),
        ) as progress,
    ):
        yield evs, progress
