"""TLS in front of HTTP, on real sockets: who never speaks it, speaks something else or speaks it slowly keeps nobody out."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from shared.server.connections.http_limit import TOO_MANY, HttpConnectionLimit
from shared.server.connections.tls_handshake import FAILED_HANDSHAKE, SLOW_HANDSHAKE
from shared.server.http_server import WebServer, web_app
from shared.server.tls.certificates import ServerTls
from tests.support.security import Authority, authority

pytestmark = pytest.mark.starts_process

MOST = 8


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def served(
    ours: Authority, head_seconds: float = 5.0, asks_clients: bool = False
) -> AsyncIterator[tuple[WebServer, Counter[str]]]:
    dropped: Counter[str] = Counter()
    app = web_app("t", "", lambda: None, CollectorRegistry())

    @app.post("/refuse")
    async def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"why": "too large"}, 413, {"Connection": "close"})

    @app.get("/scheme")
    async def scheme(request: Request) -> dict[str, str]:
        return {"scheme": str(request.scope["scheme"])}

    def drop(reason: str) -> None:
        dropped[reason] += 1

    tls = ServerTls(ours.service("edge", asks_clients))
    web = WebServer(app, "127.0.0.1:0", tls=tls, limit=HttpConnectionLimit(MOST, drop, head_seconds))
    await web.start()
    try:
        yield web, dropped
    finally:
        began = asyncio.get_running_loop().time()
        await web.stop(1)
        assert asyncio.get_running_loop().time() - began < 3, "connections within their handshakes hold up the stop"


def trusted(ours: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ours.ca))


async def assert_served(web: WebServer, ours: Authority) -> None:
    async with httpx.AsyncClient(base_url=web.url, verify=trusted(ours), timeout=10) as client:
        assert (await client.get("/scheme")).json() == {"scheme": "https"}


async def ended(reader: asyncio.StreamReader) -> None:
    try:
        async with asyncio.timeout(5):
            await reader.read()
    except ConnectionResetError:
        pass


@pytest.mark.asyncio
async def test_silent_connections_up_to_the_bound_and_one_more_keep_nobody_out(ours: Authority) -> None:
    async with served(ours, head_seconds=60) as (web, dropped):
        flood = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(MOST)]
        await asyncio.sleep(0.2)
        assert not dropped, "as many as there may be"
        flood.append(await asyncio.open_connection("127.0.0.1", web.port))
        await ended(flood[0][0])
        assert dropped == {TOO_MANY: 1}, "the oldest one went, before any of them said a word"
        for _ in range(3):
            await assert_served(web, ours)
        for _, writer in flood:
            writer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "a byte", "half a hello"]
)
async def test_a_handshake_that_does_not_go_on_is_ended_and_counted(ours: Authority, begin: bytes) -> None:
    async with served(ours, head_seconds=0.4) as (web, dropped):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(begin)
        await ended(reader)
        assert dropped == {SLOW_HANDSHAKE: 1}
        await assert_served(web, ours)
        writer.close()


@pytest.mark.asyncio
async def test_who_speaks_no_tls_is_counted_and_leaves_no_traceback(
    ours: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with served(ours, asks_clients=True) as (web, dropped):
        for said in (b"GET / HTTP/1.1\r\nHost: t\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(600)):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(said)
            await ended(reader)
            writer.close()
        assert dropped == {FAILED_HANDSHAKE: 3}
        # Without a certificate: a client of TLS 1.3 believes at first that it was let in.
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await assert_served(web, ours)
        gone, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.transport.abort()
        await ended(gone)
        async with asyncio.timeout(5):
            while dropped[FAILED_HANDSHAKE] < 5:
                await asyncio.sleep(0.01)
        assert dropped == {FAILED_HANDSHAKE: 5}
    assert not told
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]


@pytest.mark.asyncio
async def test_a_request_in_one_piece_with_the_handshakes_end_is_answered(ours: Authority) -> None:
    """The last of the client's handshake and its first request come in one segment, so they are read at once."""
    async with served(ours) as (web, _):
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusted(ours).wrap_bio(coming, going, server_hostname="127.0.0.1")
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(going.read())
                    coming.write(await asyncio.wait_for(reader.read(1 << 16), 5))
            tls.write(b"GET /scheme HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            writer.write(going.read())
            answer = b""
            while not answer.endswith(b"}"):
                try:
                    answer += tls.read(1 << 16)
                except ssl.SSLWantReadError:
                    coming.write(await asyncio.wait_for(reader.read(1 << 16), 5))
            assert answer.startswith(b"HTTP/1.1 200")
            writer.close()


@pytest.mark.asyncio
async def test_who_is_refused_within_a_body_can_read_why_through_tls(ours: Authority) -> None:
    async with served(ours) as (web, _):
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port, ssl=trusted(ours))
            writer.write(b"POST /refuse HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(40):
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
            answer = await asyncio.wait_for(reader.readuntil(b"too large"), 10)
            assert answer.startswith(b"HTTP/1.1 413"), answer[:80]
            writer.close()


@pytest.mark.asyncio
async def test_an_endless_body_after_its_refusal_is_cut_off_through_tls(ours: Authority) -> None:
    async with served(ours) as (web, _):
        _, writer = await asyncio.open_connection("127.0.0.1", web.port, ssl=trusted(ours))
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def send_on() -> None:
            while not writer.is_closing():
                writer.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
            raise ConnectionResetError

        with pytest.raises((ConnectionResetError, BrokenPipeError, ssl.SSLError)):
            await asyncio.wait_for(send_on(), 10)
