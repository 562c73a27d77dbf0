"""The SQLite file: its schema, its first filling, its transactions."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_VERSION = 1

_SCHEMA = (
    """
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        scoped INTEGER NOT NULL,
        methods TEXT NOT NULL,
        audit_ids TEXT NOT NULL,
        issued_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE volumes (
        id TEXT PRIMARY KEY,
        name TEXT,
        description TEXT,
        fate TEXT NOT NULL,
        delete_fate TEXT NOT NULL DEFAULT 'gone',
        size INTEGER NOT NULL,
        volume_type TEXT NOT NULL,
        availability_zone TEXT NOT NULL,
        bootable TEXT NOT NULL DEFAULT 'false',
        server_id TEXT,
        metadata TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT,
        deleted_at TEXT
    )
    """,
    """
    CREATE TABLE snapshots (
        id TEXT PRIMARY KEY,
        volume_id TEXT NOT NULL,
        name TEXT,
        description TEXT,
        fate TEXT NOT NULL,
        delete_fate TEXT NOT NULL DEFAULT 'gone',
        size INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT,
        deleted_at TEXT
    )
    """,
    "CREATE INDEX snapshots_of_volume ON snapshots (volume_id)",
)


class Store:
    """The file; it may be missing, and several processes may share it."""

    def __init__(self, path: Path, *, fill: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._fill = fill
        self._turn = threading.Lock()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Run one request's statements on a connection of their own.

        Writers take their turn at the start, so that what they read stays true
        until they write. An exception undoes everything.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite alone would do, but its waiting is polling: threads queue up here.
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

    def remove(self) -> None:
        """Delete the file, and what an interrupted writer may have left beside it."""
        self._path.unlink(missing_ok=True)
        self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)

    def _create(self, db: sqlite3.Connection) -> None:
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = _version(db)
            if version == _VERSION:
                return  # another process was faster
            if version:
                raise sqlite3.DatabaseError(f"version {version}, expected {_VERSION}")
            for statement in _SCHEMA:
                db.execute(statement)
            self._fill(db)
            db.execute(f"PRAGMA user_version = {_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
