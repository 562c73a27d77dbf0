"""What the user wants made and kept, refused at once where it cannot come true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evs_snap.api.models import DEFAULT_LIMIT, DEFAULT_POLICY
from evs_snap.errors import ConfigurationError
from evs_snap.plan.naming import LONGEST_DESCRIPTION, Template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from evs_snap.plan.retention import Keep

BUCKETS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V"}
"""--once-per: the periods (UTC) of which each gets one snapshot."""

RESERVED_PREFIXES = ("evs_snap_", "__system__")
_LONGEST_METADATA = 255


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """How snapshots are to be made; checked when made (ConfigurationError).

    ``keep`` makes it a rotation: what the rules give up goes once the new one is usable.
    ``replace`` lets a full disk's oldest own snapshot give way.
    """

    template: Template = field(default_factory=Template)
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    policy: str = DEFAULT_POLICY
    limit: int = DEFAULT_LIMIT
    replace: bool = False
    once_per: str | None = None
    keep: Keep | None = None

    def __post_init__(self) -> None:
        """Refuse what the service would refuse, and rules that cannot come true."""
        check_policy(self.policy)
        if len(self.description or "") > LONGEST_DESCRIPTION:
            raise ConfigurationError(
                f"--description has more than {LONGEST_DESCRIPTION} characters, "
                "the most that all EVS clouds take"
            )
        for key, value in self.properties.items():
            if not key or key.startswith(RESERVED_PREFIXES):
                raise ConfigurationError(
                    f"--property {key!r}: such keys are reserved",
                    hint=f"Choose one that does not begin with {' or '.join(RESERVED_PREFIXES)}.",
                )
            if max(len(key), len(value)) > _LONGEST_METADATA:
                raise ConfigurationError(
                    f"--property {key[:20]!r}: more than {_LONGEST_METADATA} characters"
                )
        if self.keep is not None:
            check_rules(self.keep, limit=self.limit, replace=self.replace)

    def bucket(self, now: datetime) -> str | None:
        """Return the period that ``now`` lies in, or None without --once-per."""
        return now.strftime(BUCKETS[self.once_per]) if self.once_per else None


def check_policy(policy: str) -> None:
    """Refuse a label that a stamp cannot carry."""
    fits = 0 < len(policy) <= _LONGEST_METADATA
    if not fits or policy != policy.strip() or not policy.isprintable():
        raise ConfigurationError(f"--policy {policy!r} is empty, padded, unprintable or too long")


def check_rules(keep: Keep, *, limit: int, replace: bool) -> None:
    """Refuse rules that would jam a disk one day, while somebody is looking.

    Raises ConfigurationError with the sum: they may hold ``limit`` less the slot that
    the next snapshot needs, or all of it where the oldest gives way.
    """
    room = limit if replace else limit - 1
    if keep.most <= room:
        return
    terms = " + ".join(f"{count} {name}" for name, count in keep.counts if count)
    slot = "" if replace else ", and the next one needs a slot"
    raise ConfigurationError(
        f"the KEEP rules cannot fit: {terms} can hold {keep.most} snapshots; "
        f"a disk holds {limit}{slot}",
        hint=f"Keep at most {room} in all, or say with --limit what this cloud allows.",
    )
