"""What a handler knows: the request, the file, the moment, the rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evs_snap.sandbox import faults
from evs_snap.sandbox.wire import Response

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime

    from evs_snap.sandbox.place import Place
    from evs_snap.sandbox.rules import Rules
    from evs_snap.sandbox.wire import Request


@dataclass(frozen=True, slots=True)
class Call:
    """One request inside its transaction."""

    request: Request
    place: Place
    db: sqlite3.Connection
    now: datetime
    rules: Rules
    item: str = ""
    """The ID in the path, where the route has one."""

    @property
    def service_url(self) -> str:
        """Where the service begins, as the caller wrote it: http://127.0.0.1:8776/volume."""
        return f"{self.request.origin}{self.place.mount}"


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, in which {item} stands for an ID."""

    method: str
    path: str
    handler: Handler


def dispatch(call: Call, *, path: str, routes: Iterable[Route]) -> Response:
    """Let the first matching route answer; literal paths stand before {item}."""
    method = "GET" if call.request.method == "HEAD" else call.request.method
    for route in routes:
        pattern = route.path.replace("{item}", "(?P<item>[^/]+)")
        match = re.fullmatch(pattern, path)
        if match and route.method == method:
            item = match.groupdict().get("item", "")
            return route.handler(replace(call, item=item))
    raise faults.unspoken(call.request)
