"""An edge and a subscriber of a few lines, for tests of the cloud.

    packets = coded_packets(bundle, "door", 10);  async with SmallEdge(target, digest) as edge: await edge.deliver(packets)

Law: they hide nothing: neither a frame that is given twice nor one that is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from google.protobuf.duration_pb2 import Duration

from edge_encoder.encoding.encoder import Encoder
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.uplink_stream import PROTOCOL_VERSION, PacketWriter
from shared.model.bundle import Bundle
from shared.wire import results_pb2, results_pb2_grpc, uplink_pb2, uplink_pb2_grpc

SECONDS = 20.0


def coded_packets(
    bundle: Bundle, camera: str, count: int, first: int = 1, groups: Collection[str] = ("semantic", "geometry")
) -> list[Packet]:
    """Return consecutive frames of one camera, each of another picture, at changing operating points."""
    size = bundle.manifest.input
    encoder = Encoder(bundle, threads=1)
    random = np.random.default_rng([first, *camera.encode()])
    packets = []
    for sequence in range(first, first + count):
        picture = random.integers(0, 256, (size.height, size.width, 3), np.uint8)
        bitstream = encoder.encode(picture, groups, sequence % 3).bitstream
        geometry = Geometry(640, 480, size.width, size.height)
        packets.append(Packet(camera, sequence, 1_700_000_000_000_000 + 33_000 * sequence, geometry, bitstream))
    return packets


class SmallEdge:
    """An uplink. digest, version: the bundle and the protocol that its Hello names."""

    def __init__(
        self, target: str, digest: bytes, edge_id: str = "small-edge", version: int = PROTOCOL_VERSION
    ) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._hello = uplink_pb2.Hello(protocol_version=version, bundle_digest=digest, edge_id=edge_id)
        self._writer = PacketWriter()
        self._call: Any = None
        self.credit = 0
        self.acked: dict[str, int] = {}
        self.wanted: uplink_pb2.Wanted | None = None
        self.responses = 0
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._call = uplink_pb2_grpc.UplinkServiceStub(self._channel).Connect()
        await self._call.write(uplink_pb2.ConnectRequest(hello=self._hello))
        first = await asyncio.wait_for(self._call.read(), SECONDS)
        if first is grpc.aio.EOF:
            await self._channel.close()
            raise await refusal(self._call)
        assert first.HasField("welcome")
        self._take(first)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._call.cancel()
        await self._channel.close()

    async def send(self, packets: Sequence[Packet]) -> None:
        """Send one message, once there is credit for it."""
        await self.until(lambda: self.credit >= len(packets))
        self.credit -= len(packets)
        await self._call.write(self._writer.request(packets))

    async def deliver(self, packets: Sequence[Packet], at_once: int = 5) -> None:
        """Send all, and return when all are acknowledged."""
        for start in range(0, len(packets), at_once):
            await self.send(packets[start : start + at_once])
        last = {packet.camera_id: packet.sequence for packet in packets}
        await self.until(lambda: all(self.acked.get(camera, 0) >= sequence for camera, sequence in last.items()))

    async def half_close(self) -> None:
        """Send nothing more, and return when the cloud has ended the stream in order."""
        await self._call.done_writing()
        assert self._reading is not None
        await asyncio.wait_for(self._reading, SECONDS)
        assert await self._call.code() is grpc.StatusCode.OK, await self._call.details()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until a condition on this edge holds; raises the error that ended the stream before."""
        deadline = time.monotonic() + SECONDS
        while not true():
            if self._reading is not None and self._reading.done():
                raise await refusal(self._call)
            assert time.monotonic() < deadline, f"no answer: acked {self.acked}, credit {self.credit}"
            await asyncio.sleep(0.005)

    async def _read(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._take(response)

    def _take(self, response: uplink_pb2.ConnectResponse) -> None:
        self.responses += 1
        self.credit += response.credit
        for ack in response.acks:
            camera, sequence = self._writer.acked(ack)
            self.acked[camera] = sequence
        if response.HasField("wanted"):
            self.wanted = response.wanted


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Return the error of a call that the cloud has ended."""
    return grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    )


class SmallSubscriber:
    """A `Subscribe` call. wish: the fields of the first request."""

    def __init__(self, target: str, subscription_id: str = "small", hold_seconds: int = 0, **wish: Any) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 << 20)]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self.first = results_pb2.SubscribeRequest(
            subscription_id=subscription_id, hold=Duration(seconds=hold_seconds), **wish
        )
        self._call: Any = None
        self.begins = ""
        self.lost = 0

    async def __aenter__(self) -> Self:
        self._call = results_pb2_grpc.ResultsServiceStub(self._channel).Subscribe()
        await self._call.write(self.first)
        try:
            response = await asyncio.wait_for(self._call.read(), SECONDS)
            if response is grpc.aio.EOF:
                raise await refusal(self._call)
        except BaseException:
            await self._channel.close()
            raise
        self.begins = response.subscribed.cursor
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()
        await self._channel.close()

    async def change(self, **wish: Any) -> None:
        """Put another wish in place of the first one."""
        await self._call.write(
            results_pb2.SubscribeRequest(subscription_id=self.first.subscription_id, hold=self.first.hold, **wish)
        )

    async def result(self) -> results_pb2.FrameResult:
        """Return the next frame; losses before it are added up in `lost`."""
        while True:
            response = await asyncio.wait_for(self._call.read(), SECONDS)
            if response is grpc.aio.EOF:
                raise await refusal(self._call)
            if response.HasField("result"):
                return response.result
            self.lost += response.lost.frames

    async def results(self, count: int) -> list[results_pb2.FrameResult]:
        """Return the next frames."""
        return [await self.result() for _ in range(count)]

    async def half_close(self) -> None:
        """Unsubscribe, and return when the cloud has ended the call in order."""
        await self._call.done_writing()
        while await asyncio.wait_for(self._call.read(), SECONDS) is not grpc.aio.EOF:
            pass
        assert await self._call.code() is grpc.StatusCode.OK, await self._call.details()


def sequences(results: Sequence[results_pb2.FrameResult]) -> list[int]:
    return [result.sequence for result in results]
