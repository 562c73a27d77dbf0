"""What a command costs in requests follows the work, never the size of the project."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.big_project import NIGHTS, BigProject

from evs_snap import connection
from evs_snap.api.transport import open_http

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import FakeClock, Run

LIST, LOOK = "GET snapshots/detail", "GET snapshots/ID"
DISKS = 10_000
OPENRC = {
    "OS_AUTH_URL": "http://127.0.0.1/v3",
    "OS_USERNAME": "u",
    "OS_PASSWORD": "p",
    "OS_PROJECT_NAME": "bench",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
}


def project(disks: int, fake: FakeClock, monkeypatch: pytest.MonkeyPatch) -> BigProject:
    """Return a project of so many disks, which the commands are now carried out on."""
    big = BigProject(disks, now=lambda: fake.moment)
    monkeypatch.setattr(connection, "open_http", lambda **usual: open_http(**{**usual, "app": big}))
    for name, value in OPENRC.items():
        monkeypatch.setenv(name, value)
    return big


def let_the_file_system_tick(folder: Path) -> None:
    """Return once the next file written is younger than the last: locks compare these times.

    A run whose mark is as old as the end of the last one reads everything twice.
    """
    file = folder / "tick"
    file.touch()
    before = file.stat().st_mtime_ns
    while file.stat().st_mtime_ns == before:
        file.touch()


def test_two_disks_cost_the_same_in_a_project_of_any_size(
    run: Run, fake: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """found: two snapshots cost 153 requests: 70 pages to gather, 70 more for each look."""
    big = project(DISKS, fake, monkeypatch)
    rows = list(big.volumes.values())
    for key in ("id", "name"):
        first, second = (rows.pop()[key] for _ in range(2))
        big.asked.clear()
        run(f"create {first} {second}")
        assert big.asked.total() <= 12
        let_the_file_system_tick(tmp_path)
        big.asked.clear()
        run(f"rotate {first} {second} --keep-last {NIGHTS} --limit 8")
        assert big.asked["DELETE snapshots/ID"] == 2
        assert big.asked.total() <= 24


def test_a_steady_night_costs_a_disk_little_more_than_its_post_and_its_delete(
    run: Run, fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: 8.2 requests a disk: five looks at single snapshots, and a list of each disk."""
    big = project(100, fake, monkeypatch)
    run(f"rotate --all --keep-last {NIGHTS} --parallel 8")
    assert (big.asked["POST snapshots"], big.asked["DELETE snapshots/ID"]) == (100, 100)
    assert big.asked.total() <= 330


@pytest.mark.parametrize(
    ("line", "lists"),
    [
        ("volumes", ["snapshots", "volumes"]),
        ("volumes -c Name", ["volumes"]),
        ("volumes -c Name -c newest", ["snapshots", "volumes"]),
        ("check --all --max-age 9d", ["snapshots", "volumes"]),
    ],
)
def test_a_list_costs_no_request_for_each_disk(
    run: Run, requests: Callable[[str], list[str]], line: str, lists: list[str]
) -> None:
    asked = requests(run(f"-v --sandbox {line}", exit_code=2 if "check" in line else 0).stderr)
    assert sorted(request.partition("?")[0] for request in asked) == [
        f"GET {name}/detail" for name in lists
    ]


def test_a_look_costs_two_requests_whatever_the_size_of_the_project(
    run: Run, fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: each look while waiting read all 70 pages of the project's snapshots."""
    big = project(DISKS, fake, monkeypatch)
    disks = list(big.volumes)
    costs = []
    for number, seconds in enumerate((6, 306)):  # looks after 1, 3, 6 s, then every five
        big.settle = timedelta(seconds=seconds)
        big.asked.clear()
        run(f"create {disks[2 * number]} {disks[2 * number + 1]}")
        costs.append(big.asked.total())
    assert 0 < costs[1] - costs[0] <= 2 * (300 / 5)
