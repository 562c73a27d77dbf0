"""Snapshots put out of every rule's reach, and back: the policy moves aside in their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from evs_snap.errors import EvsSnapError, InterruptedRunError, NotOursError, PermissionDeniedError
from evs_snap.runs.deletion import require_ours
from evs_snap.runs.gather import disks_of, find_snapshots
from evs_snap.runs.locks import Held, locks_of
from evs_snap.runs.record import Action, Item, RunRecord, failed
from evs_snap.runs.work import Work, asked_for, ids_of, no_progress
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import PINNED_POLICY, STAMP_PINNED, STAMP_POLICY, Snapshot

_WAY_LEFT = (
    "Two ways are left: make a disk of it (`evs-snap restore ID --as NAME`), which no rule "
    "touches; or take the next one under a policy without rules (`evs-snap create DISK`)."
)


def pin_snapshots(
    evs: EvsClient,
    *snapshots: str | Snapshot,
    lock_wait: float = 0.0,
    progress: Callable[[str], None] = no_progress,
) -> RunRecord:
    """Put snapshots of ours (IDs, names of one or of one set, or records) out of all rules' reach.

    They keep their slots. Their policy becomes "pinned", and comes back with unpin_snapshots;
    `delete` still deletes them. ``lock_wait`` is seconds to wait for another run on the disk.
    Raises ConfigurationError, and SelectionError or AmbiguousError for a name that is not clear.
    """
    return _relabelled(evs, "pin", snapshots, lock_wait=lock_wait, progress=progress)


def unpin_snapshots(
    evs: EvsClient,
    *snapshots: str | Snapshot,
    lock_wait: float = 0.0,
    progress: Callable[[str], None] = no_progress,
) -> RunRecord:
    """Give pinned snapshots back to the rules of the policy that they had; see pin_snapshots."""
    return _relabelled(evs, "unpin", snapshots, lock_wait=lock_wait, progress=progress)


def _relabelled(
    evs: EvsClient,
    command: Literal["pin", "unpin"],
    snapshots: tuple[str | Snapshot, ...],
    *,
    lock_wait: float,
    progress: Callable[[str], None],
) -> RunRecord:
    said = {"snapshots": ids_of(snapshots, Snapshot), "lock_wait": lock_wait}
    work = asked_for(evs, command, said, progress=progress)
    found = find_snapshots(evs, work.request.snapshots)
    disks = disks_of(evs, found)
    done = Action.PINNED if command == "pin" else Action.UNPINNED
    items = [Item(done, disks.get(s.volume_id), s) for s in found]
    work.stop.begin()
    with locks_of(work).held({i.snapshot.volume_id: i.label for i in items if i.snapshot}) as held:
        ended = work.side_by_side(lambda item: _one(work, item, held), items)
    return RunRecord(command, tuple(ended), signal_code=work.stop.code)


def _one(work: Work, item: Item, held: Held) -> Item:
    assert item.snapshot is not None  # noqa: S101 - for the type checker
    try:
        if locked := held.refused.get(item.snapshot.volume_id):
            raise locked
        if work.stop.asked:
            raise InterruptedRunError("not begun: the run was stopped")
        snapshot = work.client.snapshot(item.snapshot.id)
        _require_labelled(snapshot)
        labels = _pinning(snapshot) if item.action is Action.PINNED else _unpinning(snapshot)
        if labels is None:
            already = "pinned already" if item.action is Action.PINNED else "not pinned"
            return replace(item, action=Action.KEPT, snapshot=snapshot, reasons=(already,))
        work.client.label_snapshot(snapshot.id, labels)
    except PermissionDeniedError as error:
        error.hint = f"{_WAY_LEFT} {error.hint or ''}".rstrip()
        return failed(item, error)
    except EvsSnapError as error:
        return failed(item, error)
    now = snapshot.model_copy(update={"labels": {**snapshot.labels, **labels}})
    told = f"policy was {now.pinned_from}" if now.is_pinned else f"policy {now.policy}"
    whole = ("and with it its whole set",) if now.is_pinned and now.set_id else ()
    return replace(item, snapshot=now, reasons=(told, *whole))


def _require_labelled(snapshot: Snapshot) -> None:
    """Raise NotOursError for one that no rule deletes anyway."""
    try:
        require_ours(snapshot, foreign=False)
    except NotOursError as error:
        raise NotOursError(
            f"evs-snap did not make snapshot {snapshot.id}: no rule ever deletes it"
        ) from error


def _pinning(snapshot: Snapshot) -> dict[str, str] | None:
    """Return the labels to write, None where it is pinned already."""
    if snapshot.is_pinned:
        return None
    return {STAMP_POLICY: PINNED_POLICY, STAMP_PINNED: snapshot.policy or ""}


def _unpinning(snapshot: Snapshot) -> dict[str, str] | None:
    policy = snapshot.pinned_from
    return None if policy is None else {STAMP_POLICY: policy}
