"""What the global options said, passed down to the command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evs_snap.clock import Clock, system_clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evs_snap.clock import Stop


def _folder(kind: str) -> Path:
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("evs-snap", appauthor=False))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the program finds around itself; tests bring their own."""

    clock: Clock = field(default_factory=system_clock)
    sleeps_for_real: bool = True

    def interruptible(self, stop: Stop) -> Clock:
        """Return the clock with sleeps that a wish to stop cuts short."""
        if self.sleeps_for_real:
            return replace(self.clock, sleep=stop.sleep)
        return self.clock

    @property
    def cache(self) -> Path:
        """Where tokens are kept."""
        return _folder("cache")

    @property
    def state(self) -> Path:
        """Where the sandbox lives."""
        return _folder("state")


@dataclass(frozen=True, slots=True)
class Context:
    """The global options; those that shape output may be said again after the command."""

    surroundings: Surroundings
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

    def merged(self, options: Mapping[str, object]) -> Context:
        """Return a copy in which what was said here counts over what was said before."""
        said = {k: v for k, v in options.items() if v not in (None, (), False, 0)}
        verbose = options.get("verbose")
        if isinstance(verbose, int):
            said["verbose"] = self.verbose + verbose
        return replace(self, **said)  # type: ignore[arg-type]  # Click has checked each
