"""Coded frames on disk, from the edge's promise to the cloud's acknowledgement.

    append(frames) -> receipts      one transaction a batch: sequences, frames, receipts; on disk when it returns
    read_after(row) -> [Spooled]    in order            delete_acked([(camera, sequence)])

Law: a (camera, sequence) is given once; what `append` returned survives the process (with sync `full` the machine) until it
is acknowledged or, counted, the oldest makes room. Blocking: call it in a thread; it may be called from several.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

from edge_encoder.spool.database import FLOOR, FRAME_OVERHEAD_BYTES, open_spool, transaction
from shared.contract.geometry import Geometry
from shared.contract.packets import MICROSECONDS, Packet
from shared.contract.receipts import Outcome, Receipt
from shared.telemetry.logs import Throttle, logger

SpoolSync = Literal["normal", "full"]
Bound = Literal["bytes", "age"]
RECEIPTS_KEPT = 64
"""Of each camera: how far back a repeated post is recognised, in frames."""

_IDLE_US = 10 * MICROSECONDS
"""After so long a camera may have been another edge's meanwhile, which began at the time in milliseconds."""
_SECONDS_BETWEEN_WARNINGS = 60.0
_WISH = "wish"
_EDGE_ID = "edge_id"

log = logger("edge.spool")


@dataclass(frozen=True, eq=False)
class Coded:
    """A frame that was just coded and has no sequence yet. Otherwise as in `Packet` and `Receipt`."""

    camera_id: str
    capture_time_us: int
    time_given: bool
    geometry: Geometry
    bitstream: bytes = field(repr=False)
    rate: int
    groups: tuple[str, ...]
    trace_context: bytes = b""


@dataclass(frozen=True)
class Spooled:
    """A packet and its place: row rises with every frame and is never used twice. spooled_us: since 1970."""

    row: int
    bundle_digest: bytes
    packet: Packet
    spooled_us: int


@dataclass(frozen=True)
class SpoolState:
    """frames, bytes: what is kept. oldest_us: when the oldest was spooled, 0 for none. Dropped: since the start, by bound."""

    frames: int
    bytes: int
    oldest_us: int
    dropped_for_bytes: int
    dropped_for_age: int


class Spool:
    """One edge's spool. most_bytes, most_age_seconds: its bounds. clock: seconds since 1970.

    sync `full` waits for the disk itself at every append; `normal` leaves the last moments to the system's cache.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int,
        most_age_seconds: float,
        sync: SpoolSync = "full",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the folder's spool. Raises FolderError where it cannot be used."""
        self._database = open_spool(folder, sync, round(clock() * MICROSECONDS))
        self._lock = Lock()
        self._most_bytes = most_bytes
        self._most_age_us = round(most_age_seconds * MICROSECONDS)
        self._clock = clock
        self._throttle = Throttle(_SECONDS_BETWEEN_WARNINGS)
        self._dropped_for_bytes = self._dropped_for_age = self._unlogged = 0
        self._untold: Counter[tuple[str, Bound]] = Counter()
        query = "SELECT count(*), coalesce(sum(length(bitstream)), 0) FROM frames"
        frames, coded = self._database.main.execute(query).fetchone()
        floor = self._database.main.execute("SELECT value FROM meta WHERE key = ?", (FLOOR,)).fetchone()
        self._floor = 0 if floor is None else int(floor[0])
        self._frames: int = frames
        self._bytes: int = coded + frames * FRAME_OVERHEAD_BYTES

    def append(self, digest: bytes, batch: Sequence[Coded]) -> list[Receipt]:
        """Keeps the frames, in order, and gives each its sequence; raises DiskFull, and then keeps none of them.

        digest: of the bundle that coded them, 32 bytes.
        """
        now_us = round(self._clock() * MICROSECONDS)
        added = [len(coded.bitstream) for coded in batch]
        with self._lock:
            with transaction(self._database.main) as cursor:
                receipts = [_append_one(cursor, digest, coded, now_us, self._floor) for coded in batch]
                dropped = self._make_room(cursor, _kept_bytes(added), now_us)
            self._frames += len(added)
            self._bytes += _kept_bytes(added)
            self._note(dropped)
        return receipts

    def last_row(self) -> int:
        """The row of the newest frame, 0 for none."""
        with self._lock:
            (row,) = self._database.second.execute("SELECT coalesce(max(row), 0) FROM frames").fetchone()
        return int(row)

    def read_after(self, row: int, limit: int) -> list[Spooled]:
        """The first frames after that row, at most `limit`."""
        with self._lock:
            found = self._database.second.execute(
                "SELECT row, digest, camera_id, sequence, capture_time_us, picture_width, picture_height, input_width, "
                "input_height, bitstream, trace_context, spooled_us FROM frames JOIN cameras USING (camera) WHERE row > ? "
                "ORDER BY row LIMIT ?",
                (row, limit),
            ).fetchall()
        return [
            Spooled(place, digest, Packet(name, sequence, taken, Geometry(*sizes), bits, trace), spooled_us)
            for place, digest, name, sequence, taken, *sizes, bits, trace, spooled_us in found
        ]

    def delete_acked(self, acks: Sequence[tuple[str, int]]) -> list[float]:
        """Forgets each camera's frames up to its sequence; the seconds that each was kept. They may come back after a crash."""
        gone: list[int] = []
        kept_since_us: list[int] = []
        with self._lock:
            with transaction(self._database.second) as cursor:
                for name, sequence in acks:
                    cursor.execute(
                        "DELETE FROM frames WHERE camera = (SELECT camera FROM cameras WHERE camera_id = ?) "
                        "AND sequence <= ? RETURNING length(bitstream), spooled_us",
                        (name, sequence),
                    )
                    for size, spooled_us in cursor:
                        gone.append(size)
                        kept_since_us.append(spooled_us)
            self._count_out(gone)
        now_us = self._clock() * MICROSECONDS
        return [max(0.0, now_us - since_us) / MICROSECONDS for since_us in kept_since_us]

    def expire(self) -> None:
        """Drops what is over its age; the appends do it too."""
        with self._lock:
            with transaction(self._database.second) as cursor:
                dropped = self._make_room(cursor, 0, round(self._clock() * MICROSECONDS))
            self._note(dropped)

    def receipts(self) -> dict[tuple[str, int], Receipt]:
        """The kept receipts by camera and capture time, oldest first: what a repeated post is answered with."""
        found = self._database.main.execute(
            "SELECT camera_id, capture_time_us, sequence, coded_bytes, rate, groups FROM receipts JOIN cameras "
            "USING (camera) ORDER BY sequence"
        ).fetchall()
        return {
            (name, taken): Receipt(name, Outcome.CODED, taken, sequence, size, rate, tuple(groups.split()))
            for name, taken, sequence, size, rate, groups in found
        }

    def state(self) -> SpoolState:
        """What is kept now."""
        with self._lock:
            row = self._database.second.execute("SELECT spooled_us FROM frames ORDER BY row LIMIT 1").fetchone()
        oldest = 0 if row is None else int(row[0])
        return SpoolState(self._frames, self._bytes, oldest, self._dropped_for_bytes, self._dropped_for_age)

    def take_dropped(self) -> Mapping[tuple[str, Bound], int]:
        """How many frames of each camera went for which bound, since this was last asked."""
        with self._lock:
            untold, self._untold = self._untold, Counter()
        return untold

    @property
    def frames(self) -> int:
        """How many are kept, without asking the disk."""
        return self._frames

    def wish(self) -> bytes | None:
        """The last wish that was kept."""
        return self._get(_WISH)

    def keep_wish(self, wish: bytes) -> None:
        """Keeps the cloud's last wish, serialised, over a restart; raises DiskFull."""
        self._set(_WISH, wish)

    def edge_id(self, new: str) -> str:
        """The name that this spool was given first; `new` where it has none."""
        if (kept := self._get(_EDGE_ID)) is not None:
            return kept.decode()
        self._set(_EDGE_ID, new.encode())
        return new

    def close(self) -> None:
        """Ends the use of the folder."""
        with self._lock:
            self._database.close()

    def _make_room(self, cursor: sqlite3.Cursor, added: int, now_us: int) -> list[_Dropped]:
        """Deletes from the oldest on what is too old, and what is over the bound in bytes."""
        over = self._bytes + added - self._most_bytes
        dropped: list[_Dropped] = []
        while True:
            oldest = cursor.execute(
                "SELECT row, camera_id, spooled_us, length(bitstream) FROM frames JOIN cameras USING (camera) "
                "ORDER BY row LIMIT 1"
            ).fetchone()
            if oldest is None:
                return dropped
            row, camera_id, spooled_us, size = oldest
            too_old = spooled_us < now_us - self._most_age_us
            if over <= 0 and not too_old:
                return dropped
            cursor.execute("DELETE FROM frames WHERE row = ?", (row,))
            dropped.append(_Dropped(camera_id, "age" if too_old else "bytes", size))
            over -= _kept_bytes([size])

    def _note(self, dropped: Sequence[_Dropped]) -> None:
        """Counts, and logs at most once a minute."""
        if not dropped:
            return
        self._count_out([one.size for one in dropped])
        bounds = Counter(one.bound for one in dropped)
        self._dropped_for_age += bounds["age"]
        self._dropped_for_bytes += bounds["bytes"]
        self._untold.update((one.camera_id, one.bound) for one in dropped)
        self._unlogged += len(dropped)
        if self._throttle.due():
            log.warning("frames dropped: the spool is full", frames=self._unlogged, spool_bytes=self._bytes)
            self._unlogged = 0

    def _count_out(self, sizes: Sequence[int]) -> None:
        self._frames -= len(sizes)
        self._bytes -= _kept_bytes(sizes)

    def _get(self, key: str) -> bytes | None:
        with self._lock:
            row = self._database.second.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def _set(self, key: str, value: bytes) -> None:
        with self._lock, transaction(self._database.main) as cursor:
            cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@dataclass(frozen=True)
class _Dropped:
    """A frame that went: for its age, or for the room it took. size: of its bitstream, in bytes."""

    camera_id: str
    bound: Bound
    size: int


def _kept_bytes(sizes: Sequence[int]) -> int:
    return sum(sizes) + len(sizes) * FRAME_OVERHEAD_BYTES


def _append_one(cursor: sqlite3.Cursor, digest: bytes, coded: Coded, now_us: int, floor: int) -> Receipt:
    # A new camera starts at the time in milliseconds: above whatever an earlier disk of this edge has given out. So does
    # one that comes back: above whatever another edge has given out meanwhile.
    camera, sequence = cursor.execute(
        "INSERT INTO cameras (camera_id, next_sequence, used_us) VALUES (?, ? + 1, ?) ON CONFLICT (camera_id) DO UPDATE "
        "SET next_sequence = CASE WHEN excluded.used_us - used_us > ? THEN max(next_sequence + 1, excluded.next_sequence) "
        "ELSE next_sequence + 1 END, used_us = excluded.used_us RETURNING camera, next_sequence - 1",
        (coded.camera_id, max(floor, now_us // 1000), now_us, _IDLE_US),
    ).fetchone()
    sizes = coded.geometry
    cursor.execute(
        "INSERT INTO frames (camera, sequence, capture_time_us, digest, picture_width, picture_height, input_width, "
        "input_height, bitstream, trace_context, spooled_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (camera, sequence, coded.capture_time_us, digest, sizes.picture_width, sizes.picture_height)
        + (sizes.input_width, sizes.input_height, coded.bitstream, coded.trace_context, now_us),
    )
    size, groups = len(coded.bitstream), coded.groups
    if coded.time_given:
        cursor.execute(
            "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
            (camera, sequence, coded.capture_time_us, size, coded.rate, " ".join(groups)),
        )
        cursor.execute(
            "DELETE FROM receipts WHERE camera = ? AND sequence <= (SELECT sequence FROM receipts WHERE camera = ? "
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (camera, camera, RECEIPTS_KEPT),
        )
    return Receipt(coded.camera_id, Outcome.CODED, coded.capture_time_us, sequence, size, coded.rate, groups)
