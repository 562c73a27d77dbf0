"""Each wire event of the reference runs meets each fault, and the same invariants hold.

An event is one request and its answer. A run that did not end well is followed by a second
one in calm weather, as the next try would be, and that one must put everything right.
Each fault meets one of so many events as ``EVS_SNAP_SWEEP`` says, beginning at another one each: 1
is all of them. By default it is 40, in `.ci/run` 14. test_pairs.py tries two faults.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn
from uuid import uuid4

import httpx
import pytest
from tests.conftest import FakeClock
from tests.faults.conftest import (
    REGIONS,
    SETTLED,
    KilledError,
    Service,
    environment,
    in_process,
    line_of,
)

from evs_snap import cli
from evs_snap.cli.signals import StoppedError
from evs_snap.clock import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from evs_snap.services.interface import Snapshot, Volume
    from evs_snap.settings import Kind

SHARE = int(os.environ.get("EVS_SNAP_SWEEP") or 40)
POST = "POST snapshots"
DELETE = "DELETE snapshots/ID"
MAKE = "POST volumes"
ROLL_BACK = frozenset({"POST cloudsnapshots/ID/rollback", "POST snapshots/ID/rollback"})
TODAY = "2026-11-23"
KNOWN_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 143}
FOR_PEOPLE = ("error:", "hint:", "  ")


class Event(NamedTuple):
    """A request like ``POST snapshots``: how many came before, and how many like it."""

    position: int
    line: str
    number: int


def _numbered(requests: Sequence[str]) -> list[Event]:
    return [
        Event(position, line, requests[:position].count(line))
        for position, line in enumerate(requests)
    ]


# --- the reference runs ---------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A command line, and what it is carried out on.

    Each of ``disks`` holds ``own`` snapshots of the last nights, and one of another policy,
    one of nobody's and a backup service's; with ``has_todays`` also one of today's. The run
    deletes the ``goes`` oldest of ours from each. With ``in_sets`` each night's are one set.
    """

    line: str
    disks: tuple[str, ...] = ("d1",)
    own: int = 3
    goes: int = 0
    has_todays: bool = False
    kind: Kind = "legacy"
    in_sets: bool = False

    @property
    def makes(self) -> bool:
        """Whether each disk has today's snapshot afterwards."""
        return self.line.startswith(("create", "rotate"))


SCENES: dict[str, Scene] = {
    "create": Scene("create --volume d1 --once-per day"),
    "create on two disks": Scene("create --match d? --parallel 1 --once-per day", ("d1", "d2")),
    "rotate, with a slot to free": Scene(
        "rotate --volume d1 --once-per day --keep-last 3 --on-limit replace", own=5, goes=3
    ),
    "rotate, and prune": Scene("rotate --volume d1 --once-per day --keep-last 2", goes=2),
    "rotate once more": Scene(
        "rotate --volume d1 --once-per day --keep-last 2", goes=2, has_todays=True
    ),
    "prune": Scene("prune --volume {d1} --keep-last 1 -y", goes=2),
    "delete": Scene("delete {old} -y", goes=2),
    "restore as a new disk": Scene("restore {newest} --as copy"),
    "restore in place": Scene("restore {newest} --in-place -y"),
}
SCENES |= {f"standard: {name}": replace(scene, kind="standard") for name, scene in SCENES.items()}
SCENES["standard: together"] = Scene(
    "rotate --match d? --parallel 1 --together --once-per day --keep-last 2",
    ("d1", "d2"), goes=2, kind="standard", in_sets=True,
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A scene's cloud as it is before each run: the sandbox's file, and what is in it."""

    scene: Scene
    cloud: bytes
    moment: datetime
    disks: dict[str, str]
    before: dict[str, Snapshot]
    volumes: frozenset[str]
    """IDs of all disks of the project."""

    def own(self, disk: str) -> list[Snapshot]:
        """Return those of ours on a disk of this name, oldest first."""
        here = [s for s in self.before.values() if s.volume_id == self.disks[disk]]
        return sorted((s for s in here if _is_ours(s)), key=lambda s: str(s.created_at))

    def line(self, old: Sequence[str]) -> str:
        """Return the command line; ``old`` are the IDs of those that it may name."""
        newest = self.own("d1")[-1].id
        line = self.scene.line.format(**self.disks, old=" ".join(old), newest=newest)
        # Looks that fail until then cost time, and a few minutes of them show what more would.
        return line if line.startswith(("prune", "delete")) else f"{line} --timeout 3m"

    @property
    def going(self) -> set[str]:
        """IDs of what the run deletes where nothing goes wrong."""
        return {s.id for disk in self.scene.disks for s in self.own(disk)[: self.scene.goes]}


def _is_ours(snapshot: Snapshot) -> bool:
    return snapshot.policy == "default" and not snapshot.is_system


@cache
def stage_of(name: str) -> Stage:
    """Build a scene's cloud, once for all its runs."""
    scene = SCENES[name]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cloud.db"
        service = Service(path, FakeClock(), kind=scene.kind)
        end = service.fake.moment
        service.fake.moment -= timedelta(days=scene.own + 1)
        for row in service.client.snapshots():
            service.client.delete_snapshot(row.id)
        service.fake.advance(SETTLED)
        disks = {disk: service.disk(disk) for disk in (*scene.disks, "elsewhere")}
        for disk in disks.values():
            service.snapshot(disk, "of-another-policy", policy="weekly")
            service.snapshot(disk, "by-hand")
            service.snapshot(disk, "autobk_snapshot_1", policy="default")
        for nights in range(scene.own, 0, -1):
            service.fake.moment = end - timedelta(days=nights)
            bucket = f"{service.now:%Y-%m-%d}"
            if scene.in_sets:
                service.set([disks[disk] for disk in scene.disks], bucket=bucket)
            for disk in [disks["elsewhere"]] if scene.in_sets else disks.values():
                service.snapshot(disk, f"night-{nights}", policy="default", bucket=bucket)
        service.fake.moment = end - timedelta(hours=1)
        for disk in disks.values() if scene.has_todays else ():
            service.snapshot(disk, "todays", policy="default", bucket=TODAY)
        before = {s.id: s for s in service.client.snapshots()}
        volumes = frozenset(v.id for v in service.client.volumes())
        return Stage(scene, path.read_bytes(), end, disks, before, volumes)


# --- the faults -----------------------------------------------------------------------


def killed(_service: Service, _stage: Stage, _answer: httpx.Response) -> NoReturn:
    raise KilledError


def stopped(service: Service, _stage: Stage, answer: httpx.Response) -> httpx.Response:
    """SIGTERM comes, as its handler takes it: before anything is changed it ends the run."""
    if not service.fake.stop.begun:
        raise StoppedError(143)
    service.fake.stop.ask(143)
    return answer


def of_a_sibling(_service: Service, stage: Stage, answer: httpx.Response) -> httpx.Response:
    """The answer is under the ID of our newest snapshot; rows of a list change their IDs."""
    newest = stage.own("d1")[-1].id

    def change(rows: list[dict[str, Any]]) -> None:
        ids = [row["id"] for row in rows]
        for row, id_ in zip(rows, [*ids[1:], ids[0]] if len(ids) > 1 else [newest], strict=True):
            row["id"] = id_

    return _with_rows(answer, change)


def of_a_stranger(_service: Service, stage: Stage, answer: httpx.Response) -> httpx.Response:
    """The answer's first ID is that of another disk's snapshot, which is nobody's."""
    stranger = next(
        s.id for s in stage.before.values()
        if s.volume_id == stage.disks["elsewhere"] and s.policy is None and not s.is_system
    )  # fmt: skip
    return _with_rows(answer, lambda rows: rows[0].update(id=stranger))


def of_nobody(_service: Service, _stage: Stage, answer: httpx.Response) -> httpx.Response:
    """The answer's last ID is that of nothing at all."""
    return _with_rows(answer, lambda rows: rows[-1].update(id=str(uuid4())))


def _with_rows(
    answer: httpx.Response, change: Callable[[list[dict[str, Any]]], None]
) -> httpx.Response:
    """Return the answer with its rows changed; a sign-in's row is the project."""
    if not answer.is_success or not answer.content:
        return answer
    document = json.loads(answer.content)
    kinds = document.keys() & {
        "token", "volume", "volumes", "snapshot", "snapshots", "rollback", "snapshot_groups",
    }  # fmt: skip
    for id_ in document.keys() & {"snapshot_id", "snapshot_group_id"}:
        row = {"id": document[id_]}
        change([row])
        document[id_] = row["id"]
    for kind in kinds:
        found = document["token"]["project"] if kind == "token" else document[kind]
        if kind == "rollback":
            found["id"] = found["volume_id"]
        rows = found if isinstance(found, list) else [found]
        if rows:
            change(rows)
    headers = {k: v for k, v in answer.headers.items() if k != "content-length"}
    return httpx.Response(answer.status_code, headers=headers, json=document)


@dataclass(frozen=True)
class Fault:
    """What befalls an event; with ``lasts``, every one from then on."""

    how: str | int | Callable[[Service, Stage, httpx.Response], httpx.Response]
    acts: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    lasts: bool = False


FAULTS = {
    "refused": Fault("refuse", acts=False),
    "lost before acting": Fault("drop", acts=False),
    "lost after acting": Fault("drop"),
    "half an answer": Fault("half"),
    "half a body": Fault("cut"),
    "429": Fault(429, acts=False),
    "429, with Retry-After": Fault(429, acts=False, headers={"Retry-After": "7"}),
    **{f"{status}, not acting": Fault(status, acts=False) for status in (500, 502, 503, 504)},
    **{f"{status}, acting": Fault(status) for status in (500, 502, 503, 504)},
    "401": Fault(401, acts=False),
    "drip": Fault("drip"),
    "a sibling's ID": Fault(of_a_sibling),
    "a stranger's ID": Fault(of_a_stranger),
    "nobody's ID": Fault(of_nobody),
    "kill -9 before acting": Fault(killed, acts=False),
    "kill -9 after acting": Fault(killed),
    "SIGTERM": Fault(stopped),
    "refused from then on": Fault("refuse", acts=False, lasts=True),
    "lost from then on": Fault("drop", lasts=True),
    "503 from then on": Fault(503, acts=False, lasts=True),
    "401 from then on": Fault(401, acts=False, lasts=True),
}

BELIEVED = {
    # Which disk has which name is told by the list of disks alone.
    ("create on two disks", "GET volumes/detail", "a sibling's ID"),
    # What is reused is usable by the list, and is not read again.
    ("rotate once more", "GET snapshots/detail", "a stranger's ID"),
}
"""Where an answer is believed, as nothing says otherwise."""


# --- what a run leaves behind ---------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """One run's end. ``code`` is None where it was killed.

    ``left`` and ``disks`` are what is there then; ``rollbacks`` is how many were carried out.
    """

    code: int | None
    stdout: str
    stderr: str
    was_stopped: bool
    left: dict[str, Snapshot]
    disks: dict[str, Volume]
    rollbacks: int
    sets_of_today: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """The result, and what is said to people; not the trace."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(FOR_PEOPLE)]
        return "\n".join([self.stdout, *lines])

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of the JSON document; none where there is no document."""
        return json.loads(self.stdout)["items"] if self.stdout.strip() else []


@dataclass
class History:
    """All that happened from the beginning to the end of the last run."""

    stage: Stage
    events: list[Event] = field(default_factory=list)
    states: list[list[Snapshot]] = field(default_factory=list)
    """What was there after each event that changed something."""

    secrets: set[str] = field(default_factory=set)
    rollbacks: int = 0
    endings: list[Ending] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that `delete` could be asked for once more."""
        left = self.stage.going & set(self.endings[-1].left)
        return not left and "{old}" in self.stage.scene.line


def violations(history: History) -> list[str]:
    """Return every invariant that does not hold."""
    stage, last = history.stage, history.endings[-1]
    wrong = [what for state in history.states for what in _wrong_state(stage, state)]
    before = set(stage.before)
    for ending in history.endings:
        wrong += _wrong_words(ending, before=before)
        if any(secret in ending.stdout + ending.stderr for secret in history.secrets):
            wrong.append("a secret is shown")
        before = set(ending.left)
    if last.code != 0 and not history.is_done:
        wrong.append(f"the last run ended {last.code}: {last.stderr.splitlines()[-2:]}")
    wrong += _undone(stage, last)
    if len(last.sets_of_today) > 1:
        wrong.append(f"{len(last.sets_of_today)} sets of today")
    if "restore" in stage.scene.line:
        wrong += _not_restored(history)
    return wrong


def _wrong_state(stage: Stage, state: Sequence[Snapshot]) -> list[str]:
    """What must hold at every moment."""
    wrong = []
    here = {s.id for s in state if s.status != "deleting"}
    gone = set(stage.before) - here - stage.going
    if gone:
        wrong.append(f"deleted, and should not be: {[stage.before[id_].name for id_ in gone]}")
    at_work = {"creating", "rollbacking"}
    alive = [s for s in state if (s.is_usable or s.status in at_work) and _is_ours(s)]
    periods = Counter((s.volume_id, s.stamp.bucket) for s in alive if s.stamp and s.stamp.bucket)
    wrong += [f"{count} snapshots for {period}" for period, count in periods.items() if count > 1]
    for disk in stage.scene.disks:
        newest = stage.own(disk)[-1]
        usable = [s for s in alive if s.volume_id == newest.volume_id and s.status != "creating"]
        if not any(str(s.created_at) >= str(newest.created_at) for s in usable):
            wrong.append(f"the newest usable one of {disk} is gone")
    return wrong


def _wrong_words(ending: Ending, *, before: set[str]) -> list[str]:
    """What a run must say at its end. ``before`` are the IDs that were there when it began."""
    if ending.code is None:
        return []
    wrong = []
    if ending.code not in KNOWN_CODES:
        wrong.append(f"exit {ending.code} is not documented")
    if ending.was_stopped != (ending.code == 143):
        wrong.append(f"exit {ending.code}, stopped: {ending.was_stopped}")
    if ending.code not in {0, 143} and "error:" not in ending.stderr:
        wrong.append("a failure is not told")
    for snapshot in ending.left.values():
        if snapshot.id in before or snapshot.id in ending.told:
            continue
        if not ending.code or str(snapshot.name) not in ending.told:
            wrong.append(f"{snapshot.name} was made, and that is not told")
    return wrong


def _undone(stage: Stage, last: Ending) -> list[str]:
    """What is missing at the end, where all is said to be well."""
    kept = {i["snapshot"]["id"] for i in last.items if i["action"] == "kept"}
    still = stage.going & set(last.left) - kept
    wrong = [f"{stage.before[id_].name} is still there" for id_ in still]
    told = {i["snapshot"]["id"] for i in last.items if i["action"] in {"created", "reused"}}
    for disk in stage.scene.disks if stage.scene.makes else ():
        todays = [
            s for s in last.left.values()
            if s.volume_id == stage.disks[disk] and s.stamp is not None and s.stamp.bucket == TODAY
        ]  # fmt: skip
        if not any(s.is_usable and s.id in told for s in todays):
            wrong.append(f"exit {last.code}, and today's usable one of {disk} is not told")
    return wrong


def _not_restored(history: History) -> list[str]:
    """What must hold of the disks: at most one new one, none gone, none rolled back twice."""
    wrong = []
    stage, last = history.stage, history.endings[-1]
    for ending in history.endings:
        new = [disk for id_, disk in ending.disks.items() if id_ not in stage.volumes]
        if len(new) > 1 or any(disk.name != "copy" for disk in new):
            wrong.append(f"new disks: {[disk.name for disk in new]}")
        if not stage.volumes <= {*ending.disks}:
            wrong.append("a disk is gone")
        if ending.rollbacks > 1:
            wrong.append(f"rolled back {ending.rollbacks} times by one run")
        if ending.code is not None:
            told = ending.told
            wrong += [
                f"disk {disk.id} was made, and that is not told"
                for disk in new
                if disk.id not in told and (not ending.code or "copy" not in told)
            ]
    if last.code == 0:
        (item,) = last.items
        disk = last.disks[item["volume"]["id"]]
        done = disk.name == "copy" if "--as" in stage.scene.line else last.rollbacks == 1
        if not done or disk.status != "available":
            wrong.append(f"exit 0, and disk {disk.name} is {disk.status}: {item['action']}")
    return wrong


# --- one run --------------------------------------------------------------------------


class Player:
    """Carries out a scene's run, each of the events befallen by its fault."""

    events_of: ClassVar[dict[str, list[Event]]] = {}

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder / "run"
        self.folder.mkdir()
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        for variable, value in environment(80).items():
            monkeypatch.setenv(variable, value)
        for kind in ("CACHE", "STATE"):
            monkeypatch.setenv(f"XDG_{kind}_HOME", str(self.folder / kind.lower()))

    def events(self, name: str) -> list[Event]:
        """Return the events of a scene's run where nothing goes wrong, in order."""
        if name not in self.events_of:
            self.events_of[name] = self.play(name).events
        return self.events_of[name]

    def befallen(self, name: str, *faults: tuple[Event, str]) -> str:
        """Return in words what does not hold, or nothing."""
        wrong = violations(self.play(name, *faults))
        befallen = " and ".join(f"{fault} at {e.line} {e.number}" for e, fault in faults)
        return "".join(f"\n{name}: {befallen}: {what}" for what in wrong)

    def play(self, name: str, *faults: tuple[Event, str]) -> History:
        stage = stage_of(name)
        for file in filter(Path.is_file, self.folder.rglob("*")):
            file.unlink()
        (self.folder / "cloud.db").write_bytes(stage.cloud)
        fake = FakeClock()
        fake.moment = stage.moment
        kind = stage.scene.kind
        service = Service(self.folder / "cloud.db", fake, kind=kind)
        self.monkeypatch.setenv("OS_REGION_NAME", REGIONS[kind])
        self.monkeypatch.setenv("EVS_SNAP_KIND", kind)
        in_process(service.app, self.monkeypatch)
        history = History(stage)
        service.witness = partial(_note, service, history)
        for number, (event, fault) in enumerate(faults):
            before = [e for e, _ in faults[:number] if FAULTS[fault].lasts or e.line == event.line]
            _plan(service, stage, event, FAULTS[fault], earlier=len(before))
        ended = partial(_ended, service, history, capsys=self.capsys)
        going = [s.id for s in stage.own("d1")[: stage.scene.goes]]
        ending = ended(stage.line(going))
        history.events += _numbered(service.requests)
        history.endings.append(ending)
        if ending.code is None:
            # The kernel lets go of a lock, but nobody tidies up what stands beside it.
            for note in self.folder.rglob("*.run"):
                note.write_text("1")
        if ending.code != 0 and not history.is_done:
            history.endings.append(ended(stage.line([i for i in going if i in ending.left])))
        return history


def _plan(service: Service, stage: Stage, event: Event, fault: Fault, *, earlier: int) -> None:
    """Plan one fault. ``earlier`` is how many requests like this are taken by the others."""
    how = partial(fault.how, service, stage) if callable(fault.how) else fault.how
    on, number = (".*", event.position) if fault.lasts else (event.line, event.number)
    times = 1_000_000 if fault.lasts else 1
    service.mishap(
        on, how, acts=fault.acts, times=times, skip=number - earlier, headers=fault.headers
    )


def _note(
    service: Service, history: History, request: httpx.Request, answer: httpx.Response
) -> None:
    if line_of(request) == "POST auth/tokens":
        history.secrets |= {answer.headers.get("X-Subject-Token", "no token")}
    elif request.method != "GET":
        history.states.append(service.client.snapshots())
        history.rollbacks += line_of(request) in ROLL_BACK and answer.is_success


def _ended(
    service: Service, history: History, line: str, *, capsys: pytest.CaptureFixture[str]
) -> Ending:
    """Carry out a command line, and let everything in progress come to its end."""
    service.fake.stop = Stop()
    history.rollbacks = 0
    was_stopped, code = False, None
    try:
        code = cli.run([*line.split(), "-f", "json", "-vv"], clock=service.fake.clock)
        was_stopped = service.fake.stop.asked
    except KilledError:
        pass
    out = capsys.readouterr()
    service.calm()
    left = {s.id: s for s in service.client.snapshots()}
    was_stopped |= "error: terminated;" in out.err
    disks = {v.id: v for v in service.client.volumes()}
    sets = service.client.snapshot_sets() if history.stage.scene.in_sets else []
    todays = [row.id for row in sets if row.stamp and row.stamp.bucket == TODAY]
    return Ending(code, out.out, out.err, was_stopped, left, disks, history.rollbacks, todays)


# --- the sweep ------------------------------------------------------------------------


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
