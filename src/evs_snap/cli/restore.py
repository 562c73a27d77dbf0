"""``evs-snap restore``: a snapshot brought back, as a new disk or onto its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.command import Command
from evs_snap.cli.connection import changing
from evs_snap.cli.options import as_mapping, dry_run_option, yes_option
from evs_snap.cli.output import note, reporting
from evs_snap.cli.parameters import WAIT, argument, complete_with, option
from evs_snap.cli.questions import require_somebody, rollback_confirmation
from evs_snap.cli.values import WholeNumber, duration, key_and_value

if TYPE_CHECKING:
    from evs_snap.cli.context import Context
    from evs_snap.runs.record import RunRecord


@click.command(
    cls=Command,
    examples=(
        "evs-snap restore 3f2b8c1d --as data-01-restored",
        "evs-snap restore data-01-20261123T021700Z --in-place --dry-run",
    ),
)
@argument("snapshot", metavar="SNAPSHOT",
          shell_complete=complete_with("snapshots"))  # fmt: skip
@option(
    "--as", "as_name", metavar="NAME", not_with="in_place", help="Make a new disk of this name."
)
@option(
    "--in-place", is_flag=True, consent=True, help="Roll the snapshot's own, detached disk back."
)
@option("--size", type=WholeNumber(1), metavar="GIB", not_with="in_place",
              help="With --as: of the new disk. [default: the snapshot's]")  # fmt: skip
@option("--type", metavar="TYPE", not_with="in_place",
              help="With --as: of the new disk, where the snapshot's own is gone.")  # fmt: skip
@option("--property", "properties", multiple=True, type=key_and_value, metavar="K=V",
              callback=as_mapping, not_with="in_place",
              help="With --as: metadata to store with the new disk; repeatable.")  # fmt: skip
@option("--no-safety-snapshot", "safety_snapshot", flag_value=False, default=True,
              consent=True, not_with="as_name",
              help="With --in-place: do not take a snapshot of what will be lost.")  # fmt: skip
@option("--wait/--no-wait", default=True, show_default=True, section=WAIT, not_with="in_place",
              help="See the disk available before saying so.")  # fmt: skip
@option("--timeout", type=duration, section=WAIT, metavar="DUR",
              help="How long to wait for the disk. [default: 30m; standard ones: 1h]")  # fmt: skip
@yes_option
@dry_run_option
@click.pass_obj
def restore(
    context: Context, /, *, snapshot: str, yes: bool, as_name: str | None, in_place: bool,
    dry_run: bool, **words: Any,
) -> int:  # fmt: skip
    """Bring a snapshot back, given by ID or by a name that only one has.

    --as NAME makes a new disk of it and loses nothing. --in-place rolls the snapshot's own
    disk back: what was written since is lost, but for the safety snapshot taken first.
    Prints the disk's ID, once the disk is available.
    """
    from evs_snap import restore as bring_back

    asking = in_place and as_name is None and not (yes or dry_run)
    if asking:
        require_somebody()
    with reporting(context, "restore") as report:
        with changing(context) as (evs, progress):
            record = bring_back(
                evs,
                snapshot,
                as_name=as_name,
                in_place=in_place,
                dry_run=dry_run,
                lock_wait=context.lock_wait,
                confirm=rollback_confirmation(context, progress) if asking else None,
                progress=progress.show,
                **words,
            )
        code = report(record)
        if as_name is not None and code == 0 and not dry_run:
            _tell_how_to_attach(context, record)
        return code


def _tell_how_to_attach(context: Context, record: RunRecord) -> None:
    (item,) = record.items
    if item.volume is not None:
        note(context, f"To attach it: openstack server add volume SERVER {item.volume.id}")
        note(
            context,
            "Not to a server that holds the original: the two file systems have the same UUID "
            "(XFS: mount -o nouuid; LVM: vgimportclone first).",
        )
