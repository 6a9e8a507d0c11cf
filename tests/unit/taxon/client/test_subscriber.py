"""The subscriber's client against a small real cloud: order, once, cursors, changes, the clean end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.geometry import Geometry
from shared.errors import BadRequest
from shared.wire import results_pb2
from taxon.client import (
    ClassesResult,
    CloudClient,
    Encoding,
    Refused,
    Result,
    Subscriber,
    TensorResult,
    Timeouts,
    Unreachable,
    Wish,
)
from tests.unit.taxon.client.small_services import SmallCloud, classes, serving, tensor

QUICK = Timeouts(connect=0.5, answer=3.0, close=2.0, give_up=5.0)


async def taken(results: Subscriber, count: int) -> list[Result]:
    found = []
    async with asyncio.timeout(20):
        for _ in range(count):
            found.append(await anext(results))
    return found


def subscriber(port: int, wish: Wish = Wish(), **options: Any) -> Subscriber:  # noqa: B008 - frozen
    return Subscriber(f"127.0.0.1:{port}", wish, timeouts=QUICK, **options)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_results_come_typed_and_complete() -> None:
    cloud = SmallCloud()
    normals = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    wish = Wish(("kitchen",), ("class_scene", "normal"), Encoding.TENSOR, 64, 3, 12.5)
    cloud.cameras = {"kitchen"}
    async with serving(cloud) as server, subscriber(server.port, wish) as results:
        await results.subscribed()
        await cloud.publish("kitchen", 7, classes("class_scene", "kitchen", "office"), tensor("normal", normals))
        (result,) = await taken(results, 1)
    assert (result.camera_id, result.sequence, result.coded_bytes, result.error) == ("kitchen", 7, 101, "")
    assert result.geometry == Geometry(640, 480, 256, 256)
    assert result.received_time_us - result.capture_time_us == 500_000
    assert [(group.group, group.rate, group.bytes) for group in result.groups] == [("semantic", 1, 60)]
    scene, normal = result.task("class_scene"), result.task("normal")
    assert isinstance(scene, ClassesResult)
    assert [found.label for found in scene.classes] == ["kitchen", "office"]
    assert isinstance(normal, TensorResult)
    assert np.array_equal(normal.values, normals)
    assert normal.values.dtype == np.float32
    assert result.task("reshading") is None
    (request,) = cloud.requests
    assert (list(request.camera_ids), list(request.tasks)) == (["kitchen"], ["class_scene", "normal"])
    assert (request.longest_side_pixels, request.top_classes) == (64, 3)
    assert request.encoding == results_pb2.ENCODING_TENSOR
    assert request.hold.ToMilliseconds() == 12_500


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_leaving_unsubscribes_by_half_closing() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server:
        async with subscriber(server.port) as results:
            await results.subscribed()
        assert cloud.half_closed == 1


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_leaving_with_a_full_buffer_unsubscribes_too() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server:
        async with subscriber(server.port) as results:
            await results.subscribed()
            for sequence in range(100):
                await cloud.publish("kitchen", sequence)
            await taken(results, 1)
        assert cloud.half_closed == 1


@pytest.mark.asyncio
async def test_leaving_while_there_is_no_cloud_takes_no_time() -> None:
    async with asyncio.timeout(2), subscriber(1):
        await asyncio.sleep(0.1)


@pytest.mark.starts_server
@pytest.mark.asyncio
@pytest.mark.parametrize("overlap", [0, 3])
async def test_after_breaks_every_result_comes_once_and_in_order(overlap: int) -> None:
    cloud = SmallCloud(break_after=5, overlap=overlap)
    async with serving(cloud) as server, subscriber(server.port) as results:
        await results.subscribed()
        for sequence in range(12):
            await cloud.publish("kitchen", sequence)
            await cloud.publish("bedroom", sequence)
        found = await taken(results, 24)
        connections = results.connections
    assert [(r.camera_id, r.sequence) for r in found] == [(c, s) for s in range(12) for c in ("kitchen", "bedroom")]
    assert connections >= 5
    assert {request.subscription_id for request in cloud.requests} == {results.subscription_id}


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_break_before_the_first_result_loses_nothing() -> None:
    cloud = SmallCloud(break_after=0)
    await cloud.publish("kitchen", 1)
    async with serving(cloud) as server, subscriber(server.port) as results:
        await results.subscribed()
        await cloud.publish("kitchen", 2)
        while cloud.calls < 2:
            await asyncio.sleep(0.01)
        cloud.break_after = None
        (result,) = await taken(results, 1)
    assert result.sequence == 2, "the stream begins where it was subscribed, not where the connection came back"


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_later_subscriber_goes_on_at_the_cursor() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server:
        async with subscriber(server.port) as first:
            await first.subscribed()
            for sequence in range(10):
                await cloud.publish("kitchen", sequence)
            await taken(first, 4)
        async with subscriber(server.port, cursor=first.cursor) as second:
            found = await taken(second, 6)
    assert [result.sequence for result in found] == [4, 5, 6, 7, 8, 9], "also those that the first had buffered"


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_cloud_that_was_restarted_is_found_again_where_it_was_left() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server:
        port = server.port
        results = subscriber(port)
        await results.__aenter__()
        await results.subscribed()
        await cloud.publish("kitchen", 0)
        await taken(results, 1)
    await cloud.publish("kitchen", 1)
    await asyncio.sleep(0.3)
    assert not results.is_subscribed
    cloud.half_closed = 0
    async with serving(cloud, port):
        (result,) = await taken(results, 1)
        await results.__aexit__(None, None, None)
    assert result.sequence == 1
    assert cloud.half_closed == 1


@pytest.mark.asyncio
async def test_a_cloud_that_is_not_there_is_given_up_after_the_patience() -> None:
    quick = Timeouts(connect=0.2, close=0.5, give_up=0.5)
    async with asyncio.timeout(10), Subscriber("127.0.0.1:1", timeouts=quick) as results:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 was not reached"):
            await anext(results)
        with pytest.raises(Unreachable):
            await results.subscribed()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_an_impossible_wish_is_refused_at_once_and_with_its_reason() -> None:
    async with serving(SmallCloud()) as server, subscriber(server.port, Wish(tasks=("no_task",))) as results:
        with pytest.raises(Refused, match="no_task") as caught:
            await anext(results)
    assert (caught.value.reason, caught.value.code) == ("BAD_REQUEST", "INVALID_ARGUMENT")


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_changed_wish_replaces_the_old_one_on_the_same_connection() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server, subscriber(server.port, Wish(tasks=("normal",))) as results:
        await results.subscribed()
        await results.change(tasks=("class_scene", "reshading"))
        async with asyncio.timeout(5):
            while len(cloud.requests) < 2:
                await asyncio.sleep(0.01)
        assert list(cloud.requests[1].tasks) == ["class_scene", "reshading"]
        assert cloud.calls == 1
        await results.change(tasks=("no_task",))
        with pytest.raises(Refused, match="no_task"):
            await anext(results)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_camera_that_is_not_known_yet_is_waited_for() -> None:
    cloud = SmallCloud()
    async with serving(cloud) as server, subscriber(server.port, Wish(("garden",))) as results:
        await asyncio.sleep(0.2)
        assert not results.is_subscribed
        cloud.cameras = {"garden"}
        async with asyncio.timeout(5):
            await results.subscribed()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_camera_that_is_not_known_is_refused_where_nobody_waits_for_it() -> None:
    async with (
        serving(SmallCloud()) as server,
        Subscriber(
            f"127.0.0.1:{server.port}", Wish(("garden",)), timeouts=replace(QUICK, wait_for_cameras=False)
        ) as results,
    ):
        with pytest.raises(Refused, match="garden"):
            await results.subscribed()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_what_the_cloud_says_was_lost_is_counted() -> None:
    cloud = SmallCloud(lost=3)
    async with serving(cloud) as server, subscriber(server.port) as results:
        await results.subscribed()
        await cloud.publish("kitchen", 1)
        await taken(results, 1)
        assert results.lost == 3


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_subscriber_that_does_not_read_stands_still_instead_of_filling_its_memory() -> None:
    cloud = SmallCloud()
    large = tensor("normal", np.zeros((3, 256, 256), np.float32))
    async with serving(cloud) as server, subscriber(server.port) as results:
        await results.subscribed()
        for sequence in range(60):
            await cloud.publish("kitchen", sequence, large)
        await asyncio.sleep(0.5)
        # The buffer, what gRPC's flow control lets through, and one that waits for room.
        assert cloud.sent < 40, "the stream stands while nobody takes results"
        assert len(await taken(results, 60)) == 60


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_result_of_an_unknown_kind_is_an_error_and_not_half_a_result() -> None:
    cloud = SmallCloud()
    wrong = results_pb2.TaskResult(task="normal", tensor=results_pb2.Tensor(dtype="float32", shape=[3], values=b"1234"))
    async with serving(cloud) as server, subscriber(server.port) as results:
        await results.subscribed()
        await cloud.publish("kitchen", 1, wrong)
        with pytest.raises(BadRequest, match="4 bytes"):
            await taken(results, 1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_the_cloud_lists_its_cameras_and_a_refusal_keeps_its_reason() -> None:
    cloud = SmallCloud(cameras={"kitchen", "bedroom"})
    async with serving(cloud) as server, CloudClient(f"127.0.0.1:{server.port}", QUICK) as client:
        cameras = await client.list_cameras()
        with pytest.raises(Refused, match="nothing is served"):
            await client.describe_bundles()
    assert [(camera.camera_id, camera.connected) for camera in cameras] == [("bedroom", True), ("kitchen", True)]


@pytest.mark.asyncio
async def test_a_question_to_no_cloud_has_a_deadline() -> None:
    async with CloudClient("127.0.0.1:1", Timeouts(answer=0.3)) as client:
        with pytest.raises(Unreachable):
            await client.list_cameras()


@pytest.mark.starts_server
@settings(max_examples=8, deadline=None)
@given(
    published=st.lists(st.sampled_from(["kitchen", "bedroom", "hall"]), min_size=1, max_size=25),
    break_after=st.integers(1, 6),
    overlap=st.integers(0, 4),
)
def test_law_every_result_once_and_in_order_whatever_breaks(
    published: list[str], break_after: int, overlap: int
) -> None:
    async def check() -> None:
        cloud = SmallCloud(break_after=break_after + overlap, overlap=overlap)
        sequences: dict[str, int] = {}
        expected = []
        async with serving(cloud) as server, subscriber(server.port) as results:
            await results.subscribed()
            for camera in published:
                sequences[camera] = sequences.get(camera, -1) + 1
                expected.append((camera, sequences[camera]))
                await cloud.publish(camera, sequences[camera])
            found = await taken(results, len(expected))
        assert [(result.camera_id, result.sequence) for result in found] == expected

    asyncio.run(check())


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_of_several_clouds_the_next_one_goes_on_from_the_cursor() -> None:
    first = SmallCloud()
    second = SmallCloud(results=first.results)
    async with serving(second) as other:
        async with serving(first) as server:
            target = f"127.0.0.1:{server.port},127.0.0.1:{other.port}"
            results = Subscriber(target, Wish(), timeouts=QUICK)
            await results.__aenter__()
            await results.subscribed()
            await first.publish("kitchen", 1)
            assert [one.sequence for one in await taken(results, 1)] == [1]
        async with asyncio.timeout(10):
            while results.connections < 2:
                await asyncio.sleep(0.02)
        assert second.requests[0].cursor == results.cursor
        await second.publish("kitchen", 2)
        assert [one.sequence for one in await taken(results, 1)] == [2]
        await results.__aexit__(None, None, None)
        async with CloudClient(target, QUICK) as asked:
            assert await asked.list_cameras() is not None
