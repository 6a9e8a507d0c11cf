"""The camera's client against a small real edge: receipts, refusals, broken connections, deadlines."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest
from PIL import Image

from shared.errors import BadName
from shared.sources import SourceFrame
from taxon.client import CameraClient, CameraFrame, Outcome, Receipt, Refused, Timeouts, Unreachable
from tests.unit.taxon.client.small_services import SmallEdge, serving

QUICK = Timeouts(connect=0.5, answer=5.0, close=1.0, give_up=5.0)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def given(frames: Iterable[CameraFrame | SourceFrame]) -> AsyncIterator[CameraFrame | SourceFrame]:
    for frame in frames:
        yield frame


def numbered(count: int) -> list[CameraFrame | SourceFrame]:
    return [CameraFrame(f"picture {index}".encode(), 1_000_000 + index) for index in range(count)]


async def streamed(camera: CameraClient, count: int, in_flight: int = 4) -> list[Receipt]:
    async with asyncio.timeout(20):
        return [receipt async for receipt in camera.stream(given(numbered(count)), in_flight)]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_posted_frame_gets_its_receipt() -> None:
    edge = SmallEdge()
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipt = await camera.post(b"a picture", 1_234_567, TRACE)
    assert receipt == Receipt("kitchen", Outcome.CODED, 1_234_567, 1, 100, 2, ("semantic",))
    assert edge.pictures == [b"a picture"]
    assert edge.traceparents == [TRACE]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_frame_without_a_time_was_taken_now_and_pixels_travel_as_jpeg() -> None:
    edge = SmallEdge()
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = [await camera.post(np.full((24, 32, 3), 200, np.uint8)) for _ in range(3)]
    times = [receipt.capture_time_us for receipt in receipts]
    assert abs(times[0] / 1e6 - time.time()) < 10
    assert sorted(set(times)) == times, "frames without a time are still told apart"
    image = Image.open(io.BytesIO(edge.pictures[0]))
    assert (image.format, image.size) == ("JPEG", (32, 24))


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_post_whose_answer_was_lost_is_repeated_and_recognised() -> None:
    edge = SmallEdge(break_after=0)
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipt = await camera.post(b"a picture")
    assert receipt.repeated_post
    assert receipt.sequence == 1
    assert edge.pictures == [b"a picture"], "the edge has the frame once"


@pytest.mark.starts_server
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("camera_id", "size", "reason", "code"),
    [
        ("refused", 10, "UNKNOWN_CAMERA", "NOT_FOUND"),
        ("kitchen", 2000, "TOO_LARGE", "RESOURCE_EXHAUSTED"),
        ("late", 10, "DEADLINE_PASSED", "DEADLINE_EXCEEDED"),
    ],
)
async def test_a_refusal_is_raised_with_its_reason(camera_id: str, size: int, reason: str, code: str) -> None:
    async with serving(SmallEdge()) as server, CameraClient(f"127.0.0.1:{server.port}", camera_id, QUICK) as camera:
        with pytest.raises(Refused) as caught:
            await camera.post(bytes(size))
    assert (caught.value.reason, caught.value.code) == (reason, code)


def test_what_is_no_name_of_a_camera_is_refused_before_any_call() -> None:
    with pytest.raises(BadName):
        CameraClient("127.0.0.1:1", "two words")


@pytest.mark.asyncio
async def test_an_edge_that_is_not_there_is_given_up_after_the_patience() -> None:
    begun = time.monotonic()
    async with CameraClient("127.0.0.1:1", "kitchen", Timeouts(connect=0.2, give_up=0.6)) as camera:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 was not reached"):
            await camera.post(b"a picture")
        with pytest.raises(Unreachable):
            await streamed(camera, 2)
    assert 1.0 < time.monotonic() - begun < 5


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_edge_that_comes_later_gets_the_frames() -> None:
    async with serving(SmallEdge()) as server:
        port = server.port
    edge = SmallEdge()
    async with CameraClient(f"127.0.0.1:{port}", "kitchen", QUICK) as camera:
        posting = asyncio.create_task(camera.post(b"a picture"))
        await asyncio.sleep(0.3)
        async with serving(edge, port):
            assert (await posting).outcome == Outcome.CODED


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_streamed_frames_get_their_receipts_in_order_over_one_connection() -> None:
    edge = SmallEdge()
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = await streamed(camera, 20)
    assert [receipt.capture_time_us for receipt in receipts] == [1_000_000 + index for index in range(20)]
    assert [receipt.sequence for receipt in receipts] == list(range(1, 21))
    assert edge.streams == 1


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_stream_of_no_frames_has_no_receipts_and_makes_no_call() -> None:
    edge = SmallEdge()
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        assert await streamed(camera, 0) == []
    assert edge.streams == 0


@pytest.mark.starts_server
@pytest.mark.asyncio
@pytest.mark.parametrize("in_flight", [1, 3])
async def test_no_more_frames_wait_for_an_answer_than_were_allowed(in_flight: int) -> None:
    edge = SmallEdge()
    edge.answer_seconds = 0.02
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        assert len(await streamed(camera, 10, in_flight)) == 10
    assert edge.most_waiting == in_flight


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_stream_that_breaks_again_and_again_gives_every_receipt_once_and_in_order() -> None:
    edge = SmallEdge(break_after=2)
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = await streamed(camera, 7)
    assert [receipt.capture_time_us for receipt in receipts] == [1_000_000 + index for index in range(7)]
    assert [receipt.sequence for receipt in receipts] == list(range(1, 8)), "the edge coded each frame once"
    assert any(receipt.repeated_post for receipt in receipts), "a frame whose answer was lost was repeated"
    assert edge.streams >= 3


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_edge_that_stops_answering_is_left_after_the_deadline() -> None:
    edge = SmallEdge(silent_once=True)
    quick = Timeouts(connect=0.5, answer=0.3, close=0.5, give_up=10.0)
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", quick) as camera:
        assert len(await streamed(camera, 3)) == 3
    assert edge.streams == 2


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_frames_that_a_stopping_edge_refuses_are_sent_again() -> None:
    edge = SmallEdge(draining_once=True)
    async with serving(edge) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = await streamed(camera, 4)
    assert [receipt.outcome for receipt in receipts] == [Outcome.CODED] * 4
    assert edge.pictures == [f"picture {index}".encode() for index in range(4)]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_refused_frame_ends_nothing() -> None:
    frames: list[CameraFrame | SourceFrame]
    frames = [CameraFrame(b"small", 1), CameraFrame(bytes(2000), 2), SourceFrame(b"small", 3)]
    async with serving(SmallEdge()) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = [receipt async for receipt in camera.stream(given(frames))]
    assert [receipt.outcome for receipt in receipts] == [Outcome.CODED, Outcome.REFUSED, Outcome.CODED]
    assert receipts[1].capture_time_us == 2
    assert receipts[1].refusal is not None
    assert receipts[1].refusal.reason == "TOO_LARGE"


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_what_the_frames_raise_is_raised_after_the_receipts_of_those_that_came() -> None:
    async def broken() -> AsyncIterator[CameraFrame]:
        yield CameraFrame(b"picture", 1)
        raise ValueError("the lens fell off")

    async with serving(SmallEdge()) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        stream = camera.stream(broken())
        assert (await anext(stream)).outcome == Outcome.CODED
        with pytest.raises(ValueError, match="lens"):
            await anext(stream)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_stream_that_is_left_closes_its_frames() -> None:
    closed = False

    async def endless() -> AsyncIterator[CameraFrame]:
        nonlocal closed
        try:
            while True:
                yield CameraFrame(b"picture")
        finally:
            closed = True

    async with serving(SmallEdge()) as server, CameraClient(f"127.0.0.1:{server.port}", "kitchen", QUICK) as camera:
        receipts = camera.stream(endless())
        assert (await anext(receipts)).outcome == Outcome.CODED
        await receipts.aclose()
    assert closed
