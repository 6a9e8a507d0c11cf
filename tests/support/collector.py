"""A camera and a subscriber as any client has them, for end-to-end tests: what was accepted, and what came of it.

Law: nothing is hidden: results are kept in the order of their coming, one that comes twice stands there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from taxon.client import CameraClient, Outcome, Result, Subscriber, Wish

ARRIVAL_SECONDS = 120.0
HOLD_SECONDS = 300.0


class Collector:
    """What a subscriber got, in the order of its coming."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.results: list[Result] = []

    def sequences(self, camera_id: str) -> list[int]:
        return [result.sequence for result in self.results if result.camera_id == camera_id]

    async def until_arrived(self, camera_id: str, accepted: list[int]) -> None:
        """Waits until as many have come; whether they are the same is for the test to say."""
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while len(self.sequences(camera_id)) < len(accepted):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            missing = sorted(set(accepted) - set(self.sequences(camera_id)))
            raise AssertionError(f"{len(missing)} of {len(accepted)} results never came: {missing[:10]}") from None

    async def collect(self) -> None:
        async for result in self.subscriber:
            self.results.append(result)


@asynccontextmanager
async def collecting(cloud: str, *tasks: str) -> AsyncIterator[Collector]:
    """A subscriber of the cloud at that address, whose wish outlives its broken connections."""
    wish = Wish(tasks=tasks, hold_seconds=HOLD_SECONDS)
    async with Subscriber(cloud, wish) as subscriber:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            await subscriber.subscribed()
        collector = Collector(subscriber)
        collecting_task = asyncio.create_task(collector.collect())
        try:
            yield collector
        finally:
            collecting_task.cancel()
            await asyncio.gather(collecting_task, return_exceptions=True)


async def post(camera: CameraClient, picture: Path) -> int:
    """Posts a frame that somebody wants; its sequence."""
    receipt = await camera.post(picture.read_bytes())
    assert receipt.outcome is Outcome.CODED, f"somebody subscribes to every camera, yet it was {receipt}"
    return receipt.sequence


async def post_until_wanted(camera: CameraClient, picture: Path) -> int:
    """The sequence of a camera's first frame that is coded: a wish takes a moment from the subscriber to the edge."""
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while (receipt := await camera.post(picture.read_bytes())).outcome is Outcome.NOT_WANTED:
            await asyncio.sleep(0.2)
    assert receipt.outcome is Outcome.CODED, receipt
    return receipt.sequence
