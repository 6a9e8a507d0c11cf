"""taxon.v1.UplinkService: edges connect, say what they are, and send.

    Connect --Hello: checked--> EdgeConnection --UplinkSession--> until the edge or this service ends it
    ConnectRequest --PacketReader--> packets --Pipeline.receive--> in the log --Pipeline.published--> UplinkOutbox
    UplinkOutbox --credit, acknowledgements, wanted groups--> ConnectResponse

Laws: a frame is acknowledged only when it is in the log and its results are with the bus, a duplicate like any other.
An edge cannot send more than it was given credit for. A half-close is answered with the last acknowledgements. An edge
whose frames could not be decoded here is refused before it sends one. An edge's id belongs to its token while it is
connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc

from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.readiness import Readiness
from cloud_analytics.settings import CloudSettings
from cloud_analytics.uplink.edges import EdgeConnection, Uplinks
from cloud_analytics.uplink.outbox import UplinkOutbox
from cloud_analytics.wishes import Wishes
from shared.contract.packets import checked_name
from shared.contract.uplink_stream import PROTOCOL_VERSION, PacketReader, bytes_by_camera
from shared.errors import BadRequest, ProtocolMismatch, TaxonError
from shared.server.access.callers import Access, Caller, IdOwners
from shared.server.access.interceptors import caller_of_call
from shared.server.access.scopes import Action
from shared.telemetry.logs import logger
from shared.wire import uplink_pb2

Context = grpc.aio.ServicerContext[uplink_pb2.ConnectRequest, uplink_pb2.ConnectResponse]
log = logger("cloud.uplink")
NAME = uplink_pb2.DESCRIPTOR.services_by_name["UplinkService"].full_name
HELLO_SECONDS = 10.0
MOST_UNPUBLISHED_MESSAGES = 1024
WRITE_SECONDS = 30.0
"""An edge that does not read for so long is cut off."""


@dataclass(frozen=True, eq=False)
class UplinkParts:
    """The parts of the service that every stream needs."""

    catalogue: Catalogue
    pipeline: Pipeline
    uplinks: Uplinks
    wishes: Wishes
    settings: CloudSettings
    metrics: CloudMetrics


@dataclass(frozen=True)
class _Unpublished:
    """A message whose frames are in the log.

    position: the position of its last frame.
    sequences: by camera, the sequence of the last frame.
    """

    position: int
    sequences: dict[str, int]
    frames: int


class UplinkSession:
    """One edge's stream.

    digest: the digest of the bundle that the edge codes with.
    caller: is asked for each camera, so that no edge speaks for another's.
    """

    def __init__(
        self, parts: UplinkParts, connection: EdgeConnection, digest: bytes, context: Context, caller: Caller
    ) -> None:
        self._catalogue, self._pipeline, self._uplinks = parts.catalogue, parts.pipeline, parts.uplinks
        self._wishes, self._metrics = parts.wishes, parts.metrics
        self._connection = connection
        self._digest = digest
        self._context = context
        self._caller = caller
        self._reader = PacketReader()
        self._outbox = UplinkOutbox(self._reader, parts.settings)
        self._allowance = parts.settings.credit_frames
        self._unpublished: asyncio.Queue[_Unpublished | None] = asyncio.Queue(MOST_UNPUBLISHED_MESSAGES)
        self._owed = asyncio.Event()

    async def run(self, first: uplink_pb2.ConnectRequest, welcome: uplink_pb2.Welcome) -> None:
        """Serve the stream until the edge half-closes, or until it is told to stop: then raise the reason.

        first: the message with the Hello, whose frames count too.
        Raises what the edge has done wrong.
        """
        stop_listening = self._wishes.listen(self._look_at_wishes)
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
            rechecks = self._caller.asked_again(lambda: self._caller.require(Action.UPLINK))
            tasks += [reading, acking, writing, asyncio.create_task(rechecks, name="uplink asked again")]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            # None has failed, so it is the reading that has ended. What was taken is still acknowledged.
            await reading
            await self._unpublished.put(None)
            await acking
            await writing
            if self._connection.stopping.done():
                raise self._connection.stopping.result()
        finally:
            stop_listening()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_loop(self, first: uplink_pb2.ConnectRequest) -> None:
        """Read until the edge half-closes or the connection is told to stop; never end in the middle of a message."""
        await self._take(first)
        while (request := await self._next_request()) is not None:
            if request.HasField("hello"):
                raise BadRequest("a stream has one Hello, its first message")
            await self._take(request)

    async def _next_request(self) -> uplink_pb2.ConnectRequest | None:
        stopping = self._connection.stopping
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
        self._metrics.uplink_messages.inc()
        announced = [checked_name("camera", name) for name in request.announced_cameras]
        self._check(announced)
        self._uplinks.announce(self._connection, announced)
        packets = self._reader.packets(request)
        if not packets:
            return
        self._check({packet.camera_id for packet in packets})
        self._allowance -= len(packets)
        if self._allowance < 0:
            raise BadRequest(f"the edge sent {-self._allowance} frames more than it had credit for")
        wire_bytes = bytes_by_camera(request, packets)
        # What has come before is acknowledged to whoever sends it: a camera that has moved must not stop the other
        # cameras of its first edge.
        self._uplinks.claim(self._connection, self._pipeline.new_of(packets))
        arrival = Arrival(tuple(packets), self._digest, self._connection.edge_id)
        position = await self._pipeline.receive(arrival)
        # Only now: the cameras of a message that was refused would have series that nothing else stands for.
        self._metrics.cameras.carried(wire_bytes)
        last_sequences = {packet.camera_id: packet.sequence for packet in packets}
        await self._unpublished.put(_Unpublished(position, last_sequences, len(packets)))

    def _check(self, cameras: Iterable[str]) -> None:
        self._caller.check()
        for camera_id in cameras:
            self._caller.require(Action.UPLINK, camera_id)

    async def _ack_loop(self) -> None:
        """Acknowledge until the None that the end of reading leaves."""
        while (one := await self._unpublished.get()) is not None:
            await self._pipeline.published(one.position)
            self._allowance += one.frames
            self._outbox.add_credit(one.frames)
            self._outbox.add_acks(one.sequences, one.frames)
            self._owed.set()
        self._outbox.finish()
        self._owed.set()

    async def _write_loop(self) -> None:
        """Write what is due, until the outbox is finished."""
        while True:
            due_seconds = self._outbox.due_in()
            if due_seconds == 0.0:
                response = self._outbox.response()
                await self._write(response)
                self._metrics.acks.inc(len(response.acks))
                continue
            if self._outbox.finished:
                return
            self._owed.clear()
            try:
                await asyncio.wait_for(self._owed.wait(), due_seconds)
            except TimeoutError:
                continue

    async def _write(self, response: uplink_pb2.ConnectResponse) -> None:
        try:
            await asyncio.wait_for(self._context.write(response), WRITE_SECONDS)
        except TimeoutError as error:
            raise BadRequest(f"the edge has not read for {WRITE_SECONDS:g} s") from error

    def _look_at_wishes(self) -> None:
        self._outbox.want(self._wishes.wanted(self._catalogue.with_digest(self._digest)))
        self._owed.set()


class UplinkService:
    """The service of proto/taxon/v1/uplink.proto.

    It is no subclass of the generated servicer, whose types know only generators.
    access: None lets everybody in.
    """

    def __init__(self, parts: UplinkParts, readiness: Readiness, access: Access | None = None) -> None:
        self._access = access or Access()
        self._parts = parts
        self._readiness = readiness
        self._id_owners = IdOwners("edge")

    async def Connect(self, request_iterator: AsyncIterator[uplink_pb2.ConnectRequest], context: Context) -> None:
        """Serve one edge until it ends."""
        try:
            self._readiness.check()
            caller = caller_of_call(self._access, context, "Connect")
            caller.require(Action.UPLINK)
            await self._serve(await _hello(context), context, caller)
        except TaxonError as error:
            log.warning("edge refused", peer=context.peer(), reason=str(error))
            await self._readiness.refuse(context, error)

    async def _serve(self, first: uplink_pb2.ConnectRequest, context: Context, caller: Caller) -> None:
        hello, uplinks = first.hello, self._parts.uplinks
        if hello.protocol_version != PROTOCOL_VERSION:
            raise ProtocolMismatch(hello.protocol_version, PROTOCOL_VERSION)
        edge_id = checked_name("edge", hello.edge_id)
        bundle = self._parts.catalogue.with_digest(hello.bundle_digest).bundle
        with self._id_owners.held(edge_id, caller):
            connection = uplinks.join(edge_id, caller.name if self._access.asks else "")
            log.info("edge connected", edge=edge_id, bundle=bundle.id, software=hello.software_version[:64])
            try:
                welcome = uplink_pb2.Welcome(
                    protocol_version=PROTOCOL_VERSION,
                    bundle_digest=bundle.digest,
                    software_version=version("taxon"),
                )
                await UplinkSession(self._parts, connection, bundle.digest, context, caller).run(first, welcome)
            finally:
                uplinks.leave(connection)
                log.info("edge gone", edge=edge_id)


async def _hello(context: Context) -> uplink_pb2.ConnectRequest:
    """Return the stream's first message, which has to be a Hello. Raises BadRequest."""
    try:
        first = await asyncio.wait_for(context.read(), HELLO_SECONDS)
    except TimeoutError as error:
        raise BadRequest(f"no Hello came within {HELLO_SECONDS:g} s") from error
    if not isinstance(first, uplink_pb2.ConnectRequest) or not first.HasField("hello"):
        raise BadRequest("a stream begins with a Hello")
    return first
