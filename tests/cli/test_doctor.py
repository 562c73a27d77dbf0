"""`doctor`: what stands between the user and a snapshot, each with a fix; nothing is changed."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.signature_check import KEYS, SignatureCheck

from evs_snap.sandbox import ACCOUNT, Sandbox
from evs_snap.sandbox.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.conftest import FakeClock, Result, Run

STEPS = [
    "settings", "names", "connection", "clock", "sign-in", "endpoint", "rights", "disks", "quota",
    "limit",
]  # fmt: skip


class Front:
    """A sandbox on a port that tells the tests' time, with a hand in what it answers."""

    def __init__(self, folder: Path, fake: FakeClock) -> None:
        self.fake = fake
        self.asked: list[str] = []
        self.ahead = timedelta()
        self.answers: dict[str, tuple[int, object]] = {}
        self.only_reader = False
        self.url = ""
        app = Sandbox(folder / "sandbox.db", now=lambda: fake.moment)
        self._app = SignatureCheck(app, now=lambda: fake.moment)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(f"{environ['REQUEST_METHOD']} {path}")

        def with_date(
            status: str, headers: list[tuple[str, str]], _failure: object = None, /
        ) -> Callable[[bytes], object]:
            date = format_datetime(self.fake.moment + self.ahead, usegmt=True)
            kept = [(k, v) for k, v in headers if k != "Content-Length"]
            return start_response(status, [*kept, ("Date", date)])

        for part, (status, document) in self.answers.items():
            if part in path:
                with_date(f"{status} {HTTPStatus(status).phrase}", [])
                return [json.dumps(document).encode()]
        body = b"".join(self._app(environ, with_date))
        if self.only_reader and path.endswith("/auth/tokens"):
            document = json.loads(body)
            document["token"]["roles"] = [{"id": "1", "name": "reader"}]
            body = json.dumps(document).encode()
        return [body]

    @property
    def changes(self) -> list[str]:
        return [line for line in self.asked if not line.startswith("GET ")]


@pytest.fixture(name="front")
def _front(fake: FakeClock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("service"), fake)
    with serving(front) as port:
        front.url = f"http://127.0.0.1:{port}"
        yield front


@pytest.fixture(name="as_user")
def _as_user(front: Front, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that sets a user's variables, and others."""

    def as_user(**more: str) -> None:
        variables = {
            "OS_AUTH_URL": f"{front.url}/identity/v3",
            "OS_USERNAME": ACCOUNT.user_name,
            "OS_PASSWORD": ACCOUNT.password,
            "OS_USER_DOMAIN_NAME": ACCOUNT.domain_name,
            "OS_PROJECT_NAME": ACCOUNT.project_name,
            "OS_REGION_NAME": ACCOUNT.region,
            "OS_INSECURE": "1",  # no CAs are read: it is plain http
            **more,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return as_user


@pytest.fixture(name="with_keys")
def _with_keys(front: Front, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that sets variables for AK/SK, and others."""

    def with_keys(**more: str) -> None:
        variables = {
            "OS_AUTH_URL": f"{front.url}/identity/v3",
            "OS_VOLUME_ENDPOINT_OVERRIDE": front.url,
            "OS_ACCESS_KEY": KEYS.access_key,
            "OS_SECRET_KEY": KEYS.secret_key,
            "OS_PROJECT_NAME": ACCOUNT.project_name,
            "OS_REGION_NAME": ACCOUNT.region,
            "OS_INSECURE": "1",
            **more,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return with_keys


def examined(run: Run, line: str = "doctor", *, exit_code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the findings by step, having checked that they are whole and agree with the code."""
    rows = run(f"{line} -f json", exit_code=exit_code).json
    for row in rows:
        assert list(row) == ["step", "result", "detail", "fix", "exit_code"]
        assert row["result"] in {"pass", "warn", "fail", "skip"}
        assert row["detail"]
        assert bool(row["exit_code"]) is (row["result"] == "fail")
        assert row["fix"] or row["result"] in {"pass", "skip"}, row
    assert next((row["exit_code"] for row in rows if row["exit_code"]), 0) == exit_code
    return {row["step"]: row for row in rows}


def results(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {step: row["result"] for step, row in found.items() if row["result"] != "pass"}


AFTER_SIGN_IN = dict.fromkeys(["endpoint", "rights", "disks", "quota", "limit"], "skip")


# --- well ---------------------------------------------------------------------------


def test_where_all_is_well_all_steps_pass(
    run: Run, front: Front, as_user: Callable[..., None]
) -> None:
    as_user()
    found = examined(run, "doctor --volume data-01")
    assert list(found) == STEPS
    assert results(found) == {}
    assert "OS_PASSWORD" in found["settings"]["detail"]
    assert found["sign-in"]["detail"] == "password (OS_PASSWORD, OS_USERNAME)"
    assert found["endpoint"]["detail"] == f"{front.url}/volume/v3/{ACCOUNT.project_id}"


@pytest.mark.parametrize("project", [{}, {"OS_PROJECT_ID": ACCOUNT.project_id}], ids=["", "given"])
def test_so_do_they_with_keys(
    run: Run, with_keys: Callable[..., None], project: dict[str, str]
) -> None:
    with_keys(**project)
    found = examined(run, "doctor --volume data-01")
    assert list(found) == STEPS
    assert results(found) == {}


def test_keys_with_a_project_id_need_no_address_of_iam(
    run: Run, front: Front, with_keys: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(OS_PROJECT_ID=ACCOUNT.project_id)
    monkeypatch.delenv("OS_AUTH_URL")
    found = examined(run, "doctor --volume data-01")
    assert results(found) == {}
    assert f"{front.url}/v3 answers" in found["connection"]["detail"]


def test_it_changes_nothing_and_keeps_nothing(
    run: Run, front: Front, as_user: Callable[..., None]
) -> None:
    as_user()
    for _ in range(2):
        run("doctor")
    assert front.changes == ["POST /identity/v3/auth/tokens"] * 2, "no cached token is trusted"
    assert [path for path in Path().rglob("*") if path.is_file()] == []


def test_the_sandbox_is_examined_without_a_network(run: Run) -> None:
    found = examined(run, "--sandbox doctor")
    assert list(found) == [step for step in STEPS if step not in {"names", "connection", "clock"}]
    assert results(found) == {"disks": "warn", "limit": "warn"}
    assert "broken-01" in found["disks"]["detail"]
    assert "full-01" in found["limit"]["detail"]


def test_the_table_tells_the_same(run: Run, as_user: Callable[..., None]) -> None:
    as_user()
    lines = run("doctor --volume full-01").stdout.splitlines()
    assert lines[0].split() == ["Step", "Result", "Detail", "Fix"]
    assert [line.split()[0] for line in lines[1:]] == STEPS
    assert "full, 7 of 7: full-01" in lines[-1]
    assert "prune" in lines[-1]
    assert run("doctor -c step -c result -f value").stdout.splitlines()[0] == "settings\tpass"
    assert run("doctor -f csv").stdout.startswith("Step,Result,Detail,Fix")


# --- ill ----------------------------------------------------------------------------


def test_nothing_configured(run: Run) -> None:
    found = examined(run, exit_code=2)
    assert list(found) == ["settings"]
    for way in ("OS_AUTH_URL", "OS_ACCESS_KEY", "--os-cloud", "--sandbox", "agency"):
        assert way in found["settings"]["fix"]


def told(result: Result) -> str:
    return result.stdout + result.stderr


def test_a_wrong_password(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    as_user(OS_PASSWORD="wrong-s3cret")
    found = examined(run, exit_code=4)
    assert results(found) == {"sign-in": "fail", **AFTER_SIGN_IN}
    assert "password" in found["sign-in"]["fix"]
    assert front.changes == ["POST /identity/v3/auth/tokens"], "the clouds lock users"
    assert "s3cret" not in told(run("-vv doctor", exit_code=4))


@pytest.mark.parametrize("project", [{}, {"OS_PROJECT_ID": ACCOUNT.project_id}], ids=["", "given"])
def test_a_wrong_secret_key(
    run: Run, front: Front, with_keys: Callable[..., None], project: dict[str, str]
) -> None:
    with_keys(OS_SECRET_KEY="wrong-s3cret", **project)
    found = examined(run, exit_code=4)
    assert results(found) == {"sign-in": "fail", **AFTER_SIGN_IN}
    assert "clock" in found["sign-in"]["fix"]
    assert len(front.asked) == 2, "one without and one with a signature"


def test_a_wrong_region(run: Run, as_user: Callable[..., None]) -> None:
    as_user(OS_REGION_NAME="mars-1")
    found = examined(run, exit_code=2)
    assert results(found) == {"sign-in": "fail", **AFTER_SIGN_IN}
    assert "mars-1" in found["sign-in"]["detail"]
    assert ACCOUNT.region in found["sign-in"]["fix"]


def test_a_region_nobody_knows(
    run: Run, with_keys: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys(OS_REGION_NAME="mars-1")
    monkeypatch.delenv("OS_VOLUME_ENDPOINT_OVERRIDE")
    found = examined(run, exit_code=2)
    assert "mars-1" in found["settings"]["detail"]
    assert list(found) == ["settings"]


def test_a_wrong_project(run: Run, as_user: Callable[..., None]) -> None:
    as_user(OS_PROJECT_NAME="nobodys")
    found = examined(run, exit_code=4)
    assert results(found) == {"sign-in": "fail", **AFTER_SIGN_IN}
    assert "project" in found["sign-in"]["fix"]


@pytest.mark.parametrize("project", [{"OS_PROJECT_NAME": "nobodys"}, {"OS_PROJECT_ID": "0" * 32}])
def test_a_wrong_project_with_keys(
    run: Run, with_keys: Callable[..., None], project: dict[str, str]
) -> None:
    with_keys(**project)
    found = examined(run, "doctor --volume data-01", exit_code=2)
    step = "endpoint" if "OS_PROJECT_ID" in project else "sign-in"
    assert found[step]["result"] == "fail"
    assert "project" in found[step]["fix"].lower()


def test_a_host_that_does_not_answer(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    as_user(OS_AUTH_URL="http://127.0.0.1:1")
    found = examined(run, exit_code=1)
    skipped = {"clock": "skip", "sign-in": "skip", **AFTER_SIGN_IN}
    assert results(found) == {"connection": "fail", **skipped}
    assert "127.0.0.1:1" in found["connection"]["detail"]
    assert "firewall" in found["connection"]["fix"]
    assert front.asked == []


def test_a_host_nobody_knows(
    run: Run, as_user: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(host: object, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    as_user(OS_AUTH_URL="https://iam.mars-1.example.com")
    found = examined(run, exit_code=1)
    assert (found["names"]["result"], found["connection"]["result"]) == ("warn", "fail")
    assert "iam.mars-1.example.com" in found["names"]["detail"]
    assert "DNS" in found["names"]["fix"]


def test_an_endpoint_that_does_not_answer(run: Run, as_user: Callable[..., None]) -> None:
    as_user(OS_VOLUME_ENDPOINT_OVERRIDE="http://127.0.0.1:1")
    found = examined(run, "doctor --volume data-01", exit_code=1)
    assert found["sign-in"]["result"] == "pass"
    assert found["endpoint"]["result"] == "fail"
    assert "127.0.0.1:1" in found["endpoint"]["detail"]


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_off(
    run: Run, front: Front, as_user: Callable[..., None], minutes: int
) -> None:
    front.ahead = timedelta(minutes=minutes)
    as_user()
    clock = examined(run)["clock"]
    way = "behind" if minutes > 0 else "ahead of"
    assert clock["result"] == "warn"
    assert f"1200 s {way} the service" in clock["detail"]
    assert "chrony" in clock["fix"]


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_off_fails_where_requests_are_signed(
    run: Run, front: Front, with_keys: Callable[..., None], minutes: int
) -> None:
    front.ahead = timedelta(minutes=minutes)
    with_keys()
    clock = examined(run, exit_code=4)["clock"]
    assert (clock["result"], "signature" in clock["detail"]) == ("fail", True)


def test_a_quota_that_may_not_be_read(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    front.answers["os-quota-sets"] = (403, {"forbidden": {"message": "not allowed"}})
    as_user()
    found = examined(run, "doctor --volume data-01")
    assert results(found) == {"quota": "warn"}
    assert "not allowed" in found["quota"]["detail"]


def test_no_disks(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    front.answers["/volumes/detail"] = (200, {"volumes": []})
    as_user()
    found = examined(run)
    assert results(found) == {"disks": "warn"}
    assert "there is none" in found["disks"]["detail"]


def test_a_full_disk(run: Run, as_user: Callable[..., None]) -> None:
    as_user()
    assert results(examined(run, "doctor --volume full-01")) == {"limit": "warn"}
    assert results(examined(run, "doctor --volume full-01 --limit 9")) == {}
    found = examined(run, "doctor --volume full-01 --limit 8")
    assert "one slot left: full-01" in found["limit"]["detail"]


def test_a_region_with_standard_snapshots(
    run: Run, front: Front, as_user: Callable[..., None]
) -> None:
    """A hint, and no failure: whether such a region refuses ours, only a `create` tells."""
    as_user()
    front.answers = {f"/v5/{ACCOUNT.project_id}/snapshots/detail": (200, {"snapshots": []})}
    found = examined(run, "doctor --volume data-01")
    assert list(found) == [*STEPS, "region"]
    assert results(found) == {"region": "warn"}
    assert "standard snapshots (v5)" in found["region"]["detail"]
    assert "console" in found["region"]["fix"]
    told = run("doctor --volume data-01").stdout.splitlines()[-1]
    assert told.split()[:2] == ["region", "warn"]
    assert "may refuse new legacy ones" in told
    assert "can still be listed, restored and deleted" in told


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_region_that_says_nothing_of_them_gets_no_line(
    status: int, run: Run, front: Front, as_user: Callable[..., None]
) -> None:
    as_user()
    front.answers = {"/v5/": (status, {"snapshots": []})}
    assert list(examined(run, "doctor --volume data-01")) == STEPS


@pytest.mark.parametrize(
    ("selection", "word"),
    [
        ("--volume nobody", "nobody"),
        ("--match 'x*'", "10 disks"),
        ("--volume shared-name", "29a245fe-"),
    ],
)
def test_names_that_do_not_resolve(
    run: Run, as_user: Callable[..., None], selection: str, word: str
) -> None:
    as_user()
    found = examined(run, f"doctor {selection}", exit_code=5)
    assert results(found) == {"disks": "fail", "quota": "skip", "limit": "skip"}
    assert word in found["disks"]["detail"]


def test_a_reader(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    front.only_reader = True
    as_user()
    found = examined(run, "doctor --volume data-01")
    assert results(found) == {"rights": "warn"}
    assert "reader" in found["rights"]["detail"]
    assert "evs:snapshots:create" in found["rights"]["fix"]


def test_no_rights_at_all(run: Run, front: Front, as_user: Callable[..., None]) -> None:
    front.answers["/volumes"] = (403, {"error": {"code": "EVS.5403", "message": "policy"}})
    as_user()
    found = examined(run, "doctor --volume data-01", exit_code=4)
    assert found["sign-in"]["result"] == "pass"
    assert found["rights"]["result"] == "fail"
    assert "evs:volumes:list" in found["rights"]["fix"]
