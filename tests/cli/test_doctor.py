"""`doctor`: what stands between the user and a snapshot, each with a fix; nothing is changed."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.front import by_keys, by_password

from evs_snap.sandbox import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Run
    from tests.front import Front

STEPS = [
    "settings", "files", "names", "connection", "clock", "sign-in", "endpoint", "rights", "disks",
    "quota", "limit", "kinds",
]  # fmt: skip


@pytest.fixture(name="by")
def _by(front: Front, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that sets the variables of a sign-in by password or by keys, and others."""

    def by(kind: str, **more: str) -> None:
        usual = by_password(front) if kind == "password" else by_keys(front)
        for name, value in {**usual, **more}.items():
            monkeypatch.setenv(name, value)

    return by


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


class Scene(NamedTuple):
    """What is wrong, the steps that do not pass, and words of one step's detail and fix."""

    kind: str
    variables: dict[str, str]
    code: int
    not_passed: str
    step: str
    words: tuple[str, ...]
    selection: str = "--volume data-01"
    answers: dict[str, tuple[int, object]] = {}  # noqa: RUF012 - never changed
    role: str = ""
    minutes: int = 0


NOT_REACHED = "rights- disks- quota- limit- kinds-"
NO_SIGN_IN = f"sign-in! endpoint- {NOT_REACHED}"
NO_ENDPOINT = f"endpoint! {NOT_REACHED}"
BY_NAME = "disks! quota- limit- kinds-"
FORBIDDEN = (403, {"error": {"code": "EVS.5403", "message": "policy"}})
NO_PATH: dict[str, tuple[int, object]] = {"/volumes": (404, {})}
WITH_PROJECT = {"OS_PROJECT_ID": ACCOUNT.project_id}
SCENES = {
    "wrong password": Scene("password", {"OS_PASSWORD": "wrong-s3cret"}, 4, NO_SIGN_IN, "sign-in",
        ("password",)),
    "wrong secret key": Scene("keys", {"OS_SECRET_KEY": "wrong-s3cret"}, 4, NO_SIGN_IN, "sign-in",
        ("clock",)),
    "wrong secret key, project given": Scene("keys",
        {"OS_SECRET_KEY": "wrong-s3cret", **WITH_PROJECT}, 4, NO_SIGN_IN, "sign-in", ("clock",)),
    # found: a region without disks was told as a sign-in that failed
    "wrong region": Scene("password", {"OS_REGION_NAME": "mars-1"}, 2, NO_ENDPOINT, "endpoint",
        ("mars-1", ACCOUNT.region)),
    "wrong project": Scene("password", {"OS_PROJECT_NAME": "nobodys"}, 4, NO_SIGN_IN, "sign-in",
        ("project",)),
    "wrong project with keys": Scene("keys", {"OS_PROJECT_NAME": "nobodys"}, 2, NO_SIGN_IN,
        "sign-in", ("OS_PROJECT_ID",)),
    "wrong project ID with keys": Scene("keys", {"OS_PROJECT_ID": "0" * 32}, 2, NO_ENDPOINT,
        "endpoint", ("roject",)),
    "a host that does not answer": Scene("password", {"OS_AUTH_URL": "http://127.0.0.1:1"}, 1,
        f"connection! clock- sign-in- endpoint- {NOT_REACHED}", "connection",
        ("127.0.0.1:1", "firewall")),
    "an endpoint that does not answer": Scene("password",
        {"OS_VOLUME_ENDPOINT_OVERRIDE": "http://127.0.0.1:1"}, 1, NO_ENDPOINT, "endpoint",
        ("127.0.0.1:1",)),
    "a clock behind": Scene("password", {}, 0, "clock?", "clock",
        ("1200 s behind the service", "chrony"), minutes=20),
    "a clock ahead": Scene("password", {}, 0, "clock?", "clock", ("1200 s ahead of the service",),
        minutes=-20),
    "a clock that spoils signatures": Scene("keys", {}, 4, f"clock! {NO_SIGN_IN}", "clock",
        ("signature",), minutes=20),
    "a quota that may not be read": Scene("password", {}, 0, "quota?", "quota", ("not allowed",),
        answers={"os-quota-sets": (403, {"forbidden": {"message": "not allowed"}})}),
    "no disks": Scene("password", {}, 0, "disks?", "disks", ("there is none",), "",
        answers={"/volumes/detail": (200, {"volumes": []})}),
    "a full disk": Scene("password", {}, 0, "limit?", "limit", ("full, 7 of 7: full-01", "prune"),
        "--volume full-01"),
    "a disk nearly full": Scene("password", {}, 0, "limit?", "limit", ("one slot left: full-01",),
        "--volume full-01 --limit 8"),
    "a disk with room": Scene("password", {}, 0, "", "limit", (), "--volume full-01 --limit 9"),
    "no such disk": Scene("password", {}, 5, BY_NAME, "disks", ("nobody",), "--volume nobody"),
    "a pattern without a match": Scene("password", {}, 5, BY_NAME, "disks", ("10 disks",),
        "--match 'x*'"),
    "a name of two": Scene("password", {}, 5, BY_NAME, "disks", ("29a245fe-",),
        "--volume shared-name"),
    # found: a plain Cinder's reader was told to ask for a right that only EVS has
    "a reader of Keystone": Scene("password", {}, 0, "rights?", "rights",
        ("reader", "Ask for the role member"), role="reader"),
    "a reader of EVS": Scene("password", {}, 0, "rights?", "rights",
        ("te_readonly", "evs:snapshots:create"), role="te_readonly"),
    "no rights": Scene("password", {}, 4, "rights! disks- quota- limit- kinds-", "rights",
        ("evs:volumes:list",), answers={"/volumes": FORBIDDEN}),
    # Given keys and a project ID, nothing is signed before the lists are read.
    "no rights with keys": Scene("keys", WITH_PROJECT, 4, "rights! disks- quota- limit- kinds-",
        "rights", ("evs:volumes:list",), answers={"/volumes": FORBIDDEN}),
    "no such path": Scene("password", {}, 2, NO_ENDPOINT, "endpoint", (), answers=NO_PATH),
    "no such path with keys": Scene("keys", WITH_PROJECT, 2, NO_ENDPOINT, "endpoint", (),
        answers=NO_PATH),
    "a page in place of an answer": Scene("password", {}, 1, NO_ENDPOINT, "endpoint", (),
        answers={"/volumes": (200, "<html>")}),
    "a service that fails": Scene("password", {}, 1, "rights! disks- quota- limit- kinds-",
        "rights", (), answers={"/volumes": (500, {})}),
    # A hint, and no failure: whether such a region refuses ours, only a `create` tells.
    "standard snapshots": Scene("password", {}, 0, "kinds?", "kinds",
        ("that is set is legacy", "shows none: no proof that it makes them", "--kind standard"),
        answers={f"/v5/{ACCOUNT.project_id}/snapshots/detail": (200, {"snapshots": []})}),
    "none of them": Scene("password", {}, 0, "", "kinds", ("lists no standard ones",),
        answers={"/v5/": (500, {"snapshots": []})}),
}  # fmt: skip
SIGNS = {"fail": "!", "warn": "?", "skip": "-"}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_the_step_at_fault_is_told_with_its_fix(
    scene: Scene, run: Run, front: Front, by: Callable[..., None]
) -> None:
    front.role = scene.role
    front.refuse = lambda environ: next(
        (answer for part, answer in scene.answers.items() if part in environ["PATH_INFO"]), None
    )
    front.ahead = timedelta(minutes=scene.minutes)
    by(scene.kind, **scene.variables)
    found = examined(run, f"doctor {scene.selection}", exit_code=scene.code)
    assert " ".join(f"{step}{SIGNS[r]}" for step, r in results(found).items()) == scene.not_passed
    told = f"{found[scene.step]['detail']} {found[scene.step]['fix']}"
    assert [word for word in scene.words if word not in told] == [], told
    if "wrong-s3cret" in scene.variables.values():
        assert len([line for line in front.asked if line != "GET /identity/v3"]) == 1, "locks users"
        again = run(f"-vv doctor {scene.selection}", exit_code=scene.code)
        assert "s3cret" not in again.stdout + again.stderr


def test_where_all_is_well_all_steps_pass(run: Run, front: Front, by: Callable[..., None]) -> None:
    by("password")
    found = examined(run, "doctor --volume data-01")
    assert list(found) == STEPS
    assert results(found) == {}
    assert "OS_PASSWORD" in found["settings"]["detail"]
    assert found["sign-in"]["detail"] == "password (OS_PASSWORD, OS_USERNAME)"
    assert found["endpoint"]["detail"] == f"{front.url}/volume/v3/{ACCOUNT.project_id}"


@pytest.mark.parametrize("given", ["", "project", "nothing of IAM"])
def test_so_do_they_with_keys(
    given: str, run: Run, front: Front, by: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    by("keys", **({"OS_PROJECT_ID": ACCOUNT.project_id} if given else {}))
    if given == "nothing of IAM":
        monkeypatch.delenv("OS_AUTH_URL")
    found = examined(run, "doctor --volume data-01")
    assert list(found) == STEPS
    assert results(found) == {}
    if given == "nothing of IAM":
        assert f"{front.url}/v3 answers" in found["connection"]["detail"]


def test_it_changes_nothing_and_keeps_nothing(
    run: Run, front: Front, by: Callable[..., None]
) -> None:
    by("password")
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


def test_the_table_tells_the_same(run: Run, by: Callable[..., None]) -> None:
    by("password")
    lines = run("doctor --volume full-01").stdout.splitlines()
    assert lines[0].split() == ["Step", "Result", "Detail", "Fix"]
    assert [line.split()[0] for line in lines[1:]] == STEPS
    assert "full, 7 of 7: full-01" in lines[-2]
    assert run("doctor -c step -c result -f value").stdout.splitlines()[0] == "settings\tpass"
    assert run("doctor -f csv").stdout.startswith("Step,Result,Detail,Fix")


def test_nothing_configured(run: Run) -> None:
    found = examined(run, exit_code=2)
    assert list(found) == ["settings"]
    for way in ("OS_AUTH_URL", "OS_ACCESS_KEY", "--os-cloud", "--sandbox", "agency"):
        assert way in found["settings"]["fix"]


def test_a_host_nobody_knows(
    run: Run, by: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(host: object, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    by("password", OS_AUTH_URL="https://iam.mars-1.example.com")
    found = examined(run, exit_code=1)
    assert (found["names"]["result"], found["connection"]["result"]) == ("warn", "fail")
    assert "iam.mars-1.example.com" in found["names"]["detail"]
    assert "DNS" in found["names"]["fix"]


@pytest.mark.parametrize("place", ["no home", "a file"])
def test_without_a_place_for_locks_lists_work_and_doctor_tells_why_create_does_not(
    place: str, run: Run, by: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """found: lists wanted a cache folder, and doctor passed where create failed."""
    by("password")
    Path("file").touch()
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
        if place == "a file":
            monkeypatch.setenv(variable, str(Path("file").absolute()))
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert "data-01" in run("volumes -f value -c Name").stdout
    files = examined(run, "doctor --volume data-01", exit_code=2)["files"]
    assert files["result"] == "fail"
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        assert variable in files["fix"]
    told = run("create --volume data-01", exit_code=2).stderr
    assert "XDG_STATE_HOME" in told
