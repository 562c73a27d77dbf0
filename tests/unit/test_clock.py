"""The request to stop: it ends every pause, now and later, of however many sleepers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from time import monotonic, time  # noqa: TID251 - to see that nobody slept

from evs_snap.clock import Stop, system_clock

LONG = 60.0
SHORT = 20.0
"""Seconds: far more than a stop needs, far less than a pause would last."""


def test_the_machines_time_is_told_in_utc() -> None:
    """The suite's own zone is another one."""
    assert abs(system_clock().now().timestamp() - time()) < SHORT


def test_a_stop_wakes_all_who_sleep() -> None:
    """found: of eight sleepers that a stop should wake, one woke, and no test noticed."""
    stop = Stop()
    with ThreadPoolExecutor(max_workers=8) as pool:
        sleepers = [pool.submit(stop.sleep, LONG) for _ in range(8)]
        stop.ask(130)
        done, _ = wait(sleepers, timeout=SHORT)
    assert len(done) == 8


def test_after_a_stop_nobody_sleeps() -> None:
    stop = Stop()
    stop.ask(143)
    began = monotonic()
    stop.sleep(LONG)
    stop.sleep(LONG)
    assert monotonic() - began < SHORT
    assert stop.asked
    assert stop.code == 143
