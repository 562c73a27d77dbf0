"""The tables of this folder: what befalls which request -> the end, what is left, what is told.

A row is a `Case`. Its test is each choice of one fault from each of its lists, in each of its
circumstances. What is left must be as written whatever the row is about, and a new snapshot or
disk is ``new`` only if its ID is told, or, by a run that failed, its name; else it is ``untold``.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.faults.conftest import How, KilledError, Mishap, Service

from evs_snap import cli, create_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from evs_snap.services.interface import Snapshot, Volume

SIGN_IN = "POST auth/tokens"
POST, LIST, LOOK = "POST snapshots", "GET snapshots/detail", "GET snapshots/ID"
DELETE = "DELETE snapshots/ID"
MAKE, DISKS, DISK = "POST volumes", "GET volumes/detail", "GET volumes/ID"
TODAY = "2026-11-23"
GONE = b'{"itemNotFound": {"code": 404, "message": "not here"}}'


@dataclass(frozen=True)
class Of:
    """What befalls a request, where that depends on what is there."""

    how: Callable[[Stage], How]


@dataclass(frozen=True)
class Fault:
    """A `Mishap`, planned when the requests ``after`` have come in that order, or at once."""

    on: str
    how: How | Of
    acts: bool | float
    after: tuple[str, ...]
    more: dict[str, Any]


def at(
    on: str,
    *hows: How | Of,
    acts: bool | float | tuple[bool | float, ...] = True,
    after: tuple[str, ...] = (),
    **more: Any,
) -> list[Fault]:
    """Return a list of faults to choose from: each of ``hows``, with each of ``acts``."""
    each = acts if isinstance(acts, tuple) else (acts,)
    return [Fault(on, how, does, after, more) for how in hows for does in each]


@dataclass(frozen=True)
class Case:
    """A row: a command line, what befalls its requests, and how it ends.

    The disk ``disk`` ``holds`` snapshots, ``name:policy`` or foreign ones, a number of them as
    ``name*6``, or one of another disk as ``name:policy@d2``. Where a service is odd for longer,
    its attributes are in ``where``; a tuple has the values to choose from. ``first`` is done before
    the run, ``amid`` when requests have come in that order. ``left`` are the disk's snapshots,
    oldest first, ``disks`` the disks d1, d2 and copy, both once all is calm, with their status
    where they are not available. ``told`` are patterns, ``{name}`` an ID; ``takes`` is at least
    and at most how many seconds. ``then`` is the run after it. A ``code`` of None: it is killed.
    """

    line: str
    faults: Sequence[Sequence[Fault]] = ()
    code: int | None = 0
    left: str | None = None
    disks: str | None = None
    told: tuple[str, ...] = ()
    untold: str | None = None
    sent: Mapping[str, int] = field(default_factory=dict)
    holds: str = ""
    disk: str = "d1"
    where: Mapping[str, Any] = field(default_factory=dict)
    first: Callable[[Stage], object] | None = None
    amid: tuple[tuple[tuple[str, ...], Callable[[Stage], object]], ...] = ()
    takes: tuple[float, float] | None = None
    then: Case | None = None


def rows(cases: Mapping[str, Case]) -> list[ParameterSet]:
    """Return the tests of a table, each with its sentence as its ID."""
    return [
        pytest.param(case, faults, dict(zip(case.where, where, strict=True)), id=sentence)
        for sentence, case in cases.items()
        for faults in product(*case.faults)
        for where in product(*map(_each, case.where.values()))
    ]


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass
class Stage:
    """The pretend cloud of one test, and what is there by name."""

    service: Service
    folder: Path
    capsys: pytest.CaptureFixture[str]
    ids: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Names of snapshots by their IDs, as names need not be unique."""

    known: frozenset[str] = frozenset()

    def play(self, case: Case, faults: Sequence[Fault], where: Mapping[str, Any]) -> None:
        """Carry out a row's test."""
        for attribute, value in where.items():
            setattr(self.service, attribute, value)
        self.disk(case.disk)
        for words in case.holds.split():
            self._hold(words, case.disk)
        self.known = frozenset(v.id for v in self.service.client.volumes())
        if case.first:
            case.first(self)
        self._run(case, faults)
        while case.then:
            case = case.then
            self._run(case, ())

    def disk(self, name: str) -> str:
        """Return the ID of a disk, which is made where there is none of this name."""
        if name not in self.ids:
            self.ids[name] = self.service.disk(name)
        return self.ids[name]

    def snapshot(self, name: str, policy: str | None, disk: str, bucket: str | None = None) -> str:
        made = self.service.snapshot(self.disk(disk), name, policy=policy, bucket=bucket)
        self.ids[name], self.names[made] = made, name
        return made

    def row(self, name: str) -> dict[str, Any]:
        """Return a snapshot as an answer has it."""
        found: dict[str, Any] = json.loads(
            self.service.client.snapshot(self.ids[name]).model_dump_json()
        )
        return found

    def hook(self, chain: Sequence[str], act: Callable[[Stage], object]) -> None:
        """Do something when requests like those of the chain have come, one after the other."""
        first, *rest = chain
        self.service.once(first, lambda: self.hook(rest, act) if rest else act(self))

    def run(self, line: str) -> tuple[int | None, str]:
        """Return the exit code, and what is told: stdout and stderr. Killed, it has no code."""
        words = [*shlex.split(line.format(**self.ids)), "-f", "json"]
        try:
            code = cli.run(words, clock=self.service.fake.clock)
        except KilledError:
            code = None
            for note in self.folder.rglob("*.run"):  # as a process leaves them that is killed
                note.write_text("1")
        return code, "".join(self.capsys.readouterr())

    def _hold(self, words: str, disk: str) -> None:
        name, _, number = words.partition("*")
        name, _, other = name.partition("@")
        name, _, policy = name.partition(":")
        for _ in range(int(number or 1)):
            self.snapshot(name, policy or None, other or disk)

    def _plan(self, fault: Fault) -> Mishap:
        how = fault.how.how(self) if isinstance(fault.how, Of) else fault.how
        return self.service.mishap(fault.on, how, acts=fault.acts, **fault.more)

    def _run(self, case: Case, faults: Sequence[Fault]) -> None:
        service = self.service
        service.requests.clear()
        planned: list[Mishap] = []
        for fault in faults:
            if fault.after:
                self.hook(fault.after, lambda stage, late=fault: planned.append(stage._plan(late)))  # type: ignore[misc]
            else:
                planned.append(self._plan(fault))
        times = [mishap.times for mishap in planned]
        for chain, act in case.amid:
            self.hook(chain, act)
        began = service.fake.moment
        code, told = self.run(case.line)
        seconds = (service.fake.moment - began).total_seconds()
        assert code == case.code, told
        sent = {on: service.count(on) for on in case.sent}
        assert sent == case.sent, told
        for pattern in case.told:
            assert re.search(pattern.format(**self.ids), told), told
        assert case.untold is None or case.untold not in told
        least, most = case.takes or (0, 1e9)
        assert least <= seconds <= most, f"{seconds} s"
        assert not service.hooks, "what was to be done amid the run was not done"
        assert all(m.times < n for m, n in zip(planned, times, strict=False)), "no such request"
        service.fake.stop.code = None
        service.calm()
        if case.left is not None:
            rows = service.left(self.ids[case.disk])
            left = [self._named(row, code, told) for row in rows]
            assert left == [name for word in case.left.split() for name in _repeated(word)], told
        if case.disks is not None:
            disks = [self._named(v, code, told) for v in service.client.volumes()]
            assert sorted(filter(None, disks)) == sorted(case.disks.split()), told

    def _named(self, row: Snapshot | Volume, code: int | None, told: str) -> str:
        """Return a snapshot's or disk's name and status; of the sandbox's own disks, nothing."""
        status = "" if row.status == "available" else f"({row.status})"
        name = self.names.get(row.id)
        if name is None and row.id in self.known:
            if row.id not in self.ids.values():
                return ""
            name = str(row.name)
        is_told = row.id in told or code is None or (code and str(row.name) in told)
        return (name or ("new" if is_told else "untold")) + status


def _repeated(word: str) -> Iterator[str]:
    name, _, number = word.partition("*")
    yield from [name] * int(number or 1)


# --- what is done meanwhile -------------------------------------------------------------


def stop(code: int) -> Callable[[Stage], object]:
    """Return a signal that comes."""
    return lambda stage: stage.service.fake.stop.ask(code)


def advance(seconds: float) -> Callable[[Stage], object]:
    return lambda stage: stage.service.fake.advance(seconds)


def then(*acts: Callable[[Stage], object]) -> Callable[[Stage], object]:
    """Return all of these, one after the other."""
    return lambda stage: [act(stage) for act in acts]


def snapshot(
    name: str, policy: str | None = "default", *, bucket: str | None = None
) -> Callable[[Stage], object]:
    """Return somebody who makes a snapshot."""
    return lambda stage: stage.snapshot(name, policy, "d1", bucket)


def delete(*names: str) -> Callable[[Stage], object]:
    """Return somebody who deletes these; without names, the newest one of the disk."""

    def act(stage: Stage) -> None:
        newest = stage.service.left(stage.ids["d1"])[-1].id
        for id_ in [stage.ids[name] for name in names] or [newest]:
            stage.service.client.delete_snapshot(id_)
        stage.service.fake.advance(5)

    return act


def run(line: str) -> Callable[[Stage], object]:
    """Return a run before, on this machine, which ends well."""

    def act(stage: Stage) -> None:
        code, told = stage.run(line)
        assert code == 0, told

    return act


def another_run(disk: str = "d1", *, code: int = 0, **words: Any) -> Callable[[Stage], object]:
    """Return another machine, which makes a snapshot and ends with this code."""

    def act(stage: Stage) -> None:
        with stage.service.calling(stage.folder / "b") as evs:
            record = create_snapshots(evs, disk, policy="default", **words)
        assert record.exit_code == code

    return act


# --- what is answered -------------------------------------------------------------------


def changed(*, under: str | None = None, **fields: Any) -> Of:
    """Return what changes an answer's first row and leaves it alone, under another's ID."""

    def how(stage: Stage) -> How:
        more = {"id": stage.ids[under]} if under else {}

        def change(answer: httpx.Response) -> httpx.Response:
            if not answer.is_success:
                return answer
            ((kind, found),) = [
                (kind, found) for kind, found in answer.json().items() if "links" not in kind
            ]
            row = found[0] if isinstance(found, list) else found
            metadata = row["metadata"] | fields.get("metadata", {})
            row |= {**fields, "metadata": metadata, **more}
            return httpx.Response(
                answer.status_code, json={kind: [row] if isinstance(found, list) else row}
            )

        return change

    return Of(how)


def row_of(name: str, status_code: int = 200, **fields: Any) -> Of:
    """Return an answer that is this snapshot, whatever was asked for."""

    def how(stage: Stage) -> How:
        row = stage.row(name)
        row |= {k: stage.ids.get(str(v), v) for k, v in fields.items()}
        return lambda _answer: httpx.Response(status_code, json={"snapshot": row})

    return Of(how)
