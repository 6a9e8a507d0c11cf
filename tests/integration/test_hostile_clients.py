"""Clients that mean harm, on a whole edge: each is bounded and counted, and a camera beside them goes on being served."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path

import grpc
import httpx
import pytest

from shared.wire import ingest_pb2, ingest_pb2_grpc
from tests.support.edge import metric, running_edge
from tests.support.pictures import picture

pytestmark = pytest.mark.starts_server

FRAMES = "/v1/cameras/kitchen/frames"
OTHER = "/v1/cameras/hall/frames"


async def metrics(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


async def assert_served(client: httpx.AsyncClient, number: int) -> None:
    async with asyncio.timeout(10):
        answer = await client.post(OTHER, content=picture(number))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "coded")


def bomb(side: int) -> bytes:
    """A PNG of some kilobytes whose rows are all there: side x side black pixels."""
    row = b"\0" + bytes(side)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


@pytest.mark.asyncio
async def test_a_decompression_bomb_is_refused_and_counted(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
        found = bomb(9000)
        assert len(found) < 200_000, "81 million pixels in less than 200 kB"
        answers = await asyncio.gather(*(client.post(FRAMES, content=found) for _ in range(3)))
        assert {answer.status_code for answer in answers} <= {400, 429}
        assert any(answer.json().get("title") == "NOT_A_PICTURE" for answer in answers)
        await assert_served(client, 1)
        assert metric(await metrics(client), 'taxon_edge_refusals_total{reason="NOT_A_PICTURE"}') >= 1


@pytest.mark.asyncio
async def test_a_body_that_comes_drop_by_drop_ends_at_the_deadline(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, post_deadline_seconds=2.0) as (service, client):
        slow = [await asyncio.open_connection("127.0.0.1", service.http_port) for _ in range(20)]
        for _, writer in slow:
            writer.write(f"POST {FRAMES} HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n".encode() + b"\xff")
        for number in range(4):
            await assert_served(client, number)
            for _, writer in slow:
                writer.write(b"\xff")
            await asyncio.sleep(0.2)
        answers = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in slow)), 15)
        assert all(answer.startswith(b"HTTP/1.1 504") for answer in answers)
        assert metric(await metrics(client), 'taxon_edge_refusals_total{reason="DEADLINE_PASSED"}') == 20
        for _, writer in slow:
            writer.close()


@pytest.mark.asyncio
async def test_a_flood_of_http_connections_is_bounded_and_counted(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, http_connections=16) as (service, client):
        flood = [await asyncio.open_connection("127.0.0.1", service.http_port) for _ in range(100)]
        async with httpx.AsyncClient(base_url=client.base_url, timeout=10) as camera:
            await assert_served(camera, 1)
            text = await metrics(camera)
        assert metric(text, 'taxon_edge_http_connections_dropped_total{reason="too_many"}') >= 84
        for _, writer in flood:
            writer.close()


@pytest.mark.asyncio
async def test_grpc_takes_no_message_over_its_limit_and_goes_on(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, largest_picture_bytes=20_000) as (service, client):
        silent = [await asyncio.open_connection("127.0.0.1", service.rpc_port) for _ in range(50)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.rpc_port}") as channel:
            stub = ingest_pb2_grpc.IngestServiceStub(channel)
            for size in (20_001, 1 << 20, 1 << 24):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.PostFrame(ingest_pb2.PostFrameRequest(camera_id="k", picture=bytes(size)), timeout=20)
                assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, size
            good = ingest_pb2.PostFrameRequest(camera_id="hall", picture=picture(1))
            assert (await stub.PostFrame(good, timeout=20)).receipt.sequence
        assert metric(await metrics(client), 'taxon_edge_refusals_total{reason="TOO_LARGE"}') >= 1
        for _, writer in silent:
            writer.close()


@pytest.mark.asyncio
async def test_a_stream_whose_answers_nobody_reads_takes_no_more_frames(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (service, client):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.rpc_port}") as channel:
            call = ingest_pb2_grpc.IngestServiceStub(channel).StreamFrames()
            for number in range(50):
                frame = ingest_pb2.StreamFramesRequest(camera_id="kitchen", picture=picture(number % 5))
                await asyncio.wait_for(call.write(frame), 20)
            for number in range(3):
                await assert_served(client, number)
            call.cancel()
        assert metric(await metrics(client), "taxon_edge_queue_frames") <= 8
