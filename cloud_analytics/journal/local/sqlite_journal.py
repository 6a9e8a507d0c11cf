"""Received packets on disk, in the order in which results are published; bounded in bytes and in age.

    packets --append: duplicates are dropped--> positions 1, 2, 3, ...
    folder/journal.sqlite3 --open_database--> Database: one connection writes, one reads
    position, cameras --replay--> the frames after it, and how many of them are gone

Laws: a frame (camera, sequence) is appended once for good. Positions never repeat, also after all frames have gone.
Ages are counted by a clock that nobody sets (`shared.server.running_clock`).
A replay returns each frame after a position once and in order, and counts exactly those that the bounds have taken; of
these the last `MOST_DROPPED` are remembered. The calls block, so the event loop makes them in a thread.
A transaction that has returned survives the loss of power. For the lock, other releases and damage see
`shared.server.sqlite_file`.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, KnownCamera, Replay, position_of
from shared.contract.geometry import Geometry
from shared.contract.packets import MICROSECONDS, Packet
from shared.server.running_clock import Moment, RunningClock, Uptime
from shared.server.sqlite_file import SqliteFile, SqliteFormat, open_sqlite

MOST_DROPPED = 1_000_000
_DROP_AT_ONCE = 256
_COLUMNS = (
    "f.position, c.name, f.sequence, f.capture_time_us, f.received_time_us, b.digest, f.picture_width, "
    "f.picture_height, f.input_width, f.input_height, coalesce(p.x, 0), coalesce(p.y, 0), "
    "coalesce(p.uncropped_width, 0), coalesce(p.uncropped_height, 0), f.bitstream, f.trace_context"
)
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
# Beside the tables that earlier releases write too, and not in them. Those releases take a crop for the whole picture, and count
# ages and holds by the time of day (`received_time_us`, `expires_us`).
_ADDITIONS = """
CREATE TABLE IF NOT EXISTS crops (
    position INTEGER PRIMARY KEY, x INTEGER NOT NULL, y INTEGER NOT NULL,
    uncropped_width INTEGER NOT NULL, uncropped_height INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS crops_go AFTER DELETE ON frames BEGIN DELETE FROM crops WHERE position = old.position; END;
CREATE TABLE IF NOT EXISTS frame_times (position INTEGER PRIMARY KEY, received_at_us INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS frame_times_go AFTER DELETE ON frames BEGIN
    DELETE FROM frame_times WHERE position = old.position;
END;
CREATE TABLE IF NOT EXISTS wish_times (
    subscription TEXT PRIMARY KEY, expires_us INTEGER NOT NULL, expires_at_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS wish_times_go AFTER DELETE ON wishes BEGIN
    DELETE FROM wish_times WHERE subscription = old.subscription;
END;
"""
_CLOCK = "running_clock"
_CLOCK_KEPT_US = 60 * MICROSECONDS
"""How often the running clock is written where no frame comes, which writes it anyway."""
JOURNAL = SqliteFormat("journal.sqlite3", "journal", "cloud service", _SCHEMA, additions=_ADDITIONS)


@dataclass(frozen=True, eq=False)
class Database:
    """The open journal; each connection is used by one thread at a time. running: the clock that ages are counted by."""

    file: SqliteFile
    running: RunningClock
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

    def keep_clock(self, sql: sqlite3.Connection) -> None:
        """Write the running clock within a transaction, so that it goes on from here after a restart."""
        sql.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_CLOCK, self.running.kept()))

    def close(self) -> None:
        """Close the file once what runs has ended."""
        with suppress(sqlite3.Error), self.writing() as sql:
            self.keep_clock(sql)
        with self._write_lock, self._read_lock:
            self.file.close()


def open_database(folder: Path, uptime: Callable[[], Uptime] | None = None) -> Database:
    """Open the journal in a folder, or begin it. Raises FolderError. uptime: None takes the system's."""
    running = RunningClock("", uptime)

    def prepare(main: sqlite3.Connection) -> None:
        nonlocal running
        kept = main.execute("SELECT value FROM about WHERE key = ?", (_CLOCK,)).fetchone()
        running = RunningClock("" if kept is None else str(kept[0]), uptime)
        # What another release has written counts from now on: its own times may be of a wrong clock.
        main.execute("BEGIN IMMEDIATE")
        main.execute(
            "INSERT INTO frame_times SELECT position, ? FROM frames "
            "WHERE position > (SELECT coalesce(max(position), 0) FROM frame_times)",
            (running.now_us(),),
        )
        main.execute("COMMIT")

    return Database(open_sqlite(folder, JOURNAL, prepare=prepare), running)


class Journal:
    """The journal of one cloud process.

    most_bytes: the most bytes of the file that may hold something.
    age_seconds: a frame that is kept for longer is dropped.
    clock: returns the time in seconds since 1970, which results carry and nothing is decided by.
    """

    def __init__(
        self, database: Database, most_bytes: int, age_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._age_us = int(age_seconds * MICROSECONDS)
        self._clock = clock
        self._clock_kept_us = database.running.now_us()
        with database.writing() as sql:
            sql.execute("INSERT OR IGNORE INTO about VALUES ('id', ?)", (secrets.token_hex(8),))
            self.id: str = sql.execute("SELECT value FROM about WHERE key = 'id'").fetchone()[0]
            self._cameras = {
                name: KnownCamera(name, edge, sequence, captured, received)
                for name, edge, sequence, captured, received in sql.execute(
                    "SELECT name, edge, last_sequence, capture_time_us, received_time_us FROM cameras"
                )
            }
            row = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'frames'").fetchone()
            self._head: int = 0 if row is None else row[0]

    @property
    def head(self) -> int:
        """The last position that was given to a frame; 0 before the first."""
        return self._head

    @property
    def cameras(self) -> dict[str, KnownCamera]:
        """All cameras that ever sent a frame, by name; replaced as a whole with every append."""
        return self._cameras

    def cursor(self, position: int) -> str:
        """Return a position as clients keep it; it names this journal too."""
        return f"{self.id}:{position}"

    def position(self, cursor: str) -> int | None:
        """Return a cursor's position; None if it is of another journal. Raises BadRequest for what is no cursor."""
        return position_of(cursor, self.id, self._head)

    def append(self, arrivals: Sequence[Arrival]) -> Appended:
        """Write all that is new in one transaction, which is on the disk when this returns. Raises sqlite3.Error."""
        cameras = dict(self._cameras)
        now = Moment(int(self._clock() * MICROSECONDS), self._database.running.now_us())
        now_us = now.of_day_us
        frames: list[LoggedFrame] = []
        duplicates: list[str] = []
        late: list[str] = []
        with self._database.writing() as sql:
            for arrival in arrivals:
                bundle = _number(sql, "bundles", "digest", arrival.bundle_digest)
                for packet in arrival.packets:
                    known = cameras.get(packet.camera_id)
                    if known is not None and packet.sequence <= known.last_sequence:
                        # An edge sends its own frames in order, so one that was passed over came by another edge.
                        is_late = known.edge_id != arrival.edge_id and not _has(sql, packet)
                        (late if is_late else duplicates).append(packet.camera_id)
                        continue
                    cameras[packet.camera_id] = KnownCamera(
                        packet.camera_id, arrival.edge_id, packet.sequence, packet.capture_time_us, now_us
                    )
                    position = _insert(sql, packet, bundle, now, cameras[packet.camera_id])
                    frames.append(LoggedFrame(position, packet, arrival.bundle_digest, now_us))
            self._keep_clock(sql)
        self._cameras = cameras
        if frames:
            self._head = frames[-1].position
        return Appended(tuple(frames), tuple(duplicates), tuple(late), self._head)

    def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        """Return the first `limit` frames after `position` up to `up_to`.

        cameras: the wanted cameras; none named means all.
        """
        names = list(dict.fromkeys(cameras))
        chosen, marks = "", ",".join("?" * len(names))
        if names:
            chosen = f"AND f.camera IN (SELECT number FROM cameras WHERE name IN ({marks}))"
        with self._database.reading() as sql:
            (lost,) = sql.execute(
                f"SELECT count(*) FROM dropped f WHERE f.position > ? AND f.position <= ? {chosen}",
                (position, up_to, *names),
            ).fetchone()
            rows = sql.execute(
                f"SELECT {_COLUMNS} FROM frames f JOIN cameras c ON c.number = f.camera JOIN bundles b "
                "ON b.number = f.bundle LEFT JOIN crops p ON p.position = f.position "
                f"WHERE f.position > ? AND f.position <= ? {chosen} ORDER BY f.position LIMIT ?",
                (position, up_to, *names, limit),
            ).fetchall()
        return Replay(tuple(_logged(row) for row in rows), lost)

    def prune(self) -> tuple[int, int]:
        """Drop what is too old, then the oldest until the bytes fit.

        Return how many frames went for their age, and how many for the bytes.
        """
        now_us = self._database.running.now_us()
        with self._database.writing() as sql:
            (last,) = sql.execute(
                "SELECT coalesce((SELECT position - 1 FROM frame_times WHERE received_at_us >= ? ORDER BY position LIMIT 1), "
                "(SELECT max(position) FROM frames), 0)",
                (now_us - self._age_us,),
            ).fetchone()
            aged = _drop_up_to(sql, last)
            if now_us - self._clock_kept_us >= _CLOCK_KEPT_US:
                self._keep_clock(sql)
        crowded = 0
        # In small steps, so that no transaction keeps appends waiting for long.
        while self._database.used_bytes() > self._most_bytes:
            with self._database.writing() as sql:
                (last,) = sql.execute(
                    "SELECT max(position) FROM (SELECT position FROM frames ORDER BY position LIMIT ?)",
                    (_DROP_AT_ONCE,),
                ).fetchone()
                dropped = 0 if last is None else _drop_up_to(sql, last)
                if not dropped:
                    # Nothing but the memory of what was dropped is left: half of it goes.
                    _forget(sql, _count(sql, "dropped") // 2)
                    break
                crowded += dropped
        return aged, crowded

    def _keep_clock(self, sql: sqlite3.Connection) -> None:
        self._database.keep_clock(sql)
        self._clock_kept_us = self._database.running.now_us()

    def size(self) -> tuple[int, int]:
        """Return the bytes in use, and the number of frames."""
        with self._database.reading() as sql:
            frames = _count(sql, "frames")
        return self._database.used_bytes(), frames


def _has(sql: sqlite3.Connection, packet: Packet) -> bool:
    query = "SELECT 1 FROM frames WHERE camera = (SELECT number FROM cameras WHERE name = ?) AND sequence = ?"
    return sql.execute(query, (packet.camera_id, packet.sequence)).fetchone() is not None


def _count(sql: sqlite3.Connection, table: str) -> int:
    return int(sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _number(sql: sqlite3.Connection, table: str, column: str, value: bytes) -> int:
    sql.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (value,))
    return int(sql.execute(f"SELECT number FROM {table} WHERE {column} = ?", (value,)).fetchone()[0])


def _insert(sql: sqlite3.Connection, packet: Packet, bundle: int, now: Moment, camera: KnownCamera) -> int:
    (number,) = sql.execute(
        "INSERT INTO cameras (name, edge, last_sequence, capture_time_us, received_time_us) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET edge = excluded.edge, last_sequence = excluded.last_sequence, "
        "capture_time_us = excluded.capture_time_us, received_time_us = excluded.received_time_us RETURNING number",
        (camera.camera_id, camera.edge_id, packet.sequence, packet.capture_time_us, now.of_day_us),
    ).fetchone()
    sizes = packet.geometry.numbers
    cursor = sql.execute(
        "INSERT INTO frames VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(number, packet.sequence, packet.capture_time_us, now.of_day_us, bundle),
            *(*sizes[:4], packet.bitstream, packet.trace_context),
        ),
    )
    position = cursor.lastrowid
    assert position is not None
    sql.execute("INSERT INTO frame_times VALUES (?, ?)", (position, now.running_us))
    if packet.geometry.crop is not None:
        sql.execute("INSERT INTO crops VALUES (?, ?, ?, ?, ?)", (position, *sizes[4:]))
    return position


def _drop_up_to(sql: sqlite3.Connection, last: int) -> int:
    """Drop the frames up to and with a position, remember that they were there, and return how many they were."""
    sql.execute("INSERT INTO dropped SELECT camera, position FROM frames WHERE position <= ?", (last,))
    dropped = sql.execute("DELETE FROM frames WHERE position <= ?", (last,)).rowcount
    if dropped and (remembered := _count(sql, "dropped")) > MOST_DROPPED:
        _forget(sql, remembered - MOST_DROPPED)
    return dropped


def _forget(sql: sqlite3.Connection, count: int) -> None:
    sql.execute(
        "DELETE FROM dropped WHERE position <= (SELECT max(position) FROM "
        "(SELECT position FROM dropped ORDER BY position LIMIT ?))",
        (count,),
    )


def _logged(row: tuple[object, ...]) -> LoggedFrame:
    position, camera, sequence, captured, received, digest, *sizes, bitstream, trace = row
    packet = Packet(camera, sequence, captured, Geometry.of_numbers(sizes), bitstream, trace)  # type: ignore[arg-type]
    return LoggedFrame(position, packet, digest, received)  # type: ignore[arg-type]
