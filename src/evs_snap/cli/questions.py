"""What a person at a terminal is asked before something is deleted or rolled back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from evs_snap.cli.output import ask, ask_for_text, show_on_stderr, write_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evs_snap.cli.context import Context
    from evs_snap.plan.restoration import Rollback
    from evs_snap.render.progress import Progress
    from evs_snap.runs.record import Item


def require_somebody() -> None:
    """Raise UsageError where a question would not be seen, or could not be answered."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nobody is here to be asked: add -y, or look first with --dry-run.")


def confirmation(
    context: Context, *, needed: bool
) -> Callable[[Progress], Callable[[Sequence[Item]], bool]]:
    """Return what asks before deleting. Raises UsageError where nobody can be asked."""
    if needed:
        require_somebody()

    def asking(progress: Progress) -> Callable[[Sequence[Item]], bool]:
        def confirm(items: Sequence[Item]) -> bool:
            with progress.paused():
                return _may_delete(context, items)

        return confirm if needed else lambda _items: True

    return asking


def rollback_confirmation(context: Context, progress: Progress) -> Callable[[Rollback], bool]:
    """Return what asks before a disk is rolled back."""

    def confirm(plan: Rollback) -> bool:
        with progress.paused():
            return _may_roll_back(context, plan)

    return confirm


def _may_delete(context: Context, items: Sequence[Item]) -> bool:
    from evs_snap.health.words import count_of
    from evs_snap.render.columns import going_columns

    columns = [c for c in going_columns(context.clock.now()) if any(map(c.value, items))]
    show_on_stderr(context, items, columns)
    return ask(f"Delete {count_of(len(items), 'snapshot')}?")


def _may_roll_back(context: Context, plan: Rollback) -> bool:
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
