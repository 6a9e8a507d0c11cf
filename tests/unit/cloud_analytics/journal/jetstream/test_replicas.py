"""Replicas on a real NATS: appends that race, wishes that cross, and a NATS that dies in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.journal.jetstream import members
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.wishes import SubscriberWish
from shared.errors import CameraTaken, Superseded
from shared.model.bundle import Bundle
from tests.support.cloud import CloudParts, cloud_parts
from tests.support.nats import needs_nats, running_nats

pytestmark = [needs_nats, pytest.mark.starts_process]
SIZE = Geometry(640, 480, 32, 32)
FRAMES = 60
PATIENCE_SECONDS = 20.0


def packet(camera: str, sequence: int) -> Packet:
    return Packet(camera, sequence, 1_700_000_000_000_000 + sequence, SIZE, b"no bitstream", b"")


def arrivals(camera: str, first: int, last: int, edge: str = "edge") -> Arrival:
    return Arrival(tuple(packet(camera, number) for number in range(first, last + 1)), bytes(32), edge)


@asynccontextmanager
async def replicas(models: Path, folder: Path, url: str, count: int = 2) -> AsyncIterator[list[CloudParts]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(cloud_parts(models, folder, bus=url, subscriber_queue_frames=1000))
            for _ in range(count)
        ]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():
            await asyncio.sleep(0.02)


async def replayed(parts: CloudParts) -> list[LoggedFrame]:
    return list((await parts.storage.frames.replay(0, parts.storage.frames.head, (), 10_000)).frames)


@pytest.mark.asyncio
async def test_two_replicas_that_append_the_same_frames_at_once_append_each_once_and_in_order(
    models: Path, tmp_path: Path, nats_url: str
) -> None:
    async with replicas(models, tmp_path, nats_url, 3) as parts:
        work: list[Awaitable[object]] = []
        for number, one in enumerate(parts):
            # An edge that has moved over twice: each replica still has some of its frames in flight.
            for first in range(1, FRAMES, 10):
                work.append(one.pipeline.receive(arrivals("door", first, min(FRAMES, first + 9 + 5 * number))))
        await asyncio.gather(*work)
        await until(lambda: all(one.bus.published == FRAMES for one in parts))
        found = await replayed(parts[0])
        assert [one.packet.sequence for one in found] == list(range(1, FRAMES + 1))
        assert [one.position for one in found] == list(range(1, FRAMES + 1))
        received = sum(one.value("taxon_cloud_frames_received_total", camera="door") for one in parts)
        assert received == FRAMES


@pytest.mark.asyncio
async def test_nats_dies_while_frames_are_appended_and_none_is_lost_or_doubled(models: Path, tmp_path: Path) -> None:
    async with running_nats(tmp_path / "nats") as nats, replicas(models, tmp_path, nats.url) as parts:

        async def append(one: CloudParts, camera: str) -> None:
            for number in range(1, FRAMES + 1):
                await one.pipeline.published(await one.pipeline.receive(arrivals(camera, number, number)))

        cameras = ("door", "hall")
        work = [asyncio.create_task(append(one, camera)) for one, camera in zip(parts, cameras, strict=True)]
        await until(lambda: parts[0].bus.published >= 10)
        await nats.kill()
        await asyncio.sleep(0.3)
        await nats.start()
        async with asyncio.timeout(60):
            await asyncio.gather(*work)
        for one in parts:
            await until(lambda one=one: one.bus.published == 2 * FRAMES)  # type: ignore[misc]
            found = await replayed(one)
            for camera in cameras:
                assert [r.packet.sequence for r in found if r.camera_id == camera] == list(range(1, FRAMES + 1))


@pytest.mark.asyncio
async def test_a_cursor_that_is_ahead_of_a_replica_gives_nothing_twice(
    models: Path, tmp_path: Path, nats_url: str
) -> None:
    async with replicas(models, tmp_path, nats_url) as (first, second):
        await first.pipeline.published(await first.pipeline.receive(arrivals("door", 1, 5)))
        # In this moment the second may have read none of them.
        resumed = await second.subscriptions.subscribe(
            SubscriberWish(subscription_id="resumed", cursor=first.storage.frames.cursor(3))
        )
        found = [await asyncio.wait_for(resumed.next(), PATIENCE_SECONDS) for _ in range(2)]
        assert [one.packet.sequence for one in found] == [4, 5]  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_a_camera_is_one_edge_s_on_all_replicas(models: Path, tmp_path: Path, nats_url: str) -> None:
    async with replicas(models, tmp_path, nats_url) as (first, second):
        one = first.uplinks.join("edge")
        first.uplinks.announce(one, ["door", "hall"])
        await until(lambda: second.uplinks.senders == {"door": "edge", "hall": "edge"})
        assert second.uplinks.connected("edge")
        await first.pipeline.receive(arrivals("door", 1, 3))
        await until(lambda: second.bus.published == 3)
        other = second.uplinks.join("other")
        with pytest.raises(CameraTaken, match="edge"):
            second.uplinks.claim(other, ["door"])
        moved = second.uplinks.join("edge")
        second.uplinks.claim(moved, ["door"])
        first.uplinks.leave(one)
        second.uplinks.leave(moved)
        await until(lambda: not first.uplinks.senders and not second.uplinks.senders)
        assert first.uplinks.connected("edge") is False


@pytest.mark.asyncio
async def test_wishes_cross_and_a_subscriber_has_one_place(
    models: Path, tmp_path: Path, nats_url: str, tiny_bundle: Bundle
) -> None:
    async with replicas(models, tmp_path, nats_url) as (first, second):

        def wanted(parts: CloudParts) -> frozenset[str]:
            return parts.wishes.wanted(parts.catalogue.with_digest(tiny_bundle.digest)).of_all

        here = await first.subscriptions.subscribe(
            SubscriberWish(subscription_id="a.b", tasks=("normal",), hold_seconds=60)
        )
        await until(lambda: wanted(second) == {"geometry"})
        await here.change(SubscriberWish(subscription_id="a.b", tasks=("class_scene",), hold_seconds=60))
        await until(lambda: wanted(second) == {"semantic"})
        there = await second.subscriptions.subscribe(
            SubscriberWish(subscription_id="a.b", tasks=("normal",), hold_seconds=60)
        )
        with pytest.raises(Superseded):
            await asyncio.wait_for(here.next(), PATIENCE_SECONDS)
        await here.close(hold=True)
        await until(lambda: wanted(first) == wanted(second) == {"geometry"})
        back = await first.subscriptions.subscribe(
            SubscriberWish(subscription_id="a.b", tasks=("class_scene",), hold_seconds=60)
        )
        with pytest.raises(Superseded):
            await asyncio.wait_for(there.next(), PATIENCE_SECONDS)
        await until(lambda: wanted(first) == wanted(second) == {"semantic"})
        await back.close(hold=False)
        await until(lambda: wanted(first) == wanted(second) == frozenset())


@pytest.mark.asyncio
async def test_the_wishes_of_a_replica_that_ends_count_as_long_as_they_asked_to_be_held(
    models: Path, tmp_path: Path, nats_url: str, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "BEAT_SECONDS", 0.1)
    async with replicas(models, tmp_path, nats_url, 1) as (stays,):

        def wanted() -> frozenset[str]:
            return stays.wishes.wanted(stays.catalogue.with_digest(tiny_bundle.digest)).of_all

        async with replicas(models, tmp_path, nats_url, 1) as (goes,):
            await goes.subscriptions.subscribe(
                SubscriberWish(subscription_id="held", tasks=("normal",), hold_seconds=2)
            )
            await goes.subscriptions.subscribe(SubscriberWish(subscription_id="plain", tasks=("class_scene",)))
            await until(lambda: wanted() == {"geometry", "semantic"})
        await until(lambda: wanted() == {"geometry"})
        began = asyncio.get_running_loop().time()
        await until(lambda: not wanted())
        assert asyncio.get_running_loop().time() - began > 1.0
