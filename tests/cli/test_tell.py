"""--ping and --metrics: a pretend heartbeat service, and the metrics as Prometheus reads them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.processes import run as process
from tests.cli.processes import started
from tests.factories import NOW, volume

from evs_snap.plan.slots import Usage
from evs_snap.render.metrics import Ending, metrics_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Result, Run

SECRET = "5d2c1f3e-ping-secret"
FILE = "nightly.prom"


@dataclass
class Pings:
    """A heartbeat service that answers with these statuses in turn, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    location: str | None = None
    echoes: bool = False
    got: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def endings(self) -> list[str]:
        return [path.removeprefix(f"/{SECRET}") for path, _ in self.got]

    @property
    def last(self) -> str:
        """What the last ping says."""
        return self.got[-1][1]


@contextmanager
def _served(pings: Pings) -> Iterator[Pings]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            pings.got.append((self.path, body))
            pings.headers.append({k.lower(): v for k, v in self.headers.items()})
            if pings.echoes:
                self.wfile.write(f"unknown: {self.path.split('/')[1]}\r\n\r\n".encode())
                return
            status = pings.statuses[0] if len(pings.statuses) == 1 else pings.statuses.pop(0)
            self.send_response(status)
            self.send_header("Set-Cookie", "session=1")
            if pings.location:
                self.send_header("Location", pings.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    pings.url = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    try:
        yield pings
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(name="pings")
def _pings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pings]:
    with _served(Pings()) as pings:
        monkeypatch.setenv("EVS_SNAP_PING", pings.url)
        yield pings


def metrics(path: str = FILE) -> dict[str, dict[tuple[str, ...], float]]:
    """Read the file as Prometheus does: values by name and labels, less run and command."""
    families = text_string_to_metric_families(Path(path).read_text("utf-8"))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        assert family.type == "gauge"
        assert family.documentation
        assert family.name.startswith("evs_snap_")
        for sample in family.samples:
            assert sample.labels["run"] == Path(path).stem
            rest = tuple(v for k, v in sample.labels.items() if k not in {"run", "command"})
            assert rest not in found.setdefault(sample.name, {}), "told twice"
            found[sample.name][rest] = sample.value
    return found


def of_run(name: str, path: str = FILE) -> float:
    return metrics(path)[f"evs_snap_{name}"][()]


def told(run: Run, line: str, *, exit_code: int = 0) -> Result:
    return run(f"--sandbox {line} --metrics {FILE}", exit_code=exit_code)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("rotate data-01 --keep-last 2", 0, "evs-snap rotate, exit code 0: 1 created\n"),
        ("create data-01 full-01", 3, "exit code 3: 1 created, 1 refused\nfull-01: the disk holds"),
        ("create full-01", 6, "exit code 6: 1 refused\n"),
        ("prune data-02 --keep-last 1 -y", 0, "1 deleted"),
        ("check --all --max-age 2d", 2, "CRITICAL"),
        ("check nobody --max-age 2d", 3, "exit code 3: no disk has"),
        ("rotate --keep-last 2", 2, "exit code 2"),
        ("create data-01 --shard 0/2", 0, "no disk selected is in this shard: nothing to do\n"),
    ],
)  # fmt: skip
def test_the_beginning_and_the_end_of_a_run_are_told(
    run: Run, pings: Pings, line: str, code: int, said: str
) -> None:
    run(f"--sandbox {line}", exit_code=code)
    assert pings.endings == ["/start", f"/{code}" if code else ""]
    assert said in pings.last


def test_a_dry_run_tells_nobody(run: Run, pings: Pings) -> None:
    run("--sandbox create data-01 --dry-run")
    assert pings.got == []


def test_a_lost_network_is_told(run: Run, pings: Pings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:1/v3")
    for name in ("USERNAME", "PASSWORD", "PROJECT_NAME", "USER_DOMAIN_NAME"):
        monkeypatch.setenv(f"OS_{name}", "somebody")
    run(f"create data-01 --metrics {FILE}", exit_code=1)
    assert pings.endings == ["/start", "/1"]
    assert "no connection" in pings.last
    assert of_run("last_run_exit_code") == 1
    assert "evs_snap_volume_slots_used" not in metrics(), "nothing is known of the disks"


@pytest.mark.parametrize(("sign", "used"), [("ping ", set()), ("/snapshots -> ", {1})])
def test_a_run_that_is_terminated_is_told(pings: Pings, sign: str, used: set[int]) -> None:
    """Before it has a plan, and with a snapshot in progress."""
    line = ("-v", "--sandbox", "create", "data-01", "--metrics", FILE)
    with started(*line) as running:
        assert running.stderr is not None
        for said in running.stderr:
            if sign in said:
                break
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 143
    assert pings.endings == ["/start", "/143"]
    assert of_run("last_run_exit_code") == 143
    assert set(metrics().get("evs_snap_volume_slots_used", {}).values()) == used


@pytest.mark.parametrize("status", [404, 301, 500, 429])
def test_a_ping_that_fails_is_a_warning_and_nothing_more(
    status: int, run: Run, pings: Pings
) -> None:
    pings.statuses = [status]
    result = told(run, "create data-01")
    tries = 3 if status in {500, 429} else 1
    assert len(pings.got) == 2 * tries
    # found: the same failure was told twice, at the beginning and at the end.
    assert result.stderr.count("warning: the ping to 127.0.0.1 failed: HTTP ") == 1
    assert str(status) in result.stderr


def test_a_ping_is_tried_three_times(run: Run, pings: Pings) -> None:
    pings.statuses = [503, 503, 200]
    assert "warning" not in told(run, "create data-01").stderr
    assert pings.endings == ["/start"] * 3 + [""]


def test_nothing_but_the_ping_goes_there_and_redirects_are_not_followed(
    run: Run, pings: Pings
) -> None:
    with _served(Pings()) as elsewhere:
        pings.location, pings.statuses = elsewhere.url, [302]
        told(run, "create data-01")
        assert elsewhere.got == []
    for headers in pings.headers:
        assert set(headers) == {"host", "content-type", "content-length"}


@pytest.mark.parametrize(
    "url",
    [f"http://127.0.0.1:1/{SECRET}", f"http://user:{SECRET}@127.0.0.1:1/x", f"mailto:{SECRET}",
     f"https://{SECRET}\x01/", SECRET, f"http://127.0.0.1:1/x?key={SECRET}"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("options", "exit_code"), [("create data-01 -vv -f json", 0), ("create nobody -vv", 5)]
)
def test_the_address_is_shown_nowhere(
    url: str, options: str, exit_code: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVS_SNAP_PING", url)
    result = run(f"--sandbox {options}", exit_code=exit_code)
    assert SECRET not in result.stdout + result.stderr
    assert "warning: " in result.stderr


@pytest.mark.parametrize(
    "path",
    ["/a%2Fb", "/a%20b", "/a%3Fb", "/a%23b", "/a%25b", "/a%0Ab", "/a%FFb", "/a%00b", "/a%5Bb%5D",
     "/%C3%BC", "/a;b", "/a:b@c", "/%2e%2e/a"],
)  # fmt: skip
def test_an_address_is_used_as_it_is_written(path: str, run: Run, pings: Pings) -> None:
    """found: %2F became another path, and %0A a traceback before the snapshot was made."""
    address = pings.url.removesuffix(f"/{SECRET}") + path
    assert run(f"--sandbox create data-01 --ping '{address}'").stderr.count("warning") == 0
    assert [asked for asked, _ in pings.got] == [f"{path}/start", path]


def test_an_answer_that_quotes_the_address_is_not_quoted(run: Run, pings: Pings) -> None:
    """found: an answer that is not HTTP was told with the address in it."""
    pings.echoes = True
    said = run("--sandbox create data-01 -vv").stderr
    assert "warning: the ping to 127.0.0.1 failed: " in said
    assert SECRET not in said


def test_only_this_machine_is_pinged_without_a_proxy_and_over_plain_http(
    run: Run, pings: Pings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: the ping of this machine went to the proxy; others were pinged over plain http."""
    proxy = pings.url.removesuffix(f"/{SECRET}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    run("--sandbox create data-01")
    assert pings.endings == ["/start", ""]
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("EVS_SNAP_PING", "http://hc.example/x")
    refused = "warning: nothing is told to EVS_SNAP_PING: it is plain http"
    assert refused in run("--sandbox create data-01").stderr
    assert len(pings.got) == 2
    # found: an address with a byte that is no text ended the run in a traceback.
    monkeypatch.setenv("EVS_SNAP_PING", "https://hc.example/\udcff")
    assert "warning: nothing is told to EVS_SNAP_PING" in run("--sandbox create data-01").stderr
    monkeypatch.setenv("EVS_SNAP_PING", "http://hc.example/x")
    monkeypatch.setenv("EVS_SNAP_ALLOW_HTTP", "1")
    run("--sandbox create data-01")
    assert pings.got[2][0] == "http://hc.example/x/start"


@pytest.mark.processes
def test_a_run_that_is_terminated_waits_three_seconds_for_a_ping() -> None:
    """found: 33 seconds, after which Kubernetes would have killed it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        with started("--sandbox", "create", "data-01", "--ping", address) as running:
            asked, _ = mute.accept()
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=8) == 143
            asked.close()


def test_an_address_with_a_query_keeps_it(run: Run, pings: Pings) -> None:
    run(f"--sandbox create data-01 --ping '{pings.url}/?key=1'")
    assert pings.endings == ["/start?key=1", "?key=1"]


def test_the_file_is_whole_and_readable_and_leaves_nothing_beside_it(run: Run) -> None:
    Path(FILE).write_text("what was there before")
    Path(FILE).chmod(0o600)
    with Path(FILE).open() as before:
        told(run, "create data-01")
        assert before.read() == "what was there before", "a reader keeps the old file"
    assert stat.S_IMODE(Path(FILE).stat().st_mode) == 0o644
    assert [p.name for p in Path().iterdir() if FILE in p.name] == [FILE]


@pytest.mark.parametrize("path", ["no/such/folder/x.prom", ".", "file/x.prom"])
def test_a_file_that_cannot_be_written_is_a_warning(path: str, run: Run) -> None:
    Path("file").touch()
    result = run(f"--sandbox create data-01 --metrics {path}")
    assert f"warning: the metrics cannot be written to {path}: " in result.stderr
    assert not [p for p in Path().iterdir() if p.name.startswith(("..", ".x"))]


def test_only_regular_files_are_replaced(run: Run) -> None:
    """found: /dev/null, and a link to it, were replaced by a file, which breaks the machine."""
    os.mkfifo("fifo.prom")
    Path("null.prom").symlink_to(os.devnull)
    Path("link.prom").symlink_to("target.prom")
    Path("target.prom").touch()
    for name, disk in (("fifo", "data-01"), ("null", "data-02"), ("link", "db-data")):
        said = run(f"--sandbox create {disk} --metrics {name}.prom").stderr
        assert ("it is no regular file" in said) is (name == "fifo")
    assert Path("fifo.prom").is_fifo()
    assert Path("null.prom").is_symlink()
    assert Path("link.prom").is_symlink()
    assert "evs_snap_last_run_exit_code" in Path("target.prom").read_text()


def test_the_result_on_stdout_is_not_replaced_by_metrics() -> None:
    """found: --metrics /dev/stdout replaced the file that stdout was sent to."""
    Path("stdout.prom").symlink_to("/dev/stdout")
    with Path("result").open("wb") as file:
        done = process("--sandbox", "create", "data-01", "--no-wait", "-f", "json", "--metrics",
                       "stdout.prom", stdout=file)  # fmt: skip
    assert done.returncode == 0
    assert "the run's own output goes there" in done.stderr
    assert json.loads(Path("result").read_text())["exit_code"] == 0


def test_a_name_that_is_no_text_is_written_as_one() -> None:
    usages = (Usage(volume(name='caf\udce9 "x"\\\n'), limit=7, used=1),)
    text = metrics_text(
        Ending(usages=usages), run="x", command="check", at=NOW, duration=0.1, last_success=0
    )
    Path("x.prom").write_text(text, "utf-8")
    ((disk, _),) = metrics("x.prom")["evs_snap_volume_slots_used"].items()
    assert disk == ("v", 'caf\\udce9 "x"\\\n')


def test_names_and_helps_are_the_same_whatever_happened(run: Run) -> None:
    """Two files whose helps differ would be refused by the collector."""
    helps = []
    for line in ("create data-01", "check --all --max-age 1d"):
        run(f"--sandbox {line} --metrics {FILE}", exit_code=0 if "create" in line else 2)
        assert metrics()
        helps.append(re.findall(r"^# (?:HELP|TYPE) .*$", Path(FILE).read_text(), re.MULTILINE))
    assert helps[0] == helps[1]
