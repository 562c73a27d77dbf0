"""What a pretend cloud allows, and whom it knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things take and how many of them there may be."""

    settle: float = 2.0
    """Seconds from creating to available."""

    delete_settle: float = 1.0
    """Seconds from deleting to gone."""

    snapshots_per_volume: int = 7
    snapshot_quota: int = 100
    gigabytes_quota: int = 10_000
    """Counts disks and snapshots together, as Cinder does."""

    page_maximum: int = 1000
    token_lifetime: timedelta = timedelta(hours=24)

    fail_word: str = "fail"
    """Snapshots of a disk so named end in error, deleting one so named too."""

    temporary_keys_end: datetime | None = None
    """When the temporary keys expire; None is never."""


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
    access_key: str
    secret_key: str
    temporary_access_key: str
    temporary_secret_key: str
    security_token: str
    """What must go with the temporary keys."""


ACCOUNT = Account(
    user_id="5d1e0cb74f3a4a86b0a9c2f7e68d1b35",
    user_name="demo",
    password="demo",  # noqa: S106 - everybody may know it
    domain_id="default",
    domain_name="Default",
    project_id="9c3f6e2ab81d4d57a0e4f5c7d2136b98",
    project_name="demo",
    region="sandbox-1",
    access_key="SANDBOXACCESSKEY0001",
    secret_key="everybodymayknowthissandboxsecretkey0001",  # noqa: S106 - see above
    temporary_access_key="SANDBOXACCESSKEY0002",
    temporary_secret_key="everybodymayknowthissandboxsecretkey0002",  # noqa: S106
    security_token="everybody-may-know-this-sandbox-security-token",  # noqa: S106
)
