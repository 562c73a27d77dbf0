"""``evs-snap restore``: a snapshot brought back, as a new disk or onto its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_snap.cli.connection import changing, is_somebody_here
from evs_snap.cli.options import (
    WAIT,
    Argument,
    Command,
    as_mapping,
    complete_with,
    dry_run_option,
    duration,
    key_and_value,
    option,
    yes_option,
)
from evs_snap.cli.output import ask, ask_for_text, note, reporting, write_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from evs_snap.cli.context import Context
    from evs_snap.plan.restoration import Rollback
    from evs_snap.render.progress import Progress
    from evs_snap.runs.record import RunRecord


@click.command(
    cls=Command,
    examples=(
        "evs-snap restore 3f2b8c1d --as data-01-restored",
        "evs-snap restore data-01-20261123T021700Z --in-place --dry-run",
    ),
)
@click.argument("snapshot", cls=Argument, metavar="SNAPSHOT",
                shell_complete=complete_with("snapshots"))  # fmt: skip
@option("--as", "as_name", metavar="NAME", help="Make a new disk of this name.")
@option("--in-place", is_flag=True, help="Roll the snapshot's own, detached disk back.")
@option("--size", type=click.IntRange(1), metavar="GIB",
              help="With --as: of the new disk. [default: the snapshot's]")  # fmt: skip
@option("--property", "properties", multiple=True, type=key_and_value, metavar="K=V",
              callback=as_mapping,
              help="With --as: metadata to store with the new disk; repeatable.")  # fmt: skip
@option("--no-safety-snapshot", "safety_snapshot", flag_value=False, default=True,
              help="With --in-place: do not take a snapshot of what will be lost.")  # fmt: skip
@option("--wait/--no-wait", default=True, show_default=True, section=WAIT,
              help="See the disk available before saying so.")  # fmt: skip
@option("--timeout", type=duration, default="30m", show_default=True, section=WAIT,
              help="How long to wait for the disk.")  # fmt: skip
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

    asking = in_place and not (yes or dry_run)
    if asking and not is_somebody_here():
        raise click.UsageError("Nobody is here to be asked: add -y, or look first with --dry-run.")
    with reporting(context, "restore") as report:
        with changing(context) as (evs, progress):
            record = bring_back(
                evs,
                snapshot,
                as_name=as_name,
                in_place=in_place,
                dry_run=dry_run,
                lock_wait=context.lock_wait,
                confirm=_asking(context, progress) if asking else None,
                progress=progress.show,
                **words,
            )
        code = report(record)
        if as_name is not None and code == 0 and not dry_run:
            _tell_how_to_attach(context, record)
        return code


def _asking(context: Context, progress: Progress) -> Callable[[Rollback], bool]:
    def confirm(plan: Rollback) -> bool:
        with progress.paused():
            return _is_confirmed(context, plan)

    return confirm


def _is_confirmed(context: Context, plan: Rollback) -> bool:
    """Show what would be done and lost; return whether the disk's name was typed."""
    from evs_snap.render.text import age, printable, rfc3339

    volume, snapshot, safety = plan.volume, plan.snapshot, plan.safety
    made, ago = rfc3339(snapshot.created_at), age(snapshot.created_at, now=context.clock.now())
    called = printable(volume.name or volume.id)
    for line in (
        f"disk      {called}  {volume.id}  {volume.status}, attached to no server",
        f"snapshot  {snapshot.name or ''}  {snapshot.id}  {made}, {ago}",
        f"lost      all that was written to the disk since ({ago})",
        f"safety    {safety.new.name} is taken first" if safety and safety.new else "",
    ):
        if line:
            write_line(context, " ", line)
    if safety is not None and safety.refusal is not None:
        write_line(context, "warning:", safety.refusal.message)
        for line in safety.refusal.details:
            write_line(context, " ", line)
        if not ask("Go on without a safety snapshot?"):
            return False
    elif safety is None:
        write_line(context, "warning:", "no safety snapshot is taken (--no-safety-snapshot)")
    return ask_for_text(f"Type the disk's name ({called}) to roll it back") in {called, volume.id}


def _tell_how_to_attach(context: Context, record: RunRecord) -> None:
    (item,) = record.items
    if item.volume is not None:
        note(context, f"To attach it: openstack server add volume SERVER {item.volume.id}")
        note(
            context,
            "Not to a server that holds the original: the two file systems have the same UUID "
            "(XFS: mount -o nouuid; LVM: vgimportclone first).",
        )
