"""``--hold``: what was made, the word on it, the exit code, whatever the command and network do."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from tests.conftest import Run
    from tests.faults.conftest import Service

pytestmark = pytest.mark.usefixtures("online")

CONSISTENT = Path(__file__).parents[2] / ".github" / "docs" / "consistent.md"
POST = "POST snapshots"
MARK = "POST snapshots/ID/metadata"
HOLD = "touch held; echo READY; cat; rm held"


def words(service: Service, volume_id: str) -> list[str | None]:
    service.calm()
    return [row.stamp.consistency if row.stamp else None for row in service.left(volume_id)]


@pytest.mark.parametrize(
    ("command", "more", "exit_code", "word", "told"),
    [
        (HOLD, "", 0, "app", None),
        (HOLD, "--hold-for 1s", 1, "crash", "it was not usable within 1s, the time of the hold"),
        (HOLD, "--hold-for 1s --timeout 1s", 7, "crash", "was still 'creating' after 1s"),
        (f"{HOLD}; exit 3", "", 1, "crash", "the hold ended with code 3"),
        ("echo READY; exit 0", "", 8, None, "the hold ended right after READY, with code 0"),
        ("echo no >&2; exit 3", "", 8, None, "hold: no\n"),
        ("no-such-command", "", 8, None, "the hold ended before it was ready, with code 127"),
        ("exec >/dev/null; cat", "", 8, None, "the hold closed its stdout without a line READY"),
        ("", "", 2, None, "it is empty"),
        (" ", "", 2, None, "is no command"),
        (HOLD, "--no-wait", 2, None, "contradict each other"),
        (HOLD, "--hold-for 0s", 2, None, "--hold-for"),
    ],
)
def test_the_word_is_what_happened(  # noqa: PLR0913, PLR0917 - the columns of the table
    service: Service, run: Run, command: str, more: str, exit_code: int, word: str | None, told: str
) -> None:
    disk = service.disk("d1")
    result = run(f"create d1 --hold '{command}' {more} -f json", exit_code=exit_code)
    assert words(service, disk) == ([word] if word else [])
    assert (told or "") in result.stderr
    if word:
        (item,) = json.loads(result.stdout)["items"]
        assert item["snapshot"]["consistency"] == word
        assert item["reasons"][1].startswith("held for ")
    assert not Path("held").exists()


def test_all_are_sent_and_seen_usable_while_it_is_held(service: Service, run: Run) -> None:
    seen = []

    def witness(request: httpx.Request, _answer: httpx.Response) -> None:
        line = f"{request.method} {request.url.path.rpartition('/')[2]}"
        seen.append((line if request.method == "POST" else "GET", Path("held").exists()))

    disks = [service.disk(name) for name in ("d1", "d2")]
    service.witness = witness
    run(f"rotate d1 d2 --keep-last 2 --hold '{HOLD}'")
    posts = [("POST snapshots", True)] * 2
    at = seen.index(posts[0])
    held = [step for step in seen if step[1]]
    assert seen[at : at + 2] == posts
    assert held == posts + [("GET", True)] * (len(held) - 2)
    assert seen[at + len(held) :][:2] == [("POST metadata", False)] * 2
    assert [words(service, disk) for disk in disks] == [["app"], ["app"]]


def test_a_lost_answer_is_settled_after_the_release(service: Service, run: Run) -> None:
    looked: list[bool] = []
    disk = service.disk("d1")
    service.mishap(POST, "drop")
    service.once(POST, lambda: service.once("GET snapshots/detail", lambda: looked.append(
        Path("held").exists())))  # fmt: skip
    result = run(f"create d1 --hold '{HOLD}'", exit_code=1)
    assert looked == [False]
    assert words(service, disk) == ["crash"]
    assert "it was not usable within 30s" in result.stderr


@pytest.mark.parametrize(
    ("how", "times", "exit_code", "word", "told"),
    [
        ("drop", 1, 0, "app", ""),
        (503, 1, 0, "app", ""),
        ("drop", 99, 1, "crash", "that could not be written on it"),
        ("nothing", 99, 1, "crash", "that could not be written on it"),
        (403, 99, 0, "crash", "this cloud lets nobody mark it"),
    ],
)
def test_a_word_that_cannot_be_written_is_told(  # noqa: PLR0913, PLR0917 - the columns of the table
    service: Service, run: Run, how: str | int, times: int, exit_code: int, word: str, told: str
) -> None:
    disk = service.disk("d1")
    service.mishap(MARK, how, times=times, acts=False)
    result = run(f"create d1 --hold '{HOLD}'", exit_code=exit_code)
    assert told in result.stdout + result.stderr
    assert words(service, disk) == [word]


def test_once_a_period_holds_nothing_where_a_consistent_one_is_there(
    service: Service, run: Run
) -> None:
    disk = service.disk("d1")
    again = f"rotate d1 --keep-last 3 --once-per day --hold '{HOLD}; echo x >>count"
    run(f"{again}; exit 1'", exit_code=1)
    assert words(service, disk) == ["crash"]
    run(f"{again}'")
    assert words(service, disk) == ["crash", "app"]
    assert "reused" in run(f"{again}'").stdout
    assert Path("count").read_text() == "x\nx\n"


def test_the_documented_script_pauses_a_program_and_lets_it_go_on(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocks = re.findall(
        r"^```sh\n(#!/bin/sh\n.*?)^```", CONSISTENT.read_text(), re.MULTILINE | re.DOTALL
    )
    (script,) = [block for block in blocks if "app-ctl" in block]
    for name, text in (("app-ctl", '#!/bin/sh\necho "$1" >>told\n'), ("hold-app", script)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    disk = service.disk("d1")
    run("create d1 --hold hold-app")
    assert words(service, disk) == ["app"]
    assert Path("told").read_text() == "pause\nresume\n"


@pytest.mark.parametrize(
    ("command", "exit_code", "told"),
    [
        (HOLD, 0, r"ready after 0\.\d s, over 0\.\d s later; nothing was made"),
        (f"{HOLD}; exit 3", 1, "the hold ended with code 3"),
        ("exit 3", 8, "the hold ended before it was ready, with code 3"),
    ],
)
def test_the_doctor_rehearses_a_hold(
    service: Service, run: Run, command: str, exit_code: int, told: str
) -> None:
    disk = service.disk("d1")
    result = run(f"doctor d1 --hold '{command}' -f json", exit_code=exit_code)
    assert re.fullmatch(told, result.json[-1]["detail"])
    assert words(service, disk) == []


def test_a_command_knows_the_run_and_no_secret(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line feed in a name cannot break the list of names. No variable names a command."""
    for name in ("HW_SECRET_KEY", "HUAWEICLOUD_SDK_SK", "OTC_SECRET"):
        monkeypatch.setenv(name, "hush-hush")
    monkeypatch.setenv("https_proxy", "http://me:hush-hush@proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("PGPASSWORD", "its own")
    monkeypatch.setenv("EVS_SNAP_FREEZE_FOR", "1s")
    monkeypatch.setenv("EVS_SNAP_HOLD", "touch held")
    monkeypatch.setenv("EVS_SNAP_CREATE_HOLD", "touch held")
    disks = [service.disk(name) for name in ("d 1", "d2", "x\ny")]
    run("create 'd 1' d2 --match x* --hold-for 20s --hold 'env >told; echo READY; cat' --policy p")
    told = Path("told").read_text()
    assert "EVS_SNAP_VOLUMES={}\n{}\n{}\n".format(*disks) in told
    assert "EVS_SNAP_VOLUME_NAMES=d 1\nd2\nx?y\n" in told
    for line in ("EVS_SNAP_COMMAND=create", "EVS_SNAP_POLICY=p", "EVS_SNAP_HOLD_SECONDS=20",
                 "PGPASSWORD=its own", "HTTP_PROXY=http://proxy:3128"):  # fmt: skip
        assert f"{line}\n" in told
    for word in ("OS_", "HW_", "OTC_", "HUAWEICLOUD", "hush", "EVS_SNAP_FREEZE"):
        assert word not in told
    run("create d2")
    assert not Path("held").exists()
