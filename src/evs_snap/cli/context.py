"""The global options, passed to the command that runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from evs_snap.clock import Clock


@dataclass(frozen=True, slots=True, eq=False, repr=False)  # loaded by --help
class Context:
    """The global options and the clock. ``typed`` are the names given on the command line."""

    clock: Clock
    os_cloud: str | None = None
    os_region_name: str | None = None
    os_project_name: str | None = None
    os_project_id: str | None = None
    sandbox: bool = False
    kind: str | None = None
    format: str = "table"
    column: tuple[str, ...] = ()
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    lock_wait: float = 0.0
    typed: frozenset[str] = frozenset()

    def merged(self, command: click.Context) -> Context:
        """Return a copy with the options that were given to this command.

        They count over those given before it. What was typed counts over variables.
        """
        given: dict[str, Any] = {}
        typed = set(self.typed)
        for name in GLOBAL_NAMES:
            source = command.get_parameter_source(name)
            if source is ParameterSource.COMMANDLINE:
                typed.add(name)
            elif source is not ParameterSource.ENVIRONMENT or name in self.typed:
                continue
            given[name] = command.params[name]
            if name == "verbose" and source is ParameterSource.COMMANDLINE:
                given[name] += self.verbose
        return replace(self, **given, typed=frozenset(typed))

    def pasteable(self, text: str) -> str:
        """Return the text; commands in it are for the cloud that was named on this command line.

        A command stands in backquotes. What a variable says needs no repeating: it still says so.
        """
        said = "".join(f" {words}" for words in self._cloud())
        return _COMMAND.sub(lambda match: match[0] + said, text)

    def _cloud(self) -> Iterator[str]:
        from shlex import quote

        for name in _WHICH:
            if name in self.typed:
                option, value = "--" + name.replace("_", "-"), getattr(self, name)
                yield option if value is True else f"{option} {quote(value)}"


_WHICH = (
    "kind",
    "sandbox",
    "os_cloud",
    "os_region_name",
    "os_project_name",
    "os_project_id",
)
_COMMAND = re.compile("`evs-snap(?= (?!sandbox)[a-z])")

GLOBAL_NAMES = frozenset(Context.__slots__) - {"clock", "typed"}
"""The options that stand before and after every command."""
