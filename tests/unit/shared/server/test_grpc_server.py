"""A port's gRPC services: health, reflection, readiness, keepalive, and addresses that are taken."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from shared.errors import AddressInUse
from shared.server import grpc_server
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport import grpc_channels
from shared.transport.grpc_channels import channel_options
from shared.wire import results_pb2_grpc
from tests.support.services import health_stub, reflection_stub

SERVICE = "taxon.v1.ResultsService"


class Nothing(results_pb2_grpc.ResultsServiceServicer):
    """Implements none of its methods."""

    Subscribe = ListCameras = DescribeBundles = None  # type: ignore[assignment]


def rpc_server(address: str = "127.0.0.1:0") -> RpcServer:
    server = RpcServer(address, MessageSizes(1 << 20, 1 << 20))
    server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, Nothing(), SERVICE)
    return server


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_alive_before_ready_and_ready_only_when_told() -> None:
    server = rpc_server()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_stub(channel)

        async def status(name: str) -> str:
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

        assert (await status(""), await status(SERVICE)) == ("SERVING", "NOT_SERVING")
        server.set_ready(True)
        assert await status(SERVICE) == "SERVING"
        server.set_ready(False)
        assert await status(SERVICE) == "NOT_SERVING"
    await server.stop(1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_service_far_away_is_reached_at_the_first_attempt() -> None:
    """A call does not wait for a second one: an edge that asks anew each time would never have got through."""
    round_trip_seconds = 0.6
    server = rpc_server()
    await server.start()

    async def late(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            await asyncio.sleep(round_trip_seconds / 2)
            sink.write(data)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip_seconds)  # TCP's own
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        ways = {asyncio.create_task(late(reader, back)), asyncio.create_task(late(there, writer))}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (back, writer):
            end.transport.abort()

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as far:
        port = far.sockets[0].getsockname()[1]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", channel_options(1 << 20)) as channel:
            health = health_stub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop(1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_reflection_lists_the_services() -> None:
    server = rpc_server()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = reflection_stub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
        )
        listed = {service.name async for answer in call for service in answer.list_services_response.service}
    await server.stop(1)
    assert {SERVICE, "grpc.health.v1.Health"} <= listed


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_idle_stream_is_not_cut_off_for_its_keepalive(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (grpc_channels, grpc_server):
        monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 1.0)  # gRPC pings no more often
    pings = 7  # it would end with the fifth
    server = rpc_server()
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=channel_options(1 << 20)) as channel:
        watching = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
        await watching.read()
        silent = asyncio.create_task(watching.read())
        await asyncio.wait({silent}, timeout=1.0 * pings)
        assert not silent.done(), "the server ended a stream on which nothing but pings came"
        silent.cancel()
        await asyncio.gather(silent, return_exceptions=True)
    await server.stop(1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_address_that_is_taken_is_named() -> None:
    server = rpc_server()
    await server.start()
    with pytest.raises(AddressInUse, match=f"gRPC on 127.0.0.1:{server.port}"):
        await rpc_server(f"127.0.0.1:{server.port}").start()
    await server.stop(1)
