"""The pretend cloud's file: shared, begun anew, spoiled."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import evs_snap

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


PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
from evs_snap.sandbox import ACCOUNT, Sandbox

app = Sandbox(Path(sys.argv[1]), now=lambda: datetime(2026, 11, 23, tzinfo=UTC))
client = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://sandbox.localhost")
user = {"id": ACCOUNT.user_id, "password": ACCOUNT.password}
identity = {"methods": ["password"], "password": {"user": user}}
auth = {"identity": identity, "scope": {"project": {"id": ACCOUNT.project_id}}}
print("ready", flush=True)
sys.stdin.readline()
answer = client.post("/identity/v3/auth/tokens", json={"auth": auth})
client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
base = f"/volume/v3/{ACCOUNT.project_id}"
(volume,) = client.get(f"{base}/volumes?name=data-01").json()["volumes"]
body = {"snapshot": {"volume_id": volume["id"]}}
print(*[client.post(f"{base}/snapshots", json=body).status_code for _ in range(4)])
"""


def test_processes_that_start_together_share_one_cloud_and_its_limit(path: Path) -> None:
    source = str(Path(evs_snap.__path__[0]).parent)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source},
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    statuses = Counter(" ".join(process.communicate()[0] for process in running).split())
    assert statuses == {"202": 7, "413": 9}


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
