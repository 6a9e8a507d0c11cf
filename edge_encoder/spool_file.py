"""The spool's database file: opened, checked, and set aside when it is damaged.

    folder/spool.sqlite --open_database--> Database: two connections, `main` (appends) and `second` (reads, deletions)

Law: one process a folder; a damaged file stops nobody, and is kept under another name for whoever wants to look.
The second connection does not wait for the disk at each commit: a deletion that a crash undoes only means a frame that is sent twice.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from shared.errors import DiskFull, FolderError
from shared.telemetry.logs import logger

FRAME_OVERHEAD_BYTES = 160
"""What a row and its index entries take beside the bitstream."""

FLOOR = "sequence_floor"
"""The key in `meta` of what every sequence of a camera that is not in `cameras` must be at or above."""

_FILE = "spool.sqlite"
_VERSION = 1
_PAGE_CACHE_KIB = 8192
_FORGOTTEN_AFTER_US = 30 * 86400 * 1_000_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE cameras (
    camera INTEGER PRIMARY KEY, camera_id TEXT NOT NULL UNIQUE, next_sequence INTEGER NOT NULL, used_us INTEGER NOT NULL
);
CREATE TABLE frames (
    row INTEGER PRIMARY KEY AUTOINCREMENT, camera INTEGER NOT NULL, sequence INTEGER NOT NULL,
    capture_time_us INTEGER NOT NULL, digest BLOB NOT NULL, picture_width INTEGER NOT NULL,
    picture_height INTEGER NOT NULL, input_width INTEGER NOT NULL, input_height INTEGER NOT NULL,
    bitstream BLOB NOT NULL, trace_context BLOB NOT NULL, spooled_us INTEGER NOT NULL, UNIQUE (camera, sequence)
);
CREATE TABLE receipts (
    camera INTEGER NOT NULL, sequence INTEGER NOT NULL, capture_time_us INTEGER NOT NULL, coded_bytes INTEGER NOT NULL,
    rate INTEGER NOT NULL, groups TEXT NOT NULL, PRIMARY KEY (camera, sequence)
) WITHOUT ROWID;
"""

log = logger("edge.spool")


@dataclass(frozen=True)
class Database:
    """An open spool file. lock: held by this process as long as it is open."""

    main: sqlite3.Connection
    second: sqlite3.Connection
    lock: TextIO

    def close(self) -> None:
        """Closes both connections, the file being whole, and frees the folder."""
        self.second.close()
        self.main.close()
        self.lock.close()


def open_database(folder: Path, sync: str, now_us: int) -> Database:
    """Opens or begins the spool in a folder. now_us: microseconds since 1970.

    Raises FolderError if it cannot be written or another process has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise FolderError(str(folder), f"cannot be written ({error.strerror}); choose another data folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _opened(folder / _FILE, sync, now_us, lock)
    except BlockingIOError as error:
        lock.close()
        raise FolderError(str(folder), "is in use by another edge; give each its own data folder") from error
    except sqlite3.OperationalError as error:
        lock.close()
        raise FolderError(str(folder), f"its spool cannot be opened ({error}); make room, or allow writing") from error
    except BaseException:
        lock.close()
        raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """Nothing of it stays if anything fails. Raises DiskFull."""
    cursor = connection.cursor()
    try:
        cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        cursor.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise DiskFull(f"the edge's disk takes nothing more ({error}); make room, and post again") from error
    finally:
        if connection.in_transaction:
            connection.rollback()
        cursor.close()


def _opened(path: Path, sync: str, now_us: int, lock: TextIO) -> Database:
    try:
        main = _checked(path, sync, now_us)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        kept = _set_aside(path)
        log.error("spool damaged: set aside, a new one begun", file=str(path), kept_as=str(kept), error=str(error))
        main = _checked(path, sync, now_us)
    return Database(main, _connection(path, "NORMAL"), lock)


def _checked(path: Path, sync: str, now_us: int) -> sqlite3.Connection:
    """Raises DatabaseError for a damaged file."""
    main = _connection(path, sync.upper())
    try:
        (found,) = main.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        (version,) = main.execute("PRAGMA user_version").fetchone()
        if version == 0:
            main.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise FolderError(str(path), f"is a spool of version {version}, this release reads {_VERSION}; update it")
        _forget_cameras(main, now_us - _FORGOTTEN_AFTER_US)
    except BaseException:
        main.close()
        raise
    return main


def _forget_cameras(main: sqlite3.Connection, limit_us: int) -> None:
    """Forgets those unused since then; the floor keeps their sequences from being given again, whatever the clock says."""
    idle = "used_us < ? AND camera NOT IN (SELECT camera FROM frames)"
    (highest,) = main.execute(f"SELECT max(next_sequence) FROM cameras WHERE {idle}", (limit_us,)).fetchone()
    if highest is None:
        return
    main.execute("BEGIN IMMEDIATE")
    main.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        (FLOOR, highest),
    )
    main.execute(f"DELETE FROM receipts WHERE camera IN (SELECT camera FROM cameras WHERE {idle})", (limit_us,))
    main.execute(f"DELETE FROM cameras WHERE {idle}", (limit_us,))
    main.execute("COMMIT")


def _connection(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept
