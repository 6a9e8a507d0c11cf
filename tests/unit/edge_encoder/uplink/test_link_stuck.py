"""An uplink whose cloud takes nothing any more, though the connection stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.wanted_groups import CurrentWish
from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.spool.spool import CodedFrame, Spool
from edge_encoder.uplink import stream as uplink_stream
from edge_encoder.uplink.link import BackOff, LinkTerms, Uplink
from edge_encoder.uplink.stream import UplinkNeighbours
from shared.contract.geometry import Geometry
from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.errors import DiskFull
from shared.wire import uplink_pb2
from tests.support.edge import RecordingCloud

pytestmark = pytest.mark.starts_server

DIGEST, OLDER = bytes([7]) * 32, bytes([6]) * 32
FRAMES, FRAME_BYTES = 12, 400_000


class StuckCloud(RecordingCloud):
    """Its first stream is welcomed and never read; it works from the second one on."""

    async def Connect(
        self, requests: AsyncIterator[uplink_pb2.ConnectRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[uplink_pb2.ConnectResponse]:
        if self.hellos:
            async for response in super().Connect(requests, context):
                yield response
            return
        self.hellos.append((await anext(aiter(requests))).hello)
        welcome = uplink_pb2.Welcome(protocol_version=PROTOCOL_VERSION, bundle_digest=DIGEST)
        yield uplink_pb2.ConnectResponse(welcome=welcome, credit=1000)
        await asyncio.sleep(3600)


class ShortBackOff(BackOff):
    """Notes the waits, and makes them short. Its jitter is the same for each, so that they can be compared."""

    def __init__(self) -> None:
        super().__init__(jitter=lambda *_: 0.05)
        self.waits: list[float] = []

    def seconds(self, reason: str, addresses: int = 1) -> float:
        self.waits.append(super().seconds(reason, addresses))
        return min(self.waits[-1], 0.02)


class FullDisk(Spool):
    """A spool whose disk takes no deletion for a while, as SQLite's log on a full disk does."""

    is_full = True

    def delete_acked(self, acks: Sequence[tuple[str, int]]) -> list[float]:
        if self.is_full:
            raise DiskFull("the edge's disk takes nothing more")
        return super().delete_acked(acks)


def uplink_of(cloud: RecordingCloud, spool: Spool, back_off: BackOff | None = None) -> Uplink:
    terms = LinkTerms(f"127.0.0.1:{cloud.port}", "edge-1", DIGEST, interval_seconds=0.0)
    flow = Backpressure()
    neighbours = UplinkNeighbours(spool, EdgeMetrics(), CurrentWish(("s",)), flow, lambda: ())
    return Uplink(terms, neighbours, back_off or ShortBackOff())


def coded(number: int, size: int = 50) -> CodedFrame:
    return CodedFrame(
        FrameRef.of(KnownCamera("a"), b"", 1000 + number), Geometry(64, 48, 32, 32), bytes(size), 1, ("s",)
    )


@pytest.mark.asyncio
async def test_a_cloud_that_welcomes_and_takes_nothing_is_asked_later_each_time(tmp_path: Path) -> None:
    cloud, spool = RecordingCloud([DIGEST], break_after=1), Spool(tmp_path, 1 << 20, 3600.0, "normal")
    await cloud.start()
    back_off = ShortBackOff()
    spool.append(DIGEST, [coded(0)])
    task = asyncio.create_task(uplink_of(cloud, spool, back_off).run())
    await cloud.until(hellos=8)
    cloud.break_after = None
    async with asyncio.timeout(20):
        while spool.frames:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cloud.stop()
    spool.close()
    waits = back_off.waits
    assert waits[:6] == sorted(waits[:6])
    assert waits[4:7] == [16 * waits[0]] * 3


@pytest.mark.asyncio
async def test_acknowledged_frames_that_cannot_be_deleted_begin_no_stream_after_the_other(tmp_path: Path) -> None:
    cloud, spool = RecordingCloud([DIGEST, OLDER], acks_at_end=True), FullDisk(tmp_path, 1 << 20, 3600.0, "normal")
    await cloud.start()
    back_off = ShortBackOff()
    spool.append(OLDER, [coded(0)])
    spool.append(DIGEST, [coded(1)])
    task = asyncio.create_task(uplink_of(cloud, spool, back_off).run())
    await cloud.until(hellos=3)
    assert len(back_off.waits) >= 2, "each stream is followed by a wait"
    spool.is_full = False
    async with asyncio.timeout(20):
        while {packet.sequence for packet in cloud.packets} == {cloud.packets[0].sequence}:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cloud.stop()
    spool.close()


@pytest.mark.asyncio
async def test_a_write_that_takes_too_long_ends_the_stream_and_not_the_uplink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_stream, "WRITE_SECONDS", 0.3)
    cloud, spool = StuckCloud([DIGEST]), Spool(tmp_path, 1 << 26, 3600.0, "normal")
    await cloud.start()

    uplink = uplink_of(cloud, spool)
    frames = [coded(number, FRAME_BYTES) for number in range(FRAMES)]
    names = [("a", receipt.sequence) for receipt in spool.append(DIGEST, frames)]
    task = asyncio.create_task(uplink.run())
    try:
        await asyncio.wait({task, asyncio.create_task(cloud.until(packets=FRAMES))}, return_when="FIRST_COMPLETED")
        assert not task.done(), "the uplink ended with its first stream"
        assert cloud.names() == names
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cloud.stop()
        spool.close()
