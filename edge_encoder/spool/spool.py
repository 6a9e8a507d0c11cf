"""Coded frames on disk, from the edge's promise to the cloud's acknowledgement.

    coded frames --append--> on disk, with sequences and receipts, in one transaction a batch
    on disk --read_after--> Spooled, in order --uplink--> cloud --delete_acked--> gone

Its methods block: call them in a thread. They may be called from several threads.

Law: ages are counted by a clock that nobody sets (`shared.server.running_clock`), so no frame is dropped because the time of
day was set. Law: a (camera, sequence) is given once. What `append` returned survives the process, and with sync `full` the machine.
It stays until it is acknowledged, or until it is the oldest and has to make room, which is counted.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

from edge_encoder.frames import FrameRef
from edge_encoder.spool.database import CLOCK, FLOOR, FRAME_OVERHEAD_BYTES, open_spool, transaction
from shared.contract.geometry import Geometry
from shared.contract.packets import MICROSECONDS, Packet
from shared.contract.receipts import Outcome, Receipt
from shared.errors import DiskFull
from shared.server.running_clock import Moment, Uptime
from shared.telemetry.logs import Throttle, logger

SpoolSync = Literal["normal", "full"]
Bound = Literal["bytes", "age"]
RECEIPTS_KEPT = 64
"""How many frames of each camera are remembered, so that a repeated post of one is recognised."""

_IDLE_US = 10 * MICROSECONDS
"""A camera that paused for so long may have been another edge's meanwhile, which began at the time in milliseconds."""
_SECONDS_BETWEEN_WARNINGS = 60.0
_CLOCK_KEPT_US = 60 * MICROSECONDS
"""How often the running clock is written where no frame comes, which writes it anyway."""
_TOLD: dict[Bound, str] = {
    "bytes": "coded frames are lost: the spool is full",
    "age": "coded frames are lost: the cloud did not take them before they were too old",
}
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

    row: rises with every frame and is never used twice. spooled_at_us: by the spool's running clock.
    """

    row: int
    bundle_digest: bytes
    packet: Packet
    spooled_at_us: int


@dataclass(frozen=True)
class SpoolState:
    """The state of the spool. oldest_at_us: when its oldest frame was spooled, by its running clock; None for no frame."""

    frames: int
    bytes: int
    oldest_at_us: int | None


@dataclass(frozen=True)
class KeptReceipt:
    """The receipt of a coded frame. picture_digest: of the posted picture; empty where an earlier release wrote it."""

    receipt: Receipt
    picture_digest: bytes


class Spool:
    """One edge's spool. most_bytes, most_age_seconds: its bounds.

    sync: with `full`, an append waits for the disk itself; with `normal`, the system's cache holds the last moments.
    clock: gives seconds since 1970. Only new sequences begin at it. uptime: counts the ages; None takes the system's.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int,
        most_age_seconds: float,
        sync: SpoolSync = "full",
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], Uptime] | None = None,
    ) -> None:
        """Open the folder's spool. Raises FolderError where it cannot be used."""
        self._database, self._running = open_spool(folder, sync, uptime)
        self._lock = Lock()
        self._most_bytes = most_bytes
        self._most_age_us = round(most_age_seconds * MICROSECONDS)
        self._clock = clock
        self._clock_kept_us = self._running.now_us()
        self._throttles = {bound: Throttle(_SECONDS_BETWEEN_WARNINGS) for bound in _TOLD}
        self._unlogged: Counter[Bound] = Counter()
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
        added = [len(coded.bitstream) for coded in batch]
        with self._lock:
            now = Moment(round(self._clock() * MICROSECONDS), self._running.now_us())
            with transaction(self._database.main) as cursor:
                receipts = [_append_one(cursor, digest, coded, now, self._floor) for coded in batch]
                dropped = self._make_room(cursor, _kept_bytes(added))
                self._keep_clock(cursor)
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
                "bitstream, trace_context, spooled_at_us FROM frames JOIN cameras USING (camera) JOIN frame_times USING (row) "
                "LEFT JOIN crops USING (row) WHERE row > ? ORDER BY row LIMIT ?",
                (row, limit),
            ).fetchall()
        return [
            Spooled(
                place, digest, Packet(name, sequence, taken, Geometry.of_numbers(sizes), bits, trace), spooled_at_us
            )
            for place, digest, name, sequence, taken, *sizes, bits, trace, spooled_at_us in found
        ]

    def delete_acked(self, acks: Sequence[tuple[str, int]]) -> list[float]:
        """Forget each camera's frames up to its sequence, and return the seconds that each frame was kept.

        After a crash of the machine they may come back; the cloud then recognises them.
        """
        gone: list[int] = []
        since_us: list[int] = []
        of_camera = "camera = (SELECT camera FROM cameras WHERE camera_id = ?) AND sequence <= ?"
        with self._lock:
            with transaction(self._database.second) as cursor:
                for ack in acks:
                    found = cursor.execute(
                        "SELECT length(bitstream), spooled_at_us FROM frames JOIN frame_times USING (row) "
                        f"WHERE {of_camera} ORDER BY row",
                        ack,
                    ).fetchall()
                    gone += [size for size, _ in found]
                    since_us += [spooled_at_us for _, spooled_at_us in found]
                    cursor.execute(f"DELETE FROM frames WHERE {of_camera}", ack)
            self._count_out(gone)
        now_us = self._running.now_us()
        return [(now_us - spooled_at_us) / MICROSECONDS for spooled_at_us in since_us]

    def expire(self) -> None:
        """Drop what is over its age, as the appends do."""
        with self._lock:
            with transaction(self._database.second) as cursor:
                dropped = self._make_room(cursor, 0)
                if self._running.now_us() - self._clock_kept_us >= _CLOCK_KEPT_US:
                    self._keep_clock(cursor)
            self._note(dropped)

    def receipts(self) -> list[KeptReceipt]:
        """Return the kept receipts, oldest first; a repeated post is answered with one."""
        with self._lock:
            found = self._database.second.execute(
                "SELECT camera_id, capture_time_us, sequence, coded_bytes, rate, groups, coalesce(picture_digest, x'') "
                "FROM receipts JOIN cameras USING (camera) LEFT JOIN receipt_pictures USING (camera, sequence) "
                "ORDER BY sequence"
            ).fetchall()
        return [
            KeptReceipt(Receipt(name, Outcome.CODED, taken, sequence, size, rate, tuple(groups.split())), picture)
            for name, taken, sequence, size, rate, groups, picture in found
        ]

    def state(self) -> SpoolState:
        """Return what is kept now."""
        with self._lock:
            row = self._database.second.execute("SELECT spooled_at_us FROM frame_times ORDER BY row LIMIT 1").fetchone()
        return SpoolState(self._frames, self._bytes, None if row is None else int(row[0]))

    def now_us(self) -> int:
        """Return the time by the spool's running clock, which `spooled_at_us` and `oldest_at_us` are compared with."""
        return self._running.now_us()

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
        """End the use of the folder; may be called again."""
        with self._lock:
            # Without room on the disk, the time since the last frame is not counted.
            with suppress(DiskFull, sqlite3.ProgrammingError), transaction(self._database.main) as cursor:
                self._keep_clock(cursor)
            self._database.close()

    def _keep_clock(self, cursor: sqlite3.Cursor) -> None:
        """Write the running clock, so that it goes on from here after a restart."""
        cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (CLOCK, self._running.kept()))
        self._clock_kept_us = self._running.now_us()

    def _make_room(self, cursor: sqlite3.Cursor, added: int) -> list[_Dropped]:
        """Delete, from the oldest on, what is too old and what is over the bound in bytes."""
        youngest_us = self._running.now_us() - self._most_age_us
        over = self._bytes + added - self._most_bytes
        dropped: list[_Dropped] = []
        while True:
            oldest = cursor.execute(
                "SELECT row, camera_id, spooled_at_us, length(bitstream) FROM frames JOIN cameras USING (camera) "
                "JOIN frame_times USING (row) ORDER BY row LIMIT 1"
            ).fetchone()
            if oldest is None:
                return dropped
            row, camera_id, spooled_at_us, size = oldest
            too_old = spooled_at_us < youngest_us
            if over <= 0 and not too_old:
                return dropped
            cursor.execute("DELETE FROM frames WHERE row = ?", (row,))
            dropped.append(_Dropped(camera_id, "age" if too_old else "bytes", size))
            over -= _kept_bytes([size])

    def _note(self, dropped: Sequence[_Dropped]) -> None:
        """Count dropped frames, and log for each bound at most once a minute which it was."""
        if not dropped:
            return
        self._count_out([one.size_bytes for one in dropped])
        self._dropped_since.update((one.camera_id, one.bound) for one in dropped)
        self._unlogged.update(one.bound for one in dropped)
        for bound, told in _TOLD.items():
            if self._unlogged[bound] and self._throttles[bound].due():
                log.warning(
                    told,
                    bound=bound,
                    frames=self._unlogged.pop(bound),
                    spool_bytes=self._bytes,
                    most_bytes=self._most_bytes,
                    most_age_seconds=self._most_age_us / MICROSECONDS,
                )

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


def _append_one(cursor: sqlite3.Cursor, digest: bytes, coded: CodedFrame, now: Moment, floor: int) -> Receipt:
    ref, sizes = coded.ref, coded.geometry.numbers
    camera, sequence = _next_sequence(cursor, ref.camera_id, now, floor)
    cursor.execute(
        "INSERT INTO frames (camera, sequence, capture_time_us, digest, picture_width, picture_height, input_width, "
        "input_height, bitstream, trace_context, spooled_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (camera, sequence, ref.capture_time_us, digest, *sizes[:4], coded.bitstream, ref.trace_context, now.of_day_us),
    )
    row = cursor.lastrowid
    cursor.execute("INSERT INTO frame_times VALUES (?, ?)", (row, now.running_us))
    if coded.geometry.crop is not None:
        cursor.execute("INSERT INTO crops VALUES (?, ?, ?, ?, ?)", (row, *sizes[4:]))
    size_bytes, groups = len(coded.bitstream), coded.groups
    if ref.time_given:
        # Only such a frame can be recognised when it is posted again.
        cursor.execute(
            "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
            (camera, sequence, ref.capture_time_us, size_bytes, coded.rate, " ".join(groups)),
        )
        cursor.execute(
            "INSERT OR REPLACE INTO receipt_pictures VALUES (?, ?, ?)", (camera, sequence, ref.picture_digest)
        )
        cursor.execute(
            "DELETE FROM receipts WHERE camera = ? AND sequence <= (SELECT sequence FROM receipts WHERE camera = ? "
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (camera, camera, RECEIPTS_KEPT),
        )
    return Receipt(ref.camera_id, Outcome.CODED, ref.capture_time_us, sequence, size_bytes, coded.rate, groups)


def _next_sequence(cursor: sqlite3.Cursor, camera_id: str, now: Moment, floor: int) -> tuple[int, int]:
    """Return the number of the camera in this file, and the sequence of its next frame.

    A new camera starts at the time in milliseconds: above whatever an earlier disk of this edge has given out. So does
    one that comes back: above whatever another edge has given out meanwhile. How long it was away, the running clock says.
    """
    start = max(floor, now.of_day_us // 1000)
    known = cursor.execute(
        "SELECT camera, next_sequence, used_at_us FROM cameras JOIN camera_times USING (camera) WHERE camera_id = ?",
        (camera_id,),
    ).fetchone()
    if known is None:
        sequence = start
        cursor.execute(
            "INSERT INTO cameras (camera_id, next_sequence, used_us) VALUES (?, ?, ?)",
            (camera_id, sequence + 1, now.of_day_us),
        )
        camera = int(cursor.lastrowid or 0)
    else:
        camera, sequence, used_at_us = known
        if now.running_us - used_at_us > _IDLE_US:
            sequence = max(sequence, start)
        cursor.execute(
            "UPDATE cameras SET next_sequence = ?, used_us = ? WHERE camera = ?",
            (sequence + 1, now.of_day_us, camera),
        )
    cursor.execute("INSERT OR REPLACE INTO camera_times VALUES (?, ?)", (camera, now.running_us))
    return camera, sequence
