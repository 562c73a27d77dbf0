"""A plan carried out in waves: one step of each disk at a time, disks side by side.

Free a slot where one is needed, ask for the new snapshots, see them usable, then delete what the
rules give up, until nothing is left. Between two waves the disks' snapshots are read once for
all of them. One disk's failure never stops another's.
"""

from __future__ import annotations

from collections.abc import Sequence

from evs_snap.plan.plan import DiskPlan
from evs_snap.runs.creating import leave_one_of_each, see_usable, submit_all
from evs_snap.runs.disk import DiskRun
from evs_snap.runs.holds.held import not_consistent, submit_held
from evs_snap.runs.pruning import free_slots, prune
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Item, failed
from evs_snap.runs.together import leave_one_set, require_whole, submit_set
from evs_snap.runs.work import Work


def carry_out(work: Work, plans: Sequence[DiskPlan]) -> list[Item]:
    """Carry plans out; return what became of each step."""
    work.stop.begin()
    work.progress(f"working on {len(plans)} disk{'s' if len(plans) > 1 else ''}")
    runs = [DiskRun(plan, plan.seen) for plan in plans]
    readings = Readings(work.client)
    free_slots(work, runs, readings)
    due = [run for run in runs if run.made is None]
    timeout = work.request.timeout
    if work.request.hold is not None and any(run.plan.new and not run.is_over for run in due):
        timeout -= submit_held(work, due, command=work.request.hold)
    taken = submit_set(work, runs) if work.request.together else None
    submit_all(work, [run for run in due if run.made is None])
    timeout -= max((run.waited for run in runs), default=0.0)
    if work.request.wait:
        see_usable(work, runs, timeout=max(0.0, timeout))
    if work.request.together:
        require_whole(runs)
        leave_one_set(work, runs, taken)
    else:
        leave_one_of_each(work, runs, readings)
    for run in runs:
        if run.made and run.created and run.doubt:
            run.made = failed(run.made, not_consistent(run.created, why=run.doubt))
    prune(work, runs, readings)
    return [item for run in runs for item in run.items]
