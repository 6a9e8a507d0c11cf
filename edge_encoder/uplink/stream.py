"""One stream to the cloud: the frames and camera names sent on it, and what comes back, until it breaks or is done.

    Spool --read_after, as far as the credit goes--> PacketWriter --ConnectRequest--> cloud
    names of cameras --ConnectRequest--> cloud
    cloud --ConnectResponse--> credit; acks (the spool forgets); the wish (it holds from now on, and is kept)

A stream carries frames of one bundle.

Law: frames go out in the spool's order, and none is forgotten before its ack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import grpc

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.wanted_groups import CurrentWish
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.spool.spool import Spool, Spooled
from shared.contract.packets import MICROSECONDS
from shared.contract.uplink_stream import GRPC_PREFIX_BYTES, PacketWriter, bytes_by_camera
from shared.errors import DiskFull
from shared.telemetry.logs import Throttle, logger
from shared.wire import uplink_pb2

MOST_PACKETS = 64
"""The most frames of one message."""
MOST_ANNOUNCED = 500
"""The most camera names of one message."""
WRITE_SECONDS = 30.0
STATUS_SECONDS = 5.0
LAST_ACKS_SECONDS = 30.0
WARNING_SECONDS = 60.0

Call = grpc.aio.StreamStreamCall[uplink_pb2.ConnectRequest, uplink_pb2.ConnectResponse]

log = logger("edge.uplink")


@dataclass(frozen=True, eq=False)
class UplinkNeighbours:
    """The parts of the edge that the uplink works with.

    wish: is replaced by each wish of the cloud. backpressure: learns whether the cloud keeps up.
    cameras: gives the names that the cloud may offer.
    """

    spool: Spool
    metrics: EdgeMetrics
    wish: CurrentWish
    backpressure: Backpressure
    cameras: Callable[[], Collection[str]]


class UplinkStream:
    """Carries frames of one bundle over one call.

    interval_seconds: the shortest time between two messages, so that frames that come meanwhile travel together.
    spooled: is set when a frame is spooled or a new camera comes.
    """

    def __init__(
        self,
        call: Call,
        bundle_digest: bytes,
        interval_seconds: float,
        spooled: asyncio.Event,
        neighbours: UplinkNeighbours,
    ) -> None:
        self._call = call
        self._digest = bundle_digest
        self._interval_seconds = interval_seconds
        self._wake = spooled
        self._spool = neighbours.spool
        self._metrics = neighbours.metrics
        self._wish = neighbours.wish
        self._backpressure = neighbours.backpressure
        self._cameras = neighbours.cameras
        self._announced: set[str] = set()
        self._writer = PacketWriter()
        self._credit = 0
        self._sent_row = 0
        self._backlog_row = 0
        """The last row that was spooled before this stream began."""
        self._under_way: dict[str, int] = {}
        """The last sequence sent of each camera that has unacknowledged frames."""
        self._finishing = False
        self.has_acks = False
        """Is True once the cloud has acknowledged something and the spool has forgotten it."""
        self._throttle = Throttle(WARNING_SECONDS)

    def finish(self) -> None:
        """End the stream once everything spooled is sent, and the cloud's last acknowledgements have come."""
        self._finishing = True
        self._wake.set()

    async def carry(self, welcome: uplink_pb2.ConnectResponse) -> bool:
        """Send and receive; return True when the stream ended with everything acknowledged, False when the cloud ended it.

        Where it breaks, this raises AioRpcError, TimeoutError, or a RequestError for what the cloud said.
        """
        self._backlog_row = await asyncio.to_thread(self._spool.last_row)
        await self._heed(welcome)
        receives = asyncio.create_task(self._receive())
        sends = asyncio.create_task(self._send())
        try:
            await asyncio.wait({receives, sends}, return_when=asyncio.FIRST_COMPLETED)
            # Where sending failed, the receiving side soon learns the reason, from the status that ends the call.
            failed = sends.done() and sends.exception() is not None
            await asyncio.wait({receives}, timeout=STATUS_SECONDS if failed else LAST_ACKS_SECONDS)
            # A write that took too long has cancelled the call, and gRPC then cancels the reader. Then the sender's
            # error is the reason.
            if receives.done() and not receives.cancelled():
                receives.result()
            if sends.done():
                sends.result()
            return sends.done() and not self._under_way
        finally:
            for task in (receives, sends):
                task.cancel()
            await asyncio.gather(receives, sends, return_exceptions=True)
            self._backpressure.note_behind(False)

    async def _send(self) -> None:
        while True:
            self._wake.clear()
            await self._announce()
            found = await asyncio.to_thread(
                self._spool.read_after, self._sent_row, max(1, min(MOST_PACKETS, self._credit))
            )
            ours = next((i for i, one in enumerate(found) if one.bundle_digest != self._digest), len(found))
            sendable = found[: min(ours, self._credit)]
            # Frames of an outage wait for credit too, but only newer ones say that the cloud does not keep up.
            self._backpressure.note_behind(bool(found) and not self._credit and self._sent_row >= self._backlog_row)
            if sendable:
                await self._write(sendable[: self._writer.fits([one.packet for one in sendable])])
            elif not ours and (found or self._finishing):
                # All is sent, and a frame that comes next belongs to another bundle. The cloud answers with its last acks.
                await self._call.done_writing()
                return
            else:
                await self._wake.wait()

    async def _announce(self) -> None:
        """Name the cameras that this stream has not named yet."""
        new = sorted(set(self._cameras()) - self._announced)
        for begin in range(0, len(new), MOST_ANNOUNCED):
            names = new[begin : begin + MOST_ANNOUNCED]
            async with asyncio.timeout(WRITE_SECONDS):
                await self._call.write(uplink_pb2.ConnectRequest(announced_cameras=names))
            self._announced.update(names)

    async def _write(self, spooled: Sequence[Spooled]) -> None:
        packets = [one.packet for one in spooled]
        request = self._writer.request(packets)
        for packet in packets:
            self._under_way[packet.camera_id] = packet.sequence
        self._sent_row = spooled[-1].row
        self._credit -= len(packets)
        async with asyncio.timeout(WRITE_SECONDS):
            await self._call.write(request)
        self._note_sent(spooled, request)
        if len(packets) < MOST_PACKETS and not self._finishing:
            await asyncio.sleep(self._interval_seconds)

    def _note_sent(self, spooled: Sequence[Spooled], request: uplink_pb2.ConnectRequest) -> None:
        sent_bytes = GRPC_PREFIX_BYTES + request.ByteSize()
        self._metrics.credit.set(self._credit)
        self._metrics.sent_messages.inc()
        self._metrics.sent_frames.inc(len(spooled))
        self._metrics.sent_bytes.inc(sent_bytes)
        self._metrics.cameras.sent(bytes_by_camera(request, [one.packet for one in spooled]))
        now_us = self._spool.now_us()
        for one in spooled:
            self._metrics.send_wait.observe(max(0, now_us - one.spooled_at_us) / MICROSECONDS)

    async def _receive(self) -> None:
        while isinstance(response := await self._call.read(), uplink_pb2.ConnectResponse):
            await self._heed(response)

    async def _heed(self, response: uplink_pb2.ConnectResponse) -> None:
        if response.credit:
            self._credit += response.credit
            self._metrics.credit.set(self._credit)
            self._wake.set()
        if response.acks:
            await self._forget([self._writer.acked(ack) for ack in response.acks])
        if response.HasField("wanted"):
            await self._heed_wish(response.wanted)

    async def _heed_wish(self, wish: uplink_pb2.Wanted) -> None:
        """Let a wish hold from now on, also over a restart."""
        self._wish.replace(wish)
        try:
            await asyncio.to_thread(self._spool.keep_wish, wish.SerializeToString())
        except DiskFull as error:
            log.error("the wish holds, but would not outlive a restart", error=str(error))
        log.info("wanted", groups_of_all=list(wish.groups_of_all), cameras=len(wish.cameras))

    async def _forget(self, acks: Sequence[tuple[str, int]]) -> None:
        try:
            waits_seconds = await asyncio.to_thread(self._spool.delete_acked, acks)
        except DiskFull as error:
            # A later ack of the camera deletes these too; until then they count as under way.
            if self._throttle.due():
                log.error("acknowledged frames cannot be deleted yet", error=str(error), times=self._throttle.times)
            return
        self.has_acks = True
        self._metrics.acked_frames.inc(len(waits_seconds))
        for seconds in waits_seconds:
            self._metrics.ack_wait.observe(seconds)
        for camera_id, sequence in acks:
            if self._under_way.get(camera_id, sequence + 1) <= sequence:
                del self._under_way[camera_id]
