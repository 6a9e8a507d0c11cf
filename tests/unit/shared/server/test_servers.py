"""The servers that both services share: health, reflection, readiness, metrics, and addresses that are taken."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client import CollectorRegistry, Counter
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.errors import AddressInUse, Busy
from shared.server import grpc_server
from shared.server.connections.http_limit import HttpConnectionLimit, LimitedConnection
from shared.server.grpc_server import RpcServer
from shared.server.http_server import WebServer, web_app
from shared.transport import grpc_channels
from shared.transport.grpc_channels import channel_options
from shared.wire import results_pb2_grpc
from tests.support.services import health_stub, reflection_stub

SERVICE = "taxon.v1.ResultsService"


class Nothing(results_pb2_grpc.ResultsServiceServicer):
    """Implements none of its methods."""

    Subscribe = ListCameras = DescribeBundles = None  # type: ignore[assignment]


def rpc_server(address: str = "127.0.0.1:0") -> RpcServer:
    server = RpcServer(address, 1 << 20)
    server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, Nothing(), SERVICE)
    return server


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
        await server.set_ready(True)
        assert await status(SERVICE) == "SERVING"
        await server.set_ready(False)
        assert await status(SERVICE) == "NOT_SERVING"
    await server.stop(1)


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


@pytest.mark.asyncio
async def test_an_address_that_is_taken_is_named() -> None:
    server = rpc_server()
    await server.start()
    with pytest.raises(AddressInUse, match=f"gRPC on 127.0.0.1:{server.port}"):
        await rpc_server(f"127.0.0.1:{server.port}").start()
    await server.stop(1)
    web = WebServer(web_app("t", "", lambda: None, CollectorRegistry()), "127.0.0.1:0")
    await web.start()
    with pytest.raises(AddressInUse, match=f"HTTP on 127.0.0.1:{web.port}"):
        await WebServer(web_app("t", "", lambda: None, CollectorRegistry()), f"127.0.0.1:{web.port}").start()
    await web.stop(1)


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


SLOW_SERVICE = """
import asyncio
from shared.server.lifecycle import run_service
from shared.telemetry.logs import configure_logs
configure_logs("slow")
class Slow:
    async def start(self): print("started", flush=True)
    async def failed(self): await asyncio.Event().wait()
    async def stop(self):
        print("draining", flush=True)
        await asyncio.sleep({drain})
        print("stopped", flush=True)
raise SystemExit(run_service(Slow))
"""


@pytest.mark.parametrize(
    ("drain", "signals", "status", "last"),
    [(0.1, 1, 0, "stopped"), (60, 2, 1, "draining")],
    ids=["the first signal drains", "the second one stops at once"],
)
def test_signals(drain: float, signals: int, status: int, last: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVICE.format(drain=drain)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        if signals == 2:
            process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=20) == status
    assert (rest.split() or ["draining"])[-1] == last


@pytest.mark.asyncio
async def test_a_service_that_fails_is_stopped_with_a_status() -> None:
    from shared.server.lifecycle import _serve

    class Failing:
        stopped = False

        async def start(self) -> None: ...

        async def failed(self) -> BaseException:
            return RuntimeError("the uplink's task ended")

        async def stop(self) -> None:
            self.stopped = True

    service = Failing()
    assert await asyncio.wait_for(_serve(service, asyncio.Event()), 5) == 1
    assert service.stopped
