"""Coded frames on disk, from the edge's promise to the cloud's acknowledgement.

    coded frames --append--> on disk, with sequences and receipts, in one transaction a batch
    on disk --read_after--> Spooled, in order --uplink--> cloud --delete_acked--> gone

Its methods block: call them in a thread. They may be called from several threads.

Law: a (camera, sequence) is given once. What `append` returned survives the process, and with sync `full` the machine.
It stays until it is acknowledged, or until it is the oldest and has to make room, which is counted.
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

from edge_encoder.frames import FrameRef
from edge_encoder.spool.database import FLOOR, FRAME_OVERHEAD_BYTES, open_spool, transaction
from shared.contract.geometry import Geometry
from shared.contract.packets import MICROSECONDS, Packet
from shared.contract.receipts import Outcome, Receipt
from shared.telemetry.logs import Throttle, logger

SpoolSync = Literal["normal", "full"]
Bound = Literal["bytes", "age"]
RECEIPTS_KEPT = 64
"""How many frames of each camera are remembered, so that a repeated post of one is recognised."""

_IDLE_US = 10 * MICROSECONDS
"""A camera that paused for so long may have been another edge's meanwhile, which began at the time in milliseconds."""
_SECONDS_BETWEEN_WARNINGS = 60.0
_WISH = "wish"
_EDGE_ID = "edge_id"

log = logger("edge.spool")


@dataclass(frozen=True, eq=False)
class CodedFrame:
    """A frame that was just coded and has no sequence yet. rate: its operating point."""

    ref: FrameRef
    geometry: Geometry
    bitstream: bytes = field(repr=False)
    rate: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Spooled:
    """A packet and its place in the spool.

    row: rises with every frame and is never used twice. spooled_us: microseconds since 1970.
    """

    row: int
    bundle_digest: bytes
    packet: Packet
    spooled_us: int


@dataclass(frozen=True)
class SpoolState:
    """The state of the spool. oldest_us: when the oldest frame was spooled, in microseconds since 1970; 0 for none."""

    frames: int
    bytes: int
    oldest_us: int


class Spool:
    """One edge's spool. most_bytes, most_age_seconds: its bounds. clock: gives seconds since 1970.

    sync: with `full`, an append waits for the disk itself; with `normal`, the system's cache holds the last moments.
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
        self._unlogged = 0
        self._dropped_since: Counter[tuple[str, Bound]] = Counter()
        query = "SELECT count(*), coalesce(sum(length(bitstream)), 0) FROM frames"
        frames, coded = self._database.main.execute(query).fetchone()
        floor = self._database.main.execute("SELECT value FROM meta WHERE key = ?", (FLOOR,)).fetchone()
        self._floor = 0 if floor is None else int(floor[0])
        self._frames: int = frames
        self._bytes: int = coded + frames * FRAME_OVERHEAD_BYTES

    def append(self, digest: bytes, batch: Sequence[CodedFrame]) -> list[Receipt]:
        """Keep the frames, in order, and give each its sequence. Raises DiskFull, and then keeps none of them.

        digest: the 32 bytes that name the bundle which coded them.
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
        """Return the row of the newest frame, 0 for none."""
        with self._lock:
            (row,) = self._database.second.execute("SELECT coalesce(max(row), 0) FROM frames").fetchone()
        return int(row)

    def read_after(self, row: int, limit: int) -> list[Spooled]:
        """Return the first frames after that row, at most `limit`."""
        with self._lock:
            found = self._database.second.execute(
                "SELECT row, digest, camera_id, sequence, capture_time_us, picture_width, picture_height, input_width, "
                "input_height, coalesce(x, 0), coalesce(y, 0), coalesce(uncropped_width, 0), coalesce(uncropped_height, 0), "
                "bitstream, trace_context, spooled_us FROM frames JOIN cameras USING (camera) LEFT JOIN crops USING (row) "
                "WHERE row > ? ORDER BY row LIMIT ?",
                (row, limit),
            ).fetchall()
        return [
            Spooled(place, digest, Packet(name, sequence, taken, Geometry.of_numbers(sizes), bits, trace), spooled_us)
            for place, digest, name, sequence, taken, *sizes, bits, trace, spooled_us in found
        ]

    def delete_acked(self, acks: Sequence[tuple[str, int]]) -> list[float]:
        """Forget each camera's frames up to its sequence, and return the seconds that each frame was kept.

        After a crash of the machine they may come back; the cloud then recognises them.
        """
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
        """Drop what is over its age, as the appends do."""
        with self._lock:
            with transaction(self._database.second) as cursor:
                dropped = self._make_room(cursor, 0, round(self._clock() * MICROSECONDS))
            self._note(dropped)

    def receipts(self) -> dict[tuple[str, int], Receipt]:
        """Return the kept receipts by camera and capture time, oldest first; a repeated post is answered with one."""
        found = self._database.main.execute(
            "SELECT camera_id, capture_time_us, sequence, coded_bytes, rate, groups FROM receipts JOIN cameras "
            "USING (camera) ORDER BY sequence"
        ).fetchall()
        return {
            (name, taken): Receipt(name, Outcome.CODED, taken, sequence, size, rate, tuple(groups.split()))
            for name, taken, sequence, size, rate, groups in found
        }

    def state(self) -> SpoolState:
        """Return what is kept now."""
        with self._lock:
            row = self._database.second.execute("SELECT spooled_us FROM frames ORDER BY row LIMIT 1").fetchone()
        oldest = 0 if row is None else int(row[0])
        return SpoolState(self._frames, self._bytes, oldest)

    def take_dropped(self) -> Mapping[tuple[str, Bound], int]:
        """Return how many frames of each camera were dropped for which bound, since the last call."""
        with self._lock:
            since, self._dropped_since = self._dropped_since, Counter()
        return since

    @property
    def frames(self) -> int:
        """The number of kept frames, without asking the disk."""
        return self._frames

    def wish(self) -> bytes | None:
        """Return the last wish that was kept."""
        return self._get(_WISH)

    def keep_wish(self, wish: bytes) -> None:
        """Keep the cloud's last wish, serialised, over a restart. Raises DiskFull."""
        self._set(_WISH, wish)

    def edge_id(self, new: str) -> str:
        """Return the id that this spool was given first; give it `new` where it has none."""
        if (kept := self._get(_EDGE_ID)) is not None:
            return kept.decode()
        self._set(_EDGE_ID, new.encode())
        return new

    def close(self) -> None:
        """End the use of the folder."""
        with self._lock:
            self._database.close()

    def _make_room(self, cursor: sqlite3.Cursor, added: int, now_us: int) -> list[_Dropped]:
        """Delete, from the oldest on, what is too old and what is over the bound in bytes."""
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
        """Count dropped frames, and log them at most once a minute."""
        if not dropped:
            return
        self._count_out([one.size_bytes for one in dropped])
        self._dropped_since.update((one.camera_id, one.bound) for one in dropped)
        self._unlogged += len(dropped)
        if self._throttle.due():
            log.warning(
                "coded frames are lost: the spool is at its bound", frames=self._unlogged, spool_bytes=self._bytes
            )
            self._unlogged = 0

    def _count_out(self, sizes: Sequence[int]) -> None:
        self._frames -= len(sizes)
        self._bytes -= _kept_bytes(sizes)

    def holds(self, camera_id: str) -> bool:
        """Return whether frames of the camera wait for the cloud."""
        with self._lock:
            (found,) = self._database.second.execute(
                "SELECT EXISTS (SELECT 1 FROM frames JOIN cameras USING (camera) WHERE camera_id = ?)", (camera_id,)
            ).fetchone()
        return bool(found)

    def _get(self, key: str) -> bytes | None:
        with self._lock:
            row = self._database.second.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def _set(self, key: str, value: bytes) -> None:
        with self._lock, transaction(self._database.main) as cursor:
            cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@dataclass(frozen=True)
class _Dropped:
    """A frame that was lost to a bound. size_bytes: the length of its bitstream."""

    camera_id: str
    bound: Bound
    size_bytes: int


def _kept_bytes(sizes: Sequence[int]) -> int:
    return sum(sizes) + len(sizes) * FRAME_OVERHEAD_BYTES


def _append_one(cursor: sqlite3.Cursor, digest: bytes, coded: CodedFrame, now_us: int, floor: int) -> Receipt:
    ref, sizes = coded.ref, coded.geometry.numbers
    # A new camera starts at the time in milliseconds: above whatever an earlier disk of this edge has given out. So does
    # one that comes back: above whatever another edge has given out meanwhile.
    camera, sequence = cursor.execute(
        "INSERT INTO cameras (camera_id, next_sequence, used_us) VALUES (?, ? + 1, ?) ON CONFLICT (camera_id) DO UPDATE "
        "SET next_sequence = CASE WHEN excluded.used_us - used_us > ? THEN max(next_sequence + 1, excluded.next_sequence) "
        "ELSE next_sequence + 1 END, used_us = excluded.used_us RETURNING camera, next_sequence - 1",
        (ref.camera_id, max(floor, now_us // 1000), now_us, _IDLE_US),
    ).fetchone()
    cursor.execute(
        "INSERT INTO frames (camera, sequence, capture_time_us, digest, picture_width, picture_height, input_width, "
        "input_height, bitstream, trace_context, spooled_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (camera, sequence, ref.capture_time_us, digest, *sizes[:4], coded.bitstream, ref.trace_context, now_us),
    )
    if coded.geometry.crop is not None:
        cursor.execute("INSERT INTO crops VALUES (?, ?, ?, ?, ?)", (cursor.lastrowid, *sizes[4:]))
    size_bytes, groups = len(coded.bitstream), coded.groups
    if ref.time_given:
        # Only such a frame can be recognised when it is posted again.
        cursor.execute(
            "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
            (camera, sequence, ref.capture_time_us, size_bytes, coded.rate, " ".join(groups)),
        )
        cursor.execute(
            "DELETE FROM receipts WHERE camera = ? AND sequence <= (SELECT sequence FROM receipts WHERE camera = ? "
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (camera, camera, RECEIPTS_KEPT),
        )
    return Receipt(ref.camera_id, Outcome.CODED, ref.capture_time_us, sequence, size_bytes, coded.rate, groups)
