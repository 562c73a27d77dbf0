"""`evs-snap create` as a user sees it, on the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Run


def test_seven_snapshots_succeed_and_the_eighth_is_refused_unsent(run: Run) -> None:
    ids = {run("--sandbox create --volume data-01 -f value -c ID").stdout.strip() for _ in range(7)}
    assert len(ids) == 7

    eighth = run("-v --sandbox create --volume data-01", exit_code=6)

    assert "POST" not in eighth.stderr.replace("/auth/tokens", "").split("volumes")[1]
    assert all(id_ in eighth.stderr for id_ in ids)
    assert "7 of 7" in eighth.stderr


def test_creating_waits_until_available(run: Run, fake: FakeClock) -> None:
    record = run("--sandbox create --volume data-01 -f json").json

    assert record["items"][0]["snapshot"]["status"] == "available"
    assert sum(fake.slept) >= 2


def test_the_record_tells_how_far_apart_the_snapshots_of_a_run_are(run: Run) -> None:
    """By the answers to the POSTs, in milliseconds; of one alone there is nothing to tell."""
    assert run("--sandbox create data-01 -f json").json["spread_ms"] is None
    spread = run("--sandbox create data-02 db-data -f json").json["spread_ms"]
    assert isinstance(spread, int)
    assert spread >= 0
