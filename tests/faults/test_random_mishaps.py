"""Random sequences of mishaps: no duplicate, nothing lost, no wrong exit code.

Each seed makes a cloud with a few disks, a script of mishaps and a run, and then compares
what the run said with what is left. ``EVS_SNAP_FAULT_SEEDS=5000`` tries more of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - seeded: chance that can be had again
from typing import TYPE_CHECKING, Any

import pytest

from evs_snap import create_snapshots, delete_snapshots
from evs_snap.errors import EvsSnapError
from evs_snap.plan.retention import Keep, judge
from evs_snap.runs.record import RunRecord
from evs_snap.runs.submit import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.conftest import Service

    from evs_snap.services.interface import Snapshot

SEEDS = int(os.environ.get("EVS_SNAP_FAULT_SEEDS") or 100)

POST = "POST snapshots"
DELETE = "DELETE snapshots/ID"
READS = ("GET snapshots/detail", "GET snapshots/ID", "GET .*")
BREAKS = ("drop", "reset", "half", "stall", "garbage", "cut", "nothing", 500, 502, 503, 504)
REFUSALS = (429, 403, 400, 401, 409, "refuse")
LAGS = (0.0, 0.0, 0.0, 2.0, 6.0, 20.0, 32.5)
LATE = (0.5, 5.0, 20.0, 30.0, 31.5, 33.0, 40.0)
KNOWN_CODES = {0, 1, 2, 3, 4, 6, 7}


@dataclass
class Scene:
    """A cloud with disks, and what they held before the run."""

    service: Service
    chance: Random
    folder: Path
    disks: list[str] = field(default_factory=list)
    before: dict[str, list[Snapshot]] = field(default_factory=dict)
    latest: float = 0.0
    """Seconds until the last of the POSTs thought lost may be carried out, and be listed."""

    ended: datetime | None = None

    def furnish(self) -> None:
        """Make one to three disks with a few snapshots, ours and others', of the last days."""
        service, chance = self.service, self.chance
        service.fake.moment -= timedelta(days=4)
        for number in range(chance.choice((1, 1, 2, 3))):
            disk = service.disk(chance.choice(("d", "d", "d", "d", "fail-")) + str(number))
            self.disks.append(disk)
            for count in range(chance.choice((0, 0, 1, 3, 6))):
                policy = chance.choice((None, "default", "default", "default", "other"))
                service.snapshot(disk, f"s{count}", policy=policy)
                service.fake.advance(chance.randrange(60, 40_000))
        service.fake.advance(86_400)
        self.before = {disk: service.left(disk) for disk in self.disks}

    def plan_mishaps(self) -> None:
        """Draw the script: mostly about POST, DELETE and the lists, now and then anything."""
        service, chance = self.service, self.chance
        service.list_lag = chance.choice(LAGS)
        service.ghosts = chance.choice((0.0, 0.0, 0.0, 5.0))
        service.stale = chance.choice((0.0, 0.0, 0.0, 5.0))
        service.drops_metadata = chance.random() < 0.05
        service.skew = timedelta(minutes=chance.choice((0, 0, 0, -10, 10)))
        for _ in range(chance.randrange(1, 6)):
            on = chance.choice((POST, POST, POST, DELETE, DELETE, *READS))
            refused = chance.random() < 0.15
            how = chance.choice(REFUSALS if refused else BREAKS)
            acts: bool | float = False if refused else chance.random() < 0.5
            if not refused and on == POST and chance.random() < 0.2:
                acts = chance.choice(LATE)
                self.latest = max(self.latest, acts)
            times = chance.choice((1, 1, 1, 2, 4, 9))
            skip = chance.choice((0, 0, 0, 1, 2, 5))
            service.mishap(on, how, acts=acts, times=times, skip=skip)
        self.latest += service.list_lag

    def record(
        self, carry_out: Callable[..., RunRecord], names: list[str], **words: Any
    ) -> RunRecord:
        """Carry out a run; one that failed before it had a plan is a record of that."""
        with self.service.calling(self.folder) as evs:
            try:
                record = carry_out(evs, *names, **words)
            except EvsSnapError as error:
                record = RunRecord("made up", error=error)
        self.ended = self.service.now
        self.service.calm()
        well = record.error is None and not any(i.error for i in record.items)
        assert record.exit_code in KNOWN_CODES
        assert (record.exit_code == 0) == well
        return record

    def new(self, disk: str) -> list[Snapshot]:
        """Return what is on the disk now and was not before."""
        old = {s.id for s in self.before[disk]}
        return [s for s in self.service.left(disk) if s.id not in old]

    def gone(self, disk: str) -> set[str]:
        """Return the IDs of what was there before and is no more."""
        return {s.id for s in self.before[disk]} - {s.id for s in self.service.left(disk)}

    def check_made(self, record: RunRecord, disk: str) -> None:
        """Compare what is said to be made with what is there.

        A duplicate that nobody could see before the run's end is left, as is one where the
        service drops metadata: without a stamp it cannot be told from another's of the same name.
        """
        items = [i for i in record.items if i.volume and i.volume.id == disk]
        new = self.new(disk)
        if self.latest < sum(LOOKS):
            assert len(new) <= 1, "a duplicate, where there was time to see the first"
        assert self.ended is not None
        shown = self.ended - timedelta(seconds=self.service.list_lag)
        early = [s for s in new if s.created_at is not None and s.created_at <= shown]
        told = {i.snapshot.id for i in record.items if i.snapshot}
        if record.error is not None or any(i.error for i in items):
            return  # one that is not known by its ID is told by the exit code
        (made,) = [i.snapshot for i in items if i.action in {"created", "reused"}]
        assert made is not None
        there = {s.id: s for s in new}
        assert made.id in there, "exit 0, and the snapshot is not there"
        assert there[made.id].is_usable or made.status == "creating", "exit 0, not usable"
        if not self.service.drops_metadata:
            assert len(early) <= 1, "a duplicate, and the run says that all is well"
            assert {s.id for s in early} <= told, "a snapshot is lost"

    def check_rotated(self, record: RunRecord, disk: str, keep: Keep) -> None:
        """Compare what is gone with what the rules give up."""
        gone = self.gone(disk)
        fresh = [s.model_copy(update={"metadata": {"evs_snap_key": "k"}}) for s in self.new(disk)]
        # Without our stamp it is nobody's, and no rule counts it.
        fresh = [] if self.service.drops_metadata else fresh[:1]
        own = [s for s in self.before[disk] if s.policy == "default"]
        verdicts = judge([*own, *fresh], keep, now=self.service.now)
        dropped = {v.snapshot.id for v in verdicts if not v.keep}
        assert gone <= {s.id for s in own}, "a foreign one is gone"
        assert gone <= dropped, "one is gone that the rules keep"
        left = [s for s in self.service.left(disk) if s.is_usable]
        assert left or not any(s.is_usable for s in own), "the last good one is gone"
        if record.exit_code == 0:
            later = {
                i.snapshot.id
                for i in record.items
                if i.snapshot and "left to the next run" in i.reasons
            }
            missed = dropped - {s.id for s in fresh} - gone
            assert missed <= later, "exit 0, and not all is deleted"


@pytest.fixture(name="scene")
def _scene(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Scene:
    """Make the scene of a seed, with its mishaps planned."""
    scene = Scene(service, Random(request.param), tmp_path)  # noqa: S311 - no secret hangs on it
    scene.furnish()
    scene.plan_mishaps()
    return scene


def seeds(share: float) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scene", range(int(SEEDS * share)), indirect=True)


@seeds(0.5)
def test_create_leaves_one_usable_snapshot_a_disk_or_says_otherwise(scene: Scene) -> None:
    once_per = scene.chance.choice((None, None, "day"))
    wait = scene.chance.choice((True, True, True, False))
    record = scene.record(create_snapshots, scene.disks, once_per=once_per, wait=wait)
    for disk in scene.disks:
        scene.check_made(record, disk)
        assert not scene.gone(disk), "create deleted something"


@seeds(0.3)
def test_rotate_deletes_what_the_rules_give_up_and_nothing_else(scene: Scene) -> None:
    keep = Keep(last=scene.chance.choice((1, 2, 4)), daily=scene.chance.choice((0, 2)))
    once_per = scene.chance.choice((None, "day"))
    record = scene.record(create_snapshots, scene.disks, keep=keep, once_per=once_per)
    for disk in scene.disks:
        scene.check_made(record, disk)
        scene.check_rotated(record, disk, keep)


@seeds(0.2)
def test_delete_removes_what_was_asked_for_and_nothing_else(scene: Scene) -> None:
    there = [s for rows in scene.before.values() for s in rows]
    asked = scene.chance.sample(there, k=min(len(there), scene.chance.randrange(1, 4)))
    record = scene.record(delete_snapshots, [s.id for s in asked])
    gone = {id_ for disk in scene.disks for id_ in scene.gone(disk)}
    said = {i.snapshot.id for i in record.items if i.action == "deleted" and i.snapshot}
    assert said <= gone, "said to be deleted, and still there"
    assert gone <= {s.id for s in asked if s.policy}, "another one is gone"
    if record.exit_code == 0:
        assert gone == {s.id for s in asked}, "exit 0, and not all is deleted"
