"""The scenarios: sessions at a shell, a file in scenarios/ for each subject.

``== What holds`` begins a scenario, in a new sandbox. What stands above the first one of a file
is done before each of them.

    $ evs-snap volumes x        a command line as it is typed, with variables before it or not
    data-01                     what it prints on stdout, and
    2> error: ...               on stderr (less the line which says that it is the sandbox)
    < y                         what a person at a terminal types
    $ evs-snap ...  # exit 5    its exit code, where it is not 0
    $ evs-snap ...  # exit 6, sent nothing      no request was sent, or with ``sent only reads``
                                                none that changes anything

    $ ID=$(evs-snap ...)        $ID is from now on what that prints; also: $ ID=9d1b20c9
    $ export NAME=VALUE
    $ cat > FILE << END         the lines up to END go into the file
    $ sleep 2d                  time passes
    $ for n in 1 2; do ...; done    as in a shell, and so are ``&&`` and ``| xargs``
    $ openstack volume ...      somebody else works in the project: see ``Elsewhere``

``...`` is any text; any lines where it stands alone, begins what is expected or ends it. Blanks and
tabs in a row are one blank, empty lines do not count. A stream of which no line is given may hold
anything; ``(nothing)`` means that it is empty.

Besides that, no command line may end in a traceback, and none that only reads, or that ends with 2,
5 or 11, may change anything.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import SETTLED, Terminal

import evs_snap.sandbox
from evs_snap.cli.values import duration
from evs_snap.settings.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

READING = {"volumes", "snapshots", "show", "check", "doctor", "wait", "simulate", "--dry-run"}


@dataclass
class Step:
    """What is typed, and what must come of it."""

    line: str
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    sent: str = ""
    exit_code: int = 0

    def expect(self, line: str) -> None:
        sign, _, rest = line.partition(" ")
        if sign == "2>":
            self.stderr.append(rest)
        elif sign == "<":
            self.answers.append(rest)
        else:
            self.stdout.append(line)


def scenarios(file: Path) -> dict[str, list[Step]]:
    """Return the steps of each scenario of a file, by its title."""
    found: dict[str, list[Step]] = {}
    first: list[Step] = []
    steps = first
    document: list[str] | None = None
    text = re.sub(r" \\\n *", " ", file.read_text("utf-8"))  # a line that goes on in the next
    for line in text.splitlines():
        if document is not None:
            document = None if line == "END" else [*document, line]
            steps[-1].stdout = steps[-1].stdout if document is None else document
        elif line.startswith("== "):
            assert line not in found, f"{file.name} has two of {line}"
            steps = found[line] = [*first]
        elif line.startswith("$ "):
            typed, _, end = line.removeprefix("$ ").partition("  # ")
            code = re.match(r"exit (\d+)", end)
            sent = end.partition("sent ")[2]
            steps.append(Step(typed, exit_code=int(code[1]) if code else 0, sent=sent))
            document = [] if line.endswith("<< END") else None
        elif line and not line.startswith("#"):
            steps[-1].expect(line)
    return found


SCENARIOS = {
    f"{file.stem}: {title.removeprefix('== ')}": steps
    for file in sorted(Path(__file__).with_name("scenarios").glob("*.txt"))
    for title, steps in scenarios(file).items()
}


def matches(expected: list[str], said: str) -> bool:
    """Whether this is what was expected, where anything was."""
    if expected in ([], ["(nothing)"]):
        return not expected or not said
    wanted = re.sub(r"^\.\.\.\n|^\.\.\.|\.\.\.\n$", "\0", _tidy("\n".join([*expected, ""])))
    pattern = re.escape(wanted.replace("\n...\n", "\n\0")).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern.replace("\0", "(?s:.*)"), _tidy(said)) is not None


def _tidy(text: str) -> str:
    """Return it with one blank for several, and without empty lines."""
    lines = [re.sub(r"[ \t]+", " ", line).rstrip() for line in text.split("\n")]
    return "".join(f"{line}\n" for line in lines if line)


@dataclass(frozen=True)
class Elsewhere:
    """What others do in the project, in the words of the OpenStack client, done at once.

    ``volume create NAME``, ``volume set --name NEW NAME``, ``volume snapshot create --volume DISK
    NAME``, ``volume snapshot set --state STATE NAME``; the two that create take ``--property K=V``.
    """

    pretend: Pretend

    def __call__(self, words: list[str]) -> str:
        match words:
            case ["volume", "create", *options, name]:
                return self.pretend.disk(name, metadata=_properties(options))
            case ["volume", "set", "--name", new, name]:
                return self._update("volumes", "name = ?", new, self.pretend.named(name))
            case ["volume", "snapshot", "create", "--volume", disk, *options, name]:
                client = self.pretend.client
                (volume,) = [v for v in client.volumes() if disk in {v.id, v.name}]
                made = client.create_snapshot(volume, name=name, properties=_properties(options))
                self.pretend.fake.advance(SETTLED)
                return made.snapshot.id
            case ["volume", "snapshot", "set", "--state", state, name]:
                (id_,) = [s.id for s in self.pretend.client.snapshots() if s.name == name]
                return self._update("snapshots", "next_status = NULL, status = ?", state, id_)
        raise AssertionError(words)

    def _update(self, table: str, change: str, value: str, id_: str) -> str:
        with closing(sqlite3.connect(state_folder(os.environ) / "sandbox.db")) as db, db:
            db.execute(f"UPDATE {table} SET {change} WHERE id = ?", (value, id_))  # noqa: S608
        return id_


def _properties(options: list[str]) -> dict[str, str]:
    return dict(option.split("=", 1) for option in options if option != "--property")


@dataclass
class Shell:
    """Does one step after the other."""

    run: Run
    fake: FakeClock
    pretend: Pretend
    patch: pytest.MonkeyPatch
    variables: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def do(self, step: Step) -> None:
        line = Template(step.line).safe_substitute(self.variables)
        if loop := re.fullmatch(r"for ([a-z]) in (.*); do (.*); done", step.line):
            for value in shlex.split(Template(loop[2]).safe_substitute(self.variables)):
                self.variables[loop[1]] = value
                self.do(replace(step, line=loop[3]))
        elif "; " in line or " && " in line:
            for part in re.split("; | && ", line):
                self.do(replace(step, line=part))
        elif captured := re.fullmatch(r"([A-Z_]+)=\$\((.*)\)", line):
            self.variables[captured[1]] = self._output(step, captured[2])
        elif assigned := re.fullmatch(r"([A-Z_]+)=(\S+)", line):
            self.variables[assigned[1]] = assigned[2]
        else:
            self._output(step, line)

    def _output(self, step: Step, line: str) -> str:
        """Do what is typed; return what it printed."""
        # $'...' is how a shell writes a line break.
        line = re.sub(r"\$'.*?'", lambda m: m[0][1:].replace(r"\n", "\n"), line)
        match shlex.split(line):
            case ["export", setting]:
                self.patch.setenv(*setting.split("=", 1))
            case ["sleep", time]:
                self.fake.advance(duration(time))
            case ["cat", ">", name, "<<", "END"]:
                Path(name).write_text("\n".join([*step.stdout, ""]), "utf-8")
            case ["grep", "-v", unwanted, name]:
                text = Path(name).read_text("utf-8") if Path(name).exists() else ""
                found = [row for row in text.splitlines(keepends=True) if unwanted not in row]
                self._compare(step, step.stdout, "".join(found))
            case ["openstack", *words]:
                return Elsewhere(self.pretend)(words)
            case words:
                at = words.index("evs-snap")
                with self.patch.context() as patch:
                    for setting in words[:at]:
                        patch.setenv(*setting.split("=", 1))
                    return self._evs_snap(step, words[at + 1 :], patch)
        return ""

    def _evs_snap(self, step: Step, words: list[str], patch: pytest.MonkeyPatch) -> str:
        in_a_line = words[-2:] == ["|", "xargs"]
        words = words[:-2] if in_a_line else words
        if step.answers:
            answers = [Template(answer).safe_substitute(self.variables) for answer in step.answers]
            patch.setattr("sys.stdin", Terminal("\n".join([*answers, ""])))
            patch.setattr(sys.stderr, "isatty", lambda: True)
        self.asked.clear()
        done = self.run(shlex.join(words), exit_code=step.exit_code)
        told = re.sub("(?m)^sandbox: .*\n", "", done.stderr)
        printed = " ".join(done.stdout.split()) + "\n" if in_a_line else done.stdout
        self._compare(step, step.stdout, printed)
        self._compare(step, step.stderr, told)
        assert "Traceback" not in told
        harmless = READING & {*words} or done.exit_code in {2, 5, 11}
        if harmless or step.sent:
            sent = [a for a in self.asked if step.sent == "nothing" or not a.startswith("GET")]
            assert not sent, step.line
        return done.stdout.strip()

    def _compare(self, step: Step, expected: list[str], said: str) -> None:
        wanted = [Template(line).safe_substitute(self.variables) for line in expected]
        report = ["", f"$ {step.line}", "-- printed", said, "-- expected", *wanted]
        assert matches(wanted, said), "\n".join(report)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_goes_as_written(
    name: str, run: Run, fake: FakeClock, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(run, fake, pretend, monkeypatch)

    class Watched(evs_snap.sandbox.Sandbox):
        """The sandbox, with what it is asked written down, but for signing in."""

        def __call__(
            self, environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            if not path.endswith("/auth/tokens"):
                shell.asked.append(f"{method} {path}")
            return super().__call__(environ, start_response)

    monkeypatch.setattr(evs_snap.sandbox, "Sandbox", Watched)
    for step in SCENARIOS[name]:
        shell.do(step)
