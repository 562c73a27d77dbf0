"""Groups of standard snapshots: several disks of one zone at one instant.

https://support.huaweicloud.com/api-evs/CreateSnapshotGroup.html. A group does not list its
members; the list of snapshots has a filter for them. Deleting it deletes them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import bodies, faults, pages, records, v5
from evs_snap.sandbox.call import Response, accepted, ok
from evs_snap.sandbox.records import GONE, Group, Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

_MOST_DISKS = 64
_COUNT_FILTERS = ("id", "name", "status", "tag_key", "tags", "enterprise_project_id")


def list_(call: Call) -> Response:
    """GET /snapshot-groups/detail: paged by offset; there is no marker."""
    if "marker" in call.request.query:
        raise faults.bad_request("the sandbox does not speak the query marker")
    rows = [_row(group) for group in records.all_of(call, Group)]
    filters = (*_COUNT_FILTERS, "server_id")
    return ok(snapshot_groups=pages.v5_rows(call, rows, filters=filters))


def count(call: Call) -> Response:
    """GET /snapshot-groups/count."""
    rows = [_row(group) for group in records.all_of(call, Group)]
    return ok(count=pages.v5_count(call, rows, filters=_COUNT_FILTERS))


def show(call: Call) -> Response:
    """GET /snapshot-groups/{item}: one group."""
    return ok(snapshot_group=_row(records.one(call, Group, item=call.item)))


def create(call: Call) -> Response:
    """POST /snapshot-groups: begin a snapshot of each disk; all of them or none."""
    given = bodies.fields(
        call.request,
        key="snapshot_group",
        allowed=("server_id", "volume_ids", *v5.CREATION_FIELDS),
    )
    server_id = bodies.text(given, name="server_id")
    volumes = _disks(call, bodies.texts(given, name="volume_ids"), server_id=server_id)
    for volume in volumes:
        v5.check_disk(call, volume, instant_access=bodies.flag(given, name="instant_access"))
    if any(v5.is_busy(call, volume) for volume in volumes):
        raise faults.evs("EVS.2409", message="A snapshot of one of the disks is being created.")
    group = Group(
        id=str(uuid4()),
        region=call.region,
        created_at=records.write_time(call.now),
        name=bodies.text(given, name="name"),
        description=bodies.text(given, name="description"),
        tags=bodies.tags(given.get("tags")),
        server_id=server_id,
        enterprise_project_id=bodies.text(given, name="enterprise_project_id") or "0",
    )
    # A group's name may be longer than a snapshot's.
    wish = {**given, "name": group.name and group.name[: v5.LONGEST_NAME], "description": None}
    members = [v5.begin(call, volume, given=wish, group_id=group.id) for volume in volumes]
    last = max(members, key=lambda member: member.next_at or "")
    end = datetime.fromisoformat(f"{last.next_at or group.created_at}+00:00")
    is_whole = all((m.next_status or m.status) == "available" for m in members)
    records.begin(
        call,
        group,
        status="creating",
        then="available" if is_whole else "error",
        seconds=(end - call.now).total_seconds(),
    )
    job_id = v5.note_job(call, "createSnapshotGroup", until=members)
    return accepted(job_id=job_id, snapshot_group_id=group.id)


def update(call: Call) -> Response:
    """PUT /snapshot-groups/{item}: name and description."""
    allowed = ("name", "description")
    given = bodies.fields(call.request, key="snapshot_group", allowed=allowed)
    old = records.one(call, Group, item=call.item)
    name = bodies.text({"name": old.name} | given, name="name")
    description = bodies.text({"description": old.description} | given, name="description")
    group = replace(old, name=name, description=description)
    records.save(call.db, group)
    return ok(snapshot_group=_row(group))


def delete(call: Call) -> Response:
    """DELETE /snapshot-groups/{item}: with its members."""
    group = records.one(call, Group, item=call.item)
    members = [s for s in records.all_of(call, Snapshot) if s.group_id == group.id]
    for member in members:
        v5.check_deletable(member)
    job_id = v5.begin_deletions(call, "deleteSnapshotGroup", members)
    seconds = call.rules.delete_settle
    records.begin(call, group, status="deleting", then=GONE, seconds=seconds)
    return accepted(job_id=job_id)


def _disks(call: Call, ids: list[str], *, server_id: str | None) -> list[Volume]:
    """Return the disks named, else all of the server; refuse those that make no group."""
    if server_id and not ids:
        ids = [v.id for v in records.all_of(call, Volume) if v.server_id == server_id]
    if not 1 <= len(ids) <= _MOST_DISKS:
        raise faults.bad_request(f"A group has 1 to {_MOST_DISKS} disks, not {len(ids)}.")
    volumes = [records.one(call, Volume, item=id_) for id_ in ids]
    if len({volume.availability_zone for volume in volumes}) > 1:
        raise faults.bad_request("The disks are not in one availability zone.")
    if server_id and any(volume.server_id != server_id for volume in volumes):
        raise faults.bad_request(f"Not all of the disks are attached to server {server_id}.")
    return volumes


def _row(group: Group) -> pages.Row:
    return {
        "id": group.id,
        "project_id": ACCOUNT.project_id,
        "created_at": group.created_at,
        "updated_at": group.changed_at or group.created_at,
        "status": group.status,
        "name": group.name,
        "description": group.description,
        "enterprise_project_id": group.enterprise_project_id,
        "tags": group.tags or None,
        "server_id": group.server_id,
    }
