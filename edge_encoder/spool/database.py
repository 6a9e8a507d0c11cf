"""The spool's database file: its tables, and how it is opened and written.

    folder/spool.sqlite --open_spool--> SqliteFile: two connections, `main` (appends) and `second` (reads, deletions)

Law: the second connection does not wait for the disk at each commit. A deletion that a crash undoes only means a frame that is
sent twice. For the lock, other releases and damage see `shared.server.sqlite_file`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.contract.packets import MICROSECONDS
from shared.errors import DiskFull
from shared.server.running_clock import RunningClock, Uptime
from shared.server.sqlite_file import SqliteFile, SqliteFormat, open_sqlite

FRAME_OVERHEAD_BYTES = 160
"""The room that a row and its index entries take beside the bitstream."""

FLOOR = "sequence_floor"
"""The key in `meta` of the lowest sequence that a camera may get which is not in `cameras`."""

CLOCK = "running_clock"
"""The key in `meta` of the state of the spool's `RunningClock`."""

_FORGOTTEN_AFTER_US = 30 * 86400 * MICROSECONDS
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

# Beside the tables that earlier releases write too, and not in them. Those releases take a crop for the whole picture, count
# ages by the time of day (`spooled_us`, `used_us`), and know a repeated post by its capture time alone.
_ADDITIONS = """
CREATE TABLE IF NOT EXISTS crops (
    row INTEGER PRIMARY KEY, x INTEGER NOT NULL, y INTEGER NOT NULL,
    uncropped_width INTEGER NOT NULL, uncropped_height INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS crops_go AFTER DELETE ON frames BEGIN DELETE FROM crops WHERE row = old.row; END;
CREATE TABLE IF NOT EXISTS frame_times (row INTEGER PRIMARY KEY, spooled_at_us INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS frame_times_go AFTER DELETE ON frames BEGIN
    DELETE FROM frame_times WHERE row = old.row;
END;
CREATE TABLE IF NOT EXISTS camera_times (camera INTEGER PRIMARY KEY, used_at_us INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS camera_times_go AFTER DELETE ON cameras BEGIN
    DELETE FROM camera_times WHERE camera = old.camera;
END;
CREATE TABLE IF NOT EXISTS receipt_pictures (
    camera INTEGER NOT NULL, sequence INTEGER NOT NULL, picture_digest BLOB NOT NULL, PRIMARY KEY (camera, sequence)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS receipt_pictures_go AFTER DELETE ON receipts BEGIN
    DELETE FROM receipt_pictures WHERE camera = old.camera AND sequence = old.sequence;
END;
"""

SPOOL = SqliteFormat("spool.sqlite", "spool", "edge", _SCHEMA, page_cache_kib=8192, additions=_ADDITIONS)


def open_spool(folder: Path, sync: str, uptime: Callable[[], Uptime] | None = None) -> tuple[SqliteFile, RunningClock]:
    """Open the spool in a folder, or begin it, and return it with the clock that its ages are counted by. Raises FolderError.

    sync: with `full`, an append waits for the disk itself; with `normal`, it leaves the last moments to the system's cache.
    uptime: None takes the system's.
    """
    clock = RunningClock("", uptime)

    def prepare(main: sqlite3.Connection) -> None:
        nonlocal clock
        kept = main.execute("SELECT value FROM meta WHERE key = ?", (CLOCK,)).fetchone()
        clock = RunningClock("" if kept is None else str(kept[0]), uptime)
        _count_from(main, clock.now_us())
        _forget_cameras(main, clock.now_us() - _FORGOTTEN_AFTER_US)

    file = open_sqlite(folder, SPOOL, "FULL" if sync == "full" else "NORMAL", "NORMAL", prepare)
    return file, clock


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """Open a transaction, of which nothing stays if anything fails. Raises DiskFull."""
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


def _count_from(main: sqlite3.Connection, now_us: int) -> None:
    """Count the ages of what another release has written from now on: its own times may be of a wrong clock."""
    main.execute("BEGIN IMMEDIATE")
    main.execute(
        "INSERT INTO frame_times SELECT row, ? FROM frames WHERE row > (SELECT coalesce(max(row), 0) FROM frame_times)",
        (now_us,),
    )
    main.execute(
        "INSERT INTO camera_times SELECT camera, ? FROM cameras WHERE camera NOT IN (SELECT camera FROM camera_times)",
        (now_us,),
    )
    main.execute("COMMIT")


def _forget_cameras(main: sqlite3.Connection, limit_us: int) -> None:
    """Forget the cameras that were not used since `limit_us`.

    The floor keeps their sequences from being given again, whatever the clock says.
    """
    idle = (
        "camera IN (SELECT camera FROM camera_times WHERE used_at_us < ?) AND camera NOT IN (SELECT camera FROM frames)"
    )
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
