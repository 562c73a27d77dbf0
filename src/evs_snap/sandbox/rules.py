"""What a pretend cloud allows, and whom it knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things take and how many of them there may be."""

    settle: float = 2.0
    """Seconds from creating or rollbacking to available."""

    delete_settle: float = 1.0
    """Seconds from deleting to gone."""

    snapshots_per_volume: int = 7
    snapshot_quota: int = 100
    gigabytes_quota: int = 10_000
    """GiB of disks and snapshots together, as Cinder counts."""

    page_maximum: int = 1000
    token_lifetime: timedelta = timedelta(hours=24)

    fail_word: str = "fail"
    """Snapshots of a disk so named end in error. What is done with a snapshot so named does
    too: deleting it, rolling back to it, making a disk from it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The one user and the one project there are."""

    user_id: str
    user_name: str
    password: str
    domain_id: str
    domain_name: str
    project_id: str
    project_name: str
    region: str


ACCOUNT = Account(
    user_id="5d1e0cb74f3a4a86b0a9c2f7e68d1b35",
    user_name="demo",
    password="demo",  # noqa: S106 - everybody may know it
    domain_id="default",
    domain_name="Default",
    project_id="9c3f6e2ab81d4d57a0e4f5c7d2136b98",
    project_name="demo",
    region="sandbox-1",
)
