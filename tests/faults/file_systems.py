"""Real file systems on loop devices, for the tests that freeze one; never one of the machine's."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FITHAW = 0xC0045878
SIZES = {"ext4": 64 << 20, "xfs": 320 << 20}

WRITER = """
import sys, time
with open(sys.argv[1], "w") as file:
    for number in range(10**9):
        file.write(f"{number}\\n")
        file.flush()
        print(time.monotonic(), flush=True)
        time.sleep(0.002)
"""
"""Writes to a file, and the moment of each write to stdout."""


@dataclass(frozen=True)
class Disk:
    """A file system of the test's own: its image, and where it is mounted."""

    image: Path
    mount: Path
    handle: int

    def thaw(self) -> bool:
        """Thaw it; return whether it was frozen."""
        try:
            fcntl.ioctl(self.handle, FITHAW, 0)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return True

    def users(self) -> list[int]:
        """Return the processes whose command line names it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self.mount) in path.read_text(errors="replace"):
                    found.append(int(path.parent.name))
        return found


@contextmanager
def disk(kind: str, *, size: int | None = None) -> Iterator[Disk]:
    """Make and mount one; in the end it is thawed, unmounted and thrown away."""
    if os.geteuid() != 0 or not all(map(shutil.which, (f"mkfs.{kind}", "mount", "losetup"))):
        pytest.skip(f"no real {kind} here: it takes root, mkfs.{kind}, mount and losetup")
    folder = Path(tempfile.mkdtemp(prefix="hold-", dir="/tmp"))
    image, mount = folder / "image", folder / "mount"
    try:
        mount.mkdir()
        with image.open("wb") as file:
            file.truncate(size or SIZES[kind])
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
        mounted = subprocess.run(
            ["mount", "-o", "loop", image, mount], capture_output=True, text=True, check=False
        )
        if mounted.returncode != 0:
            pytest.skip(f"no real {kind} here: {mounted.stderr.strip()}")
        handle = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
        made = Disk(image, mount, handle)
        try:
            yield made
        finally:
            made.thaw()
            os.close(handle)
            for process in made.users():
                with suppress(ProcessLookupError):
                    os.kill(process, 9)
            until(lambda: not made.users())
            subprocess.run(["umount", mount], check=True)
    finally:
        shutil.rmtree(folder)


@contextmanager
def writer(made: Disk) -> Iterator[list[float]]:
    """Have a process write to it meanwhile; gives the moments of its writes, when it is over."""
    moments: list[float] = []
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, "log"], cwd=made.mount, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    moments.append(float(process.stdout.readline()))
    try:
        yield moments
    finally:
        made.thaw()  # else it could not be ended
        process.kill()
        moments += [float(line) for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        process.wait()


def now() -> float:
    """Return the kernel's time, which is the same in every process."""
    return time.monotonic()  # noqa: TID251


def pause(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - the kernel's time


def until(holds: object, *, seconds: float = 10.0) -> None:
    """Wait until a function returns what is true."""
    assert callable(holds)
    end = now() + seconds
    while not holds():
        assert now() < end, "it never came true"
        pause(0.02)
