"""Certificates are renewed under load without a lost frame: docs/runbook.md, "Rotate certificates"."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from taxon.client import CameraClient, Outcome, Subscriber
from tests.support.security import PATIENT, PICTURE, WISH, Guarded, guarded, posted

pytestmark = pytest.mark.starts_process


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
