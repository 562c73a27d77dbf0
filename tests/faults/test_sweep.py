"""Each wire event of the reference runs meets each fault, and the same invariants hold.

By default each fault meets every fourteenth event, beginning at another one each.
``EVS_SNAP_SWEEP=all`` tries every fault at every event.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.faults.sweep import BELIEVED, FAULTS, SCENES, Player, violations

if TYPE_CHECKING:
    from pathlib import Path

SHARE = 1 if os.environ.get("EVS_SNAP_SWEEP") else 14


@pytest.fixture(name="player")
def _player(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Player:
    return Player(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", SCENES)
def test_where_nothing_goes_wrong_a_run_does_all_it_is_asked_for(name: str, player: Player) -> None:
    history = player.play(name)
    assert violations(history) == []
    assert [ending.code for ending in history.endings] == [0]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SCENES)
def test_whatever_befalls_one_event_every_invariant_holds(
    name: str, fault: str, player: Player
) -> None:
    wrong = [
        player.befallen(name, (event, fault))
        for event in player.events(name)[list(FAULTS).index(fault) % SHARE :: SHARE]
        if (name.removeprefix("standard: "), event.line, fault) not in BELIEVED
    ]
    if any(wrong):
        pytest.fail("".join(wrong), pytrace=False)
