"""A real MariaDB and PostgreSQL at work while their disk is copied: held, the copy is whole.

The service copies the disk's image when it is asked for a snapshot, slowly, and says `available`
once the copy is complete. A cloud's snapshot is of one instant; this one is only if all stood
still meanwhile. The copy is mounted, the database started on it, and a ledger in it must sum to
zero.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults.conftest import environment
from tests.faults.file_systems import Disk, disk, pause, until

from evs_snap.clock import system_clock
from evs_snap.runs.holds.command import Hold, hold, surroundings
from evs_snap.sandbox import Sandbox
from evs_snap.sandbox.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONSISTENT = Path(__file__).parents[2] / ".github" / "docs" / "consistent.md"
ACCOUNTS = 20_000
STEP, REST = 1 << 20, 0.004
"""The copy is made in pieces of so many bytes, with a rest of so many seconds after each."""

TRIES = 5
"""Copies made without a hold, of which one at least must be found broken."""


@dataclass
class Engine:
    """A database: how its folder is made, how it is started and asked."""

    user: str
    binary: str
    prepare: Callable[[Path], list[object]]
    serve: Callable[[Path], list[object]]
    client: Callable[[Path], list[object]]
    check: str = ""
    setup: str = ""
    flush: str = ""
    """What the load says now and then so that tables, and not its log alone, reach the disk."""

    def as_user(self, *words: object) -> list[str]:
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups",
                *map(str, words)]  # fmt: skip

    def ask(self, folder: Path, sql: str) -> str:
        done = subprocess.run(
            self.as_user(*self.client(folder)), input=sql, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr}"

    @contextmanager
    def running(self, folder: Path) -> Iterator[bool]:
        """Start it on that folder; gives whether it answers."""
        with (folder.parent.parent / "server.log").open("w") as log:
            server = subprocess.Popen(
                self.as_user(*self.serve(folder)), stdout=log, stderr=log, cwd=folder
            )
        try:
            for _ in range(100):
                if server.poll() is not None or self.ask(folder, "SELECT 1;") == "1":
                    break
                pause(0.1)
            yield self.ask(folder, "SELECT 1;") == "1"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def postgres_folder() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return str(found[-1]) if found else "/nowhere"


def mysqld() -> str:
    """Return MySQL's server; the same name may stand for MariaDB's."""
    found = shutil.which("mysqld")
    return found if found and Path(found).resolve().name == "mysqld" else "/nowhere/mysqld"


PG = postgres_folder()
MARIADB = Engine(
    user="mysql",
    binary="/usr/sbin/mariadbd",
    prepare=lambda folder: [
        "mariadb-install-db", f"--datadir={folder}", "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ],
    serve=lambda folder: [
        "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={folder}", f"--socket={folder}/s",
        "--skip-networking", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=0",
    ],
    client=lambda folder: [
        "mariadb", "--no-defaults", "-u", "root", f"--socket={folder}/s", "-BN", "mysql",
    ],
    setup="CREATE TABLE a (id INT PRIMARY KEY, b INT NOT NULL, t CHAR(200)) ENGINE=InnoDB; "  # noqa: S608 - our own numbers
    f"INSERT INTO a SELECT seq, 0, '' FROM seq_1_to_{ACCOUNTS};",
    check="SELECT CONCAT(COUNT(*), ' ', SUM(b)) FROM a;",
)  # fmt: skip
MYSQL_OPTIONS = [
    "--innodb-redo-log-capacity=8M", "--innodb-buffer-pool-size=16M", "--skip-log-bin",
    "--mysqlx=OFF", "--secure-file-priv=NULL", "--user=root",
]  # fmt: skip
MYSQL = Engine(
    user="root",
    binary=mysqld(),
    prepare=lambda folder: [
        "mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={folder}", *MYSQL_OPTIONS,
    ],
    serve=lambda folder: [
        "mysqld", "--no-defaults", f"--datadir={folder}", f"--socket={folder}/s",
        "--skip-networking", *MYSQL_OPTIONS,
    ],
    client=lambda folder: [
        "mysql", "--no-defaults", "-u", "root", f"--socket={folder}/s", "-BN", "mysql",
    ],
    setup="CREATE TABLE a (id INT PRIMARY KEY, b INT NOT NULL, t CHAR(200)) ENGINE=InnoDB; "  # noqa: S608 - our own numbers
    f"SET SESSION cte_max_recursion_depth = {ACCOUNTS}; INSERT INTO a WITH RECURSIVE seq AS "
    f"(SELECT 1 n UNION ALL SELECT n + 1 FROM seq WHERE n < {ACCOUNTS}) SELECT n, 0, '' FROM seq;",
)  # fmt: skip
POSTGRESQL = Engine(
    user="postgres",
    binary=f"{PG}/postgres",
    prepare=lambda folder: [f"{PG}/initdb", "-D", folder, "-A", "trust", "--no-sync"],
    serve=lambda folder: [
        f"{PG}/postgres", "-D", folder, "-k", folder, "-c", "listen_addresses=",
        "-c", "shared_buffers=4MB", "-c", "max_wal_size=32MB", "-c", "synchronous_commit=off",
    ],
    client=lambda folder: ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder,
                           "-U", "postgres"],
    setup="CREATE TABLE a (id INT PRIMARY KEY, b INT NOT NULL, t TEXT); "  # noqa: S608 - our own numbers
    f"INSERT INTO a SELECT n, 0, '' FROM generate_series(1, {ACCOUNTS}) n;",
    check="SELECT CONCAT(COUNT(*), ' ', SUM(b)) FROM a;",
    flush="CHECKPOINT;",
)  # fmt: skip
LOAD = """
import itertools, random, sys
for number in itertools.count():
    one, two = random.sample(range(1, int(sys.argv[1]) + 1), 2)
    print(f"BEGIN; UPDATE a SET b = b - 1, t = REPEAT('x', {number % 200}) WHERE id = {one};"
          f" UPDATE a SET b = b + 1 WHERE id = {two}; COMMIT;", flush=True)
    if number % 100 == 0:
        print(sys.argv[2], flush=True)
"""


@dataclass
class Copying:
    """The sandbox, which copies an image before it says that a snapshot is available."""

    sandbox: Sandbox
    image: Path
    copy: Path
    clock: list[datetime] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = self.sandbox(environ, start)
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/snapshots"):
            threading.Thread(target=self.make).start()
        return answer

    def make(self) -> None:
        with self.image.open("rb") as source, self.copy.open("wb") as target:
            while piece := source.read(STEP):
                target.write(piece)
                pause(REST)
        self.clock.append(self.clock[-1] + timedelta(seconds=60))


@contextmanager
def at_work(engine: Engine) -> Iterator[tuple[Disk, Path]]:
    """Have the database at work on a disk of its own."""
    if not Path(engine.binary).exists() or not shutil.which("setpriv"):
        pytest.skip(f"no {engine.binary} here: CONTRIBUTING says how to get one")
    with disk("ext4", size=256 << 20) as made:
        made.mount.parent.chmod(0o755)
        folder = made.mount / "db"
        folder.mkdir(mode=0o700)
        shutil.chown(folder, engine.user, engine.user)
        subprocess.run(
            engine.as_user(*engine.prepare(folder)), check=True, capture_output=True, cwd=folder
        )
        with engine.running(folder) as answers, ExitStack() as stack:
            assert answers
            assert engine.ask(folder, engine.setup) == ""
            for _ in range(2):
                words = subprocess.Popen(
                    [sys.executable, "-c", LOAD, str(ACCOUNTS), engine.flush],
                    stdout=subprocess.PIPE,
                )
                assert words.stdout is not None
                stack.callback(words.stdout.close)
                stack.callback(words.wait)
                stack.callback(words.kill)
                load = subprocess.Popen(
                    engine.as_user(*engine.client(folder)), stdin=words.stdout,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                stack.callback(load.wait)
                stack.callback(load.kill)
                stack.callback(made.thaw)
            pause(1.0)
            yield made, folder


def audit(engine: Engine, copy: Path) -> str:
    """Mount the copy, start the database on it, and audit the ledger; return what is wrong."""
    mount = copy.parent / "copy"
    mount.mkdir(exist_ok=True)
    checked = subprocess.run(["e2fsck", "-fn", copy], capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        return checked.stdout
    done = subprocess.run(
        ["mount", "-o", "loop", copy, mount], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return done.stderr
    try:
        folder = mount / "db"
        for leftover in ("s", "postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (folder / leftover).unlink(missing_ok=True)
        with engine.running(folder) as answers:
            found = engine.ask(folder, engine.check) if answers else ""
        if found == f"{ACCOUNTS} 0":
            return ""
        return found or (mount.parent / "server.log").read_text()
    except OSError as error:
        return str(error)
    finally:
        until(lambda: subprocess.run(["umount", mount], check=False).returncode == 0)


@pytest.mark.parametrize("engine", [MARIADB, POSTGRESQL], ids=["mariadb", "postgresql"])
def test_the_snapshot_of_a_held_disk_is_one_that_the_database_agrees_with(
    engine: Engine, tmp_path: Path
) -> None:
    with at_work(engine) as (made, _folder):
        copy = made.image.parent / "copied"
        service = Copying(
            Sandbox(tmp_path / "s.db", now=lambda: service.clock[-1]), made.image, copy
        )
        service.clock.append(datetime.now(UTC))  # noqa: TID251 - the service's time
        with serving(service) as port:

            def wrong(*hold: str) -> str:
                line = ["create", "data-01", "--limit", "99", "--timeout", "60s", *hold]
                done = subprocess.run(
                    [sys.executable, "-m", "evs_snap", *line, "-f", "json"],
                    env={**os.environ, **environment(port)}, capture_output=True, text=True,
                    timeout=100, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr
                (item,) = json.loads(done.stdout)["items"]
                assert item["snapshot"]["consistency"] == ("app" if hold else None)
                return audit(engine, copy)

            freeze = f"{sys.executable} -m evs_snap freeze {made.mount}"
            for _ in range(2):
                assert wrong("--hold", freeze) == ""
            assert any(wrong() for _ in range(TRIES)), "whole without a hold: this shows nothing"


def documented(engine: Engine) -> str:
    """Return the documented script that holds a session; MySQL's lines take MariaDB's places."""
    blocks: list[str] = re.findall(
        r"^```(?:sh\n#!/bin/sh|sql)\n(.*?)^```", CONSISTENT.read_text(), re.MULTILINE | re.DOTALL
    )
    (script,) = [block for block in blocks if "BACKUP STAGE" in block]
    if engine is MYSQL:
        (begin, end) = next(block for block in blocks if "LOCK INSTANCE" in block).splitlines()
        script = re.sub('BACKUP STAGE START.*?(?=")', begin, script)
        script = script.replace("BACKUP STAGE END;", end).replace("| mariadb ", "| mysql ")
        assert "BACKUP STAGE" not in script
    return "#!/bin/sh\n" + script


@pytest.mark.parametrize("engine", [MARIADB, MYSQL], ids=["mariadb", "mysql"])
def test_the_documented_session_holds_commits_back_and_lets_them_go(
    engine: Engine, tmp_path: Path
) -> None:
    with at_work(engine) as (_made, folder):
        options = f"--no-defaults -u root --socket={folder}/s"
        holder = tmp_path / "hold-session"
        holder.write_text(re.sub(r"\| (mariadb|mysql) ", rf"| \1 {options} ", documented(engine)))
        holder.chmod(0o755)
        wanted = Hold(str(holder), 20)
        environ = surroundings(os.environ, {}, seconds=20)
        total = "SELECT SUM(ABS(b)) + SUM(LENGTH(t)) FROM mysql.a;"
        with hold(wanted, clock=system_clock(), environ=environ, note=print) as held:
            before = engine.ask(folder, total)
            pause(0.5)
            assert engine.ask(folder, total) == before
            assert held.release().trouble is None
        until(lambda: engine.ask(folder, total) != before)
