"""Tries every step from the settings to a snapshot, in order. Nothing is changed in the cloud."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from os import environ
from tempfile import TemporaryFile
from urllib.parse import urlsplit

from evs_snap.auth.catalog import endpoint_base
from evs_snap.clock import Clock
from evs_snap.errors import (
    BadAnswerError,
    ConfigurationError,
    EvsSnapError,
    NoEndpointError,
    NotSentError,
    SelectionError,
    SignInError,
    UnreachableError,
    WrongEndpointError,
)
from evs_snap.health.findings import (
    Finding,
    Result,
    failure,
    on_clock,
    on_disks,
    on_kinds,
    on_limit,
    on_quota,
    on_rights,
)
from evs_snap.plan.selection import Selection
from evs_snap.runs.gather import gather
from evs_snap.runs.holds.command import Hold, hold, surroundings
from evs_snap.services.client import EvsClient
from evs_snap.settings import Settings
from evs_snap.settings.addresses import evs_url
from evs_snap.settings.folders import state_folder

_BY_HAND = (
    "Run it by hand: it must print READY, go on until its stdin ends (Ctrl-D), and end with 0."
)
_STEPS = ("sign-in", "endpoint", "rights", "disks", "quota", "limit", "kinds")


def examine(
    evs: EvsClient,
    selection: Selection,
    *,
    settings: Settings,
    limit: int,
    networked: bool = True,
) -> Iterator[Finding]:
    """Yield a finding for each step. Steps that need one that failed are skipped.

    The last finding tells which kinds of snapshots the region lists, and which one is set.
    ``limit`` is how many snapshots a disk may hold. Without ``networked`` the steps that
    need a network are left out.
    """
    yield _settings(settings)
    yield _files()
    if networked:
        yield _name_resolution(settings)
        error, seen = _first_contact(evs, settings)
        yield from seen
        if isinstance(error, NotSentError):
            yield from _skipped(_STEPS, because="needs the connection")
            return
    yield from _project(evs, selection, settings, limit=limit)


def rehearse(command: str, *, seconds: float, clock: Clock, note: Callable[[str], None]) -> Finding:
    """Start what is to be held during a run, and let it go as soon as it is ready."""
    given = surroundings(environ, {"command": ["doctor"]}, seconds=seconds)
    began = clock.monotonic()
    try:
        with hold(Hold(command, seconds), clock=clock, environ=given, note=note) as held:
            ready = clock.monotonic() - began
            release = held.release()
    except EvsSnapError as error:
        failed = failure("hold", error)
        return replace(failed, fix=failed.fix or _BY_HAND)
    if release.trouble is not None:
        return Finding("hold", Result.FAIL, release.trouble, fix=_BY_HAND, exit_code=1)
    ended = f"ready after {ready:.1f} s, over {release.seconds:.1f} s later"
    return Finding("hold", Result.PASS, f"{ended}; nothing was made")


def _files() -> Finding:
    """Try the folder for locks, without which nothing is created or deleted."""
    try:
        folder = state_folder(environ)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except EvsSnapError as error:
        return failure("files", error)
    except OSError as error:
        fix = (
            "Set XDG_STATE_HOME to a folder that this user may write (and XDG_CACHE_HOME, else "
            "each run signs in)."
        )
        told = f"locks cannot be kept: {error}"
        return Finding("files", Result.FAIL, told, fix, ConfigurationError.exit_code)
    return Finding("files", Result.PASS, f"locks are kept in {folder}")


def _settings(settings: Settings) -> Finding:
    told = ", ".join(sorted(set(settings.origins.values())))
    return Finding("settings", Result.PASS, f"from {told}" if told else "the sandbox's own")


def _name_resolution(settings: Settings) -> Finding:
    urls = (_first_address(settings), settings.endpoint or "")
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
    """Return where the first request goes: to IAM, or to EVS where keys need nothing of IAM."""
    return settings.auth_url or endpoint_base(settings.endpoint or evs_url(settings.region or ""))


def _first_contact(evs: EvsClient, settings: Settings) -> tuple[EvsSnapError | None, list[Finding]]:
    """Ask the first address for its version: connection, TLS, and what time it is there."""
    url = f"{_first_address(settings)}/v3"
    try:
        answer = evs.project.probe(url)
    except EvsSnapError as error:
        skipped = Finding("clock", Result.SKIP, "needs the connection")
        return error, [failure("connection", error), skipped]
    told = f"{url} answers (HTTP {answer.status_code})"
    date, signs = answer.headers.get("Date"), settings.credentials.signs
    skew = on_clock(date, now=evs.clock.now(), signs=signs)
    return None, [Finding("connection", Result.PASS, told), skew]


def _project(
    evs: EvsClient, selection: Selection, settings: Settings, *, limit: int
) -> Iterator[Finding]:
    address = ""
    try:
        address = evs.project.address()
        gathered = gather(evs, selection)
    except EvsSnapError as error:
        step = _step_at_fault(error, settings, address=address)
        reached = _STEPS.index(step)
        yield from (_passed(done, evs, settings, address=address) for done in _STEPS[:reached])
        yield failure(step, error)
        yield from _skipped(_STEPS[reached + 1 :], because=f"needs the step {step!r}")
        return
    yield _passed("sign-in", evs, settings, address=address)
    yield _passed("endpoint", evs, settings, address=address)
    yield on_rights(evs.project.roles)
    yield on_disks(gathered.volumes)
    yield _quota(evs, wanted=len(gathered.volumes))
    yield on_limit(gathered, limit=limit)
    yield on_kinds(evs.service.kind, evs.kinds_listed())


def _step_at_fault(error: EvsSnapError, settings: Settings, *, address: str) -> str:
    """Return which step failed where the disks could not be listed."""
    if isinstance(error, NoEndpointError):
        return "endpoint"
    if not address:
        return "sign-in"
    if error.exit_code == SelectionError.exit_code:
        return "disks"
    if isinstance(error, WrongEndpointError | UnreachableError | BadAnswerError):
        return "endpoint"
    # Signed requests prove the keys only here; a token was given before.
    return "sign-in" if settings.credentials.signs and isinstance(error, SignInError) else "rights"


def _passed(step: str, evs: EvsClient, settings: Settings, *, address: str) -> Finding:
    if step == "rights":
        return on_rights(evs.project.roles)
    told = address if step == "endpoint" else settings.sign_in
    return Finding(step, Result.PASS, told)


def _skipped(steps: Iterable[str], *, because: str) -> Iterator[Finding]:
    return (Finding(step, Result.SKIP, because) for step in steps)


def _quota(evs: EvsClient, *, wanted: int) -> Finding:
    try:
        quota = evs.quota()
    except EvsSnapError as error:
        told = f"could not be read: {error.message}"
        return Finding("quota", Result.WARN, told, error.hint or "")
    return on_quota(quota, wanted=wanted)
