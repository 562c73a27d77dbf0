"""The new snapshots asked for while a command holds: see command.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

from evs_snap.clock import in_words
from evs_snap.errors import (
    EvsSnapError,
    HoldError,
    InterruptedRunError,
    NotConsistentError,
    WaitTimeoutError,
)
from evs_snap.plan.creation import NewSnapshot
from evs_snap.runs.creating import awaited, submit_one
from evs_snap.runs.disk import DiskRun, not_begun
from evs_snap.runs.holds.command import Hold, hold, surroundings
from evs_snap.runs.record import Action, Item
from evs_snap.runs.submit import Submitted, post
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import PASSING, Work
from evs_snap.services.interface import APP_CONSISTENT, STAMP_CONSISTENCY, Snapshot

_HELD_PAUSE = 0.5
"""Seconds between looks while something is held."""

_MARK_PAUSES = (0.0, 1.0, 2.0)
"""Seconds before each attempt to write the word on a snapshot."""


def submit_held(work: Work, runs: Sequence[DiskRun], *, command: str) -> float:
    """Ask for the new snapshots while the command holds, and see them usable while it does.

    Returns how many seconds were waited for them.

    They are asked for as ``crash``. The word becomes ``app`` once it is known that the command
    held until they were usable. It is never written before: this process may die.
    """
    request = work.request
    new = [(run, run.plan.new) for run in runs if run.plan.new and not run.is_over]
    about: dict[str, list[str]] = {
        "command": [request.command],
        "policy": [request.policy],
        "volumes": [run.volume_id for run, _ in new],
        "volume_names": [run.plan.volume.name or "" for run, _ in new],
    }
    environ = surroundings(os.environ, about, seconds=request.hold_for)
    wanted = Hold(command, request.hold_for)
    work.progress("waiting for the hold")

    def step(pair: tuple[DiskRun, NewSnapshot]) -> Submitted[Snapshot] | EvsSnapError:
        if work.stop.asked:
            return InterruptedRunError("not begun: the run was stopped")
        return post(in_time, pair[1])

    try:
        with hold(wanted, clock=work.clock, environ=environ, note=work.note) as held:
            in_time = replace(work, client=work.client.until(held.until))
            begun = work.side_by_side(step, new)
            made = [outcome.made for outcome in begun if not isinstance(outcome, EvsSnapError)]
            since = work.clock.monotonic()
            timeout = min(max(0.0, held.until - since), request.timeout)
            seen = await_usable(work, made, timeout=timeout, every=repeat(_HELD_PAUSE))
            waited = work.clock.monotonic() - since
            release = held.release()
    except (HoldError, InterruptedRunError) as error:
        for run, _ in new:
            item = Item(Action.REFUSED, run.plan.volume, reasons=(error.message,), error=error)
            run.made = item if isinstance(error, HoldError) else not_begun(run.plan)
        return 0.0

    def settle(
        outcome: tuple[tuple[DiskRun, NewSnapshot], Submitted[Snapshot] | EvsSnapError],
    ) -> None:
        (run, draft), result = outcome
        if isinstance(result, InterruptedRunError):
            run.made = not_begun(run.plan)
            return
        submit_one(work, run, draft, begun=result)
        if run.made is None or run.created is None:
            return
        usable = seen.get(run.created.id)
        item = replace(run.made, reasons=(*run.made.reasons, f"held for {release.seconds:.1f} s"))
        goes_on = isinstance(usable, WaitTimeoutError) and waited < request.timeout
        run.made = item if goes_on else awaited(item, seen)
        if release.trouble is not None:
            run.doubt = release.trouble
        elif usable is None or isinstance(usable, EvsSnapError):
            run.doubt = (
                f"it was not usable within {in_words(request.hold_for)}, the time of the hold"
            )
        else:
            _mark_consistent(work, run)

    work.side_by_side(settle, zip(new, begun, strict=True))
    return waited


def _mark_consistent(work: Work, run: DiskRun) -> None:
    """Write the word ``app`` on the disk's new snapshot."""
    made, item = run.created, run.made
    if made is None or item is None:
        return
    label = {STAMP_CONSISTENCY: APP_CONSISTENT}
    for pause in _MARK_PAUSES:
        work.clock.sleep(pause)
        try:
            work.client.label_snapshot(made.id, label)
        except PASSING as error:
            run.doubt = f"it was held, but that could not be written on it: {error.message}"
        except EvsSnapError as refusal:
            # The cloud's rule, which no later run will get past: no reason to fail each night.
            reason = f"held, but this cloud lets nobody mark it: {refusal.message}"
            run.made, run.doubt = replace(item, reasons=(*item.reasons, reason)), None
            return
        else:
            marked = made.model_copy(update={"labels": {**made.labels, **label}})
            run.made, run.doubt = replace(item, snapshot=marked), None
            return


def not_consistent(made: Snapshot, *, why: str) -> NotConsistentError:
    """Return what to say of a snapshot that is only as a crash would leave the disk."""
    return NotConsistentError(
        f"snapshot {made.id} is only as a crash would leave the disk: {why}",
        hint="It stays, and is marked `crash`.",
    )
