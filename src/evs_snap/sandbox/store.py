"""The SQLite file: its first filling, its transactions, its end."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_VERSION = 4


class UnusableFileError(OSError):
    """The file cannot be used; the message names it and tells what to do."""


class Store:
    """The file; it may be missing, and several processes may share it."""

    def __init__(self, path: Path, *, fill: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._fill = fill
        self._turn = threading.Lock()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Run one request's statements on a connection of their own; an exception undoes them.

        Writers take their turn at the start, so that what they read stays true until they
        write. Raises UnusableFileError where the file cannot be read or written.
        """
        try:
            if not self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite waits for a lock by polling: threads of this process queue here instead.
            with (
                self._turn if write else nullcontext(),
                closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db,
            ):
                db.row_factory = sqlite3.Row
                # Pretend disks need not survive a power cut, and tests are faster so.
                db.execute("PRAGMA synchronous = OFF")
                if _version(db) != _VERSION:
                    self._create(db)
                with db:
                    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                    yield db
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error

    def check(self) -> None:
        """Raise UnusableFileError where the file cannot be written."""
        with self.transaction(write=True) as db:
            db.execute(f"PRAGMA user_version = {_VERSION}")

    def remove(self) -> None:
        """Delete the file, and what an interrupted writer may have left beside it.

        Raises UnusableFileError where it cannot be deleted.
        """
        try:
            self._path.unlink(missing_ok=True)
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
        except OSError as error:
            raise UnusableFileError(
                f"the sandbox cannot delete its file {self._path} ({error.strerror}); "
                "delete it by hand, and the sandbox begins anew"
            ) from error

    def _unusable(self, reason: str) -> UnusableFileError:
        fix = "set XDG_STATE_HOME to a folder that can be written"
        if self._path.exists() and os.access(self._path.parent, os.W_OK):
            fix = "`evs-snap sandbox reset` deletes it, and the sandbox begins anew"
        return UnusableFileError(f"the sandbox cannot use its file {self._path} ({reason}); {fix}")

    def _create(self, db: sqlite3.Connection) -> None:
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = _version(db)
            if version == _VERSION:
                return  # another process was faster
            if version:
                raise sqlite3.DatabaseError(f"version {version}, expected {_VERSION}")
            self._fill(db)
            db.execute(f"PRAGMA user_version = {_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
