"""File systems that stand still until the end of stdin: FIFREEZE and FITHAW (ioctl_fsfreeze).

Source: https://man7.org/linux/man-pages/man8/fsfreeze.8.html and linux/fs.h. Whoever writes to a
frozen file system waits in the kernel, where not even SIGKILL reaches it. So nothing here may write
to one that it has frozen, and somebody must be left to thaw it: beside this process stands a
watchdog for each file system, which thaws it when this process dies, or is late.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from errno import EBUSY, EINVAL, EOPNOTSUPP, EPERM
from pathlib import Path
from typing import NoReturn

from evs_snap.clock import Clock
from evs_snap.errors import ConfigurationError, HoldError

_FIFREEZE, _FITHAW = 0xC0045877, 0xC0045878
_STDIN, _STDOUT = 0, 1
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_MOST_FILES = 1 << 20
_LATE = 0.5
"""Seconds after the deadline at which a watchdog thaws: this process is stopped or stuck."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5)).

    ``device`` is ``major:minor``, one for each file system. ``root`` is which folder of it is
    mounted, ``/`` for all of it.
    """

    id: str
    device: str
    root: str
    point: Path
    type: str


def mounts(process: int | str = "self") -> list[Mount]:
    """Return what is mounted, as that process sees it; the later one hides the earlier one."""
    found = []
    for line in Path(f"/proc/{process}/mountinfo").read_text(errors="surrogateescape").splitlines():
        words = line.split(" ")
        root, point = (
            re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word)
            for word in words[3:5]
        )
        kind = words[words.index("-") + 1]
        found.append(Mount(words[0], words[2], root, Path(point), kind))
    return found


def to_freeze(paths: Sequence[Path], own: Sequence[Path]) -> tuple[list[Mount], list[str]]:
    """Return the mounts at these paths, and remarks on what else will stand still.

    ``own`` are folders that this program writes to. Raises ConfigurationError where a path is no
    mount point, or where freezing it would stop this program, or one that waits for it.
    """
    if not Path("/proc/self/mountinfo").exists():
        raise ConfigurationError("file systems can be frozen on Linux alone, with /proc mounted")
    known = mounts()
    chosen: list[Mount] = []
    needed = _needed(own)
    remarks = []
    for path in paths:
        mount = _at(path, known)
        what = needed.get(mount.device)
        if what:
            raise ConfigurationError(
                f"{path} cannot stand still: {what} is on it, and evs-snap would stop with it",
                hint="Put the data on a disk of its own, and freeze only that.",
            )
        twice = [other.point for other in chosen if other.device == mount.device]
        if twice:
            raise ConfigurationError(
                f"{twice[0]} and {path} are one file system", hint="Name one of them."
            )
        also = sorted(
            {str(m.point) for m in known if m.device == mount.device} - {str(mount.point)}
        )
        if also:
            remarks.append(
                f"{', '.join(also)} will stand still with {path}: it is the same file system"
            )
        chosen.append(mount)
    return chosen, remarks


def _at(path: Path, known: Sequence[Mount]) -> Mount:
    """Return the mount whose mount point this is."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{path} cannot be frozen: {error}") from error
    here = next((mount for mount in reversed(known) if mount.point == real), None)
    if here is None:
        around = [m.point for m in known if real.is_relative_to(m.point)]
        at = max(around, key=lambda point: len(point.parts), default=Path("/"))
        raise ConfigurationError(
            f"{path} is no mount point; it is on the file system that is mounted at {at}",
            hint=f"`findmnt -T {path}` shows it. A whole file system stands still, or nothing.",
        )
    if here.root != "/":
        raise ConfigurationError(
            f"{path} is only the part {here.root} of a file system, all of which would stand still",
            hint=f"Name the place where all of it is mounted: `findmnt {here.device}` may show it.",
        )
    return here


def _needed(own: Sequence[Path]) -> dict[str, str]:
    """Return the devices that this program needs while it holds, with what is there."""
    places = [("the root folder", Path("/")), ("evs-snap", Path(__file__))]
    places += [("Python", Path(sys.executable)), ("Python", Path(os.__file__))]
    # Libraries that are mapped, on whatever disk: a page of them may have to be read again.
    maps = Path("/proc/self/maps").read_text(errors="surrogateescape")
    places += [("Python", Path(name)) for name in set(re.findall(r" (/\S+)$", maps, re.MULTILINE))]
    places += [("Python", Path(name)) for name in sys.path if name]
    places += [("the state of evs-snap", path) for path in own]
    known = {mount.id: mount.device for mount in mounts()}
    found: dict[str, str] = {}
    for what, place in places:
        existing = next((p for p in (place, *place.parents) if p.exists()), Path("/"))
        with suppress(OSError):
            handle = os.open(existing, os.O_PATH)
            try:
                device = known.get(_mount_id("self", handle))
            finally:
                os.close(handle)
            if device:
                found.setdefault(device, f"{what} ({place})")
    for process in _ancestry():
        with suppress(OSError):
            theirs = {mount.id: mount.device for mount in mounts(process)}
            for name, mount_id in _written(process):
                if device := theirs.get(mount_id):
                    found.setdefault(device, f"{name}, which process {process} writes to,")
    return found


def _mount_id(process: int | str, handle: int | str) -> str:
    """Return the ID of the mount that an open file is on (proc_pid_fdinfo(5))."""
    return _fdinfo(process, handle)["mnt_id"]


def _fdinfo(process: int | str, handle: int | str) -> dict[str, str]:
    lines = Path(f"/proc/{process}/fdinfo/{handle}").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _written(process: int) -> Iterator[tuple[str, str]]:
    """Yield the files that a process has open for writing, each with its mount's ID."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            about = _fdinfo(process, link.name)
            if link.is_file() and int(about["flags"], 8) & os.O_ACCMODE != os.O_RDONLY:
                yield str(link.readlink()), about["mnt_id"]


def _ancestry() -> Iterator[int]:
    """Yield this process, its parent, and so on: these wait for this one, and write."""
    process = os.getpid()
    with suppress(OSError):
        while process:
            yield process
            # The name before the last bracket may hold spaces and brackets (proc_pid_stat(5)).
            stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
            process = int(stat.rpartition(")")[2].split()[1])


def stand_still(chosen: Sequence[Mount], *, seconds: float, clock: Clock) -> int:
    """Freeze them in this order, write READY, and thaw them in reverse at the end of stdin.

    Returns 0 then, or the number of the signal that ended it. Raises HoldError where one cannot be
    frozen or did not stay frozen, or where stdin did not end within so many seconds. Whatever
    happens, all that was frozen is thawed.
    """
    deadline = clock.monotonic() + seconds
    with ExitStack() as stack:
        opened = []
        for mount in chosen:
            try:
                opened.append(os.open(mount.point, os.O_RDONLY | os.O_DIRECTORY))
            except OSError as error:
                raise HoldError(f"{mount.point} cannot be opened: {error.strerror}") from error
            stack.callback(os.close, opened[-1])
            # What is written to the disk now need not be written while everybody waits.
            ctypes.CDLL(None).syncfs(opened[-1])
        wake = stack.enter_context(_signals_noted())
        for handle in opened:
            stack.enter_context(_watched(handle, seconds=seconds + _LATE))
        frozen: list[int] = []
        try:
            for mount, handle in zip(chosen, opened, strict=True):
                _freeze(mount, handle)
                frozen.append(handle)
            ended_by = _await_end(wake, deadline, clock)
        finally:
            troubles = [_thaw(handle) for handle in reversed(frozen)]
    for mount, trouble in zip(reversed(chosen), troubles, strict=True):
        if trouble:
            raise HoldError(
                f"{mount.point}: {trouble}", hint=f"To be sure: fsfreeze -u {mount.point}"
            )
    if ended_by is None:
        raise HoldError(
            f"thawed after {seconds:g} s, before stdin ended",
            hint="--for is how long it may stand still.",
        )
    return ended_by


def _await_end(wake: int, deadline: float, clock: Clock) -> int | None:
    """Say READY and wait: 0 for the end of stdin, a signal's number, None for the deadline."""
    try:
        os.write(_STDOUT, b"READY\n")
    except OSError as error:
        raise HoldError(f"nobody reads what this command says: {error.strerror}") from error
    while (left := deadline - clock.monotonic()) > 0:
        readable, _, _ = select.select([_STDIN, wake], [], [], left)
        if wake in readable:
            return os.read(wake, 1)[0]
        if readable and not _more_input():
            return 0
    return None


def _more_input() -> bool:
    """Read what is on stdin and drop it; whether there may be more."""
    try:
        return bool(os.read(_STDIN, 65536))
    except OSError:  # a terminal that went away
        return False


def _freeze(mount: Mount, handle: int) -> None:
    """Freeze one. Raises HoldError."""
    try:
        fcntl.ioctl(handle, _FIFREEZE, 0)
    except OSError as error:
        reasons = {
            EPERM: "it needs the capability CAP_SYS_ADMIN: run it as root, or see the documents",
            EBUSY: "it is frozen already, by somebody else",
            EOPNOTSUPP: f"a file system of type {mount.type} cannot stand still",
        }
        reason = reasons.get(error.errno or 0, error.strerror)
        raise HoldError(f"{mount.point} was not frozen: {reason}") from error


def _thaw(handle: int) -> str | None:
    """Thaw one; return what was wrong."""
    try:
        fcntl.ioctl(handle, _FITHAW, 0)
    except OSError as error:
        if error.errno == EINVAL:
            return "somebody else thawed it too early"
        return f"it could not be thawed: {error.strerror}"
    return None


@contextmanager
def _signals_noted() -> Iterator[int]:
    """Have signals end nothing, but write their number to a pipe; give the end to read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, _do_nothing) for number in _SIGNALS}
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _do_nothing(_number: int, _frame: object) -> None:
    """Take a signal; its number is in the pipe already."""


@contextmanager
def _watched(handle: int, *, seconds: float) -> Iterator[None]:
    """Keep a process beside this one that thaws the file system if this one dies or is late.

    One for each file system: a thaw that is stuck must not keep the next one from being thawed.
    """
    theirs, ours = os.pipe()
    child = os.fork()
    if child == 0:
        _watch(handle, theirs, seconds=seconds)
    os.close(theirs)
    try:
        yield
    finally:
        with suppress(OSError):
            os.write(ours, b"done")
        os.close(ours)
        os.waitpid(child, 0)


def _watch(handle: int, lifeline: int, *, seconds: float) -> NoReturn:
    """Be the watchdog: wait until told that all is done; else thaw."""
    try:
        os.setsid()  # what ends the group of the other process must not end this one
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        # Above all, the ends of the other watchdogs' pipes: they wait for these to be closed.
        low, high = sorted((handle, lifeline))
        for first, after in ((0, low), (low + 1, high), (high + 1, _MOST_FILES)):
            os.closerange(first, after)
        readable, _, _ = select.select([lifeline], [], [], seconds)
        if not readable or not os.read(lifeline, 1):
            _thaw(handle)
    finally:
        os._exit(0)
