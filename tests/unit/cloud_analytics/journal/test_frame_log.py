"""The laws of a frame log hold for a journal and for a stream on a real NATS alike (fixture `bus`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog
from cloud_analytics.journal.jetstream.storage import StreamStorage
from cloud_analytics.journal.local.storage import LocalStorage
from cloud_analytics.journal.storage import Storage
from cloud_analytics.settings import LOCAL_BUS
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.errors import BadRequest
from shared.server.supervisor import ended
from tests.support.cloud import metrics, settings

SIZE = Geometry(640, 480, 32, 32)
DIGEST = bytes(range(32))


def packet(camera: str, sequence: int, bitstream: bytes = b"bits") -> Packet:
    return Packet(camera, sequence, 1_700_000_000_000_000 + sequence, SIZE, bitstream, bytes(26))


def arrival(*packets: Packet, edge: str = "edge") -> Arrival:
    return Arrival(packets, DIGEST, edge)


class Log:
    """A log, and what has come out of it."""

    def __init__(self, frames: FrameLog) -> None:
        self.frames = frames
        self.came: list[LoggedFrame] = []
        self._collecting = asyncio.create_task(self._collect())

    async def append(self, *arrivals: Arrival) -> Appended:
        return await asyncio.wait_for(self.frames.append(arrivals), 15)

    async def has(self, count: int) -> list[tuple[int, str, int]]:
        """Wait until that many have come, and return them."""
        async with asyncio.timeout(15):
            while len(self.came) < count:
                await asyncio.sleep(0.01)
        return [(one.position, one.camera_id, one.packet.sequence) for one in self.came]

    async def replayed(self, position: int, cameras: Sequence[str] = (), limit: int = 100) -> list[tuple[int, str]]:
        replay = await self.frames.replay(position, self.frames.head, cameras, limit)
        assert (replay.lost, replay.uncounted) == (0, False)
        return [(one.position, one.camera_id) for one in replay.frames]

    async def end(self) -> None:
        await ended([self._collecting])

    async def _collect(self) -> None:
        while True:
            self.came += await self.frames.next_batch()


@asynccontextmanager
async def opened(bus: str, folder: Path, age_seconds: float = 1e6) -> AsyncIterator[Log]:
    given = settings(data=folder / "data", bus=bus, journal_bytes=1 << 26, journal_age_seconds=age_seconds)
    storage: Storage = LocalStorage(given, metrics()) if bus == LOCAL_BUS else StreamStorage(given, metrics())
    await storage.open()
    log = Log(storage.frames)
    try:
        yield log
    finally:
        await log.end()
        await storage.close()


@pytest.mark.asyncio
async def test_a_frame_is_appended_once_for_good_and_comes_once_and_in_order(bus: str, tmp_path: Path) -> None:
    async with opened(bus, tmp_path) as log:
        one = await log.append(arrival(packet("door", 3), packet("door", 4), packet("door.2", 3)))
        assert sorted((r.camera_id, r.packet.sequence) for r in one.frames) == [
            ("door", 3), ("door", 4), ("door.2", 3)
        ]  # fmt: skip
        again = await log.append(arrival(packet("door", 3), packet("door", 4), packet("door", 6)))
        assert ([r.packet.sequence for r in again.frames], again.duplicates, again.late) == (
            [6],
            ("door", "door"),
            (),
        )
        assert again.head == again.frames[-1].position == 4
        came = await log.has(4)
        assert [position for position, _, _ in came] == [1, 2, 3, 4]
        assert [sequence for _, camera, sequence in came if camera == "door"] == [3, 4, 6]
        whole = log.came[-1]
        assert (whole.packet, whole.bundle_digest) == (packet("door", 6), DIGEST)
    async with opened(bus, tmp_path) as log:
        again = await log.append(arrival(packet("door", 6), packet("door", 7), packet("door.2", 3)))
        assert ([r.position for r in again.frames], again.duplicates) == ([5], ("door", "door.2"))
        assert await log.has(1) == [(5, "door", 7)], "what was there before does not come again"


@pytest.mark.asyncio
async def test_replay_gives_what_came_after_a_position_of_the_chosen_cameras(bus: str, tmp_path: Path) -> None:
    async with opened(bus, tmp_path) as log:
        for sequence in range(1, 41):
            await log.append(arrival(packet("door" if sequence % 2 else "hall", sequence)))
        assert await log.replayed(37) == [(38, "hall"), (39, "door"), (40, "hall")]
        assert await log.replayed(0, limit=5) == [(n, "door" if n % 2 else "hall") for n in range(1, 6)]
        assert await log.replayed(30, ("hall",), limit=3) == [(32, "hall"), (34, "hall"), (36, "hall")]
        assert await log.replayed(37, ("hall", "door", "attic")) == [(38, "hall"), (39, "door"), (40, "hall")]
        many = ("door", *(f"camera-{number}" for number in range(20)))
        assert await log.replayed(36, many) == [(37, "door"), (39, "door")]
        assert await log.replayed(40) == []
        up_to = await log.frames.replay(10, 12, (), 100)
        assert [one.position for one in up_to.frames] == [11, 12]


@pytest.mark.asyncio
async def test_a_cursor_names_its_log(bus: str, tmp_path: Path) -> None:
    async with opened(bus, tmp_path) as log:
        await log.append(arrival(packet("door", 1)))
        cursor = log.frames.cursor(1)
        await log.frames.catch_up(cursor)
        assert log.frames.position(cursor) == 1
        assert log.frames.position("0123456789abcdef:1") is None
        name = cursor.partition(":")[0]
        for text in ("", "1", ":1", "x:", f"{name}:-1", f"{name}:2", f"{name}:1 ", "a" * 100 + ":1"):
            await log.frames.catch_up(text)
            with pytest.raises(BadRequest):
                log.frames.position(text)


@pytest.mark.asyncio
async def test_frames_that_have_aged_are_counted_as_lost_and_never_taken_again(bus: str, tmp_path: Path) -> None:
    async with opened(bus, tmp_path, age_seconds=1.0) as log:
        await log.append(arrival(*(packet("door", sequence) for sequence in range(1, 6))))
        await log.has(5)
        dropped = 0
        async with asyncio.timeout(15):
            while (kept := await log.frames.prune()).frames:
                dropped += sum(kept.dropped.values())
                await asyncio.sleep(0.1)
        assert dropped + sum(kept.dropped.values()) == 5
        again = await log.append(arrival(packet("door", 5), packet("door", 6)))
        assert (again.duplicates, [one.packet.sequence for one in again.frames]) == (("door",), [6])
        of_all = await log.frames.replay(2, again.head, (), 10)
        assert (of_all.lost, [one.position for one in of_all.frames]) == (3, [6])
        of_door = await log.frames.replay(2, again.head, ("door",), 10)
        assert of_door.lost == 3 or of_door.uncounted
    async with opened(bus, tmp_path, age_seconds=1.0) as log:
        again = await log.append(arrival(packet("door", 6)))
        assert again.duplicates == ("door",)
        assert log.frames.cameras["door"].last_sequence == 6


@pytest.mark.asyncio
async def test_frames_that_come_after_later_ones_by_another_edge_are_late_and_not_duplicates(
    bus: str, tmp_path: Path
) -> None:
    async with opened(bus, tmp_path) as log:
        await log.append(arrival(packet("door", 1), packet("door", 2), edge="first"))
        await log.append(arrival(packet("door", 6), packet("door", 7), edge="second"))
        back = await log.append(arrival(*(packet("door", sequence) for sequence in (2, 3, 4)), edge="first"))
        assert (back.frames, back.duplicates, back.late) == ((), ("door",), ("door", "door"))


@pytest.mark.asyncio
async def test_what_was_known_of_a_camera_is_known_after_a_restart(bus: str, tmp_path: Path) -> None:
    for sequence in (1, 2):
        async with opened(bus, tmp_path) as log:
            assert log.frames.head == sequence - 1
            await log.append(arrival(packet("door", sequence)))
            await log.has(1)
            known = log.frames.cameras["door"]
            assert (known.edge_id, known.last_sequence) == ("edge", sequence)
            assert known.last_capture_time_us == packet("door", sequence).capture_time_us
