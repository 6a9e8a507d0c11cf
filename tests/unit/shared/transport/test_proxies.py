"""A proxy of the environment never stands within this machine, and is named where it stands elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2

from shared.errors import Unreachable
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport.credentials import Credentials
from shared.transport.proxies import VARIABLES, is_this_machine, proxy_note
from taxon.client import CameraClient, CloudClient, Timeouts
from tests.support.services import health_stub

PASSWORD = "hunter2"


class Proxy:
    """A proxy that lets nobody through. asked: the first line of every request."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readline()).decode().strip())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy(monkeypatch: pytest.MonkeyPatch, *variables: str) -> AsyncIterator[Proxy]:
    """Start one, which these variables name."""
    made = Proxy()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    made.url = f"http://user:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for name in (*VARIABLES, "no_proxy", "no_grpc_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in variables:
        monkeypatch.setenv(name, made.url)
    async with server:
        yield made


@pytest.mark.starts_server
@pytest.mark.asyncio
@pytest.mark.parametrize("variable", [*VARIABLES, "all_proxy"])
async def test_this_machine_is_reached_past_every_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(monkeypatch, variable) as between:
        server = RpcServer("127.0.0.1:0", MessageSizes(1 << 20, 1 << 20))
        await server.start()
        for host in ("127.0.0.1", "localhost", "ipv4:127.0.0.1"):
            async with Credentials().channel(f"{host}:{server.port}", []) as channel:
                await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert between.asked == []
        if variable in VARIABLES:
            # What this is good for: gRPC by itself goes to the proxy.
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                with pytest.raises(grpc.aio.AioRpcError):
                    await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert between.asked[0].startswith(f"CONNECT 127.0.0.1:{server.port}")
        await server.stop(0)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_proxy_in_the_way_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(monkeypatch, "https_proxy") as between:
        timeouts = Timeouts(connect=1, answer=1, give_up=0.5)
        port = between.url.rpartition(":")[2]
        async with CloudClient("cloud.example:50061", timeouts) as cloud:
            with pytest.raises(Unreachable) as failed:
                await cloud.list_cameras()
        async with CameraClient("edge.example:50051", "hall", timeouts) as camera:
            with pytest.raises(Unreachable) as also:
                await camera.post(b"picture")
        for error in (failed.value, also.value):
            assert f"through the proxy 127.0.0.1:{port} that https_proxy names" in str(error)
            assert PASSWORD not in str(error)
        assert {line.split()[1] for line in between.asked} == {"cloud.example:50061", "edge.example:50051"}


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "LOCALHOST:1", "cam.localhost:1", "0.0.0.0:1", "[::]:1"]
    + ["dns:///127.0.0.1:1", "ipv6:[::1]:1", "unix:/run/taxon", f"{socket.gethostname()}:1"],
)
def test_what_is_this_machine(target: str) -> None:
    assert is_this_machine(target)
    assert proxy_note(target, {"http_proxy": "http://proxy:3128"}) == ""


@pytest.mark.parametrize(
    ("target", "environment", "is_named"),
    [
        ("cloud:1", {}, False),
        ("cloud:1", {"http_proxy": ""}, False),
        ("127.0.0.1:1,cloud:1", {"http_proxy": "http://p:1"}, True),
        ("cloud:1", {"http_proxy": "http://p:1"}, True),
        ("10.1.2.3:1", {"grpc_proxy": "http://p:1"}, True),
        ("cloud:1", {"all_proxy": "http://p:1"}, False),
        ("cloud:1", {"HTTP_PROXY": "http://p:1"}, False),
        ("cloud.shop.example:1", {"http_proxy": "http://p:1", "no_proxy": "other, .shop.example"}, False),
        ("10.1.2.3:1", {"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, False),
        ("cloud:1", {"http_proxy": "http://p:1", "no_grpc_proxy": "x", "no_proxy": "cloud"}, True),
    ],
)
def test_what_grpc_sends_through_a_proxy(target: str, environment: dict[str, str], is_named: bool) -> None:
    assert bool(proxy_note(target, environment)) is is_named
