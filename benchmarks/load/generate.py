"""The generator: frames posted by the clock, and what became of each.

    Generator.at(fps, seconds, share) -> Served

Law: every frame that was due is posted, once, and counted under one outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import numpy as np

from benchmarks.load.report import CODED, Served
from benchmarks.playing import TASK_NAMES, pictures
from benchmarks.sizing import Cameras
from shared.errors import Refused
from taxon.client import CameraClient, Outcome, Subscriber, Wish
from tests.support.services import ServiceProcess

DRAIN_SECONDS = 90.0
"""After the last post, until every frame has its answer and every coded one its result."""
WANTED_SECONDS = 30.0
FILLING = 0.25
"""The share of the time that is left for the queues to fill."""
REFUSED = "refused"
UNDER_WAY = 24
"""Posts: enough for full batches at the edge (8) and at the cloud (16)."""


@dataclass(frozen=True)
class _Post:
    """A frame's fate. due, sent: seconds since 1970. key: camera and sequence, of a coded one."""

    due: float
    sent: float
    outcome: str
    key: tuple[str, int]


class Generator:
    """clients: of the cameras, which take turns. Made by `running_generator`."""

    def __init__(
        self, edge: ServiceProcess, clients: list[CameraClient], arrived: dict[tuple[str, int], float]
    ) -> None:
        self._edge = edge
        self._clients = clients
        self._arrived = arrived
        self._pictures = pictures()
        self._turn = count()

    async def until_wanted(self) -> None:
        """Posts until the subscriber's wish is at the edge."""
        async with asyncio.timeout(WANTED_SECONDS):
            while (await self._clients[0].post(self._pictures[0])).outcome is not Outcome.CODED:
                await asyncio.sleep(0.2)

    async def capacity(self, seconds: float) -> float:
        """Results a second where always a few posts are under way: a closed loop, which offers as much as is served and no more."""
        begun = time.monotonic()
        filled = FILLING * seconds

        async def work() -> None:
            while time.monotonic() - begun < seconds:
                await self._post(time.time())

        working = [asyncio.create_task(work()) for _ in range(UNDER_WAY)]
        await asyncio.sleep(filled)
        arrived_before = len(self._arrived)
        await asyncio.sleep(seconds - filled)
        served = (len(self._arrived) - arrived_before) / (time.monotonic() - begun - filled)
        await asyncio.gather(*working)
        return served

    async def at(self, fps: float, seconds: float, share: float) -> Served:
        """Offers `fps` frames a second, of all cameras together, for so long, and waits until each is accounted for."""
        before = await self._counted()
        loop, begun, begun_at = asyncio.get_running_loop(), asyncio.get_running_loop().time(), time.time()
        tasks = []
        for number in range(round(fps * seconds)):
            await asyncio.sleep(max(0.0, begun + number / fps - loop.time()))
            tasks.append(asyncio.create_task(self._post(begun_at + number / fps)))
        _, unanswered = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in unanswered:
            task.cancel()
        posts = [task.result() for task in tasks if task not in unanswered]
        coded = [one for one in posts if one.outcome == CODED]
        missing = await self._missing(coded)
        outcomes = Counter(one.outcome for one in posts)
        ends = np.array([self._arrived[one.key] for one in coded if one.key in self._arrived])
        delays = 1e3 * (ends - np.array([one.due for one in coded if one.key in self._arrived]))
        filled, end = begun_at + FILLING * seconds, begun_at + seconds
        goodput = int(((ends > filled) & (ends <= end)).sum()) / (end - filled)
        late = 1e3 * np.percentile([one.sent - one.due for one in posts], 99)
        p50, p95, p99 = (float(one) for one in np.percentile(delays if delays.size else [0.0], [50, 95, 99]))
        return Served(
            len(self._clients), share, seconds, fps, goodput, p50, p95, p99, float(late), dict(outcomes),
            len(unanswered), missing, _difference(outcomes, await self._counted() - before),
        )  # fmt: skip

    async def _post(self, due: float) -> _Post:
        turn = next(self._turn)
        client, sent = self._clients[turn % len(self._clients)], time.time()
        try:
            receipt = await client.post(self._pictures[turn % len(self._pictures)], round(1e6 * due))
        except Refused as error:
            return _Post(due, sent, f"{REFUSED}: {error.reason}", ("", 0))
        return _Post(due, sent, str(receipt.outcome), (receipt.camera_id, receipt.sequence))

    async def _missing(self, coded: list[_Post]) -> int:
        """How many have no result, after having waited for them."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while (left := sum(one.key not in self._arrived for one in coded)) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        return left

    async def _counted(self) -> Counter[str]:
        """The edge's own counters of answers, by outcome."""
        names = [*map(str, Outcome)]
        found = [await self._edge.metric("taxon_edge_answer_seconds_count", outcome=name) for name in names]
        return Counter(dict(zip(names, map(round, found), strict=True)))


def _difference(outcomes: Counter[str], counted: Counter[str]) -> int:
    """The largest between an outcome's number here and there; the edge counts refusals under one outcome."""
    here: Counter[str] = Counter()
    for name, number in outcomes.items():
        here[name.partition(":")[0]] += number
    return max((abs(here[name] - counted[name]) for name in {*here, *counted}), default=0)


@asynccontextmanager
async def running_generator(edge: ServiceProcess, cloud: ServiceProcess, cameras: int) -> AsyncIterator[Generator]:
    """Connected cameras and a subscriber of everything; the networks have run with batches of every size."""
    arrived: dict[tuple[str, int], float] = {}
    async with (
        Cameras.connected(edge, cameras) as connected,
        Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=64)) as subscriber,
    ):

        async def collect() -> None:
            async for result in subscriber:
                arrived[result.camera_id, result.sequence] = time.time()

        collecting = asyncio.create_task(collect())
        try:
            yield Generator(edge, list(connected.clients), arrived)
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
