"""The run: cameras and visitors come and go at random, and one subscriber stays and takes everything."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.playing import TASK_NAMES, pictures
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.client import CameraClient, Outcome, Subscriber, Wish
from tests.support.services import ServiceProcess, running, signs
from tests.trials.soak.report import Point, Soak, line

CAMERAS = 20
VISITORS = 2
STAYS_SECONDS = (2.0, 20.0)
"""The seconds that a camera's or a visitor's connection lasts."""
MOST_POINTS = 600
TOLD = 10
ARRIVAL_SECONDS = 60.0
BURST_SECONDS, BURST_POSTS = 10.0, 24
"""So many posts are under way before the time line begins, so that the networks have met batches of every size."""
RECENT_BYTES = 16 << 20
"""The cloud's cache of results is small, so that it is full when the warm-up ends: it may grow until then."""


@dataclass
class _Frames:
    """Camera and sequence of coded frames whose result has not come, of results that came before their receipt, and how many came."""

    waiting: set[tuple[str, int]] = field(default_factory=set)
    early: set[tuple[str, int]] = field(default_factory=set)
    coded: int = 0
    delivered: int = 0

    def accepted(self, key: tuple[str, int]) -> None:
        self.coded += 1
        if key in self.early:
            self.early.discard(key)
        else:
            self.waiting.add(key)

    def arrived(self, key: tuple[str, int]) -> None:
        self.delivered += 1
        if key in self.waiting:
            self.waiting.discard(key)
        else:
            self.early.add(key)


async def run(seconds: float, fps: float, seed: int, folder: Path) -> Soak:
    """Run all of it, and print ten times how it goes."""
    soak, frames, draw = Soak(seed, fps), _Frames(), random.Random(seed)
    options = ("--bundles", str(SHIPPED_BUNDLE.parents[1]), "--recent-bytes", str(RECENT_BYTES))
    cloud = ServiceProcess("cloud", folder / "cloud", options)
    edge = ServiceProcess("edge", folder / "edge", ("--cloud", cloud.rpc, "--bundle", str(SHIPPED_BUNDLE)))
    async with running(cloud, edge), AsyncExitStack() as stack:
        subscriber = await stack.enter_async_context(
            Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=32))
        )
        takes = asyncio.create_task(_steady(frames, subscriber))
        works = [asyncio.create_task(_visitor(soak, cloud, random.Random(draw.random()))) for _ in range(VISITORS)]
        works += [
            asyncio.create_task(_camera(frames, edge, f"camera-{i}", fps / CAMERAS, random.Random(draw.random())))
            for i in range(CAMERAS)
        ]
        stack.push_async_callback(_ended, [*works, takes])
        begun = time.monotonic()
        count = round(min(MOST_POINTS, max(20.0, seconds)))
        for number in range(1, count + 1):
            await asyncio.sleep(max(0.0, begun + seconds * number / count - time.monotonic()))
            for one in (*works, takes):
                if one.done():
                    one.result()
            now, lost = time.monotonic() - begun, subscriber.lost
            soak.points.append(Point(now, signs(edge), signs(cloud), frames.coded, frames.delivered, lost))
            if number % max(1, count // TOLD) == 0:
                print(line(soak.points[-1]), flush=True)
        await _ended(works)
        until = time.monotonic() + ARRIVAL_SECONDS
        while frames.waiting and time.monotonic() < until:
            await asyncio.sleep(0.1)
        soak.without_result, soak.lost = len(frames.waiting), subscriber.lost
    return soak


async def _burst(frames: _Frames, edge: ServiceProcess) -> None:
    """Post from all cameras at once, as fast as they are answered."""
    shown, until = pictures(), time.monotonic() + BURST_SECONDS

    async def work(number: int) -> None:
        name = f"camera-{number % CAMERAS}"
        async with CameraClient(edge.rpc, name) as client:
            while time.monotonic() < until:
                receipt = await client.post(shown[number % len(shown)])
                if receipt.outcome is Outcome.CODED:
                    frames.accepted((name, receipt.sequence))

    await asyncio.gather(*(work(number) for number in range(BURST_POSTS)))


async def _camera(frames: _Frames, edge: ServiceProcess, name: str, fps: float, draw: random.Random) -> None:
    """Post at its pace, and connect anew now and then."""
    shown = pictures()
    while True:
        until = time.monotonic() + draw.uniform(*STAYS_SECONDS)
        async with CameraClient(edge.rpc, name) as client:
            while time.monotonic() < until:
                receipt = await client.post(draw.choice(shown))
                if receipt.outcome is Outcome.CODED:
                    frames.accepted((name, receipt.sequence))
                await asyncio.sleep(draw.expovariate(fps))


async def _steady(frames: _Frames, subscriber: Subscriber) -> None:
    """Take everything, all the time."""
    async for result in subscriber:
        frames.arrived((result.camera_id, result.sequence))


async def _visitor(soak: Soak, cloud: ServiceProcess, draw: random.Random) -> None:
    """Come, take a few results of some tasks, and leave."""
    while True:
        wish = Wish(tasks=tuple(draw.sample(TASK_NAMES, draw.randint(1, 3))), longest_side_pixels=64)
        async with Subscriber(cloud.rpc, wish) as subscriber:
            try:
                async with asyncio.timeout(draw.uniform(*STAYS_SECONDS)):
                    async for _ in subscriber:
                        pass
            except TimeoutError:
                soak.visits += 1


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
