"""One stream's messages on a real NATS: once, in order and soon, whatever becomes of the connection, the consumer or the stream."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.js.api import StreamConfig
from prometheus_client import CollectorRegistry

from cloud_analytics.journal.jetstream.link import Link, NatsTrouble
from cloud_analytics.journal.jetstream.tail import MOST_MESSAGES, Tail
from cloud_analytics.metrics.service import CloudMetrics
from shared.errors import BusUnusable
from tests.support.nats import needs_nats, running_nats

pytestmark = [needs_nats, pytest.mark.starts_process]
STREAM, SUBJECT = "numbers", "numbers.all"
PATIENCE_SECONDS = 5.0
"""The edges' next frames wait as long as a replica does not read on."""


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[Link]:
    """A connection, and the stream."""
    link = Link([url], "test", CloudMetrics(CollectorRegistry()))
    await link.open()
    try:
        await link.js.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT]))
        yield link
    finally:
        await link.close()


async def publish(link: Link, count: int) -> None:
    """Waits until NATS has them; what is not confirmed is published again, under the same id."""
    for message in [secrets.token_hex(8) for _ in range(count)]:
        while True:
            try:
                await link.js.publish(SUBJECT, b"", headers={"Nats-Msg-Id": message})
                break
            except NatsTrouble:
                await asyncio.sleep(0.1)


async def read(tail: Tail, up_to: int) -> list[int]:
    """The positions that come, until one of them is `up_to`."""
    found: list[int] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not found or found[-1] < up_to:
            found += [message.position for message in await tail.batch()]
    return found


@pytest.mark.asyncio
async def test_a_nats_that_dies_and_comes_back_is_read_on_at_once(tmp_path: Path) -> None:
    async with running_nats(tmp_path / "nats") as nats, linked(nats.url) as link:
        tail = Tail(link, STREAM, 0)
        await publish(link, 10)
        assert await read(tail, 10) == list(range(1, 11))
        await nats.kill()
        await nats.start()
        await publish(link, 10)
        assert await read(tail, 20) == list(range(11, 21))
        await tail.close()


@pytest.mark.asyncio
async def test_a_consumer_that_nats_forgets_is_made_again_at_once(nats_url: str) -> None:
    async with linked(nats_url) as link:
        tail = Tail(link, STREAM, 0)
        await publish(link, 3)
        assert await read(tail, 3) == [1, 2, 3]
        reading = asyncio.create_task(read(tail, 6))
        await asyncio.sleep(0.1)
        for consumer in await link.js.consumers_info(STREAM):
            await link.js.delete_consumer(STREAM, consumer.name)
        await publish(link, 3)
        assert await reading == [4, 5, 6]
        await tail.close()


@pytest.mark.asyncio
async def test_what_comes_of_another_stream_under_the_same_name_is_never_taken_for_the_first_ones(
    nats_url: str,
) -> None:
    async with linked(nats_url) as link:
        tail = Tail(link, STREAM, 0)
        await publish(link, 5)
        assert await read(tail, 5) == [1, 2, 3, 4, 5]
        reading = asyncio.create_task(read(tail, 6))
        await asyncio.sleep(0.1)
        await link.js.delete_stream(STREAM)
        await link.js.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT]))
        await publish(link, 2)
        with pytest.raises(BusUnusable, match="ends at 2 and had ended at 5 before"):
            await reading


@pytest.mark.asyncio
async def test_nothing_is_sent_to_a_reader_that_stands_still_beyond_what_it_asked_for(nats_url: str) -> None:
    async with linked(nats_url) as link:
        tail, count = Tail(link, STREAM, 0), 8 * MOST_MESSAGES
        await asyncio.gather(*(link.publish(SUBJECT, b"") for _ in range(count)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await link.js.stream_info(STREAM)).state.messages < count:
                await asyncio.sleep(0.05)
        first = len(await tail.batch())
        await asyncio.sleep(0.5)
        (consumer,) = await link.js.consumers_info(STREAM)
        assert consumer.delivered is not None
        assert consumer.delivered.consumer_seq <= first + MOST_MESSAGES
        assert await read(tail, count) == list(range(first + 1, count + 1))
        await tail.close()
