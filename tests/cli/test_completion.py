"""Completion, asked of the real shells: commands, options, columns, clouds, disks."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Pretend
    from tests.conftest import Run

PROGRAM = Path(sys.executable).parent / "evs-snap"
TIMEOUT = 50
END = "@end@"


def _shell(shell: str, script: str) -> str:
    program = shutil.which(shell)
    if program is None or not PROGRAM.exists():
        pytest.skip(f"no {shell} here, or no evs-snap beside this Python")
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    quiet = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [program, *quiet, "-c", script],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def bash(*lines: str) -> list[set[str]]:
    """Complete each line as bash does when the tab key is pressed at its end."""
    return _offered(
        _shell(
            "bash",
            "source <(evs-snap completion bash)\n"
            + "".join(
                f"COMPREPLY=() COMP_WORDS=({_quoted(line)}) COMP_CWORD={line.count(' ')}\n"
                f'_evs_snap_completion evs-snap\nprintf "%s\\n" "${{COMPREPLY[@]}}" {END}\n'
                for line in lines
            ),
        )
    )


def zsh(*lines: str) -> list[set[str]]:
    """Complete each line in zsh, with what it would offer caught where it is added."""
    return _offered(
        _shell(
            "zsh",
            "compdef() { :; }\ncompadd() { print -l -- $completions }\n"
            "_describe() { print -l -- ${completions_with_descriptions%%:*} }\n"
            "source <(evs-snap completion zsh)\n"
            + "".join(
                f"words=({_quoted(line)}) CURRENT={line.count(' ') + 1}\n"
                f"_evs_snap_completion\nprint {END}\n"
                for line in lines
            ),
        )
    )


def fish(*lines: str) -> list[set[str]]:
    """Complete each line with fish's own command for that."""
    asked = "".join(f"complete -C '{line}'; echo {END}\n" for line in lines)
    return _offered(_shell("fish", f"evs-snap completion fish | source\n{asked}"))


def _quoted(line: str) -> str:
    return " ".join(f"'{word}'" for word in line.split(" "))


def _offered(told: str) -> list[set[str]]:
    """Return what was offered for each line; fish tells a description behind a tab."""
    return [
        {line.split("\t")[0] for line in part.splitlines() if line}
        for part in told.split(f"{END}\n")[:-1]
    ]


every_shell = pytest.mark.parametrize("complete", [bash, zsh, fish], ids=lambda f: f.__name__)


@every_shell
def test_every_shell_completes(complete: Callable[..., list[set[str]]]) -> None:
    wanted = {
        "evs-snap sna": {"snapshots"},
        "evs-snap rotate --keep-w": {"--keep-weekly", "--keep-within"},
        "evs-snap volumes --form": {"--format"},
        "evs-snap volumes -f j": {"json"},
        "evs-snap volumes -c St": {"Status"},
        "evs-snap snapshots --status err": {"error", "error_deleting"},
        "evs-snap sandbox se": {"serve"},
        "evs-snap completion z": {"zsh"},
        "evs-snap --sandbox create data-0": {"data-01", "data-02"},
        "evs-snap create --sandbox --volume db": {"db-data"},
        "evs-snap --sandbox delete 9d1b": {"9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"},
    }
    assert dict(zip(wanted, complete(*wanted), strict=True)) == wanted


@every_shell
def test_clouds_of_clouds_yaml_are_offered(
    complete: Callable[..., list[set[str]]], tmp_path: Path
) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: {prod: {}, 'pr x;reboot': {}, dev: {}}\n")
    assert complete("evs-snap --os-cloud pr") == [{"prod"}]


def test_nothing_is_offered_that_a_shell_would_take_for_more_than_a_name(pretend: Pretend) -> None:
    """Names come from strangers, and the shells' scripts do not quote."""
    for name in ("x-good", "x-$(reboot)", "x;reboot", "x *", "x\nnew", "x`y`", "x'y", "x&y"):
        pretend.disk(name)
    assert bash("evs-snap --sandbox create x") == [{"x-good"}]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OS_CLOUD": "nowhere"},
        {"OS_AUTH_URL": "http://127.0.0.1:9/v3", "OS_TOKEN": "t", "OS_PROJECT_ID": "p",
         "OS_REGION_NAME": "r"},
        {"OS_AUTH_URL": "https://192.0.2.1/v3", "OS_TOKEN": "t", "OS_PROJECT_ID": "p",
         "OS_REGION_NAME": "r"},
    ],
    ids=["no cloud", "unknown cloud", "nobody listens", "nobody answers"],
)  # fmt: skip
def test_where_the_cloud_cannot_be_asked_nothing_is_offered_and_nothing_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bash("evs-snap create da") == [set()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(run: Run, shell: str) -> None:
    shown = run(f"completion {shell}")
    assert "_EVS_SNAP_COMPLETE" in shown.stdout
    assert shown.stderr == ""


def test_bash_offers_names_where_the_tab_key_is_pressed(tmp_path: Path) -> None:
    if not PROGRAM.exists():
        pytest.skip("no evs-snap beside this Python")
    ours, theirs = pty.openpty()
    (tmp_path / "rc").write_text("PS1='>'; source <(evs-snap completion bash)\n")
    with subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"],
        env={**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, b"evs-snap --sandbox create db-d\t\n")
        shown = b""
        while b"db-data" not in shown:
            shown += os.read(ours, 4096)
        process.kill()
    os.close(ours)
