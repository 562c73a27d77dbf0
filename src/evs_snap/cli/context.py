"""The global options, passed to the command that runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evs_snap.clock import Clock


@dataclass(frozen=True, slots=True)
class Context:
    """The global options, and the clock; what follows the command counts over what precedes it."""

    clock: Clock
    os_cloud: str | None = None
    os_region_name: str | None = None
    os_project_name: str | None = None
    os_project_id: str | None = None
    sandbox: bool = False
    format: str = "table"
    column: tuple[str, ...] = ()
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    lock_wait: float | None = None

    def merged(self, options: Mapping[str, Any]) -> Context:
        """Return a copy in which the options given here count over those given before."""
        given = {k: v for k, v in options.items() if v not in (None, (), False, 0)}
        given["verbose"] = self.verbose + options.get("verbose", 0)
        return replace(self, **given)
