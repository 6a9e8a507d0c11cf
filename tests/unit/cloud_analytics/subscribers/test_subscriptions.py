"""Subscriptions: from a cursor or from now, once and in order, bounded, changed without a gap.

The laws are the same for a cloud that is alone and for one of several replicas on a real NATS (fixture `bus`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloud_analytics.frames import FrameResult, Lost
from cloud_analytics.subscribers.subscription import AHEAD, Subscription
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, TensorResult
from shared.contract.wishes import SubscriberWish
from shared.errors import BadName, BadRequest, Busy, Draining, Superseded, UnknownCamera, UnknownName
from shared.model.bundle import Bundle
from tests.support.clients import coded_packets
from tests.support.cloud import CloudParts, cloud_parts


@pytest.fixture(scope="module")
def packets(tiny_bundle: Bundle) -> list[Packet]:
    return coded_packets(tiny_bundle, "door", 60)


@pytest.fixture(scope="module")
def hall(tiny_bundle: Bundle) -> list[Packet]:
    return coded_packets(tiny_bundle, "hall", 10)


async def frames(subscription: Subscription, count: int) -> list[FrameResult]:
    made = []
    for _ in range(count):
        item = await asyncio.wait_for(subscription.next(), 10)
        assert isinstance(item, FrameResult), item
        made.append(item)
    return made


def numbers(outputs: list[FrameResult]) -> list[tuple[str, int]]:
    return [(one.packet.camera_id, one.packet.sequence) for one in outputs]


def door(first: int, last: int) -> list[tuple[str, int]]:
    return [("door", sequence) for sequence in range(first, last + 1)]


async def none_comes(subscription: Subscription) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(subscription.next(), 0.1)


@pytest.mark.asyncio
async def test_from_now_on_and_from_a_cursor(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        await parts.send(packets[:10], tiny_bundle.digest)
        now = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="now", tasks=("class_scene",)))
        await none_comes(now)
        await parts.send(packets[10:13], tiny_bundle.digest)
        made = await frames(now, 3)
        assert numbers(made) == door(11, 13)
        assert [type(output) for output in made[0].outputs] == [ClassesResult]
        back = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="back", tasks=("normal",), cursor=made[0].cursor)
        )
        again = await frames(back, 2)
        assert numbers(again) == door(12, 13)
        assert [one.cursor for one in again] == [one.cursor for one in made[1:]]
        assert isinstance(again[0].outputs[0], TensorResult)
        await parts.send(packets[13:15], tiny_bundle.digest)
        assert numbers(await frames(back, 2)) == door(14, 15)


@pytest.mark.asyncio
async def test_a_reader_behind_catches_up_while_frames_go_on_coming(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus, subscriber_queue_frames=1000) as parts:
        start = (await parts.subscriptions.subscribe(SubscriberWish(subscription_id="first"))).cursor
        await parts.send(packets[:20], tiny_bundle.digest)

        async def go_on() -> None:
            for packet in packets[20:]:
                await parts.send([packet], tiny_bundle.digest)

        sending = asyncio.create_task(go_on())
        readers = [
            await parts.subscriptions.subscribe(
                SubscriberWish(subscription_id=f"r{i}", tasks=("normal",), cursor=start)
            )
            for i in range(3)
        ]
        made = await asyncio.gather(*(frames(reader, 60) for reader in readers))
        await sending
        for one in made:
            assert numbers(one) == door(1, 60)
        for reader in readers:
            await none_comes(reader)


@pytest.mark.asyncio
async def test_a_frame_s_metadata_comes_also_where_nothing_is_wanted_of_it(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        bare = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="bare"))
        await parts.send(packets[:1], tiny_bundle.digest)
        (made,) = await frames(bare, 1)
        assert (made.outputs, made.packet, made.bundle_digest) == ((), packets[0], tiny_bundle.digest)
        assert [one.group for one in made.groups] == ["semantic", "geometry"]
        assert parts.value("taxon_cloud_batch_frames_count") == 0


@pytest.mark.asyncio
async def test_a_slow_reader_loses_its_own_oldest_and_is_told_how_many(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus, subscriber_queue_frames=5) as parts:
        slow = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="slow"))
        quick = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="quick"))
        for packet in packets[:20]:
            await parts.send([packet], tiny_bundle.digest)
            assert numbers(await frames(quick, 1)) == door(packet.sequence, packet.sequence)
        assert await slow.next() == Lost(15)
        assert numbers(await frames(slow, 5)) == door(16, 20)
        assert parts.value("taxon_cloud_results_dropped_total", reason="slow_subscriber") == 15


@pytest.mark.asyncio
async def test_what_the_journal_no_longer_has_is_told(
    models: Path, tmp_path: Path, packets: list[Packet], hall: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, journal_age_seconds=1.0) as parts:
        await parts.send(packets[:5] + hall, tiny_bundle.digest)
        start = parts.journal.cursor(2)
        await asyncio.sleep(1.1)
        await asyncio.to_thread(parts.journal.prune)
        await parts.send(packets[5:8], tiny_bundle.digest)
        of_all = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="all", cursor=start))
        assert await of_all.next() == Lost(13)
        assert numbers(await frames(of_all, 3)) == door(6, 8)
        of_door = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="door", cameras=("door",), cursor=start)
        )
        assert await of_door.next() == Lost(3)
        assert numbers(await frames(of_door, 3)) == door(6, 8)


@pytest.mark.asyncio
async def test_a_cursor_of_another_journal_gives_all_that_is_there_and_an_unknown_loss(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        await parts.send(packets[:2], tiny_bundle.digest)
        foreign = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="foreign", cursor="0123456789abcdef:77")
        )
        assert await foreign.next() == Lost(0)
        assert numbers(await frames(foreign, 2)) == door(1, 2)


@pytest.mark.asyncio
async def test_a_change_holds_from_the_next_frame_on_and_leaves_none_out(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], hall: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        both = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="both", tasks=("normal",)))
        await parts.send(packets[:6], tiny_bundle.digest)
        await parts.send(hall[:6], tiny_bundle.digest)
        assert numbers(await frames(both, 2)) == door(1, 2)
        await both.change(SubscriberWish(subscription_id="both", cameras=("hall",), tasks=("class_scene", "reshading")))
        made = await frames(both, 6)
        assert numbers(made) == [("hall", sequence) for sequence in range(1, 7)]
        assert [output.task for output in made[0].outputs] == ["class_scene", "reshading"]
        await parts.send(packets[6:8], tiny_bundle.digest)
        await parts.send(hall[6:8], tiny_bundle.digest)
        assert numbers(await frames(both, 2)) == [("hall", 7), ("hall", 8)]
        with pytest.raises(BadRequest):
            await both.change(SubscriberWish(subscription_id="another"))
        with pytest.raises(UnknownCamera):
            await both.change(SubscriberWish(subscription_id="both", cameras=("attic",)))
        await parts.send(hall[8:], tiny_bundle.digest)
        assert numbers(await frames(both, 2)) == [("hall", 9), ("hall", 10)], "a refused change changes nothing"


@pytest.mark.asyncio
async def test_a_wish_and_its_change_are_on_the_disk_before_the_client_hears_of_it(
    models: Path, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path) as parts:
        one = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="one", tasks=("normal",), hold_seconds=60)
        )
        assert [stored.wish.tasks for stored in await parts.storage.wish_store.kept()] == [("normal",)]
        await one.change(SubscriberWish(subscription_id="one", tasks=("class_scene",), hold_seconds=60))
        assert [stored.wish.tasks for stored in await parts.storage.wish_store.kept()] == [("class_scene",)]
        await one.close(hold=False)
        assert await parts.storage.wish_store.kept() == ()


@pytest.mark.asyncio
async def test_a_cancelled_next_has_taken_nothing(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        one = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="one", tasks=("normal", "class_object"))
        )
        await parts.send(packets[: AHEAD + 5], tiny_bundle.digest)
        made: list[FrameResult] = []
        while len(made) < AHEAD + 5:
            waiting = asyncio.create_task(one.next())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled() or isinstance(waiting.result(), FrameResult)
            if waiting.cancelled():
                made += await frames(one, 1)
            else:
                made.append(waiting.result())  # type: ignore[arg-type]
        assert numbers(made) == door(1, AHEAD + 5)


@pytest.mark.asyncio
async def test_who_comes_back_takes_its_place_and_the_older_stream_ends(
    models: Path, tmp_path: Path, bus: str, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        served = parts.catalogue.with_digest(tiny_bundle.digest)
        older = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="same", tasks=("normal",)))
        waiting = asyncio.create_task(older.next())
        await asyncio.sleep(0)
        newer = await parts.subscriptions.subscribe(SubscriberWish(subscription_id="same", tasks=("class_scene",)))
        with pytest.raises(Superseded):
            await waiting
        await older.close(hold=False)
        assert parts.wishes.wanted(served).of_all == {"semantic"}, "the older one's end is not the newer one's"
        await newer.close(hold=False)
        assert parts.wishes.wanted(served).of_all == frozenset()
        assert parts.value("taxon_cloud_subscribers") == 0


@pytest.mark.asyncio
async def test_what_cannot_be_is_refused_and_leaves_nothing_behind(
    models: Path, tmp_path: Path, bus: str, tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus, most_subscribers=2) as parts:
        subscribe = parts.subscriptions.subscribe
        for wish, error in (
            (SubscriberWish(subscription_id="a", cameras=("attic",)), UnknownCamera),
            (SubscriberWish(subscription_id="a", tasks=("normal", "depth")), UnknownName),
            (SubscriberWish(subscription_id="no id"), BadName),
            (SubscriberWish(subscription_id="a", hold_seconds=300.5), BadRequest),
            (SubscriberWish(subscription_id="a", hold_seconds=float("nan")), BadRequest),
            (SubscriberWish(subscription_id="a", longest_side_pixels=-1), BadRequest),
            (SubscriberWish(subscription_id="a", cursor="x"), BadRequest),
        ):
            with pytest.raises(error):
                await subscribe(wish)
        assert parts.value("taxon_cloud_subscribers") == 0
        first, _ = (
            await subscribe(SubscriberWish(subscription_id="a")),
            await subscribe(SubscriberWish(subscription_id="b")),
        )
        with pytest.raises(Busy):
            await subscribe(SubscriberWish(subscription_id="c"))
        await subscribe(SubscriberWish(subscription_id="b"))  # takes its own place
        await first.close(hold=True)
        await subscribe(SubscriberWish(subscription_id="c"))


@pytest.mark.asyncio
async def test_a_caller_that_took_all_places_gives_its_newest_to_another(
    models: Path, tmp_path: Path, bus: str, tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus, most_subscribers=3) as parts:
        subscribe = parts.subscriptions.subscribe
        flood = [
            await subscribe(SubscriberWish(subscription_id=f"mine{n}", hold_seconds=300), "greedy") for n in range(3)
        ]
        with pytest.raises(Busy):
            await subscribe(SubscriberWish(subscription_id="mine3"), "greedy")
        other = await subscribe(SubscriberWish(subscription_id="other"), "modest")
        with pytest.raises(Busy, match="the place goes to another"):
            await flood[2].next()
        await flood[2].close(hold=True)
        with pytest.raises(Busy):
            await subscribe(SubscriberWish(subscription_id="mine2"), "greedy")
        with pytest.raises(Busy):
            await subscribe(SubscriberWish(subscription_id="more"), "modest")
        assert len(parts.subscriptions) == 3
        assert parts.value("taxon_cloud_wishes_held") == 0, "the wish of the one that lost its place goes too"
        for one in (*flood[:2], other):
            await one.close(hold=False)
        assert len(parts.subscriptions) == 0


@pytest.mark.asyncio
async def test_a_drain_gives_what_is_queued_and_takes_nobody(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        one = await parts.subscriptions.subscribe(
            SubscriberWish(subscription_id="one", tasks=("normal",), hold_seconds=60)
        )
        await parts.send(packets[:12], tiny_bundle.digest)
        draining = asyncio.create_task(parts.subscriptions.drain())
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await parts.subscriptions.subscribe(SubscriberWish(subscription_id="late"))
        assert numbers(await frames(one, 12)) == door(1, 12)
        with pytest.raises(Draining):
            await one.next()
        await one.close(hold=True)
        await asyncio.wait_for(draining, 5)
        assert parts.value("taxon_cloud_wishes_held") == 1


def states(parts: CloudParts) -> list[tuple[str, str, bool, int]]:
    return [(one.camera_id, one.edge_id, one.connected, one.last_sequence) for one in parts.subscriptions.cameras()]


@pytest.mark.asyncio
async def test_cameras_and_bundles_are_listed(
    models: Path, tmp_path: Path, bus: str, packets: list[Packet], hall: list[Packet], tiny_bundle: Bundle
) -> None:
    async with cloud_parts(models, tmp_path, bus=bus) as parts:
        assert states(parts) == []
        await parts.send(hall[:2] + packets[:3], tiny_bundle.digest)
        assert states(parts) == [("door", "edge", False, 3), ("hall", "edge", False, 2)]
        uplink = parts.uplinks.join("edge")
        assert [connected for _, _, connected, _ in states(parts)] == [True, True]
        parts.uplinks.leave(uplink)
        assert [connected for _, _, connected, _ in states(parts)] == [False, False]
        (bundle,) = parts.subscriptions.describe()
        assert (bundle.name, bundle.version, bundle.digest) == ("tiny", "1", tiny_bundle.digest)
        assert {task.name for task in bundle.tasks} == set(tiny_bundle.manifest.tasks)
        assert bundle.operating_points == ("lowest", "low", "middle")
