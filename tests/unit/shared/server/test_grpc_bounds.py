"""Strangers at a gRPC port: how many there may be, how long they may stay silent, what they can take from others."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from shared.server import grpc_server, health
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.server.lifecycle import OTHER_FILES, make_room
from shared.transport.grpc_channels import channel_options
from shared.wire import results_pb2, results_pb2_grpc
from tests.support.http2 import Stranger
from tests.support.services import health_stub

MOST = 8
LARGEST = 4096
EVERYTHING = health_pb2.HealthCheckRequest(service="")


class Tasks(results_pb2_grpc.ResultsServiceServicer):
    """Answers one method."""

    async def ListCameras(
        self, request: results_pb2.ListCamerasRequest, context: object
    ) -> results_pb2.ListCamerasResponse:
        return results_pb2.ListCamerasResponse()


@asynccontextmanager
async def served(calls: int | None = None) -> AsyncIterator[RpcServer]:
    server = RpcServer("127.0.0.1:0", MessageSizes(LARGEST, LARGEST), calls, most_connections=MOST)
    tasks: Any = Tasks  # what it does not define answers UNIMPLEMENTED; its type stub calls that abstract
    server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, tasks(), "taxon.v1.ResultsService")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


def channel(server: RpcServer) -> grpc.aio.Channel:
    """One with a connection of its own."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=channel_options(1 << 24))


async def assert_served(server: RpcServer, seconds: float = 10) -> None:
    async with channel(server) as connected:
        stub = health_stub(connected)
        answer = await stub.Check(EVERYTHING, timeout=seconds, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def is_open(reader: asyncio.StreamReader) -> bool:
    try:
        while await asyncio.wait_for(reader.read(1024), 0.2):
            pass
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    return False


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_more_connections_than_there_may_be_are_closed_and_those_that_are_there_go_on() -> None:
    async with served() as server, channel(server) as connected:
        stub = health_stub(connected)
        await stub.Check(EVERYTHING, timeout=10)
        flood = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3 * MOST)]
        await asyncio.sleep(0.5)
        still = await asyncio.gather(*(is_open(reader) for reader, _ in flood))
        assert 0 < sum(still) <= MOST
        for _ in range(3):
            assert (await stub.Check(EVERYTHING, timeout=10)).status == health_pb2.HealthCheckResponse.SERVING
        for _, writer in flood:
            writer.close()
        await assert_served(server)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_who_connects_and_stays_silent_is_ended_and_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "HANDSHAKE_SECONDS", 1.5)
    async with served() as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2 * MOST)]
        await assert_served(server, 20)
        async with asyncio.timeout(10):
            while any(await asyncio.gather(*(is_open(reader) for reader, _ in silent))):
                await asyncio.sleep(0.1)
        for _, writer in silent:
            writer.close()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_who_asks_nothing_for_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "IDLE_CONNECTION_SECONDS", 1.0)
    async with served() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        # HTTP/2's preface and empty settings; then not a word.
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        assert await is_open(reader), "it speaks HTTP/2, and may do so"
        said = await asyncio.wait_for(reader.read(1024), 10)
        assert said[3:4] == b"\x07", "GOAWAY"
        writer.close()


@pytest.mark.starts_server
@pytest.mark.asyncio
@pytest.mark.parametrize("size", [LARGEST + 1, 1 << 20])
async def test_a_message_over_the_limit_is_refused_in_clear_words(size: int) -> None:
    async with served() as server, channel(server) as connected:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = connected.unary_unary(
            "/taxon.v1.ResultsService/ListCameras"
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(bytes(size), timeout=10)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert str(LARGEST) in (refused.value.details() or ""), "it says what the limit is"
        assert (
            await results_pb2_grpc.ResultsServiceStub(connected).ListCameras(
                results_pb2.ListCamerasRequest(), timeout=10
            )
            == results_pb2.ListCamerasResponse()
        )


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_message_that_does_not_come_in_time_ends_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "ARRIVAL_SECONDS", 0.5)
    async with served() as server:
        async with Stranger(server.port, "/taxon.v1.ResultsService/ListCameras") as stranger:
            await stranger.send(bytes(100), of_bytes=LARGEST)
            assert await stranger.ended(5)
        await assert_served(server)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_watchers_of_the_health_leave_others_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MOST_WATCHERS", 3)
    async with served(calls=6) as server, AsyncExitStack() as stack:
        connected = await stack.enter_async_context(channel(server))
        stub = health_stub(connected)
        watching = [stub.Watch(EVERYTHING) for _ in range(3)]
        for call in watching:
            assert (await asyncio.wait_for(call.read(), 10)).status == health_pb2.HealthCheckResponse.SERVING
        for _ in range(6):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asyncio.wait_for(stub.Watch(EVERYTHING).read(), 10)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "3 watch already" in (refused.value.details() or "")
        await results_pb2_grpc.ResultsServiceStub(connected).ListCameras(results_pb2.ListCamerasRequest(), timeout=10)
        watching.pop().cancel()
        async with asyncio.timeout(10):
            while True:
                again = stub.Watch(EVERYTHING)
                try:
                    await again.read()
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
        again.cancel()


def test_the_process_may_open_as_many_files_as_there_may_be_connections(capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
        assert make_room(100) == 100 + OTHER_FILES
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (100 + OTHER_FILES, hard)
        assert make_room(10) == 100 + OTHER_FILES, "never fewer than there were"
        assert "fewer files" not in capsys.readouterr().out
        assert make_room(hard) == hard
        assert "fewer files may be open" in capsys.readouterr().out
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.asyncio
async def test_a_server_that_never_started_stops_without_a_complaint_of_grpc(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        server = RpcServer("127.0.0.1:0", MessageSizes(1 << 20, 1 << 20))
        await server.stop(0.0)
        del server
        gc.collect()
    assert "__dealloc__" not in caplog.text
