"""The name of a new snapshot: a template filled in, within what EVS accepts."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime

from evs_snap.errors import ConfigurationError
from evs_snap.services.interface import SYSTEM_NAME_PREFIXES, Volume

DEFAULT_TEMPLATE = "{volume}-{utc}"
LONGEST_NAME = 64
"""Characters: the lowest limit among the consoles and APIs of these clouds."""

LONGEST_DESCRIPTION = 85
_FIELDS = ("volume", "id", "utc", "date", "time", "policy")


@dataclass(frozen=True, slots=True)
class Template:
    """A name with fields in braces. Raises ConfigurationError for one that cannot work."""

    text: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        """Refuse unknown fields, and names that are empty or cannot be printed."""
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise ConfigurationError(f"--name {self.text!r}: {error}") from error
        for _, field, spec, conversion in parts:
            if field is not None and (field not in _FIELDS or spec or conversion):
                raise ConfigurationError(
                    f"--name {self.text!r} has the unknown field {{{field}}}",
                    hint=f"Fields: {' '.join(f'{{{f}}}' for f in _FIELDS)}.",
                )
        if not self.text.strip() or not self.text.isprintable():
            raise ConfigurationError(f"--name {self.text!r} is empty or cannot be printed")

    @property
    def fields(self) -> set[str]:
        """The names of the fields in it."""
        return {field for _, field, _, _ in string.Formatter().parse(self.text) if field}

    def name(self, volume: Volume, *, now: datetime, policy: str) -> str:
        """Return the name; if it is too long, the end of the volume's name is cut.

        ``now`` is in UTC. Raises ConfigurationError where the name is still too long, and
        where it begins like a backup service's.
        """
        fields = {
            "volume": _plain(volume.name or "") or volume.id,
            "id": volume.id,
            "utc": f"{now:%Y%m%dT%H%M%SZ}",
            "date": f"{now:%Y-%m-%d}",
            "time": f"{now:%H%M%SZ}",
            "policy": policy,
        }
        filled = self.text.format(**fields).strip()
        surplus = len(filled) - LONGEST_NAME
        if surplus > 0 and "{volume}" in self.text:
            kept = max(1, len(fields["volume"]) - surplus)
            fields["volume"] = fields["volume"][:kept].rstrip()
            filled = self.text.format(**fields).strip()
        if len(filled) > LONGEST_NAME:
            raise ConfigurationError(
                f"the name {filled!r} has {len(filled)} characters, {LONGEST_NAME} is the most"
            )
        if filled.startswith(SYSTEM_NAME_PREFIXES):
            raise ConfigurationError(
                f"the name {filled!r} begins like a backup service's",
                hint="Choose another with --name.",
            )
        return filled


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()
