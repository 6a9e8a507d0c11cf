"""Real services with TLS, client certificates and tokens: all of a frame's way, and who is kept out."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.model.bundle import Bundle
from shared.transport.status_codes import reason_of
from shared.wire import uplink_pb2, uplink_pb2_grpc
from taxon.client import CameraClient, CloudClient, Credentials, Refused, Subscriber, Timeouts, Wish
from tests.support.security import EDGE, PATIENT, PICTURE, WISH, Guarded, TokenFolder, guarded, header, posted

pytestmark = pytest.mark.starts_process

PROBE = Timeouts(answer=10, give_up=10)


async def refusal(folder: Guarded, credentials: Credentials, camera_id: str) -> str:
    """The code with which a post is refused."""
    async with CameraClient(folder.edge.rpc, camera_id, PROBE, credentials) as camera:
        with pytest.raises(Refused) as refused:
            await camera.post(PICTURE)
    return refused.value.code


async def uplink_refusal(folder: Guarded, credentials: Credentials, bundle_digest: bytes) -> str:
    """The reason with which somebody who says that it is the edge is refused."""
    hello = uplink_pb2.Hello(protocol_version=PROTOCOL_VERSION, edge_id=EDGE, bundle_digest=bundle_digest)

    async def requests() -> AsyncIterator[uplink_pb2.ConnectRequest]:
        yield uplink_pb2.ConnectRequest(hello=hello)
        await asyncio.sleep(10)

    async with credentials.channel(folder.cloud.rpc, []) as channel:
        stub = uplink_pb2_grpc.UplinkServiceStub(channel)
        call = stub.Connect(requests(), metadata=credentials.metadata(), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(call))
    return reason_of(refused.value)


@pytest.mark.asyncio
async def test_each_caller_gets_what_its_token_names_and_nothing_else(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with guarded(tmp_path, tiny_bundle_directory) as both, AsyncExitStack() as stack:
        hall, reader = both.client("hall", "post:hall"), both.client("reader", "subscribe:hall")
        everything = both.client("all", "subscribe,post")
        await asyncio.sleep(2.5)
        # No token, an unknown one, another camera's.
        assert await refusal(both, both.ours.client(with_certificate=True), "hall") == "UNAUTHENTICATED"
        stray = TokenFolder(tmp_path / "stray").add("stray", "admin")
        assert await refusal(both, both.ours.client(stray, with_certificate=True), "hall") == "UNAUTHENTICATED"
        assert await refusal(both, hall, "porch") == "PERMISSION_DENIED"
        assert await refusal(both, reader, "hall") == "PERMISSION_DENIED"
        # What is allowed goes through.
        watching = await stack.enter_async_context(
            Subscriber(both.cloud.rpc, WISH, timeouts=PATIENT, credentials=everything)
        )
        await watching.subscribed()
        camera = await stack.enter_async_context(CameraClient(both.edge.rpc, "hall", PATIENT, hall))
        sequence = await posted(camera)
        async with asyncio.timeout(30):
            assert (await anext(watching)).sequence == sequence
        porch = await stack.enter_async_context(CameraClient(both.edge.rpc, "porch", PATIENT, everything))
        await posted(porch)
        async with asyncio.timeout(30):
            assert (await anext(watching)).camera_id == "porch"
        # The reader of one camera: no other, not all of them, no names of others.
        for wish in (Wish(tasks=("class_scene",), cameras=("porch",)), WISH):
            async with Subscriber(both.cloud.rpc, wish, timeouts=PROBE, credentials=reader) as refused:
                with pytest.raises(Refused) as told:
                    await refused.subscribed()
            assert told.value.code == "PERMISSION_DENIED"
        async with CloudClient(both.cloud.rpc, PROBE, reader) as cloud:
            assert [one.camera_id for one in await cloud.list_cameras()] == ["hall"]
        only = Wish(tasks=("class_scene",), cameras=("hall",))
        mine = await stack.enter_async_context(Subscriber(both.cloud.rpc, only, timeouts=PROBE, credentials=reader))
        await mine.subscribed()
        # A token that is taken back ends what runs, with the next frame.
        both.tokens.take_back("reader")
        await asyncio.sleep(2.5)
        await posted(camera)
        with pytest.raises(Refused) as ended:
            async with asyncio.timeout(30):
                await anext(mine)
        assert ended.value.code == "UNAUTHENTICATED"
        assert await both.edge.metric("taxon_edge_access_refused_total", reason="PERMISSION_DENIED") >= 2
        assert await both.cloud.metric("taxon_cloud_access_refused_total", reason="PERMISSION_DENIED") >= 2
        logs = both.edge.log.read_text() + both.cloud.log.read_text()
        assert "call refused" in logs
        tokens = [file.read_text().strip() for file in both.tokens.path.parent.glob("*.token")]
        assert len(tokens) == 5
        assert not [token for token in [*tokens, stray.read_text().strip()] if token in logs], "a log holds a token"


@pytest.mark.asyncio
async def test_a_subscription_and_an_uplink_on_which_nothing_comes_end_with_their_tokens(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with guarded(tmp_path, tiny_bundle_directory) as both:
        reader, other = both.client("reader", "subscribe"), both.client("other", "subscribe")
        await asyncio.sleep(2.5)
        wish = Wish(tasks=("class_scene",), hold_seconds=300)

        def display(credentials: Credentials) -> Subscriber:
            return Subscriber(both.cloud.rpc, wish, subscription_id="display", timeouts=PROBE, credentials=credentials)

        async with display(reader) as mine:
            await mine.subscribed()
            # Its id is its token's.
            async with display(other) as taking:
                with pytest.raises(Refused) as told:
                    await taking.subscribed()
            assert told.value.code == "PERMISSION_DENIED"
            stranger = both.client("edge-2", "uplink:shop8-*")
            await asyncio.sleep(2.5)
            assert (
                await uplink_refusal(both, stranger, Bundle.load(tiny_bundle_directory).digest) == "PERMISSION_DENIED"
            )
            assert await both.edge.metric("taxon_edge_uplink_connected") == 1
            assert await both.edge.metric("taxon_edge_uplink_breaks_total") == 0, "it was not even disturbed"
            both.tokens.take_back("reader")
            both.tokens.take_back("edge-1")
            with pytest.raises(Refused) as ended:
                async with asyncio.timeout(8):
                    await anext(mine)
            assert ended.value.code == "UNAUTHENTICATED"
        async with asyncio.timeout(8):
            while await both.edge.metric("taxon_edge_uplink_refused", reason="UNAUTHENTICATED") != 1:
                await asyncio.sleep(0.1)
        assert await both.cloud.metric("taxon_cloud_wishes_held") == 0, "what it wanted is not coded for it any more"
        for service, certificate in ((both.edge, "server"), (both.edge, "client"), (both.cloud, "server")):
            name = f"taxon_{service.kind}_certificate_not_after_timestamp_seconds"
            assert 89 * 86400 < await service.metric(name, certificate=certificate) - time.time() < 90 * 86400


@pytest.mark.asyncio
async def test_a_stolen_edge_speaks_for_its_own_cameras_alone(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with guarded(tmp_path, tiny_bundle_directory, "uplink:shop7-*") as both:
        show = both.client("all", "subscribe,post")
        await asyncio.sleep(2.5)
        async with (
            Subscriber(both.cloud.rpc, WISH, timeouts=PATIENT, credentials=show) as watching,
            CameraClient(both.edge.rpc, "shop7-door", PATIENT, show) as own,
            CameraClient(both.edge.rpc, "bank-vault", PATIENT, show) as other,
        ):
            await watching.subscribed()
            sequence = await posted(own)
            async with asyncio.timeout(30):
                assert (await anext(watching)).sequence == sequence
            await posted(other)
            async with asyncio.timeout(30):
                while await both.edge.metric("taxon_edge_uplink_refused", reason="PERMISSION_DENIED") != 1:
                    await asyncio.sleep(0.1)
            async with CloudClient(both.cloud.rpc, PROBE, show) as cloud:
                assert [one.camera_id for one in await cloud.list_cameras()] == ["shop7-door"]


@pytest.mark.asyncio
async def test_http_and_the_wall_ask_too(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with guarded(tmp_path, tiny_bundle_directory) as both:
        hall = both.tokens.add("hall", "post:hall")
        wall = both.tokens.add("wall", "subscribe")
        await asyncio.sleep(2.5)
        trusted = ssl.create_default_context(cafile=str(both.ours.ca))
        async with httpx.AsyncClient(verify=trusted, timeout=30) as client:
            frames = f"{both.edge.url}/v1/cameras/%s/frames"
            none = await client.post(frames % "hall", content=PICTURE)
            assert (none.status_code, none.headers["WWW-Authenticate"].partition(",")[0]) == (401, "Bearer")
            assert none.json()["title"] == "UNAUTHENTICATED"
            assert (await client.post(frames % "porch", content=PICTURE, headers=header(hall))).status_code == 403
            assert (await client.post(frames % "hall", content=PICTURE, headers=header(hall))).status_code == 200
            for service in (both.edge, both.cloud):
                assert (await client.get(f"{service.url}/metrics")).status_code == 401
                assert (await client.get(f"{service.url}/metrics", headers=header(hall))).status_code == 403
                assert (await client.get(f"{service.url}/readyz")).status_code == 200
                assert (await client.get(f"{service.url}/nothing")).status_code == 401
        address = f"wss://127.0.0.1:{both.cloud.http_port}/wall/socket"
        listening, shown = Subprotocol("taxon.wall"), Subprotocol(f"taxon.token.{wall.read_text().strip()}")
        async with connect(address, ssl=trusted, subprotocols=[listening, shown]) as page:
            assert page.subprotocol == "taxon.wall"
            assert json.loads(await asyncio.wait_for(page.recv(), 10))["type"] == "tasks"
        for others in ([listening], [listening, Subprotocol(f"taxon.token.{hall.read_text().strip()}")]):
            async with connect(address, ssl=trusted, subprotocols=others) as page:
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(page.recv(), 10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
