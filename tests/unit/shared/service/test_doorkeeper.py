"""HTTP connections from clients that mean harm, or are merely slow: on a real server and real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from shared.service.doorkeeper import SLOW_HEAD, TOO_MANY, Doorkeeper
from shared.service.web import WebServer, web_app


@asynccontextmanager
async def served(most: int = 8, head_seconds: float = 5.0) -> AsyncIterator[tuple[WebServer, Counter[str]]]:
    dropped: Counter[str] = Counter()
    app = web_app("t", "", lambda: None, CollectorRegistry())

    @app.post("/refuse")
    async def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"why": "too large"}, 413, {"Connection": "close"})

    def drop(reason: str) -> None:
        dropped[reason] += 1

    web = WebServer(app, "127.0.0.1:0", doorkeeper=Doorkeeper(most, drop, head_seconds))
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
