"""One deletion: whether a snapshot may go, the request, and the watch until it is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from evs_snap.errors import (
    AnswerLostError,
    BadAnswerError,
    EvsSnapError,
    NotOursError,
    ServiceError,
    SnapshotFailedError,
)
from evs_snap.plan.retention import DELETABLE, newer_usable
from evs_snap.runs.readings import Readings
from evs_snap.runs.record import Item, failed
from evs_snap.runs.watch import GONE_AFTER, NO_NAMES, watch
from evs_snap.runs.work import Work, find
from evs_snap.services.client import EvsClient
from evs_snap.services.interface import Snapshot

DELETE_TIMEOUT = 300.0
"""Seconds until a deletion that was not seen done counts as failed."""

_CHEAP = 2
"""Requests that one look may cost."""

_READ_ANYWAY = 5
"""Looks after which the disks are read although some deletions are seen at work."""

_STUCK = "Only the cloud's support can clear it; it may hold a slot until then."


def require_ours(snapshot: Snapshot, *, foreign: bool = False) -> None:
    """Raise NotOursError for a service's own snapshot, one of another kind, and an unstamped one.

    ``foreign`` allows one that does not carry our stamp, and nothing more.
    """
    if snapshot.is_other_kind:
        raise NotOursError(
            f"snapshot {snapshot.id} is of the kind {snapshot.kind}",
            hint=f"Delete it as such: --kind {snapshot.kind}.",
            brief=f"kind {snapshot.kind}",
        )
    if snapshot.is_system:
        raise NotOursError(
            f"snapshot {snapshot.id} belongs to {snapshot.owner}",
            hint="Delete it where it is kept: a backup in CBR, which takes its snapshot along; "
            "others in the console.",
        )
    if snapshot.stamp is None and not foreign:
        raise NotOursError(
            f"snapshot {snapshot.id} was not made by evs-snap",
            hint="If you are sure, `evs-snap delete --foreign` deletes it all the same.",
        )


def require_deletable(before: Snapshot | None, found: Snapshot, *, foreign: bool = False) -> None:
    """Raise what forbids to delete ``found``, which was ``before`` when the run began.

    It must have been there, and it must be on the same disk, under the same stamp, and in a
    status that EVS deletes from.
    """
    require_ours(found, foreign=foreign)
    same = before is not None and (
        (found.volume_id, found.key, found.policy, found.is_system)
        == (before.volume_id, before.key, before.policy, before.is_system)
        and (before.is_usable or not found.is_usable)
    )
    if not same:
        raise NotOursError(f"snapshot {found.id} is no longer what it was a moment ago")
    if found.status == "error_deleting":
        raise SnapshotFailedError(f"snapshot {found.id} is stuck in 'error_deleting'", hint=_STUCK)
    if found.status not in DELETABLE and found.status != "deleting":
        raise SnapshotFailedError(
            f"snapshot {found.id} is {found.status!r}: EVS deletes only snapshots that are "
            "available or in error",
            hint="Wait until it is, and try again.",
        )


def require_newer(
    work: Work, rows: Mapping[str, Snapshot], snapshot: Snapshot, *, besides: Collection[str]
) -> None:
    """Raise SnapshotFailedError unless a newer usable snapshot of the disk is seen to stay.

    ``rows`` are the disk's snapshots by ID, ``besides`` are IDs that do not count.
    """
    left = dict(rows)
    while newer := newer_usable(
        left.values(), than=snapshot, now=work.client.service_now, besides=besides
    ):
        seen = work.snapshot(newer.id)  # a list may show for a while what is gone
        if seen is not None and seen.is_usable:
            return
        del left[newer.id]
    raise SnapshotFailedError(
        f"snapshot {snapshot.id} was not deleted, as no newer usable one was seen to stay",
        hint="Somebody else changes this disk's snapshots; try again.",
    )


def with_new(
    work: Work, rows: Mapping[str, Snapshot], new: Snapshot | None
) -> dict[str, Snapshot] | None:
    """Return the disk's snapshots by ID with the run's new one, or None where that is gone."""
    if new is None or new.id in rows:
        return dict(rows)
    seen = work.snapshot(new.id)  # a list may lag behind
    return None if seen is None else {**rows, seen.id: seen}


def ask(work: Work, snapshot: Snapshot) -> None:
    """Ask for the deletion. From then on it may be at work, or done: ``see_gone`` tells.

    Raises the refusal as it is where the snapshot is seen untouched after it: a DELETE whose
    answer was lost may be carried out, and a repeated one is refused while it is; and a 404
    may be about the disk.
    """
    if snapshot.status == "deleting":
        return
    try:
        work.client.delete_snapshot(snapshot.id)
    except (ServiceError, AnswerLostError, BadAnswerError):
        found = work.looked_for(snapshot.id)
        if found is not None and found.status != "deleting":
            raise


def see_gone(
    work: Work,
    snapshots: Sequence[Snapshot],
    readings: Readings,
    *,
    disks: Mapping[str, str] = NO_NAMES,
) -> dict[str, Snapshot | EvsSnapError]:
    """Return, by ID, each snapshot whose deletion was accepted once it is gone, or the error.

    A look costs two requests, or a reading of the disks; the one that shows what is gone is
    left in ``readings`` for the next judgement. ``disks`` are the names of their disks, by the
    snapshot's ID.
    """
    going = _Going(work, readings)
    return watch(
        work,
        snapshots,
        look=going.look,
        judge=going.judge,
        timeout=DELETE_TIMEOUT,
        noun="snapshot",
        goal="gone",
        hint="It is being deleted: `evs-snap snapshots` shows whether it is gone; until then it "
        "may hold a slot.",
        disks=disks,
    )


def gone(item: Item, results: Mapping[str, Snapshot | EvsSnapError]) -> Item:
    """Return the deletion with how it ended; ``results`` are those of ``see_gone``."""
    if item.snapshot is None or item.error is not None:
        return item
    result = results.get(item.snapshot.id)
    if isinstance(result, EvsSnapError):
        return failed(item, result)
    return replace(item, snapshot=item.snapshot.model_copy(update={"status": "deleted"}))


class _Going:
    """Looks at snapshots whose deletion was accepted, and judges what it sees.

    ``at_work`` are the IDs of those that were seen being deleted, ``missed`` of those that were
    not found once.
    """

    def __init__(self, work: Work, readings: Readings) -> None:
        self._work = work
        self._readings = readings
        self._began = work.clock.monotonic()
        self._looks = 0
        self._at_work: set[str] = set()
        self._missed: set[str] = set()

    def look(
        self, client: EvsClient, pending: Mapping[str, Snapshot], _unseen: Mapping[str, float]
    ) -> Mapping[str, Snapshot | None]:
        """Return those pending that were looked for, None for one that is gone."""
        self._looks += 1
        if len(pending) == 1:
            seen = self._look_at_one(client, *pending.values())
        else:
            seen = self._being_deleted(client, pending) or self._read(client, pending)
        self._at_work.update(id_ for id_, row in seen.items() if row and row.status == "deleting")
        return seen

    def judge(
        self, known: Snapshot, seen: Snapshot | None, _unseen: float
    ) -> Snapshot | EvsSnapError | None:
        """Return the snapshot as deleted, why it is not, or None while that is at work."""
        if seen is None:
            return known.model_copy(update={"status": "deleted"})
        if seen.status == "error_deleting":
            return SnapshotFailedError(
                f"deleting snapshot {seen.id} ended in 'error_deleting'", hint=_STUCK
            )
        if self._is_given_up(seen):
            return SnapshotFailedError(
                f"the service gave up deleting snapshot {seen.id}: it is {seen.status!r} again",
                hint="Something may still use it: say, a disk that is being made from it.",
            )
        return None

    def _look_at_one(self, client: EvsClient, snapshot: Snapshot) -> dict[str, Snapshot | None]:
        """Ask for the only one by its ID. Not found counts as gone once a second look agrees."""
        row = find(client, snapshot.id)
        if row is None and snapshot.id not in self._missed:
            self._missed.add(snapshot.id)
            self._readings.read([snapshot.volume_id], client=client)
            if snapshot.id in self._readings.of(snapshot.volume_id):
                return {}
        return {snapshot.id: row}

    def _being_deleted(
        self, client: EvsClient, pending: Mapping[str, Snapshot]
    ) -> dict[str, Snapshot | None]:
        """Return those that the list of all that are being deleted shows, where it is cheaper."""
        disks = {s.volume_id for s in pending.values()}
        if self._readings.cost(disks) <= _CHEAP or self._looks % _READ_ANYWAY == 0:
            return {}
        page = next(iter(client.snapshot_pages(status="deleting")))
        return {row.id: row for row in page.rows if row.id in pending}

    def _read(
        self, client: EvsClient, pending: Mapping[str, Snapshot]
    ) -> dict[str, Snapshot | None]:
        """Read the disks. A list may still show what is gone: what seems given up is asked for."""
        self._readings.read({s.volume_id for s in pending.values()}, client=client)
        seen = {s.id: self._readings.of(s.volume_id).get(s.id) for s in pending.values()}
        doubtful = [row.id for row in seen.values() if row and self._is_given_up(row)]
        found = self._work.side_by_side(lambda id_: find(client, id_), doubtful)
        return seen | dict(zip(doubtful, found, strict=True))

    def _is_given_up(self, row: Snapshot) -> bool:
        late = self._work.clock.monotonic() - self._began >= GONE_AFTER
        return row.status in DELETABLE and (late or row.id in self._at_work)
