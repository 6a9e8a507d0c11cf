"""HTTP connections from clients that mean harm, or are merely slow: on a real server and real sockets."""

from __future__ import annotations

import asyncio
import os
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from shared.server.connections.http_limit import SLOW_HEAD, SLOW_READER, TOO_MANY, HttpConnectionLimit
from shared.server.connections.websocket import LimitedWebSocket
from shared.server.http_server import WebServer, web_app

pytestmark = pytest.mark.starts_server


@asynccontextmanager
async def served(
    most: int = 8,
    head_seconds: float = 5.0,
    read_seconds: float = 30.0,
    limits: list[HttpConnectionLimit] | None = None,
) -> AsyncIterator[tuple[WebServer, Counter[str]]]:
    """A server with a limit, and the reasons of the connections that it dropped. limits: the limit is added to it."""
    dropped: Counter[str] = Counter()
    app = web_app("t", "", lambda: None, CollectorRegistry())

    @app.post("/refuse")
    async def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"why": "too large"}, 413, {"Connection": "close"})

    @app.get("/large")
    async def large() -> Response:
        return Response(bytes(1 << 20))

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    @app.websocket("/away")
    async def away(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(1013, "too many")

    def drop(reason: str) -> None:
        dropped[reason] += 1

    limit = HttpConnectionLimit(most, drop, head_seconds, read_seconds)
    if limits is not None:
        limits.append(limit)
    web = WebServer(app, "127.0.0.1:0", limit=limit)
    await web.start()
    try:
        yield web, dropped
    finally:
        await web.stop(1)


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.asyncio
async def test_a_head_that_comes_byte_by_byte_is_cut_off_and_counted() -> None:
    async with served(head_seconds=0.5) as (web, dropped):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        cut = asyncio.create_task(ended(reader))
        for byte in b"GET /healthz HTTP/1.1\r\n":
            if cut.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
        assert await cut
        assert dropped == {SLOW_HEAD: 1}
        writer.close()


@pytest.mark.asyncio
async def test_a_flood_of_connections_keeps_nobody_out() -> None:
    async with served(most=8) as (web, dropped), httpx.AsyncClient(base_url=web.url, timeout=5) as client:
        assert (await client.get("/healthz")).status_code == 200
        flood = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(40)]
        for _ in range(3):
            async with httpx.AsyncClient(base_url=web.url, timeout=5) as other:
                assert (await other.get("/healthz")).status_code == 200
        assert dropped[TOO_MANY] >= 32
        for _, writer in flood:
            writer.close()


@pytest.mark.asyncio
async def test_who_is_refused_within_a_body_without_a_length_can_read_why() -> None:
    async with served() as (web, _):
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(b"POST /refuse HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(40):
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith(b"HTTP/1.1 413"), answer[:80]
            assert b"too large" in answer
            writer.close()


@pytest.mark.asyncio
async def test_an_endless_body_after_its_refusal_is_cut_off() -> None:
    async with served() as (web, _):
        _, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def send_on() -> None:
            while True:
                writer.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.wait_for(send_on(), 10)


async def assert_served(web: WebServer) -> None:
    async with httpx.AsyncClient(base_url=web.url, timeout=10) as client:
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.asyncio
async def test_who_asks_and_never_reads_is_cut_off_and_counted() -> None:
    async with served(most=4, read_seconds=0.5) as (web, dropped):
        mute = [await asyncio.open_connection("127.0.0.1", web.port, limit=1024) for _ in range(4)]
        for _, writer in mute:
            # Many times what the kernel keeps of both sides.
            writer.write(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n" * 40)
        async with asyncio.timeout(10):
            while dropped[SLOW_READER] < 4:
                await asyncio.sleep(0.02)
        await assert_served(web)
        for _, writer in mute:
            writer.close()


async def upgraded(web: WebServer, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket as its bytes, so that nothing is answered that a test does not answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1 << 16)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 101")
    return reader, writer


def masked(opcode: int, content: bytes) -> bytes:
    """A frame as a client sends it, with a mask of zeros."""
    return struct.pack(">BB", 0x80 | opcode, 0x80 | len(content)) + bytes(4) + content


@pytest.mark.asyncio
async def test_sockets_that_were_sent_away_and_say_no_goodbye_keep_nobody_out() -> None:
    async with served(most=8) as (web, dropped):
        talking = await upgraded(web, "/talk")
        flood = [await upgraded(web, "/away") for _ in range(40)]
        await assert_served(web)
        assert dropped[TOO_MANY] >= 33
        talking[1].write(masked(1, b"still here"))
        assert await asyncio.wait_for(talking[0].readexactly(12), 5) == b"\x81\x0astill here"
        for _, writer in [talking, *flood]:
            writer.close()


@pytest.mark.asyncio
async def test_pings_whose_answers_nobody_reads_fill_no_memory() -> None:
    limits: list[HttpConnectionLimit] = []
    async with served(read_seconds=1.0, limits=limits) as (web, dropped):
        _, writer = await upgraded(web, "/talk")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = masked(9, os.urandom(125)) * 8000
        (socket,) = limits[0].connections
        assert isinstance(socket, LimitedWebSocket)
        sizes: list[int] = []

        async def ping() -> None:
            while True:
                writer.write(pings)
                await writer.drain()
                sizes.append(socket.transport.get_write_buffer_size())
                await asyncio.sleep(0)

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.wait_for(ping(), 20)
        assert dropped == {SLOW_READER: 1}
        assert max(sizes) < 1 << 18
