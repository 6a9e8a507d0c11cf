"""One edge's stream, after its Hello.

    ConnectRequest --PacketReader--> packets --Pipeline.receive--> on disk --Pipeline.published--> Outbox --> ConnectResponse

Laws: a frame is acknowledged only when it is in the journal and its results are with the bus, a duplicate like any other; an edge
cannot send more than it was given credit for; a half-close is answered with the last acknowledgements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.uplink.edges import Uplink, Uplinks
from cloud_analytics.uplink.outbox import Outbox
from cloud_analytics.wishes import Wishes
from shared.contract.packets import Packet, checked_name
from shared.contract.uplink_sizes import bytes_by_camera
from shared.contract.uplink_stream import PacketReader
from shared.errors import BadRequest
from shared.server.access.callers import Caller
from shared.server.access.scopes import Action
from shared.wire import uplink_pb2

Context = grpc.aio.ServicerContext[uplink_pb2.ConnectRequest, uplink_pb2.ConnectResponse]
MOST_UNPUBLISHED_MESSAGES = 1024
WRITE_SECONDS = 30.0
"""An edge that does not read for so long is cut off."""


@dataclass(frozen=True)
class UplinkTerms:
    """Settings of every stream: see `CloudSettings`."""

    credit_frames: int
    ack_interval_seconds: float
    ack_frames: int


@dataclass(frozen=True, eq=False)
class UplinkParts:
    """What every stream needs of the service."""

    catalogue: Catalogue
    pipeline: Pipeline
    uplinks: Uplinks
    wishes: Wishes
    terms: UplinkTerms
    metrics: CloudMetrics


@dataclass(frozen=True)
class _Unpublished:
    """A message whose frames are journalled. position: of the last. sequences: by camera, the last of each."""

    position: int
    sequences: dict[str, int]
    frames: int


class UplinkSession:
    """digest: of the bundle that the edge codes with. caller: asked for each camera, so that no edge speaks for another's."""

    def __init__(self, parts: UplinkParts, uplink: Uplink, digest: bytes, context: Context, caller: Caller) -> None:
        self._caller = caller
        self._parts = parts
        self._uplink = uplink
        self._digest = digest
        self._context = context
        self._reader = PacketReader()
        terms = parts.terms
        self._outbox = Outbox(self._reader, terms.credit_frames, terms.ack_interval_seconds, terms.ack_frames)
        self._allowance = terms.credit_frames
        self._unpublished: asyncio.Queue[_Unpublished | None] = asyncio.Queue(MOST_UNPUBLISHED_MESSAGES)
        self._owed = asyncio.Event()

    async def run(self, first: uplink_pb2.ConnectRequest, welcome: uplink_pb2.Welcome) -> None:
        """Until the edge half-closes, or is told to stop: then raises the reason. first: the Hello's message, whose frames
        count too. Raises what the edge did wrong.
        """
        stop_listening = self._parts.wishes.listen(self._look_at_wishes)
        tasks: list[asyncio.Task[None]] = []
        try:
            self._look_at_wishes()
            opening = self._outbox.response()
            opening.welcome.CopyFrom(welcome)
            opening.credit = self._allowance
            await self._write(opening)
            reading = asyncio.create_task(self._read_loop(first), name="uplink reads")
            acking = asyncio.create_task(self._ack_loop(), name="uplink acks")
            writing = asyncio.create_task(self._write_loop(), name="uplink writes")
            still = self._caller.asked_again(lambda: self._caller.require(Action.UPLINK))
            tasks += [reading, acking, writing, asyncio.create_task(still, name="uplink asked again")]
            await _first_end(tasks)
            await reading
            await self._unpublished.put(None)
            await acking
            await writing
            if self._uplink.stopping.done():
                raise self._uplink.stopping.result()
        finally:
            stop_listening()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_loop(self, first: uplink_pb2.ConnectRequest) -> None:
        """Ends when the edge half-closes or the uplink is told to stop; never in the middle of a message."""
        await self._take(first)
        while (request := await self._next_request()) is not None:
            if request.HasField("hello"):
                raise BadRequest("a stream has one Hello, its first message")
            await self._take(request)

    async def _next_request(self) -> uplink_pb2.ConnectRequest | None:
        stopping = self._uplink.stopping
        if stopping.done():
            return None
        reading = asyncio.create_task(self._read())
        try:
            waits: set[asyncio.Future[Any]] = {reading, stopping}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()

    async def _read(self) -> uplink_pb2.ConnectRequest | None:
        request = await self._context.read()
        return request if isinstance(request, uplink_pb2.ConnectRequest) else None

    async def _take(self, request: uplink_pb2.ConnectRequest) -> None:
        self._parts.metrics.uplink_messages.inc()
        announced = [checked_name("camera", name) for name in request.announced_cameras]
        self._check(announced)
        self._parts.uplinks.announce(self._uplink, announced)
        packets = self._reader.packets(request)
        if not packets:
            return
        self._check({packet.camera_id for packet in packets})
        self._allowance -= len(packets)
        if self._allowance < 0:
            raise BadRequest(f"{-self._allowance} frames more than there was credit for")
        wire_bytes = bytes_by_camera(request, packets)
        # What has come before is acknowledged to whoever sends it: a camera that was moved must not stop its first edge's others.
        self._parts.uplinks.claim(self._uplink, self._parts.pipeline.new_of(packets))
        position = await self._parts.pipeline.receive(Arrival(tuple(packets), self._digest, self._uplink.edge_id))
        # Only now: of a message that was refused, its cameras would have series that nothing else stands for.
        self._parts.metrics.cameras.carried(wire_bytes)
        await self._unpublished.put(_Unpublished(position, _last_sequences(packets), len(packets)))

    def _check(self, cameras: Iterable[str]) -> None:
        self._caller.check()
        for camera_id in cameras:
            self._caller.require(Action.UPLINK, camera_id)

    async def _ack_loop(self) -> None:
        """Ends after the None that the end of reading leaves, when all before it is acknowledged."""
        while (one := await self._unpublished.get()) is not None:
            await self._parts.pipeline.published(one.position)
            self._allowance += one.frames
            self._outbox.add_credit(one.frames)
            self._outbox.add_acks(one.sequences, one.frames)
            self._owed.set()
        self._outbox.finish()
        self._owed.set()

    async def _write_loop(self) -> None:
        """Ends when the outbox is finished and nothing is owed."""
        while True:
            due = self._outbox.due_in()
            if due == 0.0:
                response = self._outbox.response()
                await self._write(response)
                self._parts.metrics.acks.inc(len(response.acks))
                continue
            if self._outbox.finished:
                return
            self._owed.clear()
            try:
                await asyncio.wait_for(self._owed.wait(), due)
            except TimeoutError:
                continue

    async def _write(self, response: uplink_pb2.ConnectResponse) -> None:
        try:
            await asyncio.wait_for(self._context.write(response), WRITE_SECONDS)
        except TimeoutError as error:
            raise BadRequest(f"the edge has not read for {WRITE_SECONDS:g} s") from error

    def _look_at_wishes(self) -> None:
        self._outbox.want(self._parts.wishes.wanted(self._parts.catalogue.with_digest(self._digest)))
        self._owed.set()


def _last_sequences(packets: list[Packet]) -> dict[str, int]:
    return {packet.camera_id: packet.sequence for packet in packets}


async def _first_end(tasks: list[asyncio.Task[None]]) -> None:
    """Returns when one has ended; raises where one has failed."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
