"""One run: cameras that post, two subscribers that take, and the plan's faults one after the other.

4 cameras --> edge --uplink link--> cloud --results link--> a steady subscriber, and one that closes and comes back with its cursor
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from taxon.client import CameraClient, CameraFrame, Outcome, Result, Subscriber, Wish
from tests.support.pictures import picture
from tests.trials.chaos.faults import Faults
from tests.trials.chaos.masked import MASKED, scene
from tests.trials.chaos.memory import Memory
from tests.trials.chaos.plan import Plan, Step
from tests.trials.chaos.report import CAMERAS, Report
from tests.trials.chaos.stack import Stack, left_out, stack

PAUSE_SECONDS = 0.35
"""The pause between a camera's frames. Two busy cores deliver far more: what is late by minutes says nothing of faults."""
HOLD_SECONDS = 300.0
ARRIVAL_SECONDS = 60.0
"""The wait after a fault for the result of a frame accepted after it, and after the last fault without any further result."""
LAST_SECONDS = 300.0
"""The whole wait after the last fault."""
PICTURES = [picture(number) for number in range(8)]


class Chaos:
    """A run. seconds: of faults; starts, drains and last arrivals come on top."""

    def __init__(self, stack: Stack, seed: int, seconds: float) -> None:
        self.report = Report(seed, left_out=left_out())
        self._stack = stack
        self._seconds = seconds
        self._memory = Memory((stack.edge, stack.cloud))
        self._over = asyncio.Event()
        self._arrived = asyncio.Event()

    async def run(self) -> Report:
        """Run it; raises AssertionError where a service failed by itself or did not recover. `Report.broken` says the rest."""
        watching = asyncio.create_task(self._memory.watch())
        takers = [asyncio.create_task(self._steady()), asyncio.create_task(self._returning())]
        cameras: list[asyncio.Task[None]] = []
        try:
            await self._wanted()
            cameras += [asyncio.create_task(self._camera(camera)) for camera in CAMERAS]
            await self._faults()
            self._over.set()
            await asyncio.gather(*cameras)
            await self._last_arrivals()
            self._arrived.set()
            await asyncio.gather(*takers)
            watching.cancel()
            statuses = (await self._stack.edge.stop(), await self._stack.cloud.stop())
            assert statuses == (0, 0), f"the services ended with {statuses}"
        finally:
            for task in (watching, *takers, *cameras):
                task.cancel()
            await asyncio.gather(watching, *takers, *cameras, return_exceptions=True)
        self.report.growths = {kind: self._memory.growth(kind) for kind in ("edge", "cloud")}
        return self.report

    async def _faults(self) -> None:
        faults, seed = Faults(self._stack, self.report), self.report.seed
        plan = Plan(seed, tuple(faults.kinds))
        print(f"{plan}\nleft out: {', '.join(self.report.left_out) or 'nothing'}", flush=True)
        self.report.kinds = plan.kinds
        began = time.monotonic()
        for step in plan:
            if time.monotonic() - began >= self._seconds:
                break
            print(f"{time.monotonic() - began:5.1f} s  {step}", flush=True)
            await asyncio.gather(*(faults.kinds[kind](step.draw(seed, kind)) for kind in step.kinds))
            self.report.faults.update(step.kinds)
            await self._recovered(step)
            await asyncio.sleep(step.pause_seconds)
        self.report.seconds = time.monotonic() - began

    async def _recovered(self, step: Step) -> None:
        """Wait until the steady subscriber has a result of a frame that was accepted from now on."""
        began, report = time.monotonic(), self.report
        before = len(report.fresh)
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while not any(one in report.seen for one in report.fresh[before:]):
                    self._stack.check()
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            fresh = len(report.fresh) - before
            told = {one.kind: one.log.read_text()[-1500:] for one in (self._stack.edge, self._stack.cloud)}
            raise AssertionError(
                f"after step {step}: {fresh} frames accepted in {ARRIVAL_SECONDS:g} s, no result of any; {told}"
            ) from error
        for kind in step.kinds:
            report.recoveries[kind].append(time.monotonic() - began)

    async def _last_arrivals(self) -> None:
        """Wait until all have arrived or none arrives any more: what is late is not lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while not self.report.arrived():
                    before = self.report.results
                    async with asyncio.timeout(ARRIVAL_SECONDS):
                        while self.report.results == before:
                            await asyncio.sleep(0.1)

    async def _wanted(self) -> None:
        """Wait until the edge knows that somebody subscribes, by the first coded frame of a camera for that alone."""
        async with CameraClient(self._stack.edge.rpc, "probe") as camera, asyncio.timeout(30):
            while (await camera.post(PICTURES[0])).outcome is not Outcome.CODED:
                await asyncio.sleep(0.05)

    async def _camera(self, camera_id: str) -> None:
        async def frames() -> AsyncIterator[CameraFrame]:
            number = 0
            while not self._over.is_set():
                yield CameraFrame(scene(number) if camera_id == MASKED else PICTURES[number % len(PICTURES)])
                number += 1
                await asyncio.sleep(PAUSE_SECONDS)

        async with CameraClient(self._stack.edge.rpc, camera_id) as camera:
            async for receipt in camera.stream(frames(), in_flight=4):
                self.report.note_receipt(receipt)

    async def _steady(self) -> None:
        wish = Wish(tasks=("class_scene",), hold_seconds=HOLD_SECONDS)
        async with Subscriber(self._stack.results.address, wish) as subscriber:
            await _take(subscriber, self.report.note_steady, self._arrived.wait)
            self.report.lost += subscriber.lost

    async def _returning(self) -> None:
        wish = Wish(tasks=("class_object", "reshading"), longest_side_pixels=16, hold_seconds=HOLD_SECONDS)
        draw = random.Random(f"{self.report.seed}/returning")
        cursor = ""

        async def a_while() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), draw.uniform(0.5, 5.0))

        address = self._stack.results.address
        while not self._arrived.is_set():
            async with Subscriber(address, wish, cursor=cursor, subscription_id="returning") as subscriber:
                await subscriber.subscribed()
                await _take(subscriber, self.report.note_returning, a_while)
                cursor = subscriber.cursor
                self.report.lost += subscriber.lost
            self.report.returns += 1
            await asyncio.sleep(0.0 if self._over.is_set() else draw.uniform(0.0, 2.0))


async def _take(subscriber: Subscriber, note: Callable[[Result], None], until: Callable[[], Awaitable[object]]) -> None:
    """Take results until then; all that were given out are noted."""

    async def results() -> None:
        async for result in subscriber:
            note(result)

    taking = asyncio.create_task(results())
    ending = asyncio.ensure_future(until())
    await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED)
    if taking.done():
        taking.result()
        raise AssertionError("the subscription ended by itself")
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def run(folder: Path, bundle: Path, seed: int, seconds: float, has_sources: bool = True) -> Report:
    """Run once, with all that this machine can do to the services. folder: data and logs.

    has_sources: whether the edge pulls cameras, too; to break and mend them takes longer than a short run has.
    """
    async with stack(folder, bundle, seed, has_sources) as services:
        return await Chaos(services, seed, seconds).run()
