"""What users rely on, with both services as processes and a small bundle: no subscribers no bits, trace context, two hundred
subscribers, a bit budget, a cloud that is updated in mid-stream.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from shared.model.bundle import Bundle
from taxon.client import CameraClient, CameraFrame, Outcome, Receipt, Result, Subscriber, Wish
from tests.support.bundles import write_tiny_bundle
from tests.support.pictures import room
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

SEMANTIC, GEOMETRY = ("class_scene",), ("reshading",)
SUBSCRIBERS = 200
ROOT = Path(__file__).resolve().parents[2]
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def picture(shift: int = 0) -> bytes:
    """A picture that differs with `shift`."""
    buffer = BytesIO()
    room().rotate(shift * 7).save(buffer, "JPEG")
    return buffer.getvalue()


@asynccontextmanager
async def services(
    folder: Path, bundle: Path, *edge_options: str
) -> AsyncIterator[tuple[ServiceProcess, ServiceProcess]]:
    """A cloud and an edge of it, ready."""
    cloud = ServiceProcess("cloud", folder / "cloud", ("--bundles", str(bundle.parent.parent), "--threads", "1"))
    options = ("--cloud", cloud.rpc, "--bundle", str(bundle), "--threads", "1", "--queue-policy", "all")
    edge = ServiceProcess("edge", folder / "edge", (*options, *edge_options))
    async with running(cloud, edge):
        yield cloud, edge


async def until(camera: CameraClient, outcome: Outcome, groups: tuple[str, ...] = ()) -> Receipt:
    """Posts until the edge answers so: wishes take a moment to travel."""
    async with asyncio.timeout(20):
        while True:
            receipt = await camera.post(picture())
            if (receipt.outcome, receipt.groups) == (outcome, groups):
                return receipt
            await asyncio.sleep(0.05)


async def play(edge: ServiceProcess, camera_id: str, count: int, pause: float = 0.0) -> list[Receipt]:
    async def frames() -> AsyncIterator[CameraFrame]:
        for index in range(count):
            yield CameraFrame(picture(index))
            await asyncio.sleep(pause)

    async with CameraClient(edge.rpc, camera_id) as camera:
        return [receipt async for receipt in camera.stream(frames())]


async def take(subscriber: Subscriber, camera_id: str, count: int) -> list[Result]:
    """The next results of a camera."""
    found: list[Result] = []
    async with asyncio.timeout(60):
        async for result in subscriber:
            if result.camera_id == camera_id:
                found.append(result)
                if len(found) == count:
                    break
    return found


@pytest.mark.asyncio
async def test_no_subscribers_no_bits(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with services(tmp_path, tiny_bundle_directory) as (cloud, edge), CameraClient(edge.rpc, "hall") as camera:
        receipt = await camera.post(picture())
        assert (receipt.outcome, receipt.coded_bytes) == (Outcome.NOT_WANTED, 0)
        async with Subscriber(cloud.rpc, Wish(tasks=GEOMETRY)) as subscriber:
            geometry = await until(camera, Outcome.CODED, ("geometry",))
            await subscriber.change(tasks=(*SEMANTIC, *GEOMETRY))
            both = await until(camera, Outcome.CODED, ("semantic", "geometry"))
            assert both.coded_bytes > geometry.coded_bytes
            await subscriber.change(tasks=SEMANTIC)
            await until(camera, Outcome.CODED, ("semantic",))
        await until(camera, Outcome.NOT_WANTED)
        assert await edge.metric("taxon_edge_frames_total", camera="hall", outcome="not_wanted") >= 2


@pytest.mark.asyncio
async def test_a_camera_can_be_asked_for_before_anything_of_it_was_coded(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with services(tmp_path, tiny_bundle_directory) as (cloud, edge), CameraClient(edge.rpc, "hall") as camera:
        assert (await camera.post(picture())).outcome is Outcome.NOT_WANTED
        async with Subscriber(cloud.rpc, Wish(cameras=("hall",), tasks=SEMANTIC)) as subscriber:
            receipt = await until(camera, Outcome.CODED, ("semantic",))
            (result,) = await take(subscriber, "hall", 1)
            assert result.sequence == receipt.sequence
            async with CameraClient(edge.rpc, "door") as other:
                assert (await other.post(picture())).outcome is Outcome.NOT_WANTED


@pytest.mark.asyncio
async def test_trace_context_reaches_the_result(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with (
        services(tmp_path, tiny_bundle_directory) as (cloud, edge),
        Subscriber(cloud.rpc, Wish(tasks=SEMANTIC)) as subscriber,
        CameraClient(edge.rpc, "probe") as probe,
        CameraClient(edge.rpc, "rpc") as camera,
        httpx.AsyncClient(base_url=edge.url, timeout=20) as http,
    ):
        await until(probe, Outcome.CODED, ("semantic",))
        await camera.post(picture(), traceparent=TRACEPARENT)
        headers = {"traceparent": TRACEPARENT, "content-type": "image/jpeg", "x-capture-time": "2026-11-23T10:00:00Z"}
        answer = await http.post("/v1/cameras/http/frames", content=picture(), headers=headers)
        assert answer.json()["outcome"] == "coded"
        found = {}
        async with asyncio.timeout(20):
            async for result in subscriber:
                found[result.camera_id] = result
                if {"rpc", "http"} <= found.keys():
                    break
        assert found["rpc"].traceparent == found["http"].traceparent == TRACEPARENT
        assert found["probe"].traceparent == ""
        assert found["http"].capture_time_us == 1_795_428_000_000_000


@pytest.mark.asyncio
async def test_two_hundred_subscribers_get_every_frame_in_order(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with services(tmp_path, tiny_bundle_directory) as (cloud, edge):
        subscribers = [Subscriber(cloud.rpc, Wish(tasks=SEMANTIC)) for _ in range(SUBSCRIBERS)]
        try:
            await asyncio.gather(*(one.__aenter__() for one in subscribers))
            await asyncio.gather(*(asyncio.wait_for(one.subscribed(), 60) for one in subscribers))
            async with CameraClient(edge.rpc, "probe") as probe:
                await until(probe, Outcome.CODED, ("semantic",))
            assert await cloud.metric("taxon_cloud_subscribers") == SUBSCRIBERS
            receipts = await play(edge, "hall", 20)
            sequences = [receipt.sequence for receipt in receipts]
            found = await asyncio.gather(*(take(one, "hall", len(sequences)) for one in subscribers))
        finally:
            await asyncio.gather(*(one.__aexit__(None, None, None) for one in subscribers))
        assert all([result.sequence for result in results] == sequences for results in found)


@pytest.mark.asyncio
async def test_a_camera_keeps_its_bit_budget(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    kbps, burst_seconds = 4.0, 2.1
    options = ("--budget-kbps", str(kbps), "--burst-seconds", str(burst_seconds))
    async with (
        services(tmp_path, tiny_bundle_directory, *options) as (cloud, edge),
        Subscriber(cloud.rpc, Wish(tasks=(*SEMANTIC, *GEOMETRY))),
        CameraClient(edge.rpc, "probe") as probe,
    ):
        await until(probe, Outcome.CODED, ("semantic", "geometry"))
        begun = time.monotonic()
        receipts = await play(edge, "hall", 200, pause=0.02)
        seconds = time.monotonic() - begun
    bits = 8 * sum(receipt.coded_bytes for receipt in receipts)
    outcomes = {receipt.outcome for receipt in receipts}
    assert bits <= 1000 * kbps * (seconds + burst_seconds)
    assert bits >= 500 * kbps * seconds, "the budget is used, not only kept"
    assert outcomes == {Outcome.CODED, Outcome.OVER_BUDGET}


@pytest.mark.asyncio
async def test_a_cloud_that_is_stopped_and_started_again_loses_nothing(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with (
        services(tmp_path, tiny_bundle_directory) as (cloud, edge),
        Subscriber(cloud.rpc, Wish(tasks=SEMANTIC)) as subscriber,
    ):
        async with CameraClient(edge.rpc, "probe") as probe:
            await until(probe, Outcome.CODED, ("semantic",))
        playing = asyncio.create_task(play(edge, "hall", 100, pause=0.1))
        taking = asyncio.create_task(take(subscriber, "hall", 100))
        await asyncio.sleep(2)
        assert await cloud.stop() == 0
        await cloud.start()
        receipts = await playing
        assert {receipt.outcome for receipt in receipts} == {Outcome.CODED}, "the wish holds while the cloud is away"
        assert [result.sequence for result in await taking] == [receipt.sequence for receipt in receipts]


@pytest.mark.asyncio
async def test_the_readmes_python_prints_a_receipt_and_its_result(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(picture())
    async with services(tmp_path, tiny_bundle_directory) as (cloud, edge):
        program = program.replace("127.0.0.1:50061", cloud.rpc).replace("127.0.0.1:50051", edge.rpc)
        assert cloud.rpc in program
        assert edge.rpc in program
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-c", program), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                receipt, result = [(await process.stdout.readline()).decode() for _ in range(2)]
        finally:
            process.kill()
            await process.wait()
    assert "Outcome.CODED" in receipt
    assert result.startswith("hall ")


@pytest.mark.asyncio
async def test_a_client_that_waits_for_a_camera_does_not_fill_the_clouds_log(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with services(tmp_path, tiny_bundle_directory) as (cloud, _):
        async with Subscriber(cloud.rpc, Wish(cameras=("attic",), tasks=SEMANTIC)):
            await asyncio.sleep(3)
        told = [line for line in cloud.log.read_text().splitlines() if "subscriber refused" in line]
    assert len(told) == 1
    assert "unknown camera attic" in told[0]


@pytest.mark.asyncio
async def test_a_bundle_is_replaced_without_losing_a_frame(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    """As docs/runbook.md has it: the new one to the cloud, then the edge starts with it; what its spool holds of the old one arrives."""
    models = tmp_path / "models" / "tiny"
    shutil.copytree(tiny_bundle_directory, models / "1")
    async with services(tmp_path, models / "1") as (cloud, edge):
        subscriber = Subscriber(cloud.rpc, Wish(tasks=(*SEMANTIC, *GEOMETRY)))
        async with subscriber:
            async with CameraClient(edge.rpc, "hall") as camera:
                accepted = [(await until(camera, Outcome.CODED, ("semantic", "geometry"))).sequence]
            write_tiny_bundle(tmp_path / "made" / "2", scale=2)
            (tmp_path / "made" / "2").rename(models / "2")
            await cloud.kill()
            accepted += [receipt.sequence for receipt in await play(edge, "hall", 5)]
            assert await edge.stop() == 0
            edge.options = [str(models / "2") if option == str(models / "1") else option for option in edge.options]
            await edge.start()
            await cloud.start()
            digest = Bundle.load(models / "2").digest.hex()
            assert await edge.metric("taxon_edge_bundle_info", digest=digest) == 1
            async with CameraClient(edge.rpc, "hall") as camera:
                accepted.append((await until(camera, Outcome.CODED, ("semantic", "geometry"))).sequence)
            found = await take(subscriber, "hall", len(accepted))
    assert [result.sequence for result in found] == accepted
    assert subscriber.lost == 0
