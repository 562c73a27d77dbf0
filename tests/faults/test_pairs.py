"""Two faults in one run: all pairs of which the first is at an event that changes something.

They take hours: ``-m pairs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.faults.test_sweep import DELETE, FAULTS, MAKE, POST, ROLL_BACK, SCENES, Player

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.pairs
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if not fault.lasts])
@pytest.mark.parametrize("name", SCENES)
def test_whatever_befalls_two_events_every_invariant_holds(
    name: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    player = Player(tmp_path, monkeypatch, capsys)
    wrong = [
        player.befallen(name, (first, fault), (second, other))
        for first in player.events(name)
        if first.line in {POST, DELETE, MAKE, *ROLL_BACK}
        for second in player.play(name, (first, fault)).events[first.position + 1 :]
        for other in FAULTS
        # A snapshot that a list shows as usable is not read again by its ID.
        if not (second.line == "GET snapshots/detail" and other.endswith("'s ID"))
    ]
    if any(wrong):
        pytest.fail("".join(wrong), pytrace=False)
