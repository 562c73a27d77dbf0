"""The locks of disks: what they need of the system, and what they leave as it is."""

from __future__ import annotations

import resource
import stat
from typing import TYPE_CHECKING

import pytest

from evs_snap.runs.locks import DiskLocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import FakeClock


@pytest.fixture(name="locks")
def _locks(tmp_path: Path, fake: FakeClock) -> DiskLocks:
    locks = DiskLocks(tmp_path / "locks", project_id=lambda: "p", wait=0, clock=fake.clock)
    locks.mark()
    return locks


@pytest.mark.parametrize(("allowed", "disks", "at_least"), [(256, 300, 300), (500, 1, 500)])
def test_all_locks_may_be_open_files_at_once_and_no_limit_is_lowered(
    allowed: int, disks: int, at_least: int, locks: DiskLocks
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, before[1]))
    try:
        with locks.held({f"disk-{number}": "a disk" for number in range(disks)}) as held:
            assert not held.refused
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= at_least
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("locks")
def test_nobody_else_may_look_into_their_folder(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "locks").stat().st_mode) == 0o700
