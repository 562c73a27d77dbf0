"""One lock for each disk on this machine, so that two runs do not work on it at once."""

from __future__ import annotations

import hashlib
import os
import resource
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from errno import ENOLCK
from pathlib import Path

from filelock import FileLock, Timeout

from evs_snap.clock import Clock, in_words
from evs_snap.errors import ConfigurationError, LockedError
from evs_snap.runs.work import Work
from evs_snap.settings.folders import state_folder

_SPARE_FILES = 256
_POLL = 0.25


@dataclass(slots=True)
class Held:
    """The locks of a run: what could not be had, by disk, and whether time was lost.

    ``is_stale`` says that another run ended its work on one of the disks since the mark:
    what was read before that may no longer be true. ``after_crash`` says that the last run on
    one of the disks was killed: what it asked for may still be on its way.
    """

    refused: dict[str, LockedError] = field(default_factory=dict)
    is_stale: bool = False
    after_crash: bool = False


def locks_of(work: Work) -> DiskLocks:
    """Return the locks for a run, and mark the moment: what is read from now on may grow old."""
    locks = DiskLocks(
        state_folder(os.environ) / "locks",
        project_id=lambda: work.client.project.id,
        wait=work.request.lock_wait,
        clock=work.clock,
        progress=work.progress,
    )
    locks.mark()
    return locks


class DiskLocks:
    """Locks below ``folder``, by the IDs of the project and the disk.

    ``project_id`` is asked for when a lock is taken. The kernel lets go of a lock when its
    process ends, however it ends. Locks are waited for no longer than ``wait`` seconds in all.
    Raises ConfigurationError where the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        project_id: Callable[[], str],
        wait: float,
        clock: Clock,
        progress: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._folder = folder
        self._project_id = project_id
        self._wait = wait
        self._clock = clock
        self._progress = progress
        self._mark = 0

    def mark(self) -> None:
        """Remember the moment, as the file system counts time."""
        with self._usable():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / "mark").touch()
            self._mark = (self._folder / "mark").stat().st_mtime_ns

    @contextmanager
    def held(self, names: Mapping[str, str]) -> Iterator[Held]:
        """Hold the locks of these disks while within; ``names`` are what to call each, by its ID.

        Taken in one order by all, so that two runs can't wait for each other.
        """
        deadline = self._clock.monotonic() + self._wait
        held = Held()
        _allow_open_files(len(names) + _SPARE_FILES)
        with ExitStack() as stack:
            for volume_id, name in sorted(names.items()):
                path = self._path(volume_id)
                with self._usable():
                    try:
                        self._take(path, stack, deadline, name=name, held=held)
                    except Timeout:
                        held.refused[volume_id] = LockedError(
                            "another evs-snap run is at work on this disk",
                            hint="Try again when it is done, or wait for it: --lock-wait 10m.",
                        )
            yield held

    def _take(
        self, path: Path, stack: ExitStack, deadline: float, *, name: str, held: Held
    ) -> None:
        """Take one lock; note in ``held`` what the last run on the disk left behind."""
        lock = FileLock(path, mode=0o600)
        waited = False
        while not _acquired(lock):
            left = deadline - self._clock.monotonic()
            if left <= 0 or self._clock.stop.asked:
                raise Timeout(str(path))
            waited = True
            time = f"{in_words(self._wait - left)} of {in_words(self._wait)}"
            self._progress(f"waiting for another run to be done with {name}, {time}")
            self._clock.sleep(min(left, _POLL))
        stack.callback(_let_go, lock, path)
        # Beside the lock, whose own file is filelock's to write and to remove.
        note = path.with_suffix(".run")
        last = note.stat() if note.exists() else None
        with suppress(OSError):
            note.write_text(f"{os.getpid()}\n")
        # A note that was not emptied means that the last holder crashed: read the state again.
        crashed = last is not None and last.st_size > 0
        held.after_crash |= crashed
        held.is_stale |= waited or crashed or (last is not None and last.st_mtime_ns >= self._mark)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise ConfigurationError(
                f"the locks in {self._folder} cannot be used: {error.strerror or error}",
                hint="Make that folder writable, or set XDG_STATE_HOME to one that is.",
            ) from error

    def _path(self, volume_id: str) -> Path:
        digest = hashlib.sha256(f"{self._project_id()} {volume_id}".encode()).hexdigest()
        return self._folder / f"{digest[:32]}.lock"


def _acquired(lock: FileLock) -> bool:
    try:
        with warnings.catch_warnings():
            # A lock that is only a file outlives a killed process: better none than that.
            warnings.simplefilter("error")
            lock.acquire(timeout=0)
    except Timeout:
        return False
    except (NotImplementedError, UserWarning) as error:
        raise OSError(ENOLCK, "its file system has no locks") from error
    return True


def _let_go(lock: FileLock, path: Path) -> None:
    with suppress(OSError):
        path.with_suffix(".run").write_text("")
    lock.release()


def _allow_open_files(count: int) -> None:
    """A lock is an open file, and the usual soft limit is 1024 of them."""
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < count:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
