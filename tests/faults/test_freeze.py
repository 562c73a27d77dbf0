"""`evs-snap freeze` on real file systems: they stand still while held, and are always thawed."""

from __future__ import annotations

import json
import os
import random  # noqa: TID251 - the moments of kills
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.faults.file_systems import Disk, disk, now, pause, until, writer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = [sys.executable, "-m", "evs_snap"]
KILLS = int(os.environ.get("EVS_SNAP_KILLS", "6"))


@pytest.fixture(name="made", params=["ext4", "xfs"])
def _made(request: pytest.FixtureRequest) -> Iterator[Disk]:
    with disk(request.param) as made:
        yield made


def freeze(*mounts: object, **options: str) -> subprocess.Popen[str]:
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [*PROGRAM, "freeze", *map(str, mounts), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rotate(made: Disk, *options: str) -> subprocess.Popen[str]:
    """Begin a run in the sandbox, of which a snapshot takes two seconds or so."""
    hold = f"exec {' '.join(PROGRAM)} freeze {made.mount}"
    line = ["--sandbox", "rotate", "data-01", "--keep-last", "2", "--hold", hold, *options]
    return subprocess.Popen(
        [*PROGRAM, *line, "-f", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "READY\n"


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end without closing stdin; return exit code and stderr."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    code, told = process.wait(20), process.stderr.read()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    return code, told


def test_writes_stand_still_just_while_it_is_held(made: Disk) -> None:
    spans = []
    with writer(made) as moments:
        for _ in range(3):
            started = now()
            holder = freeze(made.mount)
            assert is_ready(holder)
            ready = now()
            pause(0.3)
            released = now()
            holder.communicate(timeout=20)
            assert holder.returncode == 0
            spans.append((started, ready, released, now()))
            pause(0.1)
        assert not made.thaw(), "it was still frozen"
    for started, ready, released, over in spans:
        assert not [moment for moment in moments if ready + 0.02 < moment < released]
        gap = max(
            after - before for before, after in pairwise(moments) if started < after < over + 0.1
        )
        assert released - ready <= gap + 0.02 <= over - started


@pytest.mark.parametrize(
    "how",
    [
        "deadline",
        "SIGSTOP",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGTERM",
        "SIGKILL",
        "SIGSEGV",
        "SIGUSR1",
    ],
)
def test_whatever_ends_the_holder_it_is_thawed(how: str) -> None:
    number = signal.Signals.__members__.get(how)
    with disk("ext4") as made:
        holder = freeze(made.mount, **{"for": "1s"})
        assert is_ready(holder)
        assert len(made.users()) == 2, "the holder and its watchdog"
        ready = now()
        if number:
            holder.send_signal(number)
        if how == "SIGSTOP":
            until(lambda: len(made.users()) == 1, seconds=5)
            assert not made.thaw(), "it was still frozen"
            holder.send_signal(signal.SIGCONT)
        code, told = ended(holder)
        until(lambda: not made.users())
        assert now() - ready < 3
        assert not made.thaw(), "it was still frozen"
        if how == "deadline":
            assert (code, told.splitlines()[0]) == (
                8,
                "error: thawed after 1 s, before stdin ended",
            )
        elif how in {"SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"}:
            assert (code, told) == (128 + int(number or 0), "")
        else:
            assert code != 0


@pytest.mark.parametrize("victims", ["run", "holder", "both"])
def test_killed_at_any_moment_it_is_thawed_within_the_deadline(made: Disk, victims: str) -> None:
    chance = random.Random(victims)  # noqa: S311 - no secret
    with writer(made) as moments:
        for _ in range(KILLS):
            run = rotate(made, "--hold-for", "2s")
            pause(chance.uniform(0.5, 3.0))
            theirs = [process for process in made.users() if process != run.pid]
            if victims != "holder":
                run.kill()
            if victims != "run":
                with suppress(ProcessLookupError):
                    for process in sorted(theirs)[:1]:  # the watchdog is the later one
                        os.kill(process, signal.SIGKILL)
            if victims == "holder":
                pause(0.3)  # the watchdog thaws while the run lives
                run.kill()
            run.communicate()
            killed = now()
            until(lambda: made.users() == [], seconds=3)
            assert not made.thaw(), "it was still frozen"
            assert now() - killed < 3
    assert max(after - before for before, after in pairwise(moments)) < 3


def test_a_run_freezes_from_before_its_post_until_its_snapshot_is_usable(made: Disk) -> None:
    for _ in range(max(1, KILLS // 6)):
        with writer(made) as moments:
            run = rotate(made)
            told, errors = run.communicate(timeout=60)
            assert run.returncode == 0, errors
            assert not made.thaw(), "it was still frozen"
        item = next(i for i in json.loads(told)["items"] if i["action"] == "created")
        assert item["snapshot"]["consistency"] == "app"
        words = next(reason for reason in item["reasons"] if reason.startswith("held for "))
        gap = max(after - before for before, after in pairwise(moments))
        assert abs(gap - float(words.split()[2])) < 0.5


def test_several_are_frozen_in_order_and_none_where_one_cannot_be() -> None:
    with disk("ext4") as one, disk("ext4") as two:
        holder = freeze(one.mount, two.mount)
        assert is_ready(holder)
        other = freeze(two.mount)
        assert ended(other)[0] == 8
        holder.communicate(timeout=20)
        assert holder.returncode == 0
        assert not one.thaw()
        assert not two.thaw()
        holder = freeze(two.mount)
        assert is_ready(holder)
        other = freeze(one.mount, two.mount)
        code, told = ended(other)
        assert (code, told) == (
            8, f"error: {two.mount} was not frozen: it is frozen already, by somebody else\n"
        )  # fmt: skip
        assert not one.thaw()
        holder.communicate(timeout=20)
        assert holder.returncode == 8 or not two.thaw()


def test_what_would_stop_evs_snap_itself_is_refused() -> None:
    with disk("ext4") as made:
        mount = str(made.mount)

        def refused(*mounts: str, redirected: str = "", **env: str) -> str:
            done = subprocess.run(
                ["sh", "-c", f'"$@" {redirected}', "sh", *PROGRAM, "freeze", *mounts],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            assert (done.returncode, done.stdout) == (2, "")
            return done.stderr or (made.mount / "log").read_text()

        assert "the root folder (/) is on it" in refused("/")
        assert "the state of evs-snap" in refused(mount, XDG_STATE_HOME=mount)
        assert "the state of evs-snap" in refused(mount, XDG_CACHE_HOME=f"{mount}/a/b")
        assert "Python" in refused(mount, PYTHONPATH=f"{os.environ.get('PYTHONPATH', '')}:{mount}")
        assert "log, which process" in refused(mount, redirected=f"2>{mount}/log")
        assert "out, which process" in refused(
            mount, redirected=f"2>&1 >{mount}/out | cat >&2; exit 2"
        )
        # That of whoever waits for it, too.
        assert "log, which process" in refused(
            mount, redirected=f'>/dev/null; exec 2>{mount}/log; "$@" 2>&1 | cat >&2; exit 2'
        )
        assert f"mounted at {mount}\nhint: `findmnt -T {mount}/lost+found`" in refused(
            f"{mount}/lost+found"
        )
        assert "are one file system" in refused(mount, mount)
        assert "No such file" in refused(f"{mount}/nowhere")
        part = made.mount / "part"
        part.mkdir()
        subprocess.run(["mount", "--bind", part, part], check=True)
        try:
            assert f"{part} is only the part /part of a file system" in refused(str(part))
            holder = freeze(mount)
            assert is_ready(holder)
            told = holder.communicate(timeout=20)[1]
            assert told == f"{part} will stand still with {mount}: it is the same file system\n"
        finally:
            made.thaw()
            subprocess.run(["umount", part], check=True)
