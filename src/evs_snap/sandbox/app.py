"""The pretend cloud as a WSGI application: from a request to its answer."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING
from uuid import uuid4

from evs_snap.sandbox import disks, faults, flash, groups, quotas, records, seed, tokens, v5
from evs_snap.sandbox.call import MAX_BODY, Call, read_request
from evs_snap.sandbox.records import Group
from evs_snap.sandbox.rules import ACCOUNT, STANDARD_REGION, Rules
from evs_snap.sandbox.store import Store, UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from evs_snap.sandbox.call import Request, Response

    Handler = Callable[[Call], Response]

_DEFAULT_RULES = Rules()
# Keystone is found under /identity and Cinder under /volume, as with devstack, and both at the
# root, as with EVS. The second region has a prefix: its catalog entry names it.
_PROJECT = re.compile(
    rf"(?P<base>(?P<region>/{STANDARD_REGION})?(/volume)?"
    r"/(?P<version>v[1235])/(?P<project>[0-9a-f-]+))/(?P<rest>.*)",
    re.DOTALL,
)
_OPEN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", r"(/identity)?/v3/?", tokens.version),
    ("GET", r"/identity/?", tokens.versions),
    ("POST", r"(/identity)?/v3/auth/tokens", tokens.sign_in),
    ("GET", rf"(/{STANDARD_REGION})?/volume/v3/?", disks.version),
)
"""What needs no token: method, path, handler."""

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "v[23]/volumes(/detail)?", disks.list_),
    ("POST", "v[23]/volumes", disks.create),
    ("GET", "v[23]/volumes/{item}", disks.show),
    ("DELETE", "v[23]/volumes/{item}", disks.delete),
    ("GET", "v[23]/snapshots(/detail)?", flash.list_),
    ("POST", "v[23]/snapshots", flash.create),
    ("GET", "v[23]/snapshots/{item}", flash.show),
    ("DELETE", "v[23]/snapshots/{item}", flash.delete),
    ("POST", "v[23]/snapshots/{item}/metadata", flash.add_metadata),
    ("GET", "v[23]/os-quota-sets/{item}", quotas.quota_set),
    ("GET", "v2/cloudvolumes/detail", disks.list_native),
    ("GET", "v2/cloudsnapshots/{item}", flash.show),
    ("POST", "v2/cloudsnapshots/{item}/rollback", flash.roll_back),
    ("GET", "v[12]/jobs/{item}", v5.show_job),
    ("GET", "v5/snapshots/detail", v5.list_),
    ("GET", "v5/snapshots/count", v5.count),
    ("GET", "v5/snapshots/tags", v5.list_tags),
    ("POST", "v5/snapshots", v5.create),
    ("GET", "v5/snapshots/{item}", v5.show),
    ("PUT", "v5/snapshots/{item}", v5.update),
    ("DELETE", "v5/snapshots/{item}", v5.delete),
    ("POST", "v5/snapshots/{item}/rollback", v5.roll_back),
    ("POST", "v5/snapshots/{item}/tags/create", v5.add_tags),
    ("POST", "v5/snapshots/{item}/tags/delete", v5.remove_tags),
    ("GET", "v5/snapshot-chains", v5.list_chains),
    ("GET", "v5/snapshot-chains/count", v5.count_chains),
    ("GET", "v5/snapshot-groups/detail", groups.list_),
    ("GET", "v5/snapshot-groups/count", groups.count),
    ("GET", "v5/snapshot-groups/tags", partial(v5.list_tags, kind=Group)),
    ("POST", "v5/snapshot-groups", groups.create),
    ("GET", "v5/snapshot-groups/{item}", groups.show),
    ("PUT", "v5/snapshot-groups/{item}", groups.update),
    ("DELETE", "v5/snapshot-groups/{item}", groups.delete),
    ("POST", "v5/snapshot-groups/{item}/tags/create", partial(v5.add_tags, kind=Group)),
    ("POST", "v5/snapshot-groups/{item}/tags/delete", partial(v5.remove_tags, kind=Group)),
)
"""Method, version and path below the project, handler. The first that fits answers."""

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
        except UnusableFileError as error:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            response = faults.cinder(status, message=str(error)).response
        body = response.body
        headers = {
            "X-Evs-Snap-Sandbox": "1",
            "X-Openstack-Request-Id": f"req-{uuid4()}",
            # Cinder, too, gives an empty body this type.
            "Content-Type": "application/json" if body else "text/html; charset=UTF-8",
            "Content-Length": str(len(body)),
            **response.headers,
        }
        if response.status == HTTPStatus.NO_CONTENT:
            del headers["Content-Type"], headers["Content-Length"]
        start_response(
            f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items())
        )
        return [b"" if request.method == "HEAD" else body]

    def check(self) -> None:
        """Raise an OSError that names the file and the way out, where it cannot be used."""
        self._store.check()

    def reset(self) -> None:
        """Throw everything away; the next request finds a new pretend cloud.

        Raises an OSError that names the file and tells what to do where that cannot be done.
        """
        self._store.remove()

    def _answer(self, request: Request) -> Response:
        if not _is_loopback(request.host):
            # A web page can have its own name resolve to 127.0.0.1 and read answers (DNS
            # rebinding); the Host header still tells the name.
            message = "the sandbox answers to the names of this machine alone"
            raise faults.cinder(HTTPStatus.MISDIRECTED_REQUEST, message=message)
        if len(request.body) > MAX_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise faults.cinder(status, message="Request is too large.")
        write = request.method not in _READS
        with self._store.transaction(write=write) as db:
            # Read the clock inside: times are then in the order of the writers.
            call = Call(request=request, db=db, now=self._now(), rules=self._rules)
            if write:
                records.remove_gone(call)
            return _dispatch(call)


def _is_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine: localhost (RFC 6761) or 127.0.0.0/8, ::1."""
    name = re.sub(r":\d*$", "", host).strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _dispatch(call: Call) -> Response:
    request = call.request
    for method, pattern, handler in _OPEN:
        if method == request.method and re.fullmatch(pattern, request.path):
            return handler(call)
    project = _PROJECT.fullmatch(request.path)
    if project is None:
        raise faults.unspoken(request)
    tokens.check_token(call)
    version = project["version"]
    if version == "v3":
        _check_microversion(request)
    if project["project"] != ACCOUNT.project_id:
        raise faults.bad_request("Malformed request url")
    region = STANDARD_REGION if project["region"] else ACCOUNT.region
    call = replace(call, region=region, base=f"{request.origin}{project['base']}")
    if version in {"v1", "v5"} and not call.has_standard:
        raise faults.unpublished()
    for method, pattern, handler in _ROUTES:
        route = re.fullmatch(
            pattern.replace("{item}", "(?P<item>[^/]+)"), f"{version}/{project['rest']}"
        )
        if route is None or method != request.method:
            continue
        try:
            return handler(replace(call, item=route.groupdict().get("item", "")))
        except faults.FaultError as fault:
            raise (fault.in_evs_words() if version in {"v1", "v5"} else fault) from None
    raise faults.unspoken(request)


def _check_microversion(request: Request) -> None:
    asked = request.headers.get("openstack-api-version", "volume 3.0")
    match = re.fullmatch(r"volume (?:3\.([0-9]{1,9})|latest)", asked.strip())
    if match is None or int(match[1] or 0) > disks.MAX_MICROVERSION:
        raise faults.cinder(
            HTTPStatus.NOT_ACCEPTABLE,
            message=f"Version {asked.rpartition(' ')[2]} is not supported by the API. "
            f"Minimum is 3.0 and maximum is 3.{disks.MAX_MICROVERSION}.",
        )
