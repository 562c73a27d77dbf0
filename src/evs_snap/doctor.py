"""Every step between the settings and a snapshot, tried in order; changes nothing."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from evs_snap.auth.catalog import endpoint_base
from evs_snap.credentials import AgencyCredentials, Keys
from evs_snap.errors import (
    BadAnswerError,
    EvsSnapError,
    NotFoundError,
    NotSentError,
    ServiceError,
    SignInError,
    UnreachableError,
    WrongEndpointError,
)
from evs_snap.gathering import Gathered, gather
from evs_snap.models import USABLE_VOLUME_STATUSES
from evs_snap.regions import evs_url
from evs_snap.room import holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from evs_snap.auth.identity import Identity
    from evs_snap.client import EvsClient
    from evs_snap.clock import Clock
    from evs_snap.selection import Selection
    from evs_snap.settings import Settings

SKEW_ALLOWED = 15 * 60
"""Seconds that a signed request's date may be off (evs-api.md, section 5.2)."""

_SKEW_NOTED = 2 * 60
_READERS = frozenset({"reader", "readonly", "te_readonly", "viewer"})
_NAMED = 5
_STEPS = ("sign-in", "endpoint", "rights", "disks", "quota", "limit")


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


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. ``limit`` is how many snapshots a disk may hold."""

    settings: Settings
    http: httpx.Client
    auth: Identity
    client: EvsClient
    limit: int
    networked: bool = True


def failure(step: str, error: EvsSnapError) -> Finding:
    """Return the finding for a step that an error ended."""
    told = "; ".join((error.message, *error.details))
    if isinstance(error, ServiceError) and error.request_id:
        told = f"{told} (request ID: {error.request_id})"
    return Finding(step, Result.FAIL, told, error.hint or "", error.exit_code)


def examine(patient: Patient, selection: Selection, *, clock: Clock) -> Iterator[Finding]:
    """Yield a finding for each step; after one that all later ones need fails, skips."""
    yield _settings(patient)
    if patient.networked:
        yield _name_resolution(patient)
        error, seen = _first_contact(patient, now=clock.now)
        yield from seen
        if isinstance(error, NotSentError):
            yield from _skipped(_STEPS, because="needs the connection")
            return
    yield from _project(patient, selection)


def _settings(patient: Patient) -> Finding:
    told = ", ".join(sorted(set(patient.settings.origins.values())))
    return Finding("settings", Result.PASS, f"from {told}" if told else "the sandbox's own")


def _name_resolution(patient: Patient) -> Finding:
    urls = (_first_address(patient.settings), patient.settings.endpoint or "")
    hosts = {host for url in urls if (host := urlsplit(url).hostname)}
    unknown = []
    for host in sorted(hosts):
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            unknown.append(f"{host}: {error}")
    if unknown:
        fix = "Check OS_AUTH_URL, the region and the DNS. Behind a proxy it may be normal."
        return Finding("names", Result.WARN, "; ".join(unknown), fix)
    return Finding("names", Result.PASS, ", ".join(sorted(hosts)) or "none to resolve")


def _first_address(settings: Settings) -> str:
    """Return where the first request goes: to IAM, or where keys need nothing there, to EVS."""
    return settings.auth_url or endpoint_base(settings.endpoint or evs_url(settings.region or ""))


def _first_contact(
    patient: Patient, *, now: Callable[[], datetime]
) -> tuple[EvsSnapError | None, list[Finding]]:
    """Ask the first address for its version: connection, TLS, and what time it is there."""
    url = f"{_first_address(patient.settings)}/v3"
    try:
        request = httpx.Request("GET", url, headers={"Accept": "application/json"})
        answer = patient.http.send(request, auth=None)
    except EvsSnapError as error:
        skipped = Finding("clock", Result.SKIP, "needs the connection")
        return error, [failure("connection", error), skipped]
    told = f"{url} answers (HTTP {answer.status_code})"
    signs = isinstance(patient.settings.credentials, Keys | AgencyCredentials)
    skew = _skew(answer.headers.get("Date"), now=now(), signs=signs)
    return None, [Finding("connection", Result.PASS, told), skew]


def _skew(date: str | None, *, now: datetime, signs: bool) -> Finding:
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


def _project(patient: Patient, selection: Selection) -> Iterator[Finding]:
    address = ""
    try:
        address = patient.client.address()
        gathered = gather(patient.client, selection)
    except EvsSnapError as error:
        step = _step_at_fault(error, patient) if address else "sign-in"
        reached = _STEPS.index(step)
        yield from (_passed(done, patient, address=address) for done in _STEPS[:reached])
        yield failure(step, error)
        yield from _skipped(_STEPS[reached + 1 :], because=f"needs the step {step!r}")
        return
    yield _passed("sign-in", patient, address=address)
    yield _passed("endpoint", patient, address=address)
    yield _rights(patient)
    yield _disks(gathered)
    yield _quota(patient, wanted=len(gathered.volumes))
    yield _limit(gathered, limit=patient.limit)


def _step_at_fault(error: EvsSnapError, patient: Patient) -> str:
    """Return which step failed where the disks could not be listed."""
    if error.exit_code == NotFoundError.exit_code:
        return "disks"
    if isinstance(error, WrongEndpointError | UnreachableError | BadAnswerError):
        return "endpoint"
    signs = isinstance(patient.settings.credentials, Keys | AgencyCredentials)
    # Whoever signs shows the keys with this request; whoever has a token has signed in.
    return "sign-in" if signs and isinstance(error, SignInError) else "rights"


def _passed(step: str, patient: Patient, *, address: str) -> Finding:
    if step == "rights":
        return _rights(patient)
    told = address if step == "endpoint" else patient.settings.sign_in
    return Finding(step, Result.PASS, told)


def _skipped(steps: Iterable[str], *, because: str) -> Iterator[Finding]:
    return (Finding(step, Result.SKIP, because) for step in steps)


def _rights(patient: Patient) -> Finding:
    roles = patient.auth.roles
    told = "disks and snapshots can be listed"
    if roles and all(role.lower() in _READERS for role in roles):
        fix = "Ask for a role with evs:snapshots:create and delete in this project."
        return Finding(
            "rights", Result.WARN, f"{told}; role {', '.join(roles)} can change nothing", fix
        )
    return Finding("rights", Result.PASS, f"{told}; creating is not tried")


def _disks(gathered: Gathered) -> Finding:
    count = len(gathered.volumes)
    unfit = [v.name or v.id for v in gathered.volumes if v.status not in USABLE_VOLUME_STATUSES]
    if unfit:
        fix = "EVS takes snapshots only of disks that are available or in-use."
        return Finding(
            "disks", Result.WARN, f"{len(unfit)} of {count} in no state for it: {_some(unfit)}", fix
        )
    if not count:
        return Finding(
            "disks", Result.WARN, "the project has no disks", "Check project and region."
        )
    return Finding("disks", Result.PASS, f"{count} disks")


def _quota(patient: Patient, *, wanted: int) -> Finding:
    try:
        quota = patient.client.quota()
    except EvsSnapError as error:
        return Finding(
            "quota", Result.WARN, f"could not be read: {error.message}", error.hint or ""
        )
    free = quota.snapshots.free
    if free is None:
        if (quota.snapshots.limit or 0) < 0:
            return Finding("quota", Result.PASS, "no limit on the project's snapshots")
        return Finding("quota", Result.SKIP, "the service does not tell how much is left")
    told = f"{free} snapshots left in the project"
    if free < wanted:
        fix = "Have the quota raised, or prune."
        return Finding("quota", Result.WARN, f"{told}, for {wanted} disks", fix)
    return Finding("quota", Result.PASS, told)


def _limit(gathered: Gathered, *, limit: int) -> Finding:
    full, near = [], []
    for volume in gathered.volumes:
        held = len(holders([s for s in gathered.snapshots if s.volume_id == volume.id]))
        if held >= limit:
            full.append(volume.name or volume.id)
        elif held == limit - 1:
            near.append(volume.name or volume.id)
    fix = "Rotate, prune or delete; `create` refuses a full disk."
    if full:
        return Finding("limit", Result.WARN, f"full, {limit} of {limit}: {_some(full)}", fix)
    if near:
        return Finding("limit", Result.WARN, f"one slot left: {_some(near)}", fix)
    return Finding("limit", Result.PASS, f"no disk is near {limit} snapshots")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
