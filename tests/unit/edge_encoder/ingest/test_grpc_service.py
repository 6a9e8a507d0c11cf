from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2

from edge_encoder.service import EdgeService
from shared.model.bundle import Bundle
from shared.transport.status_codes import reason_of
from shared.wire import frame_pb2, ingest_pb2, ingest_pb2_grpc
from tests.support.edge import RecordingCloud, edge_parts, running_edge
from tests.support.pictures import picture
from tests.support.services import health_stub

pytestmark = pytest.mark.starts_server

TRACES = [f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{i}-01" for i in range(2)]


def channel_to(edge: EdgeService) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{edge.rpc_port}")


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))


async def streamed(
    edge: EdgeService, requests: Sequence[ingest_pb2.StreamFramesRequest], traceparent: str = ""
) -> list[ingest_pb2.StreamFramesResponse]:
    async def given() -> AsyncIterator[ingest_pb2.StreamFramesRequest]:
        for request in requests:
            yield request

    metadata = (("traceparent", traceparent),) if traceparent else ()
    async with channel_to(edge) as channel:
        call = ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames(given(), metadata=metadata, timeout=30)
        return [response async for response in call]


@pytest.mark.asyncio
async def test_one_frame_one_receipt(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, _), channel_to(edge) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        request = ingest_pb2.PostFrameRequest(camera_id="hall", picture=picture(), capture_time=at(1000.5))
        receipt = (await stub.PostFrame(request, timeout=20)).receipt
        again = (await stub.PostFrame(request, timeout=20)).receipt
    assert (receipt.camera_id, receipt.outcome) == ("hall", frame_pb2.FRAME_OUTCOME_CODED)
    assert (receipt.capture_time.ToMicroseconds(), list(receipt.groups)) == (1_000_500_000, ["semantic", "geometry"])
    assert (again.sequence, again.repeated_post) == (receipt.sequence, True)


@pytest.mark.asyncio
async def test_frames_within_one_tick_of_a_coarse_clock_are_frames(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, _):
        requests = [
            ingest_pb2.StreamFramesRequest(camera_id="hall", picture=picture(n), capture_time=at(1000))
            for n in (0, 1, 0)
        ]
        receipts = [one.receipt for one in await streamed(edge, requests)]
    assert [one.repeated_post for one in receipts] == [False, False, True]
    assert [one.sequence - receipts[0].sequence for one in receipts] == [0, 1, 0]


@pytest.mark.asyncio
async def test_every_frame_that_may_wait_has_its_call(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    settings: dict[str, Any] = {"most_cameras": 60, "queue_depth": 4, "queue_policy": "all"}
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (edge, _), channel_to(edge) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        requests = [
            ingest_pb2.PostFrameRequest(camera_id=f"camera-{i}", picture=picture(j), capture_time=at(1000 + j))
            for j in range(settings["queue_depth"])
            for i in range(settings["most_cameras"])
        ]
        answers = await asyncio.gather(*(stub.PostFrame(request, timeout=60) for request in requests))
    assert {answer.receipt.outcome for answer in answers} == {frame_pb2.FRAME_OUTCOME_CODED}


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (ingest_pb2.PostFrameRequest(camera_id="a b", picture=b"x"), "INVALID_ARGUMENT", "BAD_NAME"),
        (ingest_pb2.PostFrameRequest(camera_id="hall"), "INVALID_ARGUMENT", "NOT_A_PICTURE"),
        (ingest_pb2.PostFrameRequest(camera_id="hall", picture=b"text"), "INVALID_ARGUMENT", "NOT_A_PICTURE"),
        (ingest_pb2.PostFrameRequest(camera_id="attic", picture=b"text"), "NOT_FOUND", "UNKNOWN_CAMERA"),
        (ingest_pb2.PostFrameRequest(camera_id="hall", picture=bytes(2000)), "RESOURCE_EXHAUSTED", "TOO_LARGE"),
        (
            ingest_pb2.PostFrameRequest(camera_id="hall", picture=b"x", capture_time=Timestamp(seconds=-5)),
            "INVALID_ARGUMENT",
            "BAD_REQUEST",
        ),
    ],
)
@pytest.mark.asyncio
async def test_a_refusal_has_its_status_and_reason(
    tmp_path: Path, tiny_bundle_directory: Path, request_: ingest_pb2.PostFrameRequest, code: str, reason: str
) -> None:
    settings: dict[str, Any] = {"cameras": ["hall"], "largest_picture_bytes": 1024}
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (edge, _), channel_to(edge) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ingest_pb2_grpc.IngestServiceStub(channel).PostFrame(request_, timeout=20)
    assert (refused.value.code().name, reason_of(refused.value)) == (code, reason)


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.asyncio
async def test_a_stream_is_answered_in_order_and_a_refusal_ends_nothing(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, depth: int
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest])
    await cloud.start()
    requests = [
        ingest_pb2.StreamFramesRequest(
            camera_id=f"camera{i % 3}",
            picture=b"no picture" if i == 7 else picture(i % 5),
            capture_time=at(1000 + i),
            traceparent=TRACES[1] if i == 3 else "",
        )
        for i in range(40)
    ]
    settings = {"queue_policy": "all", "queue_depth": depth}
    async with running_edge(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}", **settings) as (edge, _):
        answers = await streamed(edge, requests, TRACES[0])
        await cloud.until(packets=39)
    await cloud.stop()
    assert [i for i, one in enumerate(answers) if one.HasField("refusal")] == [7]
    assert answers[7].refusal.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    receipts = [(one.receipt, i) for i, one in enumerate(answers) if i != 7]
    assert [one.capture_time.ToSeconds() for one, _ in receipts] == [1000 + i for _, i in receipts]
    assert {one.outcome for one, _ in receipts} == {frame_pb2.FRAME_OUTCOME_CODED}, "with policy all none is left out"
    for camera in range(3):
        mine = [one.sequence for one, i in receipts if i % 3 == camera]
        assert mine == list(range(mine[0], mine[0] + len(mine)))
        assert [packet.sequence for packet in cloud.packets if packet.camera_id == f"camera{camera}"] == mine
    traces = {packet.capture_time_us: packet.trace_context.hex() for packet in cloud.packets}
    assert traces[1_003_000_000] == TRACES[1].replace("-", "")
    assert traces[1_004_000_000] == TRACES[0].replace("-", "")


@pytest.mark.asyncio
async def test_a_camera_that_leaves_in_mid_stream_harms_nobody(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async def endless() -> AsyncIterator[ingest_pb2.StreamFramesRequest]:
        while True:
            yield ingest_pb2.StreamFramesRequest(camera_id="rude", picture=b"junk")

    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, client):
        async with channel_to(edge) as channel:
            call = ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames(endless())
            await call.read()
            call.cancel()
        await asyncio.sleep(0.1)
        assert (await client.post("/v1/cameras/kind/frames", content=picture())).status_code == 200


@pytest.mark.asyncio
async def test_a_drain_answers_what_a_stream_has_given_and_ends_it(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with (
        running_edge(tmp_path, tiny_bundle_directory, drain_seconds=30) as (edge, _),
        channel_to(edge) as channel,
    ):
        call = ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames()
        await call.write(ingest_pb2.StreamFramesRequest(camera_id="hall", picture=picture()))
        first = await call.read()
        assert isinstance(first, ingest_pb2.StreamFramesResponse)
        assert first.receipt.outcome == frame_pb2.FRAME_OUTCOME_CODED
        async with asyncio.timeout(10):
            await edge.stop()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
    assert reason_of(ended.value) == "DRAINING"


@pytest.mark.asyncio
async def test_health_follows_readiness(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, _), channel_to(edge) as channel:
        health = health_stub(channel)
        for name in ("", "taxon.v1.IngestService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.asyncio
async def test_a_frame_that_came_too_early_ends_the_stream_so_that_none_behind_it_overtakes(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory) as parts:
        await parts.listen()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{parts.rpc.port}") as channel:
            call = ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames()
            await call.write(ingest_pb2.StreamFramesRequest(camera_id="hall", picture=picture()))
            first = await call.read()
            assert isinstance(first, ingest_pb2.StreamFramesResponse)
            assert first.refusal.code == grpc.StatusCode.UNAVAILABLE.value[0]
            parts.admission.open()
            assert await asyncio.wait_for(call.read(), 10) is grpc.aio.EOF
            # A frame that was on its way behind the first is not taken.
            assert not parts.admission.cameras.counts()
