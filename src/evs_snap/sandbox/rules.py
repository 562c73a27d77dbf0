"""What a pretend cloud allows, and whom it knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

STANDARD_REGION = "sandbox-2"
"""The region of standard (v5) snapshots, where new legacy ones cannot be made."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things take and how many of them there may be."""

    settle: float = 2.0
    """Seconds from creating or rollbacking to available."""

    delete_settle: float = 1.0
    """Seconds from deleting to gone."""

    first_upload: float = 90.0
    """Seconds from creating to available for the first standard snapshot of a disk."""

    later_upload: float = 20.0
    """The same for each further one."""

    snapshots_per_volume: int = 7
    standard_per_volume: int = 256
    instant_per_volume: int = 7
    """Standard snapshots with instant access; they count among the 256 too."""

    snapshot_quota: int = 100
    gigabytes_quota: int = 10_000
    """GiB of disks and legacy snapshots together, as Cinder counts."""

    page_maximum: int = 1000
    token_lifetime: timedelta = timedelta(hours=24)

    fail_word: str = "fail"
    """Snapshots of a disk with this word in its name end in error. So does what is done with a
    snapshot so named: deleting it, rolling back to it, making a disk from it."""


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
REGIONS = (ACCOUNT.region, STANDARD_REGION)
