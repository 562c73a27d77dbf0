"""Hundreds of random sequences of mishaps: no duplicate, nothing lost, no wrong exit code.

Each seed makes a cloud with a few disks, a script of mishaps and a run, and then compares
what the run said with what is left. ``EVS_SNAP_FAULT_SEEDS=5000`` tries more of them. A
seed that fails is named in the message; to see the figures: ``--log-cli-level=INFO``.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random  # noqa: TID251 - seeded: chance that can be had again
from typing import TYPE_CHECKING, Protocol

import pytest

from evs_snap import create_snapshots, delete_snapshots
from evs_snap.errors import EvsSnapError
from evs_snap.plan.request import Period
from evs_snap.plan.retention import Keep, judge
from evs_snap.runs.record import RunRecord
from evs_snap.runs.submit import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.faults.conftest import Service

    from evs_snap.runs.record import Item
    from evs_snap.services.interface import Snapshot

SEEDS = int(os.environ.get("EVS_SNAP_FAULT_SEEDS") or 100)
CHUNKS = 5

POST = "POST snapshots"
DELETE = "DELETE snapshots/ID"
READS = ("GET snapshots/detail", "GET snapshots/ID", "GET .*")
BREAKS = ("drop", "reset", "half", "stall", "garbage", "cut", "nothing", 500, 502, 503, 504)
REFUSALS = (429, 403, 400, 401, 409, "refuse")
LAGS = (0.0, 0.0, 0.0, 2.0, 6.0, 20.0, 32.5)
LATE = (0.5, 5.0, 20.0, 30.0, 31.5, 33.0, 40.0)
KNOWN_CODES = {0, 1, 2, 3, 4, 6, 7}


class Scenes(Protocol):
    """Gives the scenes of one chunk of the seeds, of which ``share`` are used."""

    def __call__(self, chunk: int, *, share: float) -> Iterator[tuple[Scene, Counter[str]]]: ...


@dataclass
class Scene:
    """A cloud with disks, and what they held before the run."""

    seed: int
    service: Service
    chance: Random
    disks: list[str] = field(default_factory=list)
    before: dict[str, list[Snapshot]] = field(default_factory=dict)
    latest: float = 0.0
    """Seconds until the last of the POSTs thought lost may be carried out, and be listed."""

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Name the seed where what is within does not hold."""
        try:
            yield
        except AssertionError as wrong:
            raise AssertionError(f"seed {self.seed}: {wrong}") from wrong

    def own(self, disk: str) -> list[Snapshot]:
        """Return what rotation might have touched."""
        return [s for s in self.before[disk] if s.policy == "default"]

    def new(self, disk: str) -> list[Snapshot]:
        """Return what is on the disk now and was not before."""
        old = {s.id for s in self.before[disk]}
        return [s for s in self.service.left(disk) if s.id not in old]

    def gone(self, disk: str) -> set[str]:
        """Return the IDs of what was there before and is no more."""
        return {s.id for s in self.before[disk]} - {s.id for s in self.service.left(disk)}


@pytest.fixture(name="scenes")
def _scenes(new_service: Callable[[], Service], caplog: pytest.LogCaptureFixture) -> Scenes:
    """Make the scenes of one chunk of the seeds, each with its mishaps planned."""
    caplog.set_level(logging.INFO, logger=__name__)

    def scenes(chunk: int, *, share: float) -> Iterator[tuple[Scene, Counter[str]]]:
        seen: Counter[str] = Counter()
        for seed in range(chunk, int(SEEDS * share), CHUNKS):
            scene = Scene(seed, new_service(), Random(seed))  # noqa: S311 - no secret hangs on it
            _furnish(scene)
            _plan_mishaps(scene)
            seen["sequences"] += 1
            yield scene, seen
        logging.getLogger(__name__).info("%s", dict(seen))

    return scenes


def _furnish(scene: Scene) -> None:
    """Make one to three disks with a few snapshots, ours and others', of the last days."""
    service, chance = scene.service, scene.chance
    service.fake.moment -= timedelta(days=4)
    for number in range(chance.choice((1, 1, 2, 3))):
        disk = service.disk(chance.choice(("d", "d", "d", "d", "fail-")) + str(number))
        scene.disks.append(disk)
        for count in range(chance.choice((0, 0, 1, 3, 6))):
            policy = chance.choice((None, "default", "default", "default", "other"))
            service.snapshot(disk, f"s{count}", policy=policy)
            service.fake.advance(chance.randrange(60, 40_000))
    service.fake.advance(86_400)
    scene.before = {disk: service.left(disk) for disk in scene.disks}


def _plan_mishaps(scene: Scene) -> None:
    """Draw the script: mostly about POST, DELETE and the lists, now and then anything."""
    service, chance = scene.service, scene.chance
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
            scene.latest = max(scene.latest, acts)
        times = chance.choice((1, 1, 1, 2, 4, 9))
        skip = chance.choice((0, 0, 0, 1, 2, 5))
        service.mishap(on, how, acts=acts, times=times, skip=skip)
    scene.latest += service.list_lag


def _record(
    scene: Scene,
    folder: Path,
    carry_out: Callable[..., RunRecord],
    names: Sequence[str],
) -> RunRecord:
    """Carry out a run; one that failed before it had a plan is a record of that."""
    with scene.service.calling(folder) as evs:
        try:
            record = carry_out(evs, *names)
        except EvsSnapError as error:
            record = RunRecord("made up", error=error)
    return record


def _check_made(scene: Scene, record: RunRecord, *, ended: datetime, seen: Counter[str]) -> None:
    """Compare what is said to be made with what is there; ``ended`` is when the run did."""
    told = {i.snapshot.id for i in record.items if i.snapshot}
    for disk in scene.disks:
        items = [i for i in record.items if i.volume and i.volume.id == disk]
        new = scene.new(disk)
        if scene.latest < sum(LOOKS):
            seen["disks where each snapshot shows while the run still looks"] += 1
            assert len(new) <= 1, "a duplicate, where there was time to see the first"
        shown = timedelta(seconds=scene.service.list_lag)
        early = [s for s in new if s.created_at is not None and s.created_at + shown <= ended]
        seen["a duplicate nobody could see before the run's end"] += len(new) > max(1, len(early))
        is_well = record.error is None and not any(i.error for i in items)
        if is_well:
            (made,) = [i.snapshot for i in items if i.action in {"created", "reused"}]
            assert made is not None
            there = {s.id: s for s in new}
            assert made.id in there, "exit 0, and the snapshot is not there"
            assert there[made.id].is_usable or made.status == "creating", "exit 0, not usable"
            # Without a stamp a duplicate cannot be told from another's of the same name.
            if len(early) > 1 and not scene.service.drops_metadata:
                raise AssertionError("a duplicate, and the run says that all is well")
        elif len(early) > 1:
            seen["duplicate left, told by the exit code"] += 1
        if len(early) > 1 and is_well:
            seen["duplicate left where the service drops metadata"] += 1
        for snapshot in early:
            if snapshot.id in told or (is_well and scene.service.drops_metadata):
                continue
            seen["not known by ID, told by the exit code"] += 1
            assert not is_well, "a snapshot is lost"


def _check_exit_code(record: RunRecord, *, seen: Counter[str]) -> None:
    code = record.exit_code
    seen[f"exit {code}"] += 1
    assert code in KNOWN_CODES
    well = record.error is None and not any(i.error for i in record.items)
    assert (code == 0) == well


def _items(record: RunRecord, action: str) -> list[Item]:
    return [i for i in record.items if i.action == action]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_create_leaves_one_usable_snapshot_a_disk_or_says_otherwise(
    chunk: int, scenes: Scenes, tmp_path: Path
) -> None:
    for scene, seen in scenes(chunk, share=0.5):
        periods: tuple[Period | None, ...] = (None, None, "day")
        once_per = scene.chance.choice(periods)
        wait = scene.chance.choice((True, True, True, False))
        create = partial(create_snapshots, once_per=once_per, wait=wait)
        record = _record(scene, tmp_path / str(scene.seed), create, scene.disks)
        ended = scene.service.now
        scene.service.calm()
        with scene.judged():
            _check_exit_code(record, seen=seen)
            _check_made(scene, record, ended=ended, seen=seen)
            for disk in scene.disks:
                assert not scene.gone(disk), "create deleted something"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_rotate_deletes_what_the_rules_give_up_and_nothing_else(
    chunk: int, scenes: Scenes, tmp_path: Path
) -> None:
    for scene, seen in scenes(chunk, share=0.3):
        keep = Keep(last=scene.chance.choice((1, 2, 4)), daily=scene.chance.choice((0, 2)))
        rotate = partial(create_snapshots, keep=keep, once_per=scene.chance.choice((None, "day")))
        record = _record(scene, tmp_path / str(scene.seed), rotate, scene.disks)
        ended = scene.service.now
        scene.service.calm()
        with scene.judged():
            _check_exit_code(record, seen=seen)
            _check_made(scene, record, ended=ended, seen=seen)
            for disk in scene.disks:
                _check_rotated(scene, disk, record, keep, seen=seen)


def _check_rotated(
    scene: Scene, disk: str, record: RunRecord, keep: Keep, *, seen: Counter[str]
) -> None:
    gone = scene.gone(disk)
    seen["snapshots rotated out"] += len(gone)
    fresh = [s.model_copy(update={"metadata": {"evs_snap_key": "k"}}) for s in scene.new(disk)][:1]
    if scene.service.drops_metadata:
        fresh = []  # without our stamp it is nobody's, and no rule counts it
    own = [s.model_copy(update={"status": s.status}) for s in scene.own(disk)]
    dropped = {
        v.snapshot.id for v in judge([*own, *fresh], keep, now=scene.service.now) if not v.keep
    }
    assert gone <= {s.id for s in own}, "a foreign one is gone"
    assert gone <= dropped, "one is gone that the rules keep"
    left = [s for s in scene.service.left(disk) if s.is_usable]
    assert left or not any(s.is_usable for s in own), "the last good one is gone"
    if record.exit_code == 0:
        later = {
            item.snapshot.id
            for item in record.items
            if item.snapshot and "left to the next run" in item.reasons
        }
        missed = dropped - {s.id for s in fresh} - gone
        assert missed <= later, "exit 0, and not all is deleted"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_delete_removes_what_was_asked_for_and_nothing_else(
    chunk: int, scenes: Scenes, tmp_path: Path
) -> None:
    for scene, seen in scenes(chunk, share=0.2):
        there = [s for rows in scene.before.values() for s in rows]
        asked = scene.chance.sample(there, k=min(len(there), scene.chance.randrange(1, 4)))
        ids = [s.id for s in asked]
        record = _record(scene, tmp_path / str(scene.seed), delete_snapshots, ids)
        scene.service.calm()
        gone = {id_ for disk in scene.disks for id_ in scene.gone(disk)}
        seen["snapshots deleted"] += len(gone)
        with scene.judged():
            _check_exit_code(record, seen=seen)
            said = {i.snapshot.id for i in _items(record, "deleted") if i.snapshot}
            assert said <= gone, "said to be deleted, and still there"
            assert gone <= {s.id for s in asked if s.policy}, "another one is gone"
            if record.exit_code == 0:
                assert gone == {s.id for s in asked}, "exit 0, and not all is deleted"
