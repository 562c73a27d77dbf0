"""The pretend cloud as a WSGI application: from a request to its answer."""

from __future__ import annotations

import sqlite3
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import (
    faults,
    identity,
    native,
    quotas,
    records,
    seed,
    snapshots,
    versions,
    volumes,
)
from evs_snap.sandbox.authentication import authenticate
from evs_snap.sandbox.call import Call, Route, dispatch
from evs_snap.sandbox.place import locate
from evs_snap.sandbox.rules import Rules
from evs_snap.sandbox.store import Store
from evs_snap.sandbox.wire import MAX_BODY, Response, read_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from evs_snap.sandbox.place import Place
    from evs_snap.sandbox.wire import Request

_DEFAULT_RULES = Rules()
_IDENTITY = {
    "": (Route("GET", "/?", versions.identity_versions),),
    "v3": identity.ROUTES,
}
_OUTSIDE_PROJECTS = {
    "": (Route("GET", "/?", versions.volume_versions),),
    "v3": (Route("GET", "/?", versions.volume_version),),
}
_CINDER = (*volumes.ROUTES, *snapshots.ROUTES, *quotas.ROUTES)
_IN_PROJECT = {"v3": _CINDER, "v2": (*_CINDER, *native.ROUTES)}
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
        self._path = path
        self._store = Store(path, fill=lambda db: seed.fill(db, now=now()))
        self._now = now
        self._rules = rules

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read_request(environ)
        response = self._respond(request)
        body = response.body
        request_id = f"req-{uuid4()}"
        headers = {
            "X-Evs-Snap-Sandbox": "1",
            "X-Openstack-Request-Id": request_id,
            **response.headers,
        }
        if "X-Request-Id" in headers:
            del headers["X-Openstack-Request-Id"]
        if "Openstack-Api-Version" in headers:
            headers["X-Compute-Request-Id"] = request_id
        if response.status is not HTTPStatus.NO_CONTENT:
            # What Cinder says of an empty body, too.
            kind = "application/json" if body else "text/html; charset=UTF-8"
            headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        status = f"{response.status.value} {response.status.phrase}"
        start_response(status, list(headers.items()))
        return [b"" if request.method == "HEAD" else body]

    def reset(self) -> None:
        """Throw everything away; the next request finds a new pretend cloud."""
        self._store.remove()

    def _respond(self, request: Request) -> Response:
        place = locate(request.path)
        try:
            response = self._answer(request, place=place)
        except faults.FaultError as fault:
            response = fault.response
        except (OSError, sqlite3.Error) as error:
            message = (
                f"the sandbox cannot use its file {self._path} ({error}); "
                "without that file it begins anew"
            )
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            response = faults.cinder(status, message=message).response
        if "X-Request-Id" in response.headers:
            return response  # refused before any service saw it
        if place.service == "identity":
            return response.with_headers({"Vary": "X-Auth-Token"})
        if response.status is HTTPStatus.UNAUTHORIZED or place.version == "v2":
            return response  # refused before Cinder saw it, or older than such headers
        return response.with_headers(versions.headers(request))

    def _answer(self, request: Request, *, place: Place) -> Response:
        if len(request.body) > MAX_BODY:
            raise faults.body_too_large()
        write = request.method not in _READS
        with self._store.transaction(write=write) as db:
            # Only now, so that the order of times is that of the writers.
            call = Call(request=request, place=place, db=db, now=self._now(), rules=self._rules)
            if write:
                records.bury(call)
            if place.service == "volume":
                return _block_storage(call)
            routes = _IDENTITY.get(place.version, ()) if place.service else ()
            return dispatch(call, path=place.tail, routes=routes)


def _block_storage(call: Call) -> Response:
    place = call.place
    if place.version:
        caller = authenticate(call)
        if place.version == "v3":
            versions.check(call.request)
        if place.project_id:
            if caller.project_id != place.project_id:
                raise faults.bad_request("Malformed request url")
            return dispatch(call, path=place.tail, routes=_IN_PROJECT[place.version])
    return dispatch(call, path=place.tail, routes=_OUTSIDE_PROJECTS.get(place.version, ()))
