"""Settings as text, by our key, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from evs_snap.errors import ConfigurationError

# Settings that say the same thing in two ways. Where a stronger source sets one of a group, the
# others of that group are dropped from the weaker source.
ALTERNATIVES = (
    {"username", "user_id"},
    {"application_credential_id", "application_credential_name"},
    {"user_domain_name", "user_domain_id"},
    {"project_name", "project_id"},
    {"project_domain_name", "project_domain_id"},
    {"region", "volume_region"},
)

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Values(Mapping[str, str]):
    """Settings by our key.

    ``origins`` names the variable, the option, or the file and cloud of each. ``names`` is the
    name under which each was written there. The repr shows no value, since some are secret.
    """

    by_key: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        return self.by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)

    def replaced_by(self, stronger: Values) -> Values:
        """Return both together. Where they set the same key, ``stronger`` counts."""
        dropped = {key for group in ALTERNATIVES if group & stronger.keys() for key in group}
        kept = self.only(self.keys() - dropped)
        return Values(
            {**kept, **stronger},
            {**kept.origins, **stronger.origins},
            {**kept.names, **stronger.names},
        )

    def only(self, keys: AbstractSet[str]) -> Values:
        """Return these settings alone."""
        kept = self.keys() & keys
        return Values(
            {k: self[k] for k in kept},
            {k: self.origins[k] for k in kept},
            {k: self.names[k] for k in kept if k in self.names},
        )

    def told(self, key: str) -> str:
        """Return the name of a setting as its user wrote it, and where."""
        name, origin = self.names.get(key, key), self.origins[key]
        return name if name == origin else f"{name} ({origin})"

    def is_true(self, key: str) -> bool:
        """Whether a setting is switched on.

        Raises ConfigurationError for a value that is neither true nor false.
        """
        value = self.get(key, "false").strip().lower()
        if value not in _TRUE | _FALSE:
            raise ConfigurationError(
                f"{self.told(key)} is {self[key]!r}, which is neither true nor false"
            )
        return is_switched_on(value)


def is_switched_on(text: str) -> bool:
    """Whether the text of a switch says that it is on."""
    return text.strip().lower() in _TRUE
