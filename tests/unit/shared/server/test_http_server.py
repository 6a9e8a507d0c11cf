"""A service's HTTP server: its common routes, its connections, and addresses that are taken."""

from __future__ import annotations

import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.errors import AddressInUse, Busy
from shared.server.connections.http_limit import HttpConnectionLimit, LimitedConnection
from shared.server.http_server import WebServer, web_app


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_address_that_is_taken_is_named() -> None:
    web = WebServer(web_app("t", "", lambda: None, CollectorRegistry()), "127.0.0.1:0")
    await web.start()
    with pytest.raises(AddressInUse, match=f"HTTP on 127.0.0.1:{web.port}"):
        await WebServer(web_app("t", "", lambda: None, CollectorRegistry()), f"127.0.0.1:{web.port}").start()
    await web.stop(1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_the_common_routes() -> None:
    registry = CollectorRegistry()
    Counter("taxon_test_total", "A counter", registry=registry).inc(3)
    waits: list[str | None] = ["the networks are warming up"]
    app = web_app("t", "", lambda: waits[0], registry)

    @app.get("/busy")
    async def busy() -> None:
        raise Busy("the queue is full")

    web = WebServer(app, "127.0.0.1:0")
    await web.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", timeout=5) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "not ready: the networks are warming up"})
        waits[0] = None
        assert (await client.get("/readyz")).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert "taxon_test_total 3.0" in metrics
        assert "taxon_test_created" not in metrics
        refused = await client.get("/busy")
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert refused.json()["detail"] == "the queue is full"
    await web.stop(1)


class Watching(HttpConnectionLimit):
    """Keeps the connections that it lets in. seen: all of them."""

    def __init__(self) -> None:
        super().__init__(8)
        self.seen: list[LimitedConnection] = []

    def enter(self, connection: LimitedConnection) -> None:
        super().enter(connection)
        self.seen.append(connection)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_the_parts_of_an_answer_wait_for_no_acknowledgement() -> None:
    watching = Watching()
    web = WebServer(web_app("t", "", lambda: None, CollectorRegistry()), "127.0.0.1:0", limit=watching)
    await web.start()
    async with httpx.AsyncClient(base_url=web.url, timeout=5) as client:
        assert (await client.get("/healthz")).status_code == 200
        (connection,) = watching.seen
        assert isinstance(connection, H11Protocol)
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "Nagle's algorithm holds answers back"
    await web.stop(1)
