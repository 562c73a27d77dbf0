"""How much there may be in a region, and how much there is."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults, records
from evs_snap.sandbox.call import ok
from evs_snap.sandbox.records import Snapshot, Volume
from evs_snap.sandbox.rules import ACCOUNT

if TYPE_CHECKING:
    from evs_snap.sandbox.call import Call, Response

_UNLIMITED = -1


def check_gigabytes(call: Call, *, size: int) -> None:
    """Refuse a disk or a snapshot for which there is no room; ``size`` in GiB."""
    used = _used(call)["gigabytes"]
    quota = call.rules.gigabytes_quota
    if used + size > quota:
        raise faults.over_limit(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed "
            f"gigabytes quota. Requested {size}G, quota is {quota}G and {used}G has been consumed."
        )


def check_snapshots(call: Call, *, volume_id: str, backup: bool) -> None:
    """Refuse a legacy snapshot too many, of the disk or of the project."""
    siblings = records.snapshots_of(call, volume_id=volume_id)
    taken = sum(not snapshot.is_backup and not snapshot.is_standard for snapshot in siblings)
    if not backup and taken >= call.rules.snapshots_per_volume:
        raise _snapshot_limit(call.rules.snapshots_per_volume)
    if _used(call)["snapshots"] >= call.rules.snapshot_quota:
        raise _snapshot_limit(call.rules.snapshot_quota)


def quota_set(call: Call) -> Response:
    """GET /os-quota-sets/{item}: limits, with usage=True also what is used."""
    if call.item != ACCOUNT.project_id:
        raise faults.cinder(
            HTTPStatus.FORBIDDEN,
            message="Policy doesn't allow volume_extension:quotas:show to be performed.",
        )
    quotas: dict[str, object] = {
        "volumes": _UNLIMITED,
        "snapshots": call.rules.snapshot_quota,
        "gigabytes": call.rules.gigabytes_quota,
    }
    if call.request.query.get("usage", "").lower() == "true":
        used = _used(call)
        quotas = {
            name: {"limit": limit, "in_use": used[name], "reserved": 0}
            for name, limit in quotas.items()
        }
    return ok(quota_set={**quotas, "id": ACCOUNT.project_id})


def _snapshot_limit(allowed: int) -> faults.FaultError:
    return faults.over_limit(
        f"SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) exceeded"
    )


def _used(call: Call) -> dict[str, int]:
    volumes = records.all_of(call, Volume)
    snapshots = [s for s in records.all_of(call, Snapshot) if not s.is_standard]
    return {
        "volumes": len(volumes),
        "snapshots": len(snapshots),
        "gigabytes": sum(v.size for v in volumes) + sum(s.size for s in snapshots),
    }
