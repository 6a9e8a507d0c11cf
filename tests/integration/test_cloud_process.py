"""The cloud as a real process: killed and started again, refusing, gaining bundles and heads while it runs, draining."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results as results_of
from shared.contract.packets import Packet
from shared.model.bundle import Bundle
from shared.transport.status_codes import reason_of
from shared.wire import results_pb2, results_pb2_grpc
from tests.support.bundles import write_overlay, write_tiny_bundle
from tests.support.clients import SmallEdge, SmallSubscriber, coded_packets, sequences
from tests.support.services import ServiceProcess, running, taxon

pytestmark = pytest.mark.starts_process

TASKS = ("class_scene", "segment_semantic", "normal", "reshading")
SECONDS = 20.0


@pytest.fixture
def models(tmp_path: Path, tiny_bundle_directory: Path) -> Path:
    """A folder of bundles with the tiny one in it."""
    shutil.copytree(tiny_bundle_directory, tmp_path / "models" / "tiny" / "1")
    return tmp_path / "models"


def cloud_of(tmp_path: Path, models: Path, *options: str) -> ServiceProcess:
    flags = (
        "--bundles",
        str(models),
        "--threads",
        "1",
        "--bundle-scan-seconds",
        "0.2",
        "--ack-interval-seconds",
        "0.1",
    )
    return ServiceProcess("cloud", tmp_path / "cloud", (*flags, *options))


def assert_results_are_those_of_the_bitstreams(
    bundle: Bundle, packets: Sequence[Packet], results: Sequence[results_pb2.FrameResult], tasks: Sequence[str]
) -> None:
    by_frame = {(packet.camera_id, packet.sequence): packet for packet in packets}
    decoder = Decoder(bundle, threads=1)
    for result in results:
        packet = by_frame[result.camera_id, result.sequence]
        assert [one.task for one in result.results] == list(tasks)
        for expected, found in zip(results_of(decoder, [packet.bitstream], tasks), result.results, strict=True):
            if found.HasField("tensor"):
                values = np.frombuffer(found.tensor.values, found.tensor.dtype).reshape(tuple(found.tensor.shape))
                tolerance = 1 / 255 if found.tensor.dtype == "float32" else 0
                assert np.abs(values - expected.values[0].astype(values.dtype)).max() <= tolerance, found.task
            else:
                best = [one.index for one in found.classes.classes]
                assert best == np.argsort(-expected.values[0], kind="stable")[: len(best)].tolist()


@pytest.mark.asyncio
async def test_a_killed_cloud_gives_every_frame_once_and_in_order_to_a_subscriber_that_comes_back(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)
    door, hall = coded_packets(tiny_bundle, "door", 60), coded_packets(tiny_bundle, "hall", 60)
    mixed = [packet for pair in zip(door, hall, strict=True) for packet in pair]
    async with running(cloud):
        async with (
            SmallSubscriber(cloud.rpc, "wall", hold_seconds=60, tasks=TASKS) as subscriber,
            SmallEdge(cloud.rpc, tiny_bundle.digest) as edge,
        ):
            await edge.deliver(mixed[:40])
            early = await subscriber.results(25)
            # In the middle of the next frames: some are in the journal, some are not, few are acknowledged.
            for start in range(40, 80, 4):
                await edge.send(mixed[start : start + 4])
            await cloud.kill()
        await cloud.start()
        async with SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
            assert edge.wanted is not None
            assert list(edge.wanted.groups_of_all) == ["geometry", "semantic"], "the wish outlived the process"
            # The edge sends again all that was not acknowledged, and more.
            await edge.deliver(mixed[40:])
        async with SmallSubscriber(
            cloud.rpc, "wall", hold_seconds=60, tasks=TASKS, cursor=early[-1].cursor
        ) as subscriber:
            late = await subscriber.results(len(mixed) - len(early))
            assert subscriber.lost == 0
    everything = [*early, *late]
    for camera in ("door", "hall"):
        assert sequences([one for one in everything if one.camera_id == camera]) == list(range(1, 61))
    assert_results_are_those_of_the_bitstreams(tiny_bundle, mixed, everything, TASKS)


@pytest.mark.asyncio
async def test_a_journal_of_another_release_is_refused_at_the_start_and_left_as_it_is(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)
    data = cloud.folder / "data"
    async with running(cloud), SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
        await edge.deliver(coded_packets(tiny_bundle, "door", 5))
        assert await cloud.stop() == 0

    def marked(version: int) -> None:
        with closing(sqlite3.connect(data / "journal.sqlite3")) as journal:
            journal.execute(f"PRAGMA user_version = {version}")

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in data.iterdir()}

    marked(99)
    before = files()
    refused = await asyncio.to_thread(
        taxon, "cloud", "--bundles", models, "--data", data, "--rpc", "127.0.0.1:0", "--http", "127.0.0.1:0"
    )
    assert refused.status == 1, "as an edge with such a spool"
    (line,) = refused.errors
    assert line.startswith(
        f"taxon: {data}/journal.sqlite3: this journal was written by another release: it has version 99"
    )
    assert "this release reads 1" in line
    assert "Run the release that wrote it until it is drained, or name another folder with --data" in line
    assert files() == before, "no byte is changed, nothing is set aside"
    # The release that wrote it still has every frame for whoever comes back.
    marked(1)
    async with running(cloud):
        assert await cloud.metric("taxon_cloud_journal_frames") == 5
        assert await cloud.metric("taxon_cloud_journal_damaged_total") == 0


@pytest.mark.asyncio
async def test_replay_and_live_frames_join_without_gap_or_double(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models, "--subscriber-queue-frames", "1000")
    packets = coded_packets(tiny_bundle, "door", 400)
    async with running(cloud), SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
        async with SmallSubscriber(cloud.rpc, tasks=("class_scene",)) as subscriber:
            begins = subscriber.begins
        await edge.deliver(packets[:200])
        sending = asyncio.create_task(edge.deliver(packets[200:], at_once=1))
        async with SmallSubscriber(cloud.rpc, tasks=("class_scene",), cursor=begins) as subscriber:
            assert sequences(await subscriber.results(400)) == list(range(1, 401))
            assert subscriber.lost == 0
        await sending


@pytest.mark.asyncio
async def test_a_subscriber_that_never_reads_loses_its_own_oldest_and_slows_nobody(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_tiny_bundle(models / "tiny" / "1", scale=8)
    bundle = Bundle.load(models / "tiny" / "1")
    cloud = cloud_of(tmp_path, models, "--subscriber-queue-frames", "10", "--ack-interval-seconds", "0")
    packets = coded_packets(bundle, "door", 60)
    async with (
        running(cloud),
        SmallEdge(cloud.rpc, bundle.digest) as edge,
        SmallSubscriber(cloud.rpc, "asleep", tasks=TASKS) as asleep,
    ):
        async with SmallSubscriber(cloud.rpc, "awake", tasks=TASKS) as awake:
            for packet in packets:
                await edge.deliver([packet])
                assert (await awake.result()).sequence == packet.sequence
            assert awake.lost == 0
        dropped = await cloud.metric("taxon_cloud_results_dropped_total", reason="slow_subscriber")
        assert dropped > 0, "the buffers between the processes are smaller than 60 results of a megabyte"
        had: list[results_pb2.FrameResult] = []
        while not had or had[-1].sequence < len(packets):
            had.append(await asleep.result())
        assert sequences(had) == sorted(set(sequences(had)))
        assert len(had) + asleep.lost == len(packets)
        assert asleep.lost == dropped


@pytest.mark.asyncio
async def test_two_hundred_subscribers_get_every_frame_and_each_head_runs_once(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)
    packets = coded_packets(tiny_bundle, "door", 20)
    async with running(cloud), AsyncExitStack() as stack, SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
        subscribers = [SmallSubscriber(cloud.rpc, f"s{place}", tasks=TASKS) for place in range(200)]
        for subscriber in subscribers:
            await stack.enter_async_context(subscriber)
        assert await cloud.metric("taxon_cloud_subscribers") == 200
        await edge.deliver(packets)
        for made in await asyncio.gather(*(subscriber.results(20) for subscriber in subscribers)):
            assert sequences(made) == list(range(1, 21))
        assert await cloud.metric("taxon_cloud_heads_run_total", task="normal") == 20
        await asyncio.gather(*(subscriber.half_close() for subscriber in subscribers))
        await edge.until(lambda: edge.wanted is not None and not edge.wanted.groups_of_all)
        assert await cloud.metric("taxon_cloud_subscribers") == 0


@pytest.mark.asyncio
async def test_what_cannot_be_is_refused_with_its_status_and_counted(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)

    async def edge(**changes: Any) -> None:
        async with SmallEdge(cloud.rpc, **({"digest": tiny_bundle.digest} | changes)):
            pass

    async def subscribe(**wish: Any) -> None:
        async with SmallSubscriber(cloud.rpc, **wish):
            pass

    cases = (
        (edge(digest=bytes(32)), grpc.StatusCode.FAILED_PRECONDITION, "BUNDLE_MISMATCH", tiny_bundle.digest.hex()),
        (edge(digest=bytes(32)), grpc.StatusCode.FAILED_PRECONDITION, "BUNDLE_MISMATCH", bytes(32).hex()),
        (edge(version=9), grpc.StatusCode.FAILED_PRECONDITION, "PROTOCOL_MISMATCH", "version 9"),
        (edge(edge_id="no name"), grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME", "'no name'"),
        (subscribe(camera_ids=["attic"]), grpc.StatusCode.NOT_FOUND, "UNKNOWN_CAMERA", "attic"),
        (subscribe(tasks=["depth"]), grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_NAME", "choose one of"),
        (subscribe(cursor="yesterday"), grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST", "cursor"),
        (subscribe(hold_seconds=301), grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST", "hold_seconds"),
        (subscribe(longest_side_pixels=1 << 20), grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST", "longest_side"),
        (subscribe(subscription_id=""), grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME", "subscription"),
    )
    async with running(cloud):
        for work, code, reason, told in cases:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await work
            assert caught.value.code() is code, caught.value.details()
            assert told in (caught.value.details() or "")
            assert reason_of(caught.value) == reason
            assert await cloud.metric("taxon_cloud_refusals_total", reason=reason) > 0
        bad_names = await cloud.metric("taxon_cloud_refusals_total", reason="BAD_NAME")
        assert bad_names == 2


@pytest.mark.asyncio
async def test_a_camera_has_one_sender_and_an_edge_takes_its_own_place_again(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)
    packets = coded_packets(tiny_bundle, "door", 6)
    async with running(cloud), SmallEdge(cloud.rpc, tiny_bundle.digest, "first") as first:
        await first.deliver(packets[:2])
        async with SmallEdge(cloud.rpc, tiny_bundle.digest, "second") as second:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await second.deliver(packets[2:4])
            assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        async with SmallEdge(cloud.rpc, tiny_bundle.digest, "first") as again:
            await again.deliver(packets)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await first.until(lambda: False)
            assert caught.value.code() is grpc.StatusCode.ABORTED
        assert await cloud.metric("taxon_cloud_frames_received_total", camera="door") == 6
        assert await cloud.metric("taxon_cloud_frames_duplicate_total", camera="door") == 2


@pytest.mark.asyncio
async def test_new_bundles_and_heads_are_offered_while_it_runs(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models)
    packets = coded_packets(tiny_bundle, "door", 6)
    async with running(cloud), grpc.aio.insecure_channel(cloud.rpc) as channel:
        stub = results_pb2_grpc.ResultsServiceStub(channel)

        async def offered() -> dict[str, set[str]]:
            described = await stub.DescribeBundles(results_pb2.DescribeBundlesRequest(), timeout=5)
            return {f"{one.name}/{one.version}": {task.name for task in one.tasks} for one in described.bundles}

        async def until_offered(bundle: str, task: str) -> None:
            async with asyncio.timeout(SECONDS):
                while task not in (await offered()).get(bundle, set()):
                    await asyncio.sleep(0.05)

        async with SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
            await edge.deliver(packets[:3])
            overlay = models / "tiny" / "1.overlay"
            overlay.mkdir()
            (overlay / "broken.onnx").write_bytes(b"no graph")
            write_overlay(overlay, tiny_bundle.digest)
            await until_offered("tiny/1", "depth")
            assert "broken" not in (await offered())["tiny/1"]
            async with SmallSubscriber(cloud.rpc, tasks=["depth"]) as subscriber:
                await edge.until(lambda: edge.wanted is not None and list(edge.wanted.groups_of_all) == ["geometry"])
                await edge.deliver(packets[3:])
                (result,) = (await subscriber.result()).results
                assert (result.task, list(result.tensor.shape)) == ("depth", [1, 32, 32])

        write_tiny_bundle(tmp_path / "made" / "1", scale=2)
        shutil.copytree(tmp_path / "made" / "1", models / "larger" / "1")
        larger = Bundle.load(models / "larger" / "1")
        async with asyncio.timeout(SECONDS):
            while len(await offered_digests(stub)) < 2:
                await asyncio.sleep(0.05)
        async with (
            SmallSubscriber(cloud.rpc, tasks=["normal"]) as subscriber,
            SmallEdge(cloud.rpc, larger.digest, "another") as edge,
        ):
            await edge.deliver(coded_packets(larger, "yard", 2))
            (result,) = (await subscriber.result()).results
            assert list(result.tensor.shape) == [3, 64, 64]
        assert await cloud.metric("taxon_cloud_bundles_refused_total") == 1


async def offered_digests(stub: Any) -> set[bytes]:
    described = await stub.DescribeBundles(results_pb2.DescribeBundlesRequest(), timeout=5)
    return {bytes(one.digest) for one in described.bundles}


@pytest.mark.asyncio
async def test_sigterm_acknowledges_what_was_received_and_gives_what_is_queued(
    tmp_path: Path, models: Path, tiny_bundle: Bundle
) -> None:
    cloud = cloud_of(tmp_path, models, "--ack-interval-seconds", "30")
    packets = coded_packets(tiny_bundle, "door", 30)
    async with (
        running(cloud),
        SmallSubscriber(cloud.rpc, tasks=TASKS) as subscriber,
        SmallEdge(cloud.rpc, tiny_bundle.digest) as edge,
    ):
        await edge.send(packets)
        first = await subscriber.result()
        stopping = asyncio.create_task(cloud.stop())
        rest = await subscriber.results(len(packets) - 1)
        assert sequences([first, *rest]) == list(range(1, 31))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await subscriber.result()
        assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge.until(lambda: False)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert edge.acked == {"door": 30}
        assert await stopping == 0
