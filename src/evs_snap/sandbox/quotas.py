"""How much there may be, and how much there is."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, records
from evs_snap.sandbox.call import Route
from evs_snap.sandbox.rules import ACCOUNT
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call

VOLUME_TYPES = ("SSD", "SAS", "ESSD")

_UNLIMITED = -1
_YES = ("1", "t", "true", "on", "y", "yes")


def check_gigabytes(call: Call, *, size: int) -> None:
    """Refuse a disk or a snapshot for which there is no room."""
    (used,) = call.db.execute(
        "SELECT COALESCE(SUM(size), 0) FROM "
        "(SELECT size FROM volumes UNION ALL SELECT size FROM snapshots)"
    ).fetchone()
    if used + size > call.rules.gigabytes_quota:
        raise faults.over_limit(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds "
            f"allowed gigabytes quota. Requested {size}G, quota is "
            f"{call.rules.gigabytes_quota}G and {used}G has been consumed."
        )


def check_snapshots(call: Call, *, volume_id: str, backup: bool) -> None:
    """Refuse a snapshot too many, of the disk or of the project."""
    siblings = records.snapshots_of(call, volume_id=volume_id)
    slots = [s for s in siblings if not records.is_backup(s.name, metadata=s.metadata)]
    if not backup and len(slots) >= call.rules.snapshots_per_volume:
        raise _snapshot_limit(call.rules.snapshots_per_volume)
    (existing,) = call.db.execute("SELECT COUNT(*) FROM snapshots").fetchone()
    if existing >= call.rules.snapshot_quota:
        raise _snapshot_limit(call.rules.snapshot_quota)


def quota_set(call: Call) -> Response:
    """GET /os-quota-sets/{item}: limits, with usage=True also what is used."""
    if call.item != ACCOUNT.project_id:
        raise faults.cinder(
            HTTPStatus.FORBIDDEN,
            message="Policy doesn't allow volume_extension:quotas:show to be performed.",
        )
    with_usage = call.request.query.get("usage", "").lower() in _YES
    used = _used(call)
    quotas: dict[str, object] = {
        name: {"limit": limit, "in_use": used[name], "reserved": 0} if with_usage else limit
        for name, limit in _limits(call).items()
    }
    return Response(HTTPStatus.OK, {"quota_set": {**quotas, "id": ACCOUNT.project_id}})


def limits(call: Call) -> Response:
    """GET /limits: the same, as Cinder's older call shows it."""
    limit, used = _limits(call), _used(call)
    absolute = {
        "maxTotalVolumes": limit["volumes"],
        "maxTotalSnapshots": limit["snapshots"],
        "maxTotalVolumeGigabytes": limit["gigabytes"],
        "maxTotalBackups": limit["backups"],
        "maxTotalBackupGigabytes": limit["backup_gigabytes"],
        "totalVolumesUsed": used["volumes"],
        "totalGigabytesUsed": used["gigabytes"],
        "totalSnapshotsUsed": used["snapshots"],
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return Response(HTTPStatus.OK, {"limits": {"rate": [], "absolute": absolute}})


ROUTES = (
    Route("GET", "/os-quota-sets/{item}", quota_set),
    Route("GET", "/limits", limits),
)


def _snapshot_limit(allowed: int) -> faults.FaultError:
    return faults.over_limit(
        f"SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) exceeded"
    )


def _limits(call: Call) -> dict[str, int]:
    by_type = {
        f"{noun}_{volume_type}": _UNLIMITED
        for volume_type in VOLUME_TYPES
        for noun in ("volumes", "gigabytes", "snapshots")
    }
    return {
        "volumes": _UNLIMITED,
        "per_volume_gigabytes": _UNLIMITED,
        "snapshots": call.rules.snapshot_quota,
        "gigabytes": call.rules.gigabytes_quota,
        "backups": 10,
        "backup_gigabytes": 1000,
        **by_type,
        "groups": 10,
    }


def _used(call: Call) -> Counter[str]:
    used: Counter[str] = Counter()
    types = {}
    for volume in records.volumes(call):
        types[volume.id] = volume.volume_type
        _count(used, noun="volumes", size=volume.size, volume_type=types.get(volume.id))
    for snapshot in records.snapshots(call):
        kind = types.get(snapshot.volume_id)
        _count(used, noun="snapshots", size=snapshot.size, volume_type=kind)
    return used


def _count(used: Counter[str], *, noun: str, size: int, volume_type: str | None) -> None:
    used.update({noun: 1, "gigabytes": size})
    used.update({f"{noun}_{volume_type}": 1, f"gigabytes_{volume_type}": size})
