"""Both services under random kills, stops and cut links: what cameras were promised must reach both subscribers, once, in order.

python -m tests.chaos --seconds 600 --seed 7        the same as the integration test, for as long as you like

3 cameras --> edge --uplink link--> cloud --subscriber link--> a steady subscriber, and one that closes and comes back with its cursor

Where a rough network can be made (root), the edge is behind one: every packet of its uplink is late, some are lost, and now and then many.
Where libfaketime is installed, both services' clocks are set now and then, back too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shared.client import CameraClient, CameraFrame, Outcome, Receipt, Result, Subscriber, Wish
from tests.link import Link
from tests.rough_network import IS_THERE, RoughNetwork, Weather, rough_network
from tests.running_edge import picture
from tests.services import ServiceProcess, running
from tests.tiny_bundle import write_tiny_bundle
from tests.wrong_clock import IS_THERE as CLOCKS_CAN_BE_SET
from tests.wrong_clock import WrongClock

CAMERAS = ("left", "middle", "right")
PAUSE_SECONDS = 0.06
HOLD_SECONDS = 300.0
ARRIVAL_SECONDS = 180.0
PICTURES = [picture(number) for number in range(8)]
USUAL = Weather(delay_seconds=0.02, jitter_seconds=0.02, loss=0.01)
STORM = Weather(delay_seconds=0.2, jitter_seconds=0.2, loss=0.1)

Taken = dict[str, list[int]]


@dataclass
class Report:
    """recoveries: seconds from the end of each kind of fault to the next result. accepted, steady, returning: sequences by camera."""

    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    accepted: Taken = field(default_factory=lambda: {camera: [] for camera in CAMERAS})
    steady: Taken = field(default_factory=lambda: defaultdict(list))
    returning: Taken = field(default_factory=lambda: defaultdict(list))
    returns: int = 0
    lost: int = 0
    steady_at: float = 0.0

    def __str__(self) -> str:
        slowest = {kind: f"{max(found):.1f}" for kind, found in self.recoveries.items() if found}
        return (
            f"seed {self.seed}: {dict(self.outcomes)} frames, {dict(self.faults)} faults, the second subscriber came "
            f"{self.returns} times; slowest recoveries, seconds: {slowest}"
        )

    def arrived(self) -> bool:
        """Whether both subscribers have as many results as frames were accepted."""
        taken = (self.steady, self.returning)
        return all(len(one[camera]) >= len(self.accepted[camera]) for one in taken for camera in CAMERAS)

    def check(self) -> None:
        """Raises AssertionError where the promise was not kept."""
        assert self.lost == 0, f"{self.lost} results were lost; {self}"
        assert set(self.outcomes) == {Outcome.CODED}, f"somebody subscribed all the time; {self}"
        for kind, found in (("steady", self.steady), ("returning", self.returning)):
            for camera in CAMERAS:
                assert found[camera] == self.accepted[camera], difference(
                    kind, camera, self.accepted[camera], found[camera]
                )


def difference(kind: str, camera: str, accepted: list[int], found: list[int]) -> str:
    """What is wrong with a subscriber's results, in short."""
    missing = sorted(set(accepted) - set(found))[:10]
    twice = sorted(one for one, count in Counter(found).items() if count > 1)[:10]
    unknown = sorted(set(found) - set(accepted))[:10]
    return (
        f"{kind} subscriber, camera {camera}: {len(accepted)} accepted, {len(found)} came; missing {missing}, "
        f"twice {twice}, never accepted {unknown}, in order: {found == sorted(found)}"
    )


class Chaos:
    """One run. seconds: of faults; starts, drains and last arrivals come on top. network: what the edge is behind, if anything."""

    def __init__(
        self, folder: Path, bundle: Path, seed: int, seconds: float, network: RoughNetwork | None = None
    ) -> None:
        self.report = Report(seed)
        self._random = random.Random(seed)
        self._seconds = seconds
        options = ("--bundles", str(bundle.parent.parent), "--threads", "1", "--subscriber-queue-frames", "10000")
        self.cloud = ServiceProcess("cloud", folder / "cloud", options)
        self._network = network
        self.uplink, self.results = Link(self.cloud.rpc_port), Link(self.cloud.rpc_port)
        if network is not None:
            network.weather = USUAL
            self.uplink.host = network.near
        self._edge_options = ("--bundle", str(bundle), "--threads", "1", "--queue-policy", "all", "--queue-depth", "16")
        self._folder = folder
        self._clocks = {kind: WrongClock(folder / f"{kind}.clock") for kind in ("edge", "cloud") if CLOCKS_CAN_BE_SET}
        if CLOCKS_CAN_BE_SET:
            self.cloud.environment = self._clocks["cloud"].environment
        self._over = asyncio.Event()
        self._arrived = asyncio.Event()

    async def run(self) -> Report:
        """Raises AssertionError where the promise was not kept, or a service failed by itself."""
        async with AsyncExitStack() as stack:
            for link in (self.uplink, self.results):
                await stack.enter_async_context(link)
            options = (*self._edge_options, "--cloud", self.uplink.address)
            self.edge = ServiceProcess("edge", self._folder / "edge", options)
            if CLOCKS_CAN_BE_SET:
                self.edge.environment = self._clocks["edge"].environment
            if self._network is not None:
                self.edge.host, self.edge.before = self._network.clean_far, self._network.inside
            await stack.enter_async_context(running(self.cloud, self.edge))
            steady = asyncio.create_task(self._steady())
            returning = asyncio.create_task(self._returning())
            await self._wanted()
            cameras = [asyncio.create_task(self._camera(camera)) for camera in CAMERAS]
            await self._faults()
            self._over.set()
            await asyncio.gather(*cameras)
            with suppress(TimeoutError):
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    while not self.report.arrived():
                        await asyncio.sleep(0.1)
            self._arrived.set()
            await asyncio.gather(steady, returning)
            statuses = (await self.edge.stop(), await self.cloud.stop())
            assert statuses == (0, 0), f"the services ended with {statuses}"
        self.report.check()
        return self.report

    async def _faults(self) -> None:
        kinds = {
            "cloud killed": lambda: self._killed(self.cloud),
            "cloud stopped": lambda: self._stopped(self.cloud),
            "edge killed": lambda: self._killed(self.edge),
            "edge stopped": lambda: self._stopped(self.edge),
            "uplink cut": lambda: self._cut(self.uplink),
            "results cut": lambda: self._cut(self.results),
        }
        if self._network is not None:
            kinds["uplink in a storm"] = self._storm
        for kind in self._clocks:
            kinds[f"{kind}'s clock set"] = partial(self._clock_set, kind)
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            # Two at once now and then, but never two of one service.
            chosen = self._random.sample(sorted(kinds), self._random.choice((1, 1, 2)))
            if len({kind.split()[0] for kind in chosen}) < len(chosen):
                continue
            await asyncio.gather(*(kinds[kind]() for kind in chosen))
            self.report.faults.update(chosen)
            await self._recovered(" and ".join(chosen))
            await asyncio.sleep(self._random.uniform(0.0, 1.5))

    async def _recovered(self, kind: str) -> None:
        began = time.monotonic()
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while self.report.steady_at < began:
                await asyncio.sleep(0.02)
        self.report.recoveries[kind].append(time.monotonic() - began)

    async def _killed(self, service: ServiceProcess) -> None:
        await service.kill()
        await self._again(service)

    async def _stopped(self, service: ServiceProcess) -> None:
        status = await service.stop()
        assert status == 0, f"{service.kind} ended with {status}: {service.log.read_text()[-2000:]}"
        await self._again(service)

    async def _again(self, service: ServiceProcess) -> None:
        """Started after a while; now and then killed or stopped once more, somewhere in its start."""
        await asyncio.sleep(self._random.uniform(0.0, 1.5))
        if self._random.random() < 0.3:
            starting = asyncio.create_task(service.start())
            await asyncio.sleep(self._random.uniform(0.3, 2.0))
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._random.choice((service.kill, service.stop))()
        await service.start()

    async def _cut(self, link: Link) -> None:
        if self._random.random() < 0.5:
            # What was sent meanwhile is lost with the connection, though both sides' systems took it.
            link.hold()
            await asyncio.sleep(self._random.uniform(0.0, 2.0))
        link.cut()
        await asyncio.sleep(self._random.uniform(0.0, 3.0))
        link.mend()

    async def _storm(self) -> None:
        assert self._network is not None
        self._network.weather = STORM
        await asyncio.sleep(self._random.uniform(1.0, 8.0))
        self._network.weather = USUAL

    async def _clock_set(self, kind: str) -> None:
        """Ahead of the truth or behind it; the next time from there."""
        self._clocks[kind].set(self._random.choice((-7200.0, -60.0, -1.0, 0.0, 1.0, 60.0)))

    async def _wanted(self) -> None:
        """Until the edge knows that somebody subscribes: a first coded frame, of a camera for that alone."""
        async with CameraClient(self.edge.rpc, "probe") as camera, asyncio.timeout(30):
            while (await camera.post(PICTURES[0])).outcome is not Outcome.CODED:
                await asyncio.sleep(0.05)

    async def _camera(self, camera_id: str) -> None:
        async def frames() -> AsyncIterator[CameraFrame]:
            number = 0
            while not self._over.is_set():
                yield CameraFrame(PICTURES[number % len(PICTURES)])
                number += 1
                await asyncio.sleep(PAUSE_SECONDS)

        async with CameraClient(self.edge.rpc, camera_id) as camera:
            async for receipt in camera.stream(frames(), in_flight=4):
                self._note(receipt)

    def _note(self, receipt: Receipt) -> None:
        self.report.outcomes[receipt.outcome] += 1
        accepted = self.report.accepted[receipt.camera_id]
        if receipt.outcome is Outcome.CODED and receipt.sequence not in accepted[-200:]:
            accepted.append(receipt.sequence)

    async def _steady(self) -> None:
        wish = Wish(tasks=("class_scene",), hold_seconds=HOLD_SECONDS)

        def note(result: Result) -> None:
            self.report.steady[result.camera_id].append(result.sequence)
            self.report.steady_at = time.monotonic()

        async with Subscriber(self.results.address, wish) as subscriber:
            await _take(subscriber, note, self._arrived.wait)
            self.report.lost += subscriber.lost

    async def _returning(self) -> None:
        wish = Wish(tasks=("class_object", "reshading"), longest_side_pixels=16, hold_seconds=HOLD_SECONDS)
        cursor = ""

        def note(result: Result) -> None:
            self.report.returning[result.camera_id].append(result.sequence)

        async def a_while() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), self._random.uniform(0.5, 5.0))

        while not self._arrived.is_set():
            async with Subscriber(self.results.address, wish, cursor=cursor, subscription_id="returning") as subscriber:
                await subscriber.subscribed()
                await _take(subscriber, note, a_while)
                cursor = subscriber.cursor
                self.report.lost += subscriber.lost
            self.report.returns += 1
            await asyncio.sleep(0.0 if self._over.is_set() else self._random.uniform(0.0, 2.0))


async def _take(subscriber: Subscriber, note: Callable[[Result], None], until: Callable[[], Awaitable[object]]) -> None:
    """Results until then; what was given out is noted, always."""

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


async def run(folder: Path, bundle: Path, seed: int, seconds: float) -> Report:
    """Behind a rough network where there can be one."""
    if not IS_THERE:
        return await Chaos(folder, bundle, seed, seconds).run()
    async with rough_network(seed) as network:
        report = await Chaos(folder, bundle, seed, seconds, network).run()
        print(f"{network.packets} packets of the uplink, {network.lost} of them lost")
    return report


def main() -> None:
    """Prints one line; ends with a traceback where the promise was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="taxon-chaos-"))
    print(f"logs and data: {folder}", flush=True)
    bundle = folder / "models" / "tiny" / "1"
    write_tiny_bundle(bundle)
    print(asyncio.run(run(folder, bundle, options.seed, options.seconds)))


if __name__ == "__main__":
    main()
