"""Where one snapshot was wanted and two may be there, one is left.

There are two ways to get two. A POST that was sent again because no trace of the first
was found, which turned up later; and two machines that make the same period's snapshot at
the same time, where no lock file can help. Both come to the same choice by the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evs_snap.errors import EvsSnapError, SnapshotFailedError, WaitTimeoutError
from evs_snap.plan.creation import NewSnapshot
from evs_snap.runs.deletion import ask, require_deletable, see_gone
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Action, Item
from evs_snap.runs.watch import await_usable
from evs_snap.runs.work import Work
from evs_snap.services.interface import Snapshot

DUPLICATE_TIMEOUT = 300.0
"""Seconds to wait for a snapshot that may be a duplicate, where nobody asked to wait at all."""

DUPLICATE_GRACE = 60.0
"""Seconds after which a POST thought lost counts as lost: until then it may be carried out."""

_CHECKS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look whether a duplicate is gone."""


def keep_one(work: Work, item: Item, new: NewSnapshot, *, made: Snapshot) -> Item:
    """Return the outcome once at most one of the snapshots wanted once is left.

    ``made`` is the item's snapshot, seen usable.
    """
    for pause in _CHECKS:
        work.clock.sleep(pause)
        choice = _choice(work, new, made=made)
        duplicates = [duplicate for duplicate in choice.extra if duplicate.id != made.id]
        if not duplicates:
            break
        for duplicate in duplicates:
            _delete(work, duplicate)
    else:
        raise SnapshotFailedError(
            f"snapshot {made.id} is usable, but this run's other one, {duplicates[0].id}, is still "
            "listed after its deletion",
            hint=f"`evs-snap delete {duplicates[0].id}` removes it.",
        )
    if choice.kept.id == made.id:
        return item
    _delete(work, made)
    if new.is_made_as(choice.kept):
        return replace(item, snapshot=choice.kept)
    why = "another run made it at the same time"
    return replace(item, action=Action.REUSED, snapshot=choice.kept, reasons=(why,))


def _delete(work: Work, snapshot: Snapshot) -> None:
    """Delete one of our own, and see it gone. Raises what keeps it from being seen gone."""
    found = work.looked_for(snapshot.id)
    if found is None:
        return
    require_deletable(snapshot, found)
    ask(work, found)
    (result,) = see_gone(work, [found], Readings(work.client)).values()
    if isinstance(result, EvsSnapError):
        raise result


def _choice(work: Work, new: NewSnapshot, *, made: Snapshot) -> Choice:
    """Choose among what the disk holds now; the one kept has been seen usable."""
    rows = _rows(work, new)
    choice = choose(list(rows.values()), new, made=made)
    if choice.undecided:
        timeout = work.request.timeout if work.request.wait else DUPLICATE_TIMEOUT
        seen = await_usable(work, choice.undecided, timeout=timeout)
        rows = _rows(work, new)
        # A list may lag behind what was seen just now.
        rows |= {id_: row for id_, row in seen.items() if isinstance(row, Snapshot)}
        choice = choose(list(rows.values()), new, made=made)
    for duplicate in choice.undecided:
        if new.is_made_as(duplicate):
            raise WaitTimeoutError(
                f"snapshot {made.id} is usable, but this run made another one, {duplicate.id}, "
                f"and that was still {duplicate.status!r}",
                hint=f"`evs-snap delete {duplicate.id}` removes it once it is available.",
            )
    while choice.kept.id != made.id:
        # Ours is deleted in favour of this one: what a list says is not enough.
        found = work.snapshot(choice.kept.id)
        if (
            found is not None
            and found.is_usable
            and (new.is_made_as(found) or new.is_for_same_period(found))
        ):
            break
        rows.pop(choice.kept.id)
        if found is not None:
            rows[found.id] = found
        choice = choose(list(rows.values()), new, made=made)
    return choice


def _rows(work: Work, new: NewSnapshot) -> dict[str, Snapshot]:
    return {row.id: row for row in work.client.snapshots(volume_id=new.volume.id)}


@dataclass(frozen=True, slots=True)
class Choice:
    """``kept`` stays; ``extra`` are this run's own and go; ``undecided`` are waited for."""

    kept: Snapshot
    extra: tuple[Snapshot, ...] = ()
    undecided: tuple[Snapshot, ...] = ()


def choose(rows: Sequence[Snapshot], new: NewSnapshot, *, made: Snapshot) -> Choice:
    """Decide among the disk's snapshots which one counts as this run's.

    ``made`` is the usable one that this run made. One that is older but still being made is
    waited for, as it may fail; so is one of our own, as EVS does not delete it before it is made.
    """
    ours = {row.id: row for row in rows if new.is_made_as(row)}
    # Two machines must see the same order: dates are those of the list that both read.
    listed = next((row for row in rows if row.id == made.id), made)
    ours[made.id] = made.model_copy(update={"created_at": listed.created_at})
    others = [row for row in rows if row.id not in ours and new.is_for_same_period(row)]
    running = [s for s in (*ours.values(), *others) if s.status in {"available", "creating"}]
    first = min(running, key=lambda s: (s.created_at is None, s.age_key))
    undecided = [s for s in running if not s.is_usable and (s.id in ours or s.id == first.id)]
    if undecided:
        return Choice(made, undecided=tuple(undecided))
    return Choice(first, extra=tuple(s for s in ours.values() if s.id != first.id))
