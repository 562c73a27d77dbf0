"""What a handler knows: the request, the file, the moment, the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from evs_snap.sandbox.rules import Rules
    from evs_snap.sandbox.wire import Request


@dataclass(frozen=True, slots=True)
class Call:
    """One request inside its transaction."""

    request: Request
    db: sqlite3.Connection
    now: datetime
    rules: Rules
    item: str = ""
    """The ID in the path, where the route has one."""

    base: str = ""
    """The address up to the project: http://127.0.0.1:8776/volume/v3/9c3f."""
