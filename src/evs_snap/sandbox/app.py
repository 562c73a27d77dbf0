"""The pretend cloud as a WSGI application: from a request to its answer."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import faults, identity, quotas, records, seed, snapshots, volumes
from evs_snap.sandbox.call import Call
from evs_snap.sandbox.rules import ACCOUNT, Rules
from evs_snap.sandbox.store import Store
from evs_snap.sandbox.wire import MAX_BODY, Response, read_request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from evs_snap.sandbox.wire import Request

Route = tuple[str, str, Callable[[Call], Response]]

_DEFAULT_RULES = Rules()
# Keystone stands under /identity and Cinder under /volume, as with devstack, and both
# at the root, as with EVS.
_PROJECT = r"(?P<base>(/volume)?/(?P<version>v[23])/(?P<project>[0-9a-f-]+))"
_NATIVE = _PROJECT.replace("v[23]", "v2")
_ITEM = r"(?P<item>[^/]+)"
_ROUTES: tuple[Route, ...] = (
    ("GET", r"(/identity)?/v3/?", identity.version),
    ("GET", r"/identity/?", identity.versions),
    ("POST", r"(/identity)?/v3/auth/tokens", identity.sign_in),
    ("GET", r"/volume/v3/?", volumes.version),
    ("GET", f"{_PROJECT}/volumes", volumes.list_summaries),
    ("POST", f"{_PROJECT}/volumes", volumes.create),
    ("GET", f"{_PROJECT}/volumes/detail", volumes.list_details),
    ("GET", f"{_PROJECT}/volumes/{_ITEM}", volumes.show),
    ("DELETE", f"{_PROJECT}/volumes/{_ITEM}", volumes.delete),
    ("GET", f"{_PROJECT}/snapshots", snapshots.list_summaries),
    ("POST", f"{_PROJECT}/snapshots", snapshots.create),
    ("GET", f"{_PROJECT}/snapshots/detail", snapshots.list_details),
    ("GET", f"{_PROJECT}/snapshots/{_ITEM}", snapshots.show),
    ("DELETE", f"{_PROJECT}/snapshots/{_ITEM}", snapshots.delete),
    ("POST", f"{_PROJECT}/snapshots/{_ITEM}/metadata", snapshots.add_metadata),
    ("GET", f"{_PROJECT}/os-quota-sets/{_ITEM}", quotas.quota_set),
    ("GET", f"{_NATIVE}/cloudvolumes/detail", volumes.list_native),
    ("GET", f"{_NATIVE}/cloudsnapshots/{_ITEM}", snapshots.show),
    ("POST", f"{_NATIVE}/cloudsnapshots/{_ITEM}/rollback", snapshots.roll_back),
)
_READS = ("GET", "HEAD")


class Sandbox:
    """A pretend EVS in one file; safe to call from many threads and processes."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        rules: Rules = _DEFAULT_RULES,
    ) -> None:
        self._store = Store(path, fill=lambda db: seed.fill(db, now=now()))
        self._now = now
        self._rules = rules

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read_request(environ)
        try:
            response = self._answer(request)
        except faults.FaultError as fault:
            response = fault.response
        except (OSError, sqlite3.Error) as error:
            message = str(self._store.unusable(error))
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            response = faults.cinder(status, message=message).response
        body = response.body
        headers = {
            "X-Evs-Snap-Sandbox": "1",
            "X-Openstack-Request-Id": f"req-{uuid4()}",
            # What Cinder says of an empty body, too.
            "Content-Type": "application/json" if body else "text/html; charset=UTF-8",
            "Content-Length": str(len(body)),
            **response.headers,
        }
        start_response(
            f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items())
        )
        return [b"" if request.method == "HEAD" else body]

    def reset(self) -> None:
        """Throw everything away; the next request finds a new pretend cloud.

        An OSError that names the file and tells what to do is raised where that cannot be done.
        """
        self._store.remove()

    def _answer(self, request: Request) -> Response:
        if len(request.body) > MAX_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise faults.cinder(status, message="Request is too large.")
        write = request.method not in _READS
        with self._store.transaction(write=write) as db:
            # Only now, so that the order of times is that of the writers.
            call = Call(request=request, db=db, now=self._now(), rules=self._rules)
            if write:
                records.remove_gone(call)
            return _dispatch(call)


def _dispatch(call: Call) -> Response:
    request = call.request
    for method, pattern, handler in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match is None or method != request.method:
            continue
        found = match.groupdict()
        if "project" not in found:
            return handler(call)
        identity.check_token(call)
        if found["version"] == "v3":
            _check_microversion(request)
        if found["project"] != ACCOUNT.project_id:
            raise faults.bad_request("Malformed request url")
        base = f"{request.origin}{found['base']}"
        return handler(replace(call, item=found.get("item", ""), base=base))
    raise faults.unspoken(request)


def _check_microversion(request: Request) -> None:
    asked = request.headers.get("openstack-api-version", "volume 3.0")
    match = re.fullmatch(r"volume (?:3\.([0-9]{1,9})|latest)", asked.strip())
    if match is None or int(match[1] or 0) > volumes.MAX_MICROVERSION:
        raise faults.cinder(
            HTTPStatus.NOT_ACCEPTABLE,
            message=f"Version {asked.rpartition(' ')[2]} is not supported by the API. "
            f"Minimum is 3.0 and maximum is 3.{volumes.MAX_MICROVERSION}.",
        )
