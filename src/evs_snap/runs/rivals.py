"""Two snapshots where one was wanted: the oldest stays, this run's other one goes.

There are two ways to get there. A POST sent again because no trace of the first was
found, which turned up later; and two machines that make the same period's snapshot at
the same time, where no lock file can help. All come to the same verdict by the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_snap.api.models import STAMP_BUCKET, STAMP_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evs_snap.api.models import Snapshot
    from evs_snap.plan.draft import Draft


@dataclass(frozen=True, slots=True)
class Ruling:
    """``winner`` stays; ``losers`` are this run's own and go; ``undecided`` are waited for."""

    winner: Snapshot
    losers: tuple[Snapshot, ...] = ()
    undecided: tuple[Snapshot, ...] = ()


def rule(rows: Sequence[Snapshot], draft: Draft, *, made: Snapshot) -> Ruling:
    """Decide among the disk's snapshots which one counts as this run's.

    ``made`` is the usable one that this run made. One that is older but still being
    made decides nothing yet, as it may fail; nor does one of our own, as EVS does not
    delete it before it is made.
    """
    bucket = draft.metadata.get(STAMP_BUCKET)
    ours = {row.id: row for row in rows if row.metadata.get(STAMP_KEY) == draft.key}
    # Two machines must see the same order: dates are those of the list that both read.
    listed = next((row for row in rows if row.id == made.id), made)
    ours[made.id] = made.model_copy(update={"created_at": listed.created_at})
    others = [
        row
        for row in rows
        if bucket is not None
        and row.id not in ours
        and row.policy == made.policy
        and row.metadata.get(STAMP_BUCKET) == bucket
    ]
    running = [s for s in (*ours.values(), *others) if s.status in {"available", "creating"}]
    first = min(running, key=lambda s: (str(s.created_at), s.id))
    undecided = [s for s in running if not s.is_usable and (s.id in ours or s.id == first.id)]
    if undecided:
        return Ruling(made, undecided=tuple(undecided))
    return Ruling(first, losers=tuple(s for s in ours.values() if s.id != first.id))
