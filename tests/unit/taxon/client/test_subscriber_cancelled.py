"""What a caller gives up half-way must not end the subscription of the others."""

from __future__ import annotations

import asyncio

import pytest

from taxon.client import Subscriber, Timeouts, Wish
from tests.unit.taxon.client.small_services import SmallCloud, serving

pytestmark = pytest.mark.starts_server

QUICK = Timeouts(connect=0.5, answer=3.0, close=2.0, give_up=5.0)
MANY_CAMERAS = tuple(f"camera-{number:05}" for number in range(9000))


class DeafCloud(SmallCloud):
    """Reads the first request of its first call and no other, so that a further one cannot be written."""

    async def _read(self, requests: object, context: object) -> None:
        if self.calls == 1:
            await asyncio.sleep(3600)
        await super()._read(requests, context)


async def change_often(results: Subscriber) -> None:
    """More than fits into a window that nobody empties."""
    for _ in range(20):
        await results.change(wish=Wish(MANY_CAMERAS))


@pytest.mark.asyncio
async def test_a_change_that_is_given_up_begins_the_stream_again() -> None:
    cloud = DeafCloud(cameras=set(MANY_CAMERAS))
    async with serving(cloud) as server, Subscriber(f"127.0.0.1:{server.port}", timeouts=QUICK) as results:
        await results.subscribed()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(change_often(results), 0.5)
        await cloud.publish("camera-00000", 1)
        async with asyncio.timeout(10):
            result = await anext(results)
    assert result.sequence == 1
    assert results.connections == 2
