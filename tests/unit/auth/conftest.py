"""The wire, and eight threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import respx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(name="wire")
def _wire() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture(name="in_eight_threads")
def _in_eight_threads() -> Callable[[Callable[[], object]], list[object]]:
    """Give a function that runs a task eight times at once; returns results and errors."""

    def in_eight_threads(task: Callable[[], object]) -> list[object]:
        ready = threading.Barrier(8)

        def run(_: int) -> object:
            ready.wait()
            try:
                return task()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                return error

        pool = ThreadPoolExecutor(8)
        outcomes = [pool.submit(run, n) for n in range(8)]
        try:
            return [outcome.result(timeout=10) for outcome in outcomes]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return in_eight_threads
