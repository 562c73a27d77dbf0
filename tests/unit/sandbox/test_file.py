"""The pretend cloud's file: shared, begun anew, spoiled."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.sandbox.conftest import Pretend


def test_the_file_outlives_the_app(opened: Callable[..., Pretend]) -> None:
    first, second = opened(), opened()
    first.sign_in()
    snapshot_id = first.create(first.volume_id("data-01"))
    second.sign_in()
    assert second.status(snapshot_id) == "creating"


def test_a_reset_begins_anew(cloud: Pretend) -> None:
    snapshot_id = cloud.create(cloud.volume_id("data-01"))
    cloud.app.reset()
    cloud.app.reset()
    assert cloud.status(snapshot_id) == 404
    assert len(cloud.get("volumes")["volumes"]) == 10


def test_threads_that_start_together_share_one_cloud_and_its_limit(
    opened: Callable[..., Pretend],
) -> None:
    barrier = threading.Barrier(8)

    def hammer(_: int) -> list[int]:
        cloud = opened()
        cloud.sign_in()
        barrier.wait()
        volume_id = cloud.volume_id("data-01")
        return [cloud.post(volume_id).status_code for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(status for found in pool.map(hammer, range(8)) for status in found)
    assert statuses == {202: 7, 413: 17}


def refusal(cloud: Pretend) -> str:
    """Return what the 500 says."""
    answer = cloud.send("GET", "snapshots/detail")
    assert answer.status_code == 500
    return str(answer.json()["computeFault"]["message"])


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, but long enough to be one" * 50)


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [no_database, newer, Path.mkdir])
def test_a_file_that_is_no_sandbox_is_named_with_the_way_out(
    spoil: Callable[[Path], object], path: Path, opened: Callable[..., Pretend]
) -> None:
    """found: a folder in the file's place ended in a traceback."""
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(OSError, match="evs-snap sandbox reset") as caught:
        opened().app.check()
    assert str(path) in str(caught.value)
    assert str(path) in refusal(opened())
    assert before is None or path.read_bytes() == before, "left alone"
    if spoil is Path.mkdir:
        with pytest.raises(OSError, match="delete it by hand"):
            opened().app.reset()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE snapshots SET metadata = '{'",
        "UPDATE snapshots SET metadata = '{\"k\": 1}'",
        "UPDATE snapshots SET metadata = NULL",
        "UPDATE snapshots SET created_at = 'yesterday'",
        "UPDATE snapshots SET changed_at = x'ff'",
        "UPDATE snapshots SET size = 'large'",
        "UPDATE snapshots SET instant_access = 2",
        "UPDATE snapshots SET status = NULL",
        "UPDATE snapshots SET name = 7",
        "ALTER TABLE snapshots DROP COLUMN size",
    ],
)
def test_an_odd_row_is_a_500_that_names_the_file_and_the_table(
    change: str, path: Path, cloud: Pretend
) -> None:
    """found: a row written by hand ended in a traceback."""
    cloud.get("snapshots")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(change)
    message = refusal(cloud)
    assert str(path) in message
    assert "odd row in table snapshots" in message
