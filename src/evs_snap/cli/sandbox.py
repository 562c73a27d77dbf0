"""``evs-snap sandbox``: the built-in pretend cloud, served or begun anew."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from evs_snap.cli.command import Command, Group
from evs_snap.cli.output import is_watched, note, write_result
from evs_snap.cli.parameters import option
from evs_snap.cli.values import WholeNumber

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.sandbox import Sandbox


sandbox = Group(
    "sandbox",
    help="The built-in pretend cloud: a few disks to try things on, no account needed.\n\n"
    "`evs-snap --sandbox COMMAND` uses it directly, without a port. Its second region, "
    "sandbox-2, makes standard snapshots.",
)


@sandbox.command(cls=Command, examples=("evs-snap sandbox serve --port 0",))
@option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="A loopback address."
)
@option(
    "--port",
    type=WholeNumber(0, 65535),
    metavar="N",
    default=8776,
    show_default=True,
    help="0 for any that is free.",
)
@click.pass_obj  # fmt: skip
def serve(context: Context, host: str, port: int) -> None:
    """Serve it over HTTP on this machine, until interrupted.

    Prints the OS_* variables with which any OpenStack client finds it.
    """
    from evs_snap.errors import ConfigurationError
    from evs_snap.sandbox.server import serve as serve_forever
    from evs_snap.settings.addresses import is_loopback

    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} is not a loopback address: the sandbox's password is public",
            hint="Use 127.0.0.1, ::1 or localhost.",
        )
    app = _app(context)
    try:
        app.check()
    except OSError as error:
        raise ConfigurationError(str(error)) from error

    def tell(bound: int) -> None:
        write_result(_exports(host, bound) + "\n")
        if is_watched(context):
            note(context, f"the sandbox is served on port {bound} until Ctrl-C")

    try:
        serve_forever(app, host=host, port=port, ready=tell)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="Choose another --port, or 0 for any that is free.",
        ) from error


@sandbox.command(cls=Command, short_help="Throw its disks and snapshots away; begin anew.")
@click.pass_obj
def reset(context: Context) -> None:
    """Throw its disks and snapshots away."""
    from evs_snap.errors import ConfigurationError

    try:
        _app(context).reset()
    except OSError as error:
        raise ConfigurationError(str(error)) from error
    if is_watched(context):
        note(context, "the sandbox has its first disks again")


def _app(context: Context) -> Sandbox:
    """Return the pretend cloud, on its file in the user's state folder."""
    from evs_snap.sandbox import Sandbox
    from evs_snap.settings.folders import state_folder

    return Sandbox(state_folder(os.environ) / "sandbox.db", now=context.clock.now)


def _exports(host: str, port: int) -> str:
    """Return the lines that point a shell, and any OpenStack client in it, at the sandbox."""
    from evs_snap.sandbox import ACCOUNT

    address = f"[{host}]" if ":" in host else host
    variables = {
        "OS_AUTH_URL": f"http://{address}:{port}/identity/v3",
        "OS_USERNAME": ACCOUNT.user_name,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain_name,
        "OS_PROJECT_NAME": ACCOUNT.project_name,
        "OS_PROJECT_DOMAIN_NAME": ACCOUNT.domain_name,
        "OS_REGION_NAME": ACCOUNT.region,
    }
    return "\n".join(f"export {name}={value}" for name, value in variables.items())
