"""A whole edge in the test's own loop, and a cloud that keeps what an edge sends it.

async with running_edge(folder, bundle) as (service, client): ...       real servers on free ports, a spool in a temporary folder
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx

from edge_encoder.assembly import EdgeParts, build
from edge_encoder.service import EdgeService
from edge_encoder.settings import EdgeSettings
from shared.contract.packets import Packet
from shared.contract.uplink_stream import PROTOCOL_VERSION, PacketReader
from shared.errors import BundleMismatch
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport.status_codes import abort
from shared.wire import uplink_pb2, uplink_pb2_grpc
from tests.support.secrets import WATCH

NOWHERE = "127.0.0.1:1"
BOTH = ["semantic", "geometry"]


def edge_settings(data: Path, cloud: str = NOWHERE, **settings: Any) -> EdgeSettings:
    """Return the settings of a small edge. settings: by name, those that differ."""
    chosen: dict[str, Any] = {"drain_seconds": 5.0, "threads": 1, "pinned_groups": BOTH, "post_deadline_seconds": 20.0}
    chosen |= {"http": "127.0.0.1:0", "rpc": "127.0.0.1:0"} | settings
    WATCH.declare_passwords(str(source) for source in chosen.get("source", ()))
    return EdgeSettings(data=data, cloud=cloud, **chosen)


@asynccontextmanager
async def edge_parts(data: Path, bundle: Path, **settings: Any) -> AsyncIterator[EdgeParts]:
    """Build an edge's parts, of which nothing runs or listens, and close them at the end."""
    parts = await build(edge_settings(data, **settings), bundle)
    try:
        yield parts
    finally:
        await parts.close()


@asynccontextmanager
async def running_edge(
    data: Path, bundle: Path, cloud: str = NOWHERE, **settings: Any
) -> AsyncIterator[tuple[EdgeService, httpx.AsyncClient]]:
    """Run the service, with a client of its HTTP."""
    service = EdgeService(edge_settings(data, cloud, **settings), bundle)
    try:
        await service.start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
            yield service, client
    finally:
        await service.stop()


def metric(text: str, name: str) -> float:
    """Return the value of one line of /metrics, 0 where it is not there."""
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.rsplit(" ", 1)[0] == name]
    return float(values[0]) if values else 0.0


@dataclass(eq=False)
class RecordingCloud(uplink_pb2_grpc.UplinkServiceServicer):
    """digests: of the bundles it serves. credit: frames without an ack. break_after: ends a stream after so many of its frames.

    acks_at_end: acknowledges when the edge half-closes, and not before.
    """

    digests: Collection[bytes]
    wanted: uplink_pb2.Wanted = field(default_factory=uplink_pb2.Wanted)
    credit: int = 64
    acknowledges: bool = True
    acks_at_end: bool = False
    break_after: int | None = None
    hellos: list[uplink_pb2.Hello] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    port: int = 0
    _server: RpcServer | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def Connect(
        self, requests: AsyncIterator[uplink_pb2.ConnectRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[uplink_pb2.ConnectResponse]:
        hello = (await anext(aiter(requests))).hello
        self.hellos.append(hello)
        self._news.set()
        if hello.bundle_digest not in self.digests:
            await abort(context, BundleMismatch(hello.bundle_digest, self.digests))
        welcome = uplink_pb2.Welcome(protocol_version=PROTOCOL_VERSION, bundle_digest=hello.bundle_digest)
        yield uplink_pb2.ConnectResponse(welcome=welcome, credit=self.credit, wanted=self.wanted)
        reader, taken = PacketReader(), 0
        last: dict[str, int] = {}
        async for request in requests:
            packets = reader.packets(request)
            self.packets += packets
            self.messages.append(len(packets))
            taken += len(packets)
            self._news.set()
            if self.break_after is not None and taken >= self.break_after:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")
            last |= {packet.camera_id: packet.sequence for packet in packets}
            if self.acknowledges:
                acks = [] if self.acks_at_end else [reader.ack(name, sequence) for name, sequence in last.items()]
                yield uplink_pb2.ConnectResponse(credit=len(packets), acks=acks)
        if self.acks_at_end:
            yield uplink_pb2.ConnectResponse(acks=[reader.ack(name, sequence) for name, sequence in last.items()])

    async def start(self, port: int = 0) -> None:
        """Listen on a port; a cloud that comes back names the same one."""
        self._server = RpcServer(f"127.0.0.1:{port}", MessageSizes(64 << 20, 64 << 20))
        self._server.add(uplink_pb2_grpc.add_UplinkServiceServicer_to_server, self, "taxon.v1.UplinkService")
        await self._server.start()
        self.port = self._server.port

    async def stop(self) -> None:
        """Drop every connection."""
        assert self._server is not None
        await self._server.stop(0)

    async def until(self, packets: int = 0, hellos: int = 0, seconds: float = 20.0) -> None:
        """Wait until it has seen so many."""
        async with asyncio.timeout(seconds):
            while len(self.packets) < packets or len(self.hellos) < hellos:
                self._news.clear()
                await self._news.wait()

    def names(self) -> list[tuple[str, int]]:
        """Return the camera and the sequence number of every packet, as they came."""
        return [(packet.camera_id, packet.sequence) for packet in self.packets]


def wanted(*of_all: str, **of_cameras: tuple[str, ...]) -> uplink_pb2.Wanted:
    """Return a wish. of_all: groups of every camera. of_cameras: groups of single ones."""
    cameras = [uplink_pb2.CameraGroups(camera_id=name, groups=groups) for name, groups in of_cameras.items()]
    return uplink_pb2.Wanted(groups_of_all=of_all, cameras=cameras)
