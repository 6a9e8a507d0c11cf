"""TLS on both kinds of ports: who is let in, and renewed files that hold for the next connection, the old one going on."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry

from shared.errors import SettingsRefused
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.server.http_server import WebServer, web_app
from shared.server.tls.certificates import ServerTls, TlsFiles
from taxon.client import Credentials
from tests.support.security import Authority, authority
from tests.support.services import health_stub

pytestmark = pytest.mark.starts_process


@asynccontextmanager
async def served(files: TlsFiles) -> AsyncIterator[tuple[ServerTls, RpcServer, WebServer]]:
    tls = ServerTls(files)
    rpc = RpcServer("127.0.0.1:0", MessageSizes(1 << 20, 1 << 20), tls=tls)
    web = WebServer(web_app("t", "", lambda: None, CollectorRegistry()), "127.0.0.1:0", tls=tls)
    await rpc.start()
    await web.start()
    try:
        yield tls, rpc, web
    finally:
        await rpc.stop(0)
        await web.stop(0.1)


async def health(rpc: RpcServer, credentials: Credentials) -> bool:
    """Whether a call over a new connection is answered."""
    async with credentials.channel(f"127.0.0.1:{rpc.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True


async def web_status(web: WebServer, ca: Path, pair: tuple[Path, Path] | None = None) -> int | None:
    """The answer over a new connection; None where none stands."""
    context = ssl.create_default_context(cafile=str(ca))
    if pair is not None:
        context.load_cert_chain(*pair)
    async with httpx.AsyncClient(verify=context, timeout=5) as client:
        try:
            return (await client.get(f"{web.url}healthz")).status_code
        except httpx.TransportError:
            return None


@pytest.mark.asyncio
async def test_who_trusts_the_authority_gets_in_and_plain_text_does_not(tmp_path: Path) -> None:
    ours, other = authority(tmp_path / "ours"), authority(tmp_path / "other")
    async with served(ours.service("edge")) as (_, rpc, web):
        assert await health(rpc, ours.client())
        assert not await health(rpc, other.client())
        assert not await health(rpc, Credentials())
        assert await web_status(web, ours.ca) == 200
        assert await web_status(web, other.ca) is None
        async with httpx.AsyncClient(timeout=5) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://127.0.0.1:{web.port}/healthz")


@pytest.mark.asyncio
async def test_with_a_client_authority_only_its_certificates_get_in(tmp_path: Path) -> None:
    ours, other = authority(tmp_path / "ours"), authority(tmp_path / "other")
    stranger = Credentials(ours.ca, other.file("client.crt"), other.file("client.key"))
    async with served(ours.service("edge", asks_clients=True)) as (_, rpc, web):
        assert await health(rpc, ours.client(with_certificate=True))
        assert not await health(rpc, ours.client())
        assert not await health(rpc, stranger)
        assert await web_status(web, ours.ca, (ours.file("client.crt"), ours.file("client.key"))) == 200
        assert await web_status(web, ours.ca) is None
        assert await web_status(web, ours.ca, (other.file("client.crt"), other.file("client.key"))) is None
    async with served(ours.service("edge", asks_clients=True, asks_web=False)) as (_, rpc, web):
        assert not await health(rpc, ours.client())
        assert await web_status(web, ours.ca) == 200


def replace(old: Authority, new: Authority) -> None:
    """Other files in the place of the old ones, each in one step."""
    for file in new.folder.iterdir():
        shutil.copy(file, old.folder / f"{file.name}.new")
        (old.folder / f"{file.name}.new").replace(old.folder / file.name)


@pytest.mark.asyncio
async def test_a_renewed_authority_holds_for_the_next_connection_and_the_old_one_goes_on(tmp_path: Path) -> None:
    before, live, after = (authority(tmp_path / name) for name in ("before", "live", "after"))
    replace(live, before)
    async with served(live.service("edge", asks_clients=True)) as (tls, rpc, web):
        old, new = before.client(with_certificate=True), after.client(with_certificate=True)
        old_pair, new_pair = ((one.file("client.crt"), one.file("client.key")) for one in (before, after))
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with old.channel(f"127.0.0.1:{rpc.port}", options) as channel:
            standing = health_stub(channel)
            await standing.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert not tls.reload()
            replace(live, after)
            assert tls.reload()
            await standing.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert await health(rpc, new)
        assert not await health(rpc, old), "the old authority's certificates are to be worth nothing now"
        assert await web_status(web, after.ca, new_pair) == 200
        assert await web_status(web, before.ca, old_pair) is None
        mixed = ssl.create_default_context(cafile=str(after.ca))
        mixed.load_cert_chain(*old_pair)
        async with httpx.AsyncClient(verify=mixed, timeout=5) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"{web.url}healthz")


@pytest.mark.asyncio
async def test_a_half_renewed_pair_changes_nothing_until_it_fits(tmp_path: Path) -> None:
    live, after = authority(tmp_path / "live"), authority(tmp_path / "after")
    first = live.file("ca.crt").read_bytes()
    kept = tmp_path / "kept.crt"
    kept.write_bytes(first)
    async with served(live.service("edge")) as (tls, rpc, web):
        shutil.copy(after.file("edge.key"), live.file("edge.key"))
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                tls.reload()
        assert await health(rpc, Credentials(kept))
        assert await web_status(web, kept) == 200
        shutil.copy(after.file("edge.crt"), live.file("edge.crt"))
        assert tls.reload()
        assert await health(rpc, after.client())
        assert await web_status(web, after.ca) == 200


def test_files_that_are_none_are_refused_at_the_start(tmp_path: Path) -> None:
    ours = authority(tmp_path / "ours")
    with pytest.raises(SettingsRefused, match="No such file"):
        ServerTls(TlsFiles(ours.file("none.crt"), ours.file("edge.key")))
    with pytest.raises(SettingsRefused, match="certificate and its key"):
        ServerTls(TlsFiles(ours.file("edge.crt"), ours.file("cloud.key")))
    with pytest.raises(SettingsRefused):
        ServerTls(TlsFiles(ours.file("edge.crt"), ours.file("edge.key"), ours.file("edge.key")))


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    tls = ServerTls(authority(tmp_path / "ours").service("edge"))
    assert tls.web_context().minimum_version == ssl.TLSVersion.TLSv1_2
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = old.wrap_bio(incoming, outgoing)
    answered_in, answered_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    answering = tls.web_context().wrap_bio(answered_in, answered_out, server_side=True)
    try:
        asking.do_handshake()
    except ssl.SSLWantReadError:
        answered_in.write(outgoing.read())
    except ssl.SSLError:
        return  # this machine's OpenSSL does not even ask for it
    with pytest.raises(ssl.SSLError):
        answering.do_handshake()
