from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.cameras.plan import QueuePolicy
from edge_encoder.control.backpressure import Backpressure
from edge_encoder.frames import FrameRef, KnownCamera, QueuedFrame
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.pipeline.pipeline import Batches
from shared.contract.receipts import Outcome
from shared.errors import Busy


def put(queue: FrameQueue, camera: str, number: int, size: int = 10) -> QueuedFrame:
    picture = bytes(size)
    return queue.put(FrameRef.of(KnownCamera(camera), picture, number), ("semantic",), picture)


def numbers(taken: list[QueuedFrame]) -> list[tuple[str, int]]:
    return [(one.ref.camera_id, one.ref.capture_time_us) for one in taken]


@pytest.mark.asyncio
async def test_cameras_take_turns() -> None:
    queue = FrameQueue(lambda _: "all", 8, 1000)
    for number in range(4):
        put(queue, "fast", number)
    put(queue, "slow", 0)
    put(queue, "other", 0)
    assert numbers(await queue.take(4)) == [("fast", 0), ("slow", 0), ("other", 0), ("fast", 1)]
    assert numbers(await queue.take(4)) == [("fast", 2), ("fast", 3)]
    assert (queue.frames, queue.bytes) == (0, 0)


@pytest.mark.asyncio
async def test_the_newest_frame_supersedes_the_oldest() -> None:
    queue = FrameQueue(lambda _: "newest", 2, 1000)
    waiting = [put(queue, "a", number) for number in range(4)]
    assert [one.answer.done() for one in waiting] == [True, True, False, False]
    assert waiting[0].answer.result().outcome is Outcome.SUPERSEDED
    assert numbers(await queue.take(9)) == [("a", 2), ("a", 3)]


@pytest.mark.asyncio
async def test_where_all_are_kept_a_full_line_is_busy_and_others_are_not() -> None:
    queue = FrameQueue(lambda _: "all", 2, 1000)
    for number in range(2):
        put(queue, "a", number)
    with pytest.raises(Busy, match="2 frames of camera a wait already"):
        put(queue, "a", 2)
    put(queue, "b", 0)
    assert queue.frames == 3


@pytest.mark.asyncio
async def test_the_bytes_of_all_are_bounded() -> None:
    queue = FrameQueue(lambda _: "newest", 9, 100)
    first = put(queue, "a", 0, 60)
    with pytest.raises(Busy, match="fill 100 bytes"):
        put(queue, "b", 0, 60)
    assert not first.answer.done()
    put(queue, "a", 1, 60)
    assert first.answer.result().outcome is Outcome.SUPERSEDED
    assert queue.bytes == 60


@pytest.mark.asyncio
async def test_taking_waits_for_a_frame() -> None:
    queue = FrameQueue(lambda _: "newest", 2, 100)
    takes = asyncio.create_task(queue.take(2))
    await asyncio.sleep(0.01)
    assert not takes.done()
    put(queue, "a", 7)
    assert numbers(await takes) == [("a", 7)]


@pytest.mark.asyncio
async def test_a_frame_can_be_forgotten_until_its_turn_comes() -> None:
    queue = FrameQueue(lambda _: "all", 3, 100)
    first, second = put(queue, "a", 0), put(queue, "a", 1)
    assert queue.forget(first)
    assert not queue.forget(first)
    assert numbers(await queue.take(3)) == [("a", 1)]
    assert not queue.forget(second)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.booleans())), st.integers(1, 3), st.booleans())
def test_every_frame_is_taken_in_order_or_answered_or_refused(
    posts: list[tuple[str, int, bool]], depth: int, newest: bool
) -> None:
    async def play() -> None:
        queue = FrameQueue(lambda _: "newest" if newest else "all", depth, 100)
        admitted: list[QueuedFrame] = []
        taken: list[QueuedFrame] = []
        for number, (camera, size, takes) in enumerate(posts):
            try:
                admitted.append(put(queue, camera, number, size))
            except Busy:
                assert queue.frames > 0 or size > 100
            assert queue.bytes <= 100
            if takes and queue.frames:
                taken += await queue.take(2)
        while queue.frames:
            taken += await queue.take(2)
        superseded = [one for one in admitted if one.answer.done()]
        assert {id(one) for one in admitted} == {id(one) for one in taken + superseded}
        assert len(admitted) == len(taken) + len(superseded)
        orders: dict[str, list[int]] = defaultdict(list)
        for camera, number in numbers(taken):
            orders[camera].append(number)
        assert all(order == sorted(order) for order in orders.values())
        assert (queue.frames, queue.bytes) == (0, 0)

    asyncio.run(play())


@pytest.mark.asyncio
async def test_each_camera_has_its_policy_and_a_change_takes_no_waiting_frame_away() -> None:
    policies: dict[str, QueuePolicy] = {"live": "newest", "every": "all"}
    queue = FrameQueue(lambda name: policies[name], 2, 1000)
    live = [put(queue, "live", number) for number in range(3)]
    assert [one.answer.done() for one in live] == [True, False, False]
    every = [put(queue, "every", number) for number in range(2)]
    with pytest.raises(Busy):
        put(queue, "every", 2)
    policies["every"], policies["live"] = "newest", "all"
    assert not any(one.answer.done() for one in [*live[1:], *every])
    with pytest.raises(Busy):
        put(queue, "live", 3)
    put(queue, "every", 2)
    assert [one.answer.done() for one in every] == [True, False]
    assert queue.holds("live")
    assert numbers(await queue.take(9)) == [("live", 1), ("every", 1), ("live", 2), ("every", 2)]
    assert not queue.holds("live")


@pytest.mark.asyncio
async def test_while_the_cloud_is_behind_only_cameras_that_keep_all_go_on() -> None:
    policies: dict[str, QueuePolicy] = {"live": "newest", "every": "all"}
    queue, backpressure = FrameQueue(lambda name: policies[name], 4, 1000), Backpressure()
    batches = Batches(queue, backpressure, 8)
    backpressure.note_behind(True)
    put(queue, "live", 0)
    put(queue, "every", 0)
    assert numbers(await asyncio.wait_for(batches.next(), 1)) == [("every", 0)]
    waits = asyncio.create_task(batches.next())
    await asyncio.sleep(0.01)
    assert not waits.done()
    put(queue, "every", 1)
    assert numbers(await asyncio.wait_for(waits, 1)) == [("every", 1)]
    waits = asyncio.create_task(batches.next())
    await asyncio.sleep(0.01)
    backpressure.note_behind(False)
    assert numbers(await asyncio.wait_for(waits, 1)) == [("live", 0)]
    waits = asyncio.create_task(batches.next())
    await asyncio.sleep(0.01)
    put(queue, "live", 1)
    assert numbers(await asyncio.wait_for(waits, 1)) == [("live", 1)]
