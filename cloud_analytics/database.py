"""The journal's SQLite file: opened, checked, and set aside when damaged.

    folder --open_database--> Database (one connection that writes, one that reads; WAL, so that neither waits for the other)

Law: a transaction that has returned survives the loss of power; a damaged file is kept beside its successor, never deleted.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from shared.errors import TaxonError
from shared.telemetry.logs import logger

FILE = "journal.sqlite3"
LOCK = "lock"
BUSY_SECONDS = 10
VERSION = 1

SCHEMA = """
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

log = logger("cloud.journal")


class JournalUnusable(TaxonError):  # noqa: N818 - named after what is wrong
    """The journal's folder cannot be used."""


@dataclass(frozen=True, eq=False)
class Database:
    """Both connections, each to be used by one thread at a time. set_aside: the damaged file this one replaces."""

    path: Path
    set_aside: Path | None
    _writer: sqlite3.Connection = field(repr=False)
    _reader: sqlite3.Connection = field(repr=False)
    _owner: BinaryIO = field(repr=False)
    _write_lock: Lock = field(default_factory=Lock, repr=False)
    _read_lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, undone by an exception."""
        with self._write_lock, self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view."""
        with self._read_lock:
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    def used_bytes(self) -> int:
        """Bytes of the file that hold something; without the write-ahead log."""
        with self._write_lock:
            pages, free, size = (
                self._writer.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def close(self) -> None:
        """Waits for what runs."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()
            self._owner.close()


def open_database(folder: Path) -> Database:
    """The database in `folder`, made where there is none; raises JournalUnusable where that cannot be."""
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        owner = _owned(folder)
        set_aside = None
        try:
            writer = _checked(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            set_aside = _set_aside(path)
            log.error("journal damaged", reason=str(error), set_aside=str(set_aside))
            writer = _checked(path)
        return Database(path, set_aside, writer, _connected(path), owner)
    except (OSError, sqlite3.Error) as error:
        raise JournalUnusable(f"the journal {path} cannot be used: {error}; name another folder with --data") from error


def _owned(folder: Path) -> BinaryIO:
    """A lock on the folder for as long as the file stays open: two services would drop each other's frames as duplicates."""
    file = (folder / LOCK).open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise JournalUnusable(
            f"{folder} is in use by another cloud service; name another folder with --data"
        ) from error
    return file


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _checked(path: Path) -> sqlite3.Connection:
    connection = _connected(path)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"version {version} is of another release, this one reads {VERSION}")
        if version == 0:
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> Path:
    target = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000}")
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        rest = path.with_name(path.name + suffix)
        if rest.exists():
            rest.rename(target.with_name(target.name + suffix))
    return target
