"""Work grows with the rows: ten times the disks cost at most eleven times the work.

Counted are the lines of ours that are run, not seconds: a machine's load changes nothing. A line
that loops within itself counts once a turn.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from tests.tools.bench.server import lists, token

import evs_snap
from evs_snap import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.conftest import FakeClock

OURS = evs_snap.__file__.removesuffix("__init__.py")
COMMANDS = (
    "volumes",
    "volumes -f json",
    "volumes -f csv -c Name -c Snapshots",
    "snapshots",
    "snapshots -f json",
    "snapshots --match 'disk-*' -f value -c ID",
    "check --all --max-age 25h --keep-daily 7",
    "doctor",
    "create --all --dry-run",
    "create --all --once-per day --on-limit replace --dry-run -f json",
    "rotate --all --keep-daily 2 --keep-weekly 2 --on-limit replace --dry-run",
    "rotate --match 'disk-*' --keep-last 3 --once-per day --dry-run -f json",
    "prune --all --keep-daily 2 --keep-within 2d --dry-run",
)


def work(do: Callable[[], object]) -> int:
    """Return how many lines of the package were run, in all threads."""
    count = 0

    def line(_frame: FrameType, _event: str, _arg: object) -> Any:
        nonlocal count
        count += 1
        return line

    def call(frame: FrameType, _event: str, _arg: object) -> Any:
        return line if frame.f_code.co_filename.startswith(OURS) else None

    threading.settrace(call)
    sys.settrace(call)
    try:
        do()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return count


@pytest.fixture(name="with_disks")
def _with_disks(monkeypatch: pytest.MonkeyPatch, fake: FakeClock) -> Callable[[int], None]:
    """Have the environment name a cloud of so many disks, each with seven snapshots or six."""
    for name in ("USERNAME", "PASSWORD", "PROJECT_NAME", "USER_DOMAIN_NAME", "PROJECT_DOMAIN_NAME"):
        monkeypatch.setenv(f"OS_{name}", "x")
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:1/v3")
    plain = evs_snap.connect

    def with_disks(disks: int) -> None:
        pages = lists(disks, now=fake.moment)

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            headers = [("Content-Type", "application/json")]
            if environ["REQUEST_METHOD"] == "POST":
                start_response("201 Created", [*headers, ("X-Subject-Token", "t")])
                return [token("127.0.0.1:1")]
            start_response("200 OK", headers)
            resource = "".join(environ["PATH_INFO"].split("/")[3:4])
            if resource not in pages:
                return [json.dumps({"quota_set": {}}).encode()]
            marker = parse_qs(environ["QUERY_STRING"]).get("marker", [None])[0]
            return [pages[resource].get(marker, b'{"%s": []}' % resource.encode())]

        monkeypatch.setattr(evs_snap, "connect", lambda **how: plain(**{**how, "app": app}))

    return with_disks


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_work_grows_with_the_rows(
    command: str, with_disks: Callable[[int], None], fake: FakeClock
) -> None:
    """found: every snapshot was looked at for every disk, 142 s for 10,000 disks."""

    def cost(disks: int) -> int:
        with_disks(disks)
        return work(lambda: codes.add(cli.run(shlex.split(command), clock=fake.clock)))

    codes: set[int] = set()
    few, more, many = (cost(disks) for disks in (2, 20, 200))
    assert codes <= {0, 1, 3, 6}, codes  # 1: a warning; 3 and 6: some are full, or all
    assert many > 2 * few  # it is counted
    assert more <= 11 * few
    assert many <= 11 * more
