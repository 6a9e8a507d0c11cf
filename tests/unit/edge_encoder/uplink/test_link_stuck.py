"""An uplink whose cloud takes nothing any more, though the connection stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.spool.spool import Coded, Spool
from edge_encoder.uplink import stream as uplink_stream
from edge_encoder.uplink.link import Uplink
from shared.contract.geometry import Geometry
from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.wire import uplink_pb2
from tests.support.edge import RecordingCloud

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


def uplink_of(cloud: RecordingCloud, spool: Spool, waits: list[float] | None = None) -> Uplink:
    async def heard(_: uplink_pb2.Wanted) -> None:
        """Nobody minds."""

    target, flow = f"127.0.0.1:{cloud.port}", Backpressure(is_live=True)
    uplink = Uplink(target, "edge-1", DIGEST, spool, EdgeMetrics(), 0.0, heard, flow, lambda *_: 0.05)
    if waits is not None:
        back_off = uplink._back_off

        def noted(reason: str) -> float:
            waits.append(back_off(reason))
            return min(waits[-1], 0.02)

        uplink._back_off = noted  # type: ignore[method-assign]
    return uplink


def coded(number: int, size: int = 50) -> Coded:
    return Coded("a", 1000 + number, True, Geometry(64, 48, 32, 32), bytes(size), 1, ("s",))


@pytest.mark.asyncio
async def test_a_cloud_that_welcomes_and_takes_nothing_is_asked_later_each_time(tmp_path: Path) -> None:
    cloud, spool = RecordingCloud([DIGEST], break_after=1), Spool(tmp_path, 1 << 20, 3600.0, "normal")
    await cloud.start()
    waits: list[float] = []
    spool.append(DIGEST, [coded(0)])
    task = asyncio.create_task(uplink_of(cloud, spool, waits).run())
    await cloud.until(hellos=8)
    cloud.break_after = None
    async with asyncio.timeout(20):
        while spool.frames:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cloud.stop()
    spool.close()
    assert waits[:6] == sorted(waits[:6])
    assert waits[4:7] == [16 * waits[0]] * 3


@pytest.mark.asyncio
async def test_acknowledged_frames_that_cannot_be_deleted_begin_no_stream_after_the_other(tmp_path: Path) -> None:
    cloud, spool = RecordingCloud([DIGEST, OLDER], acks_at_end=True), Spool(tmp_path, 1 << 20, 3600.0, "normal")
    await cloud.start()
    waits: list[float] = []
    spool.append(OLDER, [coded(0)])
    spool.append(DIGEST, [coded(1)])
    spool._database.second.execute("PRAGMA query_only = 1")
    task = asyncio.create_task(uplink_of(cloud, spool, waits).run())
    await cloud.until(hellos=3)
    assert len(waits) >= 2, "each stream is followed by a wait"
    spool._database.second.execute("PRAGMA query_only = 0")
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
