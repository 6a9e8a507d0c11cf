"""The journal's database file: its tables, and transactions on its two connections.

    folder/journal.sqlite3 --open_database--> Database: one connection writes, one reads

The file has a write-ahead log, so that neither connection waits for the other.

Law: a transaction that has returned survives the loss of power. For the lock, other releases and damage see
`shared.server.sqlite_file`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from shared.server.sqlite_file import SqliteFile, SqliteFormat, open_sqlite

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cameras (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, edge TEXT NOT NULL, last_sequence INTEGER NOT NULL,
    capture_time_us INTEGER NOT NULL, received_time_us INTEGER NOT NULL
);
CREATE TABLE bundles (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
CREATE TABLE frames (
    position INTEGER PRIMARY KEY AUTOINCREMENT, camera INTEGER NOT NULL, sequence INTEGER NOT NULL,
    capture_time_us INTEGER NOT NULL, received_time_us INTEGER NOT NULL, bundle INTEGER NOT NULL,
    picture_width INTEGER NOT NULL, picture_height INTEGER NOT NULL,
    input_width INTEGER NOT NULL, input_height INTEGER NOT NULL,
    bitstream BLOB NOT NULL, trace_context BLOB NOT NULL
);
CREATE INDEX frames_of_camera ON frames (camera, position);
CREATE TABLE dropped (camera INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (camera, position)) WITHOUT ROWID;
CREATE TABLE wishes (subscription TEXT PRIMARY KEY, wish TEXT NOT NULL, expires_us INTEGER) WITHOUT ROWID;
"""

JOURNAL = SqliteFormat("journal.sqlite3", "journal", "cloud service", _SCHEMA)


@dataclass(frozen=True, eq=False)
class Database:
    """The open journal; each connection is used by one thread at a time."""

    file: SqliteFile
    _write_lock: Lock = field(default_factory=Lock, repr=False)
    _read_lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give one transaction: it is committed at the end, and undone by an exception."""
        with self._write_lock, self.file.main:
            self.file.main.execute("BEGIN IMMEDIATE")
            yield self.file.main

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give one view that does not change."""
        with self._read_lock:
            self.file.second.execute("BEGIN")
            try:
                yield self.file.second
            finally:
                self.file.second.execute("COMMIT")

    def used_bytes(self) -> int:
        """Return the bytes of the file that hold something, without those of the write-ahead log."""
        with self._write_lock:
            pages, free, size = (
                self.file.main.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def close(self) -> None:
        """Close the file once what runs has ended."""
        with self._write_lock, self._read_lock:
            self.file.close()


def open_database(folder: Path) -> Database:
    """Open the journal in a folder, or begin it. Raises FolderError."""
    return Database(open_sqlite(folder, JOURNAL))
