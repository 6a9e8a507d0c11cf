"""An uplink whose cloud takes nothing any more, though the connection stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_encoder import uplink_stream
from edge_encoder.flow import Flow
from edge_encoder.metrics import EdgeMetrics
from edge_encoder.spool import Coded, Spool
from edge_encoder.uplink import Uplink
from shared.frames import Geometry
from shared.uplink_messages import PROTOCOL_VERSION
from shared.wire import uplink_pb2
from tests.recording_cloud import RecordingCloud

DIGEST = bytes([7]) * 32
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


@pytest.mark.asyncio
async def test_a_write_that_takes_too_long_ends_the_stream_and_not_the_uplink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_stream, "WRITE_SECONDS", 0.3)
    cloud, spool = StuckCloud([DIGEST]), Spool(tmp_path, 1 << 26, 3600.0, "normal")
    await cloud.start()

    async def heard(_: uplink_pb2.Wanted) -> None:
        return None

    uplink = Uplink(
        f"127.0.0.1:{cloud.port}",
        "edge-1",
        DIGEST,
        spool,
        EdgeMetrics(),
        0.0,
        heard,
        Flow(is_live=True),
        lambda *_: 0.05,
    )
    frames = [
        Coded("a", 1000 + i, True, Geometry(64, 48, 32, 32), bytes(FRAME_BYTES), 1, ("s",)) for i in range(FRAMES)
    ]
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
