"""Completion, asked of the real shells: commands, options, columns, clouds, disks."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Pretend
    from tests.conftest import FakeClock, Run

pytestmark = pytest.mark.processes

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
                f"COMP_LINE='{line}' COMP_POINT={len(line)}\n"
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
            "compdef() { :; }\ncompadd() { print -l -- $values }\n"
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


START = """\
PS1='READY>'
args() {{ printf '<%s>' "$@"; printf 'END\\n'; }}
{0}
source <(evs-snap completion {1})
"""
FISH = """\
function fish_greeting; end
function fish_prompt; echo -n 'READY>'; end
function args; printf '<%s>' $argv; printf 'END\\n'; end
evs-snap completion fish | source
"""


@contextmanager
def _interactive(shell: str) -> Iterator[Callable[[str], list[str]]]:
    """Give what types a line in a shell on a terminal, then tab, and returns the words made."""
    program = shutil.which(shell)
    if program is None or not PROGRAM.exists():
        pytest.skip(f"no {shell} here, or no evs-snap beside this Python")
    home = Path(os.environ["HOME"])
    arguments = {"bash": ["--noprofile", "--rcfile", "rc", "-i"], "zsh": ["-i"], "fish": ["-i"]}
    (home / "rc").write_text(START.format("", shell))
    (home / ".zshrc").write_text(START.format("autoload -U compinit; compinit -u", shell))
    (home / "config" / "fish").mkdir(parents=True)
    (home / "config" / "fish" / "config.fish").write_text(FISH)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    shown = b""

    def until(wanted: bytes) -> bytes:
        nonlocal shown
        while wanted not in shown:
            shown += os.read(ours, 65536)
        before, _, shown = shown.partition(wanted)
        return before

    def typed(line: str) -> list[str]:
        os.write(ours, line.encode() + b"\t")
        os.write(ours, b"\x01args \n")  # to the line's beginning
        words = until(b"END\r\n").decode().rpartition("<evs-snap>")[2]
        until(b"READY>")
        return words.strip("<>").split("><")

    with subprocess.Popen(
        [program, *arguments[shell]],
        env={
            **os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "TERM": "xterm",
            "ZDOTDIR": str(home),
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=home,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - for fish
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            until(b"READY>")
            yield typed
        finally:
            process.kill()
            os.close(ours)


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
def test_every_shell_completes(complete: Callable[..., list[set[str]]], tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text('clouds: {prod: {}, "pr\\nx": {}, dev: {}}\n')
    wanted = {
        "evs-snap --os-cloud pr": {"prod"},
        "evs-snap sna": {"snapshots"},
        "evs-snap rotate --keep-w": {"--keep-weekly", "--keep-within"},
        "evs-snap volumes --form": {"--format"},
        "evs-snap volumes -f j": {"json"},
        "evs-snap volumes -c St": {"Status", "Stored"},
        "evs-snap snapshots --status err": {"error", "error_deleting"},
        "evs-snap sandbox se": {"serve"},
        "evs-snap completion z": {"zsh"},
        "evs-snap --sandbox create data-0": {"data-01", "data-02"},
        "evs-snap create --sandbox --volume db": {"db-data"},
        "evs-snap --sandbox delete 9d1b": {"9d1b20c9-c63b-4fd9-943b-1a4b9392b7ad"},
    }
    assert dict(zip(wanted, complete(*wanted), strict=True)) == wanted


def test_where_nothing_fits_bash_is_given_nothing() -> None:
    """found: a blank was typed at each tab, and `freeze /et` became `freeze file,/et`."""
    lines = ("evs-snap create zzz", "evs-snap create --description x", "evs-snap freeze /et")
    told = _shell(
        "bash",
        "source <(evs-snap completion bash)\n"
        + "".join(
            f"COMP_LINE='{line}' COMP_POINT={len(line)}\n"
            "_evs_snap_completion evs-snap\necho ${#COMPREPLY[@]}\n"
            for line in lines
        ),
    )
    assert told.split() == ["0"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_what_is_offered_for_one_word(pretend: Pretend, shell: str) -> None:
    """found: names with blanks were not offered, and a disk called --all was an option."""
    odd = ("golden image", "it's one", "x$(reboot)", "y;reboot", "com,ma, one", 'q"uo"te', "a:b=c")
    for name in (*odd, "--all", "!bang", "same", "same", "tab\tin"):
        pretend.disk(name)
    pretend.snapshot(pretend.named("data-01"), "zeta, 2")
    start = "evs-snap --sandbox create "
    wanted = {
        start + "gol": "golden image",
        start + "'gol": "golden image",
        start + '"golden i': "golden image",
        start + "golden\\ i": "golden image",
        start + "--volume=gol": "--volume=golden image",
        start + "--volume it": "it's one",
        start + "x": "x$(reboot)",
        start + "y": "y;reboot",
        start + "com": "com,ma, one",
        start + "q": 'q"uo"te',
        start + "a:b": "a:b=c",
        start + "-- --a": "--all",
        start + "!": "!bang",
        "evs-snap --sandbox snapshots -c Volume\\ I": "Volume ID",
        "evs-snap --sandbox volumes --format=js": "--format=json",
        "evs-snap --sandbox delete zet": "zeta, 2",
    }
    with _interactive(shell) as typed:
        assert {line: typed(line)[-1] for line in wanted} == wanted


@every_shell
def test_a_name_that_would_not_do_is_offered_by_its_id(
    complete: Callable[..., list[set[str]]], pretend: Pretend
) -> None:
    """found: a disk called --all was offered as an option."""
    ids = {pretend.disk(name) for name in ("--all", "same", "same", "tab\tin")}
    (offered,) = complete("evs-snap --sandbox create ")
    assert ids < offered
    assert not {"--all", "same"} & offered
    assert "data-01" in offered
    some_id = min(ids)
    assert complete(f"evs-snap --sandbox create {some_id[:9]}") == [{some_id}]


def test_fish_shows_what_is_beside_a_value_whole(pretend: Pretend) -> None:
    """found: a text beside a value was cut at its first comma."""
    volume = pretend.disk("same")
    pretend.disk("same")
    snapshot = pretend.snapshot(volume, "one, two")
    told = _shell(
        "fish",
        "evs-snap completion fish | source\n"
        f"complete -C 'evs-snap --sandbox delete {snapshot[:9]}'\n"
        "complete -C 'evs-snap create --once-'\n",
    )
    assert f"{snapshot}\tone, two\n" in told
    assert "--once-per\tOne snapshot a period (UTC), however often it is run.\n" in told


def test_the_tab_key_signs_in_with_a_wrong_password_once(
    monkeypatch: pytest.MonkeyPatch, run: Run, fake: FakeClock
) -> None:
    """found: five presses were five refused sign-ins, after which the cloud locks the user."""
    asked: list[str] = []

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("_EVS_SNAP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "evs-snap create ")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        monkeypatch.setenv("OS_AUTH_URL", f"http://127.0.0.1:{server.server_port}/v3")
        for name in ("USERNAME", "PASSWORD", "PROJECT_NAME", "USER_DOMAIN_NAME"):
            monkeypatch.setenv(f"OS_{name}", "somebody")
        for _ in range(5):
            assert run("").stdout == "\n"
        assert len(asked) == 1
        fake.advance(301)
        run("")
        assert len(asked) == 2, "some minutes later it may be tried again"
        fake.advance(301)
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
        run("")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert len(asked) == 2, "where no mark can be left, nothing would stop the next try"


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
