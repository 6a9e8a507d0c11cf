"""The edge as a real process: killed at any moment, it keeps what it answered; told to stop, it sends it first."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from shared.model.bundle import Bundle
from shared.wire import frame_pb2, ingest_pb2, ingest_pb2_grpc
from tests.support.edge import RecordingCloud, wanted
from tests.support.pictures import picture

pytestmark = pytest.mark.starts_process

CAMERAS = ("kitchen", "hall", "attic")
READY_SECONDS = 60.0


@dataclass
class EdgeProcess:
    """A running `taxon edge`. lines: of its log, as read so far."""

    process: asyncio.subprocess.Process
    rpc_port: int
    lines: list[dict[str, object]]

    async def end(self, number: int) -> int:
        """Sends a signal and reads the log to its end; the exit status."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(json.loads(line))
        return await asyncio.wait_for(self.process.wait(), 30)


@asynccontextmanager
async def edge_process(data: Path, bundle: Path, cloud: str, *flags: str) -> AsyncIterator[EdgeProcess]:
    argv = ["-m", "taxon", "edge", "--data", data, "--bundle", bundle, "--cloud", cloud, "--log-format", "json"]
    argv += ["--http", "127.0.0.1:0", "--rpc", "127.0.0.1:0", "--threads", "1", "--queue-policy", "all", *flags]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, argv), stderr=asyncio.subprocess.PIPE, limit=1 << 20
    )
    try:
        async with asyncio.timeout(READY_SECONDS):
            lines = await _until_ready(process)
        yield EdgeProcess(process, int(str(lines[-1]["rpc"])), lines)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _until_ready(process: asyncio.subprocess.Process) -> list[dict[str, object]]:
    assert process.stderr is not None
    lines: list[dict[str, object]] = []
    async for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == "ready":
            return lines
    raise AssertionError(f"the edge has ended: {lines}")


async def stream(
    edge: EdgeProcess, camera: str, first: int, frames: int, receipts: list[frame_pb2.FrameReceipt]
) -> None:
    """Gives frames, each another picture time, and keeps the receipts; returns when the edge is gone or all are answered."""

    async def requests() -> AsyncIterator[ingest_pb2.StreamFramesRequest]:
        for number in range(first, first + frames):
            request = ingest_pb2.StreamFramesRequest(camera_id=camera, picture=picture(number % 5))
            request.capture_time.FromMicroseconds(1_000_000 * number)
            yield request

    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.rpc_port}") as channel:
        try:
            async for response in ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames(requests(), timeout=60):
                if response.HasField("receipt"):
                    receipts.append(response.receipt)
        except grpc.aio.AioRpcError:
            return


def coded(receipts: list[frame_pb2.FrameReceipt]) -> set[tuple[str, int, int]]:
    return {
        (one.camera_id, one.sequence, one.capture_time.ToMicroseconds())
        for one in receipts
        if one.outcome == frame_pb2.FRAME_OUTCOME_CODED
    }


def received(cloud: RecordingCloud) -> list[tuple[str, int, int]]:
    return [(packet.camera_id, packet.sequence, packet.capture_time_us) for packet in cloud.packets]


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.asyncio
async def test_killed_at_any_moment_it_sends_after_a_restart_whatever_it_had_answered_as_coded(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, linked: bool
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest], wanted("semantic", "geometry"))
    await cloud.start()
    target, receipts = f"127.0.0.1:{cloud.port}", list[frame_pb2.FrameReceipt]()
    pinned = ["--pinned-groups", "semantic"]
    if not linked:
        await cloud.stop()
    for run in range(3):
        async with edge_process(tmp_path, tiny_bundle_directory, target, *pinned) as edge:
            # The frames around the kill are posted again, as a camera does that got no answer.
            streams = [asyncio.create_task(stream(edge, name, 1000 + 40 * run, 400, receipts)) for name in CAMERAS]
            before = len(receipts)
            while len(receipts) < before + 60:
                await asyncio.sleep(0.005)
            edge.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*streams)
    if not linked:
        await cloud.start(cloud.port)
    promised = coded(receipts)
    async with edge_process(tmp_path, tiny_bundle_directory, target, *pinned) as edge:
        async with asyncio.timeout(60):
            while not promised <= set(received(cloud)):
                await asyncio.sleep(0.05)
        assert await edge.end(signal.SIGTERM) == 0
    await cloud.stop()
    for name in CAMERAS:
        mine = list(dict.fromkeys(one for one in received(cloud) if one[0] == name))
        sequences = [sequence for _, sequence, _ in mine]
        assert sequences == sorted(set(sequences)), "in order, and no sequence is given twice"
        times = [time for _, _, time in mine]
        assert len(times) == len(set(times)), "a frame that was posted again after a crash is coded once"


@pytest.mark.asyncio
async def test_told_to_stop_it_refuses_what_is_new_answers_the_rest_and_empties_its_spool(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest], wanted("semantic"))
    await cloud.start()
    receipts: list[frame_pb2.FrameReceipt] = []
    async with edge_process(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}") as edge:
        streams = [asyncio.create_task(stream(edge, name, 1000, 2000, receipts)) for name in CAMERAS]
        while len(coded(receipts)) < 60:
            await asyncio.sleep(0.005)
        assert await edge.end(signal.SIGTERM) == 0
        await asyncio.gather(*streams)
        events = [line["event"] for line in edge.lines]
        assert [line["spooled"] for line in edge.lines if line["event"] == "drained"] == [0]
        assert events[-1] == "stopped"
    await cloud.stop()
    assert coded(receipts) == set(received(cloud)), "every frame it took was answered, and reached the cloud"
    assert len(cloud.packets) < 3 * 2000


@pytest.mark.asyncio
async def test_it_stops_at_once_where_there_is_no_cloud_and_keeps_its_frames(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    receipts: list[frame_pb2.FrameReceipt] = []
    flags = ("--pinned-groups", "geometry", "--drain-seconds", "20")
    async with edge_process(tmp_path, tiny_bundle_directory, "127.0.0.1:1", *flags) as edge:
        await stream(edge, "hall", 1000, 10, receipts)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert await edge.end(signal.SIGTERM) == 0
        assert loop.time() - begin < 10
        assert [line["spooled"] for line in edge.lines if line["event"] == "drained"] == [len(coded(receipts))] == [10]
