"""The health is open to everybody: nobody who asks it takes anything from the service or from others who ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from shared.server import health
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport.grpc_channels import channel_options
from shared.wire import results_pb2_grpc
from tests.support.http2 import Stranger
from tests.support.services import health_stub

LARGEST = 16 << 20
SERVICE = "taxon.v1.ResultsService"
WATCH, CHECK = (f"/{health.NAME}/{method}" for method in ("Watch", "Check"))
QUESTION = health_pb2.HealthCheckRequest(service=SERVICE)

pytestmark = [pytest.mark.starts_server, pytest.mark.asyncio]


@asynccontextmanager
async def served() -> AsyncIterator[RpcServer]:
    server = RpcServer("127.0.0.1:0", MessageSizes(LARGEST, LARGEST))
    servicer: Any = results_pb2_grpc.ResultsServiceServicer
    server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, servicer(), SERVICE)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


@asynccontextmanager
async def asking(server: RpcServer) -> AsyncIterator[Any]:
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target, options=channel_options(LARGEST)) as channel:
        yield health_stub(channel)


async def said(stub: Any, service: str = SERVICE) -> int:
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)).status)


async def test_watchers_that_never_read_hold_neither_readiness_nor_a_stop() -> None:
    async with served() as server, AsyncExitStack() as stack, asking(server) as stub:
        for _ in range(health.MOST_WATCHERS):
            stranger = await stack.enter_async_context(Stranger(server.port, WATCH, window=0))
            await stranger.send(QUESTION.SerializeToString())
        await asyncio.sleep(0.3)
        began = time.monotonic()
        server.set_ready(True)
        assert await said(stub) == health.SERVING
        server.set_ready(False)
        assert await said(stub) == health.NOT_SERVING
        await server.stop(0.5)
        assert time.monotonic() - began < 5


async def test_a_watcher_hears_every_change_and_the_end() -> None:
    async with served() as server, asking(server) as stub:
        call = stub.Watch(QUESTION, timeout=20)
        assert (await call.read()).status == health.NOT_SERVING
        server.set_ready(True)
        assert (await call.read()).status == health.SERVING
        stopping = asyncio.create_task(server.stop(5))
        assert (await call.read()).status == health.NOT_SERVING
        assert await call.read() is grpc.aio.EOF
        await stopping


async def test_a_service_that_is_not_there_is_answered_and_ended() -> None:
    async with served() as server, asking(server) as stub:
        call = stub.Watch(health_pb2.HealthCheckRequest(service="taxon.v1.Nothing"), timeout=10)
        assert (await call.read()).status == health.UNKNOWN
        assert await call.read() is grpc.aio.EOF
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await said(stub, "taxon.v1.Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_that_does_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(health, "MOST_WATCHERS", 1)
    async with served() as server, asking(server) as stub, Stranger(server.port, WATCH, window=0) as stranger:
        await stranger.send(QUESTION.SerializeToString())
        async with asyncio.timeout(10):
            while True:
                call = stub.Watch(QUESTION)
                try:
                    await call.read()
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
        call.cancel()


@pytest.mark.parametrize("path", [WATCH, CHECK])
async def test_questions_that_do_not_end_leave_others_their_answer(path: str) -> None:
    async with served() as server, AsyncExitStack() as stack, asking(server) as stub:
        strangers = [await stack.enter_async_context(Stranger(server.port, path)) for _ in range(12)]
        sending = [asyncio.create_task(one.send(bytes(1 << 20), of_bytes=LARGEST - 100)) for one in strangers]
        for _ in range(10):
            began = time.monotonic()
            assert await said(stub) == health.NOT_SERVING
            assert time.monotonic() - began < 2
        await asyncio.gather(*sending)
        ended = await asyncio.gather(*(one.ended(1) for one in strangers))
        assert sum(ended) >= len(strangers) - health.MOST_READERS


async def test_a_name_longer_than_any_service_s_is_refused() -> None:
    async with served() as server, asking(server) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await said(stub, "x" * (1 << 20))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_no_question_is_refused() -> None:
    async with served() as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff\xff", timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
