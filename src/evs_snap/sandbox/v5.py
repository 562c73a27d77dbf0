"""Standard snapshots, by EVS's paths of v5.

They are stored outside the disk and survive it; one at a time is made of a disk. Where the
vendor's documents are silent, the answers follow the vendor's Terraform provider, which reads
EVS.2409 as "another one is in the making" and ignores the jobs of deletions.
https://support.huaweicloud.com/api-evs/CreateSnapshotV5.html
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from evs_snap.sandbox import bodies, faults, flash, pages, records
from evs_snap.sandbox.call import Response, accepted, ok
from evs_snap.sandbox.records import Group, Job, Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evs_snap.sandbox.call import Call

CREATION_FIELDS = (
    *("name", "description", "tags", "enterprise_project_id", "instant_access", "incremental"),
)
"""What may be said of a new snapshot and of a new group alike."""

LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 85
_MOST_DAYS = 65536
_NO_INSTANT_ACCESS = ("SAS", "SATA")
_FAILED = {"error_code": "EVS.2010", "fail_reason": "The storage reported an internal error."}
_FILTERS = (
    *("id", "volume_id", "availability_zone", "name", "status", "snapshot_type"),
    *("enterprise_project_id", "tag_key", "tags", "snapshot_chain_id"),
)
_CHAIN_FILTERS = ("id", "volume_id", "category")


def list_(call: Call) -> Response:
    """GET /snapshots/detail: both kinds; a page has no links."""
    filters = (*_FILTERS, "ids", "snapshot_group_id")
    return ok(snapshots=pages.v5_rows(call, _rows(call), filters=filters))


def count(call: Call) -> Response:
    """GET /snapshots/count: how many fit the filters."""
    return ok(count=pages.v5_count(call, _rows(call), filters=_FILTERS))


def show(call: Call) -> Response:
    """GET /snapshots/{item}: one snapshot of either kind."""
    return ok(snapshot=_row(call, records.one(call, Snapshot, item=call.item)))


def create(call: Call) -> Response:
    """POST /snapshots: begin a snapshot; how it will end is settled here."""
    given = bodies.fields(
        call.request,
        key="snapshot",
        allowed=("volume_id", "retention_days", *CREATION_FIELDS),
    )
    volume = records.one(call, Volume, item=bodies.text(given, name="volume_id"))
    check_disk(call, volume, instant_access=bodies.flag(given, name="instant_access"))
    if is_busy(call, volume):
        message = f"Another snapshot of volume {volume.id} is being created."
        raise faults.evs("EVS.2409", message=message, status=HTTPStatus.CONFLICT)
    retention_at = None
    if given.get("retention_days") is not None:
        days = bodies.whole_number(given, name="retention_days", most=_MOST_DAYS)
        retention_at = records.write_time(call.now + timedelta(days=days))
    snapshot = begin(call, volume, given=given, retention_at=retention_at)
    job_id = note_job(call, "createSnapshot", until=[snapshot])
    return accepted(job_id=job_id, snapshot_id=snapshot.id)


def update(call: Call) -> Response:
    """PUT /snapshots/{item}: name, description; instant access only off."""
    allowed = ("name", "description", "instant_access")
    given = bodies.fields(call.request, key="snapshot", allowed=allowed)
    snapshot = records.one(call, Snapshot, item=call.item)
    instant = bodies.flag(given, name="instant_access", default=snapshot.instant_access)
    if instant and not snapshot.instant_access:
        raise faults.bad_request("Instant access cannot be turned on.")
    changed = replace(snapshot, instant_access=instant, **_texts(given))
    records.save(call.db, changed)
    return ok(snapshot=_row(call, changed))


def delete(call: Call) -> Response:
    """DELETE /snapshots/{item}: begin its end."""
    snapshot = records.one(call, Snapshot, item=call.item)
    check_deletable(snapshot)
    return accepted(job_id=begin_deletions(call, "deleteSnapshot", [snapshot]))


def roll_back(call: Call) -> Response:
    """POST /snapshots/{item}/rollback: give its disk the snapshot's content again."""
    snapshot = records.one(call, Snapshot, item=call.item)
    volume = flash.begin_rollback(call, snapshot)
    return accepted(job_id=note_job(call, "rollbackSnapshot", until=[volume]))


def add_tags(call: Call, *, kind: type[Snapshot | Group] = Snapshot) -> Response:
    """POST .../{item}/tags/create."""
    record: Snapshot | Group = records.one(call, kind, item=call.item)
    tags = bodies.tags(record.tags | bodies.tag_list(call.request))
    records.save(call.db, replace(record, tags=tags))
    return Response(HTTPStatus.NO_CONTENT)


def remove_tags(call: Call, *, kind: type[Snapshot | Group] = Snapshot) -> Response:
    """POST .../{item}/tags/delete."""
    record: Snapshot | Group = records.one(call, kind, item=call.item)
    given = bodies.tag_list(call.request)
    tags = {key: value for key, value in record.tags.items() if key not in given}
    records.save(call.db, replace(record, tags=tags))
    return Response(HTTPStatus.NO_CONTENT)


def list_tags(call: Call, *, kind: type[Snapshot | Group] = Snapshot) -> Response:
    """GET .../tags: each key in the region, with all its values."""
    found: dict[str, set[str]] = {}
    rows: list[Snapshot | Group] = records.all_of(call, kind)
    for record in rows:
        for key, value in record.tags.items():
            found.setdefault(key, set()).add(value)
    return ok(tags=[{"key": key, "value": sorted(found[key])} for key in sorted(found)])


def list_chains(call: Call) -> Response:
    """GET /snapshot-chains: what a disk's standard snapshots take together."""
    rows = list(_chains(records.all_of(call, Snapshot)).values())
    return ok(snapshot_chains=pages.v5_rows(call, rows, filters=_CHAIN_FILTERS))


def count_chains(call: Call) -> Response:
    """GET /snapshot-chains/count."""
    rows = list(_chains(records.all_of(call, Snapshot)).values())
    return ok(count=pages.v5_count(call, rows, filters=_CHAIN_FILTERS))


def show_job(call: Call) -> Response:
    """GET /v1 and /v2 .../jobs/{item}: how far a job has come."""
    job = records.one(call, Job, item=call.item)
    failed = _FAILED if job.status == "FAIL" else dict.fromkeys(_FAILED)
    return ok(
        status=job.status,
        entities={},
        job_id=job.id,
        job_type=job.job_type,
        begin_time=f"{job.created_at[:-3]}Z",
        end_time=None if job.status == "RUNNING" else f"{(job.changed_at or '')[:-3]}Z",
        **failed,
    )


# --- what groups need too -------------------------------------------------------------


def check_disk(call: Call, volume: Volume, *, instant_access: bool) -> None:
    """Refuse a disk that takes no standard snapshot, or no further one."""
    flash.check_source(volume, force=True)
    if instant_access and volume.volume_type in _NO_INSTANT_ACCESS:
        raise faults.bad_request(f"{volume.volume_type} disks have no instant access.")
    siblings = [
        snapshot
        for snapshot in records.snapshots_of(call, volume_id=volume.id)
        if snapshot.is_standard and snapshot.snapshot_type == "user"
    ]
    instant = sum(snapshot.instant_access for snapshot in siblings)
    rules = call.rules
    if len(siblings) >= rules.standard_per_volume:
        raise _too_many(rules.standard_per_volume, what="snapshots")
    if instant_access and instant >= rules.instant_per_volume:
        raise _too_many(rules.instant_per_volume, what="snapshots with instant access")


def is_busy(call: Call, volume: Volume) -> bool:
    """Tell whether a standard snapshot of the disk is being made."""
    siblings = records.snapshots_of(call, volume_id=volume.id)
    return any(snapshot.is_standard and snapshot.status == "creating" for snapshot in siblings)


def begin(
    call: Call,
    volume: Volume,
    *,
    given: dict[str, object],
    retention_at: str | None = None,
    group_id: str | None = None,
) -> Snapshot:
    """Begin a snapshot with the wishes of a body; those of a group come without its tags."""
    siblings = records.snapshots_of(call, volume_id=volume.id)
    is_first = not any(snapshot.is_standard for snapshot in siblings)
    snapshot = Snapshot(
        id=str(uuid4()),
        region=call.region,
        created_at=records.write_time(call.now),
        **_texts(given),
        volume_id=volume.id,
        size=volume.size,
        availability_zone=volume.availability_zone,
        category="standard",
        tags={} if group_id else bodies.tags(given.get("tags")),
        incremental=bodies.flag(given, name="incremental", default=True) and not is_first,
        instant_access=bodies.flag(given, name="instant_access"),
        enterprise_project_id=bodies.text(given, name="enterprise_project_id") or "0",
        retention_at=retention_at,
        group_id=group_id,
    )
    then = "error" if call.rules.fail_word in (volume.name or "") else "available"
    seconds = call.rules.first_upload if is_first else call.rules.later_upload
    return records.begin(call, snapshot, status="creating", then=then, seconds=seconds)


def check_deletable(snapshot: Snapshot) -> None:
    """Refuse to delete what is being made, deleted or used."""
    if snapshot.status not in flash.DELETABLE:
        message = f"Snapshot {snapshot.id} is {snapshot.status}."
        raise faults.evs("EVS.1047", message=message)


def begin_deletions(call: Call, job_type: str, snapshots: Sequence[Snapshot]) -> str:
    """Begin the end of these; return the ID of the job."""
    ends = [flash.begin_deletion(call, snapshot) for snapshot in snapshots]
    return _note(call, job_type, seconds=call.rules.delete_settle, fails=not all(ends))


def note_job(call: Call, job_type: str, *, until: Sequence[Snapshot | Volume | Group]) -> str:
    """Write down a job that ends as the last of these does; return its ID."""
    ends = [datetime.fromisoformat(f"{record.next_at}+00:00") for record in until if record.next_at]
    seconds = max(((end - call.now).total_seconds() for end in ends), default=0.0)
    outcomes = {record.next_status or record.status for record in until}
    return _note(call, job_type, seconds=seconds, fails=outcomes != {"available"})


def _note(call: Call, job_type: str, *, seconds: float, fails: bool) -> str:
    job = Job(
        id=uuid4().hex,
        region=call.region,
        created_at=records.write_time(call.now),
        job_type=job_type,
    )
    then = "FAIL" if fails else "SUCCESS"
    records.begin(call, job, status="RUNNING", then=then, seconds=seconds)
    return job.id


def _texts(given: dict[str, object]) -> dict[str, Any]:
    """Return the name and the description, as far as they are given."""
    longest = {"name": LONGEST_NAME, "description": _LONGEST_DESCRIPTION}
    return {
        name: bodies.text(given, name=name, longest=longest[name])
        for name in longest
        if name in given
    }


def _too_many(most: int, *, what: str) -> faults.FaultError:
    message = f"The maximum number of {what} of a disk ({most}) is reached."
    return faults.evs("EVS.5400", message=message)


def _rows(call: Call) -> list[pages.Row]:
    chains = _chains(records.all_of(call, Snapshot))
    return [_row(call, s, chains=chains) for s in records.all_of(call, Snapshot)]


def _row(
    call: Call, snapshot: Snapshot, *, chains: dict[str, pages.Row] | None = None
) -> pages.Row:
    if chains is None:
        chains = _chains(records.snapshots_of(call, volume_id=snapshot.volume_id))
    own = chains.get(snapshot.volume_id) if snapshot.is_standard else None
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.changed_at or snapshot.created_at,
        "volume_id": snapshot.volume_id,
        "size": snapshot.size,
        "status": snapshot.status,
        "project_id": ACCOUNT.project_id,
        "enterprise_project_id": snapshot.enterprise_project_id,
        "encrypted": False,
        "cmk_id": None,
        "encrypt_algorithm": None,
        "category": snapshot.category,
        "availability_zone": snapshot.availability_zone,
        "tags": snapshot.tags or None,
        "instant_access": snapshot.instant_access,
        "retention_at": snapshot.retention_at,
        "instant_access_retention_at": None,
        "incremental": snapshot.incremental,
        "snapshot_type": snapshot.snapshot_type,
        "progress": _progress(call, snapshot),
        "snapshot_group_id": snapshot.group_id,
        "snapshot_chains": [own] if own else [],
    }


def _progress(call: Call, snapshot: Snapshot) -> str:
    """Return the percentage: it grows evenly with time."""
    if snapshot.status != "creating" or snapshot.next_at is None:
        return "0" if snapshot.status == "error" else "100"
    begun, end = (
        datetime.fromisoformat(f"{text}+00:00") for text in (snapshot.created_at, snapshot.next_at)
    )
    return str(int(100 * (call.now - begun) / (end - begun)))


def _chains(snapshots: Iterable[Snapshot]) -> dict[str, pages.Row]:
    """Return the chain of each disk that has standard snapshots; it takes up some GiB."""
    links: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        if snapshot.is_standard:
            links.setdefault(snapshot.volume_id, []).append(snapshot)
    return {volume_id: _chain(volume_id, links[volume_id]) for volume_id in links}


def _chain(volume_id: str, links: Sequence[Snapshot]) -> pages.Row:
    """Return a disk's chain: a third of the disk for its first snapshot, a little for others."""
    times = [snapshot.created_at for snapshot in links]
    return {
        "id": str(uuid5(NAMESPACE_OID, volume_id)),
        "availability_zone": links[0].availability_zone,
        "snapshot_count": len(links),
        "capacity": round(links[0].size * (0.3 + 0.02 * (len(links) - 1)), 2),
        "project_id": ACCOUNT.project_id,
        "volume_id": volume_id,
        "category": "standard",
        "created_at": min(times),
        "updated_at": max(times),
    }
