"""Both doors refuse what is not named as open, and a service does not open one to other machines by accident."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client import CollectorRegistry

from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from shared.errors import NotAllowed, SettingsRefused, Unauthenticated
from shared.server.access.callers import Access, Call
from shared.server.access.interceptors import TokenInterceptor
from shared.server.access.scopes import Action
from shared.server.access.token_file import Tokens
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.server.http_server import WebServer, web_app
from shared.server.probe import is_ready
from shared.server.security import ServerSecurity, server_security
from shared.telemetry.metrics import Meters
from shared.transport.addresses import is_loopback
from shared.wire import ingest_pb2_grpc
from taxon.client import Credentials
from tests.support.http2 import Stranger
from tests.support.security import TokenFolder, authority, header
from tests.support.services import health_stub, reflection_stub, settings_with

CALL = Call("rpc", "Post", "here")


def access(folder: TokenFolder) -> tuple[Access, CollectorRegistry, Tokens]:
    registry, tokens = CollectorRegistry(), Tokens(folder.path)
    return Access(tokens, Meters("t", registry)), registry, tokens


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer " + "x" * 300,
        "Bearer txn_x",
        "Bearer \udcff",
        "Bearer \u00e9",
    ],
)
def test_what_is_no_known_token_is_unauthenticated(shown: str | None, tmp_path: Path) -> None:
    asked, registry, _ = access(TokenFolder(tmp_path))
    with pytest.raises(Unauthenticated):
        asked.caller(shown, CALL)
    labels = {"door": "rpc", "reason": "UNAUTHENTICATED"}
    assert registry.get_sample_value("t_access_refused_total", labels) == 1


def test_a_caller_is_asked_again_and_a_token_that_is_taken_back_does_not_hold(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    shown = header(folder.add("hall", "post:hall"))["Authorization"]
    asked, registry, tokens = access(folder)
    caller = asked.caller(shown, CALL)
    caller.require(Action.POST, "hall")
    with pytest.raises(NotAllowed, match="the token hall has no scope post:porch"):
        caller.require(Action.POST, "porch")
    assert registry.get_sample_value("t_access_refused_total", {"door": "rpc", "reason": "PERMISSION_DENIED"}) == 1
    folder.take_back("hall")
    tokens.reload()
    with pytest.raises(Unauthenticated):
        caller.require(Action.POST, "hall")


def test_without_tokens_everybody_may_do_everything() -> None:
    caller = Access().caller(None, CALL)
    caller.require(Action.ADMIN)
    caller.require_every(Action.SUBSCRIBE)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_grpc_reads_nothing_of_a_large_message_without_a_token(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    folder.add("operator", "metrics")
    sizes = MessageSizes(16 << 20, 1 << 20)
    server = RpcServer("127.0.0.1:0", sizes, interceptors=[TokenInterceptor(access(folder)[0])])
    servicer: Any = ingest_pb2_grpc.IngestServiceServicer
    server.add(ingest_pb2_grpc.add_IngestServiceServicer_to_server, servicer(), "taxon.v1.IngestService")
    await server.start()
    for method in ("taxon.v1.IngestService/PostFrame", "taxon.v1.IngestService/StreamFrames", "taxon.v1.Nothing/At"):
        async with Stranger(server.port, f"/{method}") as stranger:
            await stranger.send(bytes(16_000_000))
            assert await stranger.ended()
            assert stranger.sent_bytes < 1 << 20, method
    await server.stop(0)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_grpc_answers_health_alone_without_a_token(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    token = folder.add("any", "metrics")
    server = RpcServer(
        "127.0.0.1:0", MessageSizes(1 << 20, 1 << 20), interceptors=[TokenInterceptor(access(folder)[0])]
    )
    await server.start()
    listing = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        reflection = reflection_stub(channel)
        for metadata in (None, (("authorization", "Bearer txn_none"),)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await anext(aiter(reflection.ServerReflectionInfo(iter([listing]), timeout=5, metadata=metadata)))
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        nothing: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/taxon.v1.Nothing/Nothing")
        # Methods that there are not are refused alike, so that nobody can ask which there are.
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await nothing(b"", timeout=5)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        shown = Credentials(token=token).metadata()
        answer = await anext(aiter(reflection.ServerReflectionInfo(iter([listing]), timeout=5, metadata=shown)))
        assert answer.list_services_response.service
    await server.stop(0)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_http_is_closed_but_for_what_is_named_as_open(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    metrics, post = folder.add("m", "metrics"), folder.add("p", "post")
    app = web_app("t", "", lambda: None, CollectorRegistry(), access(folder)[0], ("/", "/wall/"))

    @app.get("/added/later")
    async def later() -> str:
        return "open"

    web = WebServer(app, "127.0.0.1:0")
    await web.start()
    asked = {"/healthz": 200, "/readyz": 200, "/metrics": 401, "/added/later": 401, "/none": 401, "/wall": 401}
    # As they are written: a client that tidies paths up would ask for something else.
    asked |= {
        "//metrics": 401,
        "/wall/../metrics": 404,
        "/wall/%2e%2e/metrics": 404,
        "/METRICS": 401,
        "/%6detrics": 401,
    }
    for path, status in asked.items():
        assert await asyncio.to_thread(_status, web.port, path) == status, path
    async with httpx.AsyncClient(base_url=web.url, timeout=5) as client:
        assert (await client.get("/metrics", headers=header(metrics))).status_code == 200
        assert (await client.get("/metrics", headers=header(post))).status_code == 403
        assert (await client.get("/added/later", headers=header(post))).status_code == 200
        both = [("Authorization", header(one)["Authorization"]) for one in (metrics, post)]
        assert (await client.get("/metrics", headers=both)).status_code == 401, "of two nobody knows which is meant"
    await web.stop(0.1)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        (":1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_loopback_is_this_machine_alone(address: str, own: bool) -> None:
    assert is_loopback(address) is own


@pytest.mark.starts_process
def test_an_open_door_needs_tls_and_tokens_or_the_flag(tmp_path: Path) -> None:
    ours, folder = authority(tmp_path / "ca"), TokenFolder(tmp_path / "tokens")
    pair = {"tls_certificate": ours.file("cloud.crt"), "tls_key": ours.file("cloud.key")}
    doors = {"http": "127.0.0.1:0", "rpc": "0.0.0.0:0"}
    for given, lacks in (
        ({}, "--tls-certificate and --tokens"),
        (pair, "--tokens"),
        ({"tokens": folder.path}, "--tls-certificate"),
    ):
        with pytest.raises(SettingsRefused, match=f"--rpc 0.0.0.0:0 lets other machines in: give {lacks}, or"):
            server_security(settings_with(CloudSettings, **given), doors)
        assert isinstance(server_security(settings_with(CloudSettings, **given, insecure=True), doors), ServerSecurity)
        assert isinstance(
            server_security(settings_with(CloudSettings, **given), {"rpc": "127.0.0.1:0"}), ServerSecurity
        )
    guarded = server_security(settings_with(CloudSettings, **pair, tokens=folder.path), doors)
    assert guarded.tls is not None
    assert guarded.access.asks


@pytest.mark.starts_process
@pytest.mark.parametrize(
    "given", [{"tls_certificate": "edge.crt"}, {"tls_key": "edge.key"}, {"tls_client_ca": "ca.crt"}, {"tokens": "none"}]
)
def test_half_of_the_settings_is_refused_not_passed_over(given: dict[str, str], tmp_path: Path) -> None:
    ours = authority(tmp_path)
    files = {name: ours.file(file) for name, file in given.items()}
    with pytest.raises(SettingsRefused):
        server_security(settings_with(EdgeSettings, **files), {"rpc": "127.0.0.1:0"})


def test_a_guard_counts_what_it_reads_again(tmp_path: Path) -> None:
    folder, registry = TokenFolder(tmp_path), CollectorRegistry()
    guard = server_security(settings_with(CloudSettings, tokens=folder.path), {}, Meters("t", registry))

    def counted(outcome: str) -> float | None:
        return registry.get_sample_value("t_security_files_read_total", {"what": "tokens", "outcome": outcome})

    guard.look()
    assert (counted("taken"), counted("refused")) == (0, 0)
    folder.add("a", "post")
    guard.look()
    folder.path.write_text("damaged")
    guard.look()
    assert (counted("taken"), counted("refused")) == (1, 1)


def test_a_token_does_not_go_to_another_machine_in_plain_text(tmp_path: Path) -> None:
    token = TokenFolder(tmp_path).add("a", "post")
    with pytest.raises(SettingsRefused, match="in plain text"):
        Credentials(token=token).channel("edge.example:1", [])
    empty = tmp_path / "empty"
    empty.write_text("\n")
    # gRPC would complain of the last two with the token in its words.
    for text in ("\n", "two words\n", "\u00e9\n", "txn_secret\x01\n", "txn_secret\x7f\n"):
        empty.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsRefused, match="one token and nothing else") as told:
            Credentials(token=empty).metadata()
        assert "secret" not in str(told.value)
    with pytest.raises(SettingsRefused, match="CA file"):
        Credentials(certificate=empty, key=empty).channel("127.0.0.1:1", [])


@pytest.mark.starts_process
@pytest.mark.asyncio
async def test_the_probe_sees_a_service_with_and_without_tls(tmp_path: Path) -> None:
    waits: list[str | None] = [None]
    guard = server_security(settings_with(EdgeSettings, **_pair(tmp_path)), {})
    for tls in (None, guard.tls):
        web = WebServer(web_app("t", "", lambda: waits[0], CollectorRegistry()), "127.0.0.1:0", tls=tls)
        await web.start()
        waits[0] = None
        assert await asyncio.to_thread(is_ready, web.port)
        waits[0] = "something"
        assert not await asyncio.to_thread(is_ready, web.port)
        await web.stop(0.1)
        assert not await asyncio.to_thread(is_ready, web.port)


def _pair(folder: Path) -> dict[str, Path]:
    ours = authority(folder)
    return {"tls_certificate": ours.file("edge.crt"), "tls_key": ours.file("edge.key")}


def _status(port: int, target: str) -> int:
    """The answer's status to a request with exactly this target."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    finally:
        connection.close()
