"""How the doctor judges what it has read: each function turns facts into one finding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from evs_snap.auth.signer import SKEW_ALLOWED
from evs_snap.errors import EvsSnapError, ServiceError, SignInError
from evs_snap.health.words import count_of, some_of
from evs_snap.plan.slots import holders
from evs_snap.runs.gather import Gathered
from evs_snap.services.interface import USABLE_VOLUME_STATUSES, QuotaSet, Volume

_SKEW_NOTED = 2 * 60
_READERS = frozenset({"reader", "readonly", "te_readonly", "viewer"})


class Result(StrEnum):
    """How a step went."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: how it went, what was seen, and what to do where it did not go well."""

    step: str
    result: Result
    detail: str
    fix: str = ""
    exit_code: int = 0


def failure(step: str, error: EvsSnapError) -> Finding:
    """Return the finding for a step that an error ended."""
    told = "; ".join((error.message, *error.details))
    if isinstance(error, ServiceError) and error.request_id:
        told = f"{told} (request ID: {error.request_id})"
    return Finding(step, Result.FAIL, told, error.hint or "", error.exit_code)


def on_clock(date: str | None, *, now: datetime, signs: bool) -> Finding:
    """Compare a Date header with this machine's time. A wrong clock spoils what ``signs``."""
    try:
        skew = (now - parsedate_to_datetime(date or "")).total_seconds()
    except (TypeError, ValueError, ArithmeticError):
        return Finding("clock", Result.SKIP, "the service does not tell the time")
    told = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service"
    fix = "Set the clock, and keep it set (chrony, systemd-timesyncd)."
    if abs(skew) > SKEW_ALLOWED and signs:
        told = f"{told}: no signature is accepted"
        return Finding("clock", Result.FAIL, told, fix, SignInError.exit_code)
    if abs(skew) > _SKEW_NOTED:
        return Finding("clock", Result.WARN, told, fix)
    return Finding("clock", Result.PASS, told)


def on_rights(roles: Sequence[str]) -> Finding:
    """Say what the user's roles allow. Reading was possible, or this step is not reached."""
    told = "disks and snapshots can be listed"
    if roles and all(role.lower() in _READERS for role in roles):
        fix = f"Ask for {_wanted(roles)} in this project."
        return Finding(
            "rights", Result.WARN, f"{told}; role {', '.join(roles)} can change nothing", fix
        )
    return Finding("rights", Result.PASS, f"{told}; creating is not tried")


def _wanted(roles: Sequence[str]) -> str:
    """Return which role to ask for. ``reader`` is Keystone's own, the others are the vendors'."""
    if {role.lower() for role in roles} == {"reader"}:
        return "the role member"
    return "a role with evs:snapshots:create and delete"


def on_disks(volumes: Sequence[Volume]) -> Finding:
    """Say whether there are disks, and which of them take no snapshot now."""
    count = len(volumes)
    unfit = [v.name or v.id for v in volumes if v.status not in USABLE_VOLUME_STATUSES]
    if unfit:
        fix = "EVS takes snapshots only of disks that are available or in-use."
        return Finding(
            "disks",
            Result.WARN,
            f"{len(unfit)} of {count} in no state for it: {some_of(unfit)}",
            fix,
        )
    if not count:
        return Finding(
            "disks",
            Result.WARN,
            "there is none, or none in this shard",
            "Check project and region.",
        )
    return Finding("disks", Result.PASS, count_of(count, "disk"))


def on_kinds(kind: str, listed: Collection[str] | None) -> Finding:
    """Say which kind of snapshots is set, and which ones the region lists by v5.

    None is where it does not list by v5, as in most regions. The list alone does not prove that
    the region makes standard ones: it also shows legacy ones.
    Source: https://support.huaweicloud.com/intl/en-us/usermanual-evs/evs_01_0098.html.
    """
    told = f"the kind that is set is {kind}"
    if listed is None:
        return Finding("kinds", Result.PASS, f"{told}; the region lists no standard ones (v5)")
    shown = " and ".join(sorted(listed)) or "none"
    told = f"{told}; the region has the list of standard ones (v5), which shows {shown}"
    if kind == "standard":
        return Finding("kinds", Result.PASS, told)
    if "standard" not in listed:
        told = f"{told}: no proof that it makes them"
    return Finding(
        "kinds",
        Result.WARN,
        told,
        "If new legacy ones are refused here: --kind standard (or EVS_SNAP_KIND=standard), which "
        "is billed. Legacy ones that exist can still be listed, restored and deleted.",
    )


def on_quota(quota: QuotaSet, *, wanted: int) -> Finding:
    """Say whether the project has room for ``wanted`` more snapshots."""
    free = quota.snapshots.free
    if free is None:
        if (quota.snapshots.limit or 0) < 0:
            return Finding("quota", Result.PASS, "no limit on the project's snapshots")
        return Finding("quota", Result.SKIP, "the service does not tell how much is left")
    told = f"{count_of(free, 'snapshot')} left in the project"
    if free < wanted:
        fix = "Have the quota raised, or prune."
        return Finding("quota", Result.WARN, f"{told}, for {count_of(wanted, 'disk')}", fix)
    return Finding("quota", Result.PASS, told)


def on_limit(gathered: Gathered, *, limit: int) -> Finding:
    """Say which disks hold ``limit`` snapshots, or one less."""
    full, near = [], []
    for volume in gathered.volumes:
        held = len(holders(gathered.of(volume)))
        if held >= limit:
            full.append(volume.name or volume.id)
        elif held == limit - 1:
            near.append(volume.name or volume.id)
    fix = "Rotate, prune or delete; `create` refuses a full disk."
    if full:
        return Finding("limit", Result.WARN, f"full, {limit} of {limit}: {some_of(full)}", fix)
    if near:
        return Finding("limit", Result.WARN, f"one slot left: {some_of(near)}", fix)
    return Finding("limit", Result.PASS, f"no disk is near {limit} snapshots")
