"""What commands cost, beside what others cost: ``python tests/tools/bench/run.py``.

Prints a table of medians with a goal for each row; ends 1 where a goal is missed. The programs of
a row run in turn, so that what else the machine does meets all of them. With ``OS_*`` of an empty
project (``tests/tools/real_cinder/cloud.py`` gives one) the rows with a real Cinder are measured
too, and with ``--openstack PATH`` python-openstackclient beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).parent
OURS = Path(sys.executable).with_name("evs-snap")
DISKS = 10_000
BATCH = 60

Env = dict[str, str]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run, or the medians of several: seconds, MiB, and seconds without the watching."""

    cpu: float
    wall: float
    peak: float
    working: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: ``ours`` beside ``theirs`` is to be at most ``goal``."""

    what: str
    ours: float
    theirs: float
    goal: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    def __str__(self) -> str:
        verdict = "met" if self.ratio <= self.goal else "MISSED"
        unit = self.unit
        numbers = f"{self.ours:8.3f} {unit:3} {self.theirs:8.3f} {unit:3}"
        return f"{self.what:58} {numbers} {self.ratio:6.2f}  <= {self.goal:<5} {verdict}"


def cost(command: list[str], env: Env) -> Cost:
    """Run the command to its end. Raises RuntimeError where it fails."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile("r") as watched:
        told = env | {"WATCHED": watched.name}
        child = subprocess.Popen(command, env=told, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in {0, 1}:  # 1: `check` and `doctor` found something
            errors.seek(0)
            raise RuntimeError(f"{command}: {child.returncode}\n{errors.read().decode()[-2000:]}")
        working = wall - float(watched.read() or 0)
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, working)


def medians(commands: Mapping[str, list[str]], env: Env, *, runs: int) -> dict[str, Cost]:
    """Run each once for warmth, then all in turn, ``runs`` times."""
    seen: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            spent = cost(command, env)
            if number:
                seen[name].append(spent)
    return {
        name: Cost(*(median(column) for column in zip(*map(astuple, costs), strict=True)))
        for name, costs in seen.items()
    }


def start_up(program: str, env: Env, runs: int) -> Iterator[Row]:
    """Measure what a command costs before it does anything, beside the libraries that it needs."""
    one_model = "from pydantic import BaseModel\nclass One(BaseModel):\n    id: str\nOne(id='x')"
    commands = {
        "click": [sys.executable, "-c", "import click"],
        "all three": [sys.executable, "-c", f"import click, httpx\n{one_model}"],
        "--help": [program, "--help"],
        "--version": [program, "--version"],
        "--sandbox volumes": [program, "--sandbox", "volumes"],
    }
    spent = medians(commands, env, runs=3 * runs)
    for name in ("--help", "--version"):
        what = f"{name} (CPU, beside importing click)"
        yield Row(what, spent[name].cpu, spent["click"].cpu, 1.3)
    what = "--sandbox volumes (CPU, beside click, httpx, pydantic)"
    yield Row(what, spent["--sandbox volumes"].cpu, spent["all three"].cpu, 1.3)


@contextmanager
def fast_cloud(disks: int, env: Env) -> Iterator[Env]:
    """Serve a project of so many disks; give the environment that names it."""
    command = [sys.executable, str(HERE / "server.py"), str(disks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        named = {
            "OS_AUTH_URL": f"http://127.0.0.1:{port}/v3",
            "OS_USERNAME": "bench",
            "OS_PASSWORD": "bench",
            "OS_PROJECT_NAME": "bench",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "bench",
        }
        try:
            yield {**env, **named}
        finally:
            server.kill()


def big_lists(program: str, env: Env, runs: int) -> Iterator[Row]:
    """Measure lists of 10,000 disks, and how costs grow from 1,000 to 10,000."""
    commands = {
        "volumes -f json": [program, "volumes", "-f", "json"],
        "snapshots -f json": [program, "snapshots", "-f", "json"],
        "check --all": [program, "check", "--all", "--max-age", "25h"],
        "doctor": [program, "doctor"],
        "rotate --all --dry-run": [program, "rotate", "--all", "--dry-run", "--keep-last", "3"],
    }
    bare = {"bare": [sys.executable, str(HERE / "bare.py"), "list"]}
    with fast_cloud(DISKS // 10, env) as small, fast_cloud(DISKS, env) as large:
        few = medians(commands, small, runs=runs)
        many = medians(commands | bare, large, runs=runs)
    listed = many["volumes -f json"]
    size = f"{DISKS:,} disks"
    yield Row(f"volumes, {size} (CPU, beside bare httpx)", listed.cpu, many["bare"].cpu, 2.0)
    yield Row(f"volumes, {size} (memory, beside 1 MiB)", listed.peak, 1, 150, unit="MiB")
    for name in commands:
        what = f"{name}, {size} (CPU, beside {DISKS // 10:,})"
        yield Row(what, many[name].cpu, few[name].cpu, 11.0)


def parsing(runs: int) -> Row:
    """Measure the reading of 69,000 snapshots, beside pydantic's own reading of such rows."""
    from pydantic import BaseModel  # noqa: PLC0415 - not for the other rows
    from tests.tools.bench.server import lists  # noqa: PLC0415

    from evs_snap.api.paging import Page  # noqa: PLC0415
    from evs_snap.services.interface import Snapshot  # noqa: PLC0415

    class Plain(BaseModel):
        id: str
        name: str | None = None
        volume_id: str = ""
        status: str = "unknown"
        size: int | None = None
        description: str | None = None
        metadata: dict[str, str] = {}
        created_at: datetime | None = None

    class Rows(BaseModel):
        snapshots: list[Plain]

    def spent(read: Callable[[bytes], Any]) -> float:
        begun = time.process_time()
        for page in pages:
            read(page)
        return time.process_time() - begun

    pages = list(lists(DISKS, now=datetime.now(UTC))["snapshots"].values())  # noqa: TID251
    both = [
        (
            spent(lambda page: Page.of(json.loads(page), "snapshots", Snapshot)),
            spent(Rows.model_validate_json),
        )
        for _ in range(runs + 1)
    ][1:]
    ours, theirs = (median(column) for column in zip(*both, strict=True))
    return Row("reading 69,000 rows (CPU, beside validate_json)", ours, theirs, 2.5)


def _fill(names: list[str], env: Env) -> None:
    """Make disks of these names on the real Cinder."""
    code = (
        "import sys, httpx; from concurrent.futures import ThreadPoolExecutor;"
        "sys.path.insert(0, sys.argv[1]); import bare; http = httpx.Client(timeout=60);"
        "url = bare._sign_in(http) + '/volumes';"
        "make = lambda name: http.post(url, json={'volume': {'name': name, 'size': 1}})"
        ".raise_for_status();"
        "list(ThreadPoolExecutor(4).map(make, sys.argv[2:]))"
    )
    subprocess.run([sys.executable, "-c", code, str(HERE), *names], env=env, check=True)


def real_cloud(program: str, openstack: str | None, env: Env, runs: int) -> Iterator[Row]:
    """Measure beside python-openstackclient and a bare script, on a real Cinder."""
    _fill([f"disk-{number:04}" for number in range(10)], env)
    listing, taking = [program, "volumes", "-f", "json"], [program, "create", "--no-wait"]
    theirs = [openstack or "openstack", "volume"]
    if openstack:
        pair = {"ours": listing, "theirs": [*theirs, "list", "-f", "json"]}
        spent = medians(pair, env, runs=runs)
        what = "volumes, 10 disks (wall, beside openstack)"
        yield Row(what, spent["ours"].wall, spent["theirs"].wall, 0.25)
        snapshot = ["snapshot", "create", "--volume", "disk-0001", "--force", "x"]
        pair = {"ours": [*taking, "--limit", "99", "disk-0001"], "theirs": [*theirs, *snapshot]}
        spent = medians(pair, env, runs=runs)
        what = "create --no-wait by name (wall, beside openstack)"
        yield Row(what, spent["ours"].wall, spent["theirs"].wall, 0.28)
    _fill([f"disk-{number:04}" for number in range(10, 1000)], env)
    if openstack:
        pair = {"ours": listing, "theirs": [*theirs, "list", "-f", "json"]}
        spent = medians(pair, env, runs=runs)
        what = "volumes, 1,000 disks (CPU, beside openstack)"
        yield Row(what, spent["ours"].cpu, spent["theirs"].cpu, 0.15)
    _fill([f"batch-{number:04}" for number in range(BATCH)], env)
    many = ["--match", "batch-*", "--limit", "99", "--parallel", "8"]
    pair = {
        "ours": [*taking, *many],
        "theirs": [sys.executable, str(HERE / "bare.py"), "create", str(BATCH)],
    }
    bare = [sys.executable, str(HERE / "bare.py"), "rotate", str(BATCH)]
    watched = [str(Path(program).with_name("python")), str(HERE / "watched.py")]
    turn = {"ours": [*watched, "rotate", "--keep-last", "1", *many], "theirs": bare}
    with _slow(0.2, env):
        spent = medians(pair, env, runs=runs)
        turned = medians(turn, env, runs=runs)
    what = f"{BATCH} of 1,060 disks, 0.2 s away (wall, beside bare"
    yield Row(f"create, {what})", spent["ours"].wall, spent["theirs"].wall, 1.25)
    ours = turned["ours"].working
    yield Row(f"rotate, {what}, less the watching)", ours, turned["theirs"].wall, 1.3)


@contextmanager
def _slow(seconds: float, env: Env) -> Iterator[None]:
    """Have each request take so much longer, as over a long line: see real_cinder/serve.py."""
    told = Path(env["REAL_CINDER_FOLDER"]) / "latency"
    told.write_text(str(seconds), encoding="utf-8")
    try:
        yield
    finally:
        told.unlink()


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="runs of each (7)")
    parser.add_argument("--program", default=str(OURS), help="the evs-snap to measure")
    parser.add_argument("--openstack", metavar="PATH", help="python-openstackclient, to measure")
    chosen = parser.parse_args()
    sys.path.insert(0, str(HERE.parents[2]))
    with tempfile.TemporaryDirectory() as folder:
        mine = {"XDG_STATE_HOME": f"{folder}/state", "XDG_CACHE_HOME": f"{folder}/cache"}
        # Users have compiled modules: the first run of each, which is not counted, writes them.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")} | mine
        cpus = os.cpu_count()
        print(f"{platform.machine()}, {cpus} cores, Python {platform.python_version()}, "  # noqa: T201
              f"medians of {chosen.runs}")  # fmt: skip
        rows = []

        def show(row: Row) -> None:
            rows.append(row)
            print(row, flush=True)  # noqa: T201 - its result

        for row in start_up(chosen.program, env, chosen.runs):
            show(row)
        for row in big_lists(chosen.program, env, chosen.runs):
            show(row)
        if "OS_AUTH_URL" in os.environ:
            for row in real_cloud(chosen.program, chosen.openstack, os.environ | mine, chosen.runs):
                show(row)
        else:
            print("no OS_AUTH_URL: the rows with a real Cinder are left out")  # noqa: T201
        show(parsing(chosen.runs))  # last: what this process holds, its children are born with
    return 0 if all(row.ratio <= row.goal for row in rows) else 1


if __name__ == "__main__":
    sys.exit(_main())
