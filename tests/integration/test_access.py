"""Real services with TLS, client certificates and tokens: all of a frame's way, and who is kept out.

Certificates are renewed under load without a lost frame: docs/runbook.md, "Rotate certificates".
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from shared.client import CameraClient, CloudClient, Credentials, Outcome, Refused, Subscriber, Timeouts, Wish
from tests.authority import Authority, TokenFolder, authority, header
from tests.command import taxon
from tests.services import ServiceProcess, running

PICTURE = (sorted((Path(__file__).resolve().parents[2] / "samples").glob("*/*.jpg"))[0]).read_bytes()
PATIENT = Timeouts(give_up=60)
WISH = Wish(tasks=("class_scene",))
PROBE = Timeouts(answer=10, give_up=10)


@dataclass(frozen=True)
class Guarded:
    """Both services as an operator would guard them."""

    edge: ServiceProcess
    cloud: ServiceProcess
    ours: Authority
    tokens: TokenFolder

    def client(self, name: str, scopes: str) -> Credentials:
        """A client with a new token, once both services know it."""
        return self.ours.client(self.tokens.add(name, scopes), with_certificate=True)


@asynccontextmanager
async def guarded(folder: Path, bundle: Path, uplink_scopes: str = "uplink") -> AsyncIterator[Guarded]:
    ours, tokens = authority(folder / "certificates"), TokenFolder(folder / "tokens")
    uplink, metrics = tokens.add("edge-1", uplink_scopes), tokens.add("prometheus", "metrics")

    def service(kind: str, *options: str) -> ServiceProcess:
        files = ours.service(kind)
        flags = [
            "--tls-certificate",
            str(files.certificate),
            "--tls-key",
            str(files.key),
            "--tls-client-ca",
            str(ours.ca),
        ]
        flags += ["--tls-clients", "rpc", "--tokens", str(tokens.path)]
        token = metrics.read_text().strip()
        return ServiceProcess(kind, folder / kind, [*flags, *options], ca=ours.ca, token=token)

    cloud = service("cloud", "--bundles", str(bundle.parents[1]), "--ack-interval-seconds", "0.2")
    shown = ["--cloud-ca", ours.ca, "--cloud-certificate", ours.file("edge.crt"), "--cloud-key", ours.file("edge.key")]
    shown += ["--cloud-token", uplink, "--cloud", cloud.rpc, "--bundle", bundle, "--queue-policy", "all"]
    edge = service("edge", *map(str, shown))
    async with running(cloud, edge):
        yield Guarded(edge, cloud, ours, tokens)


async def posted(camera: CameraClient, outcome: Outcome = Outcome.CODED) -> int:
    """The sequence of a frame with this outcome, posted until it has it."""
    async with asyncio.timeout(30):
        while (receipt := await camera.post(PICTURE)).outcome is not outcome:
            await asyncio.sleep(0.1)
    return receipt.sequence


async def refusal(folder: Guarded, credentials: Credentials, camera_id: str) -> str:
    """The code with which a post is refused."""
    async with CameraClient(folder.edge.rpc, camera_id, PROBE, credentials) as camera:
        with pytest.raises(Refused) as refused:
            await camera.post(PICTURE)
    return refused.value.code


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
            assert (none.status_code, none.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert none.json()["title"] == "UNAUTHENTICATED"
            assert (await client.post(frames % "porch", content=PICTURE, headers=header(hall))).status_code == 403
            assert (await client.post(frames % "hall", content=PICTURE, headers=header(hall))).status_code == 200
            for service in (both.edge, both.cloud):
                assert (await client.get(f"{service.url}/metrics")).status_code == 401
                assert (await client.get(f"{service.url}/metrics", headers=header(hall))).status_code == 403
                assert (await client.get(f"{service.url}/readyz")).status_code == 200
                assert (await client.get(f"{service.url}/nothing")).status_code == 401
        address = f"wss://127.0.0.1:{both.cloud.http_port}/wall/socket"
        shown = f"taxon.token.{wall.read_text().strip()}"
        async with connect(address, ssl=trusted, subprotocols=["taxon.wall", shown]) as page:
            assert page.subprotocol == "taxon.wall"
            assert json.loads(await asyncio.wait_for(page.recv(), 10))["type"] == "tasks"
        for others in (["taxon.wall"], ["taxon.wall", f"taxon.token.{hall.read_text().strip()}"]):
            async with connect(address, ssl=trusted, subprotocols=others) as page:
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(page.recv(), 10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


@pytest.mark.asyncio
async def test_certificates_are_renewed_under_load_without_a_lost_frame(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with guarded(tmp_path, tiny_bundle_directory) as both:
        show = both.client("all", "subscribe,post")
        await asyncio.sleep(2.5)
        accepted: list[int] = []
        stopping = asyncio.Event()

        async def play(camera: CameraClient) -> None:
            while not stopping.is_set():
                receipt = await camera.post(PICTURE)
                assert receipt.outcome is Outcome.CODED
                accepted.append(receipt.sequence)
                await asyncio.sleep(0.05)

        async with (
            Subscriber(both.cloud.rpc, WISH, timeouts=PATIENT, credentials=show) as watching,
            CameraClient(both.edge.rpc, "hall", PATIENT, show) as camera,
        ):
            await watching.subscribed()
            accepted.append(await posted(camera))
            playing = asyncio.create_task(play(camera))
            arrived: list[int] = []

            async def read() -> None:
                # All the time: who reads at the end alone loses what its queue does not hold.
                async for result in watching:
                    if result.camera_id == "hall":
                        arrived.append(result.sequence)

            reading = asyncio.create_task(read())
            for _ in range(3):
                await _rotated(both)
                # New connections everywhere: of the edge's uplink, the subscriber, and a second camera.
                assert await both.cloud.stop() == 0
                await both.cloud.start()
                async with CameraClient(both.edge.rpc, "second", PATIENT, show) as second:
                    assert (await second.post(PICTURE)).outcome is Outcome.CODED
                assert not playing.done(), playing.exception()
            stopping.set()
            await playing
            async with asyncio.timeout(60):
                while len(arrived) < len(accepted):
                    assert not reading.done(), reading
                    await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            assert arrived == accepted, "a frame was lost, doubled or out of order"
            assert len(accepted) > 20


async def _rotated(both: Guarded) -> None:
    """As the runbook says: new files, and nothing else; returns when both ports of both services show the new certificate."""
    both.ours.renew()
    deadline = time.monotonic() + 20
    for service in (both.edge, both.cloud):
        wanted = ssl.PEM_cert_to_DER_cert(both.ours.file(f"{service.kind}.crt").read_text())
        for port in (service.http_port, service.rpc_port):
            while (shown := await asyncio.to_thread(_certificate, port)) != wanted:
                assert time.monotonic() < deadline, f"{service.kind} goes on with its old certificate on port {port}"
                await asyncio.sleep(0.2)
            assert shown == wanted


def _certificate(port: int) -> bytes:
    """What a port shows to a new connection, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("kind", ["edge", "cloud"])
def test_a_door_to_other_machines_is_not_opened_by_accident(kind: str, tmp_path: Path) -> None:
    refused = taxon(kind, "--http", "0.0.0.0:0", "--rpc", "127.0.0.1:0", "--data", tmp_path)
    assert refused.status == 2
    assert "--http 0.0.0.0:0 lets other machines in: give --tls-certificate and --tokens" in refused.errors[0]
    assert "--insecure" in refused.errors[0]


def test_an_edge_does_not_send_in_plain_text_by_accident(tmp_path: Path) -> None:
    refused = taxon(
        "edge", "--cloud", "cloud.example:50061", "--http", "127.0.0.1:0", "--rpc", "127.0.0.1:0", "--data", tmp_path
    )
    assert refused.status == 2
    assert "give --cloud-ca" in refused.errors[0]


def test_a_token_is_made_for_its_client_alone(tmp_path: Path) -> None:
    made = taxon("token", "hall", "post:hall,metrics", "-o", tmp_path / "hall.token", "--add-to", tmp_path / "tokens")
    assert (made.status, made.out) == (0, "")
    token = (tmp_path / "hall.token").read_text().strip()
    assert (tmp_path / "hall.token").stat().st_mode & 0o777 == 0o600
    assert token not in (tmp_path / "tokens").read_text()
    again = taxon("token", "porch", "post:porch", "-o", tmp_path / "hall.token")
    assert again.status == 1, "a client's file is never overwritten"
    twice = taxon("token", "hall", "post:hall", "-o", tmp_path / "two.token", "--add-to", tmp_path / "tokens")
    assert twice.status == 1
    assert not (tmp_path / "two.token").exists()
    assert taxon("token", "hall", "fly", "-o", tmp_path / "three.token").status == 2
