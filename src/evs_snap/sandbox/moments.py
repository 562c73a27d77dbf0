"""Times as the service writes them, and what passing time makes of a status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evs_snap.sandbox.rules import Rules

GONE = "gone"
"""A fate, never a status: the record is there no more."""


def write_time(moment: datetime) -> str:
    """Write a time as Cinder does: UTC, microseconds, no zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def read_time(text: str) -> datetime:
    """Read such a time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a record began and was told to go, and how both will end."""

    created_at: datetime
    updated_at: datetime | None
    deleted_at: datetime | None
    fate: str
    delete_fate: str

    def status(self, now: datetime, *, rules: Rules) -> str:
        """Work out the status at a moment."""
        if self.deleted_at is not None:
            gone_at = self.deleted_at + timedelta(seconds=rules.delete_settle)
            return "deleting" if now < gone_at else self.delete_fate
        return "creating" if now < self._settled_at(rules) else self.fate

    def changed_at(self, now: datetime, *, rules: Rules) -> datetime | None:
        """Work out when it last changed; a record still being made never did."""
        settled_at = self._settled_at(rules)
        moments = (
            settled_at if settled_at <= now else None,
            self.updated_at,
            self.deleted_at,
        )
        return max((moment for moment in moments if moment), default=None)

    def _settled_at(self, rules: Rules) -> datetime:
        return self.created_at + timedelta(seconds=rules.settle)
