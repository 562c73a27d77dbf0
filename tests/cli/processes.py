"""Real processes of this program, with pipes or a terminal, for the tests that need them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = (sys.executable, "-m", "evs_snap")


def unmeasured() -> dict[str, str]:
    """Return the environment of a process that coverage leaves alone: it loads modules too."""
    return {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}


def run(
    *arguments: str, env: dict[str, str] | None = None, stdout: IO[bytes] | int | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=20,
        check=False,
    )


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def on_terminal(
    *arguments: str,
    columns: int = 80,
    env: dict[str, str] | None = None,
    typed: bytes = b"",
    hang_up_at: bytes | None = None,
) -> tuple[int, str]:
    """Run on a terminal of this width; return exit code and all that was shown.

    ``typed`` is typed beforehand. As soon as ``hang_up_at`` is shown, the terminal goes away.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**os.environ, "TERM": "xterm-256color", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    with process:
        while hang_up_at is None or hang_up_at not in shown:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            shown += part
        else:
            process.send_signal(signal.SIGHUP)
        os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def lines(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines()
