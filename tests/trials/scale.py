"""Two replicas of the cloud on one NATS, under load, while replicas and NATS are killed: no result is lost or given twice.

python -m tests.trials.scale --seconds 180 --seed 7        as `make e2e-scale` does; tests/integration/test_scale.py runs a short one

6 cameras --> 2 edges --any replica--> A, B <--NATS JetStream--> A, B --any replica--> 2 subscribers, which begin at different ones
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from taxon.client import CameraClient, CameraFrame, Outcome, Receipt, Result, Subscriber, Wish
from tests.support.bundles import write_tiny_bundle
from tests.support.nats import NatsServer
from tests.support.pictures import picture
from tests.support.services import ServiceProcess, running
from tests.trials.chaos.report import difference

PAUSE_SECONDS = 0.15
HOLD_SECONDS = 120.0
RECOVERY_SECONDS = 60.0
ARRIVAL_SECONDS = 60.0
BEGIN_SECONDS = 30.0
GROUPS = ("semantic", "geometry")
"""Each subscriber alone wants these, so that a wish that is forgotten shows in the receipts."""
WISHES = {
    "first": Wish(tasks=("class_scene",), hold_seconds=HOLD_SECONDS),
    "second": Wish(tasks=("reshading",), longest_side_pixels=16, hold_seconds=HOLD_SECONDS),
}
CAMERAS = {"edge-1": ("left", "middle.upper", "right"), "edge-4": ("attic", "door", "hall")}
"""The cameras of each edge; the edges' names make them begin at different replicas."""
PICTURES = [picture(number) for number in range(8)]

Fault = Callable[[], Awaitable[None]]


@dataclass
class Report:
    """accepted, results: sequences by camera.

    recoveries: seconds from each fault until every subscriber had a result of every camera that is newer than the fault.
    """

    seed: int
    accepted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    results: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    outcomes: Counter[str] = field(default_factory=Counter)
    half_coded: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counted_lost: int = 0
    last: str = "start"

    @property
    def posted(self) -> int:
        """Return how many frames an edge has accepted."""
        return sum(len(found) for found in self.accepted.values())

    @property
    def received(self) -> int:
        """Return how many results both subscribers have."""
        return sum(len(found) for one in self.results.values() for found in one.values())

    @property
    def lost(self) -> int:
        """Return how many accepted frames have no result, over both subscribers."""
        return sum(
            len(set(accepted) - set(self.results[name][camera]))
            for name in WISHES
            for camera, accepted in self.accepted.items()
        )

    @property
    def doubled(self) -> int:
        """Return how many results were given again."""
        return sum(len(found) - len(set(found)) for one in self.results.values() for found in one.values())

    def arrived(self) -> bool:
        """Return True where both subscribers have as many results as frames were accepted."""
        return self.received >= len(WISHES) * self.posted

    def __str__(self) -> str:
        slowest = {kind: f"{max(found):.1f}" for kind, found in self.recoveries.items()}
        return (
            f"seed {self.seed}: {self.posted} frames posted, {self.received} results received by {len(WISHES)} subscribers, "
            f"{self.lost} lost, {self.doubled} doubled; faults {dict(self.faults)}; slowest recoveries in seconds {slowest}"
        )

    def check(self) -> None:
        """Hold the run to its promises; raises AssertionError where one was not kept."""
        assert set(self.outcomes) == {Outcome.CODED}, f"somebody subscribed all the time: {self.outcomes}; {self}"
        assert not self.half_coded, f"{self.half_coded} frames lack a group that a subscriber wants; {self}"
        for name in WISHES:
            for camera, accepted in self.accepted.items():
                found = self.results[name][camera]
                assert found == accepted, difference(name, camera, accepted, found)
        assert not self.counted_lost, f"{self.counted_lost} results were told to be lost; {self}"


class Scale:
    """A run. seconds: of faults; starts and last arrivals come on top."""

    def __init__(self, folder: Path, bundle: Path, seed: int) -> None:
        self.report = Report(seed)
        self._random = random.Random(seed)
        self._folder = folder
        self._bundle = bundle
        self.nats = NatsServer(folder / "nats")
        self._over = asyncio.Event()
        self._newest: dict[tuple[str, str], int] = defaultdict(int)

    async def run(self, faults: Callable[[], AsyncIterator[None]]) -> Report:
        """Run under these faults; raises AssertionError where a promise was not kept, or a service failed by itself."""
        async with AsyncExitStack() as stack:
            await self.nats.start()
            stack.push_async_callback(self._nats_ended)
            self.clouds = [self._cloud(name) for name in ("a", "b")]
            both = [cloud.rpc for cloud in self.clouds]
            self.edges = [self._edge(name, both) for name in CAMERAS]
            await stack.enter_async_context(running(*self.clouds, *self.edges))
            takes = [
                asyncio.create_task(self._subscriber(name, addresses))
                for name, addresses in zip(WISHES, (both, both[::-1]), strict=True)
            ]
            await self._wanted()
            cameras = [
                asyncio.create_task(self._camera(edge, camera))
                for edge, names in zip(self.edges, CAMERAS.values(), strict=True)
                for camera in names
            ]
            await self._recovered("start", time.time())
            async for _ in faults():
                assert not any(one.done() for one in (*takes, *cameras))
            self._over.set()
            await asyncio.gather(*cameras)
            await self._arrived()
            for one in takes:
                one.cancel()
            await asyncio.gather(*takes, return_exceptions=True)
            statuses = [await one.stop() for one in (*self.edges, *self.clouds)]
            assert not any(statuses), f"the services ended with {statuses}"
        del self.report.recoveries["start"], self.report.faults["start"]
        self.report.check()
        return self.report

    async def cloud_killed(self, place: int) -> None:
        """Send SIGKILL to a cloud, which stays away until the other one does all its work."""
        await self._without(f"cloud {'ab'[place]} killed", self.clouds[place], self.clouds[place].kill)

    async def cloud_stopped(self, place: int) -> None:
        """Send SIGTERM to a cloud."""

        async def stop() -> None:
            assert await self.clouds[place].stop() == 0

        await self._without(f"cloud {'ab'[place]} stopped", self.clouds[place], stop)

    async def nats_killed(self, seconds: float) -> None:
        """Send SIGKILL to NATS, and start it again later with its files."""
        await self.nats.kill()
        await asyncio.sleep(seconds)
        began = time.time()
        await self.nats.start()
        await self._recovered("NATS killed", began)

    async def nats_paused(self, seconds: float) -> None:
        """Stop NATS for a while, with its connections open."""
        self.nats.pause()
        await asyncio.sleep(seconds)
        began = time.time()
        self.nats.resume()
        await self._recovered("NATS paused", began)

    async def edge_killed(self, place: int) -> None:
        """Send SIGKILL to an edge, and start it again at once."""
        began = time.time()
        await self.edges[place].kill()
        await self.edges[place].start()
        await self._recovered("edge killed", began)

    async def random_faults(self, seconds: float) -> AsyncIterator[None]:
        """Do faults at random, one after the other."""
        draw = self._random
        kinds: Sequence[Fault] = (
            lambda: self.cloud_killed(draw.randrange(2)),
            lambda: self.cloud_stopped(draw.randrange(2)),
            lambda: self.nats_killed(draw.uniform(0.0, 12.0)),
            lambda: self.nats_paused(draw.uniform(0.0, 8.0)),
            lambda: self.edge_killed(draw.randrange(2)),
        )
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # Each kind once before one comes again.
            for kind in draw.sample(kinds, len(kinds)):
                await kind()
                print(f"{kind_of(self.report)}, {self.report.posted} frames posted so far", flush=True)
                await asyncio.sleep(draw.uniform(0.0, 3.0))
                yield
                if time.monotonic() >= until:
                    return

    def _cloud(self, name: str) -> ServiceProcess:
        options = ("--bundles", str(self._bundle.parent.parent), "--threads", "1", "--bus", self.nats.url)
        return ServiceProcess("cloud", self._folder / name, (*options, "--subscriber-queue-frames", "10000"))

    def _edge(self, name: str, clouds: Sequence[str]) -> ServiceProcess:
        options = ("--bundle", str(self._bundle), "--threads", "1", "--queue-policy", "all", "--queue-depth", "16")
        return ServiceProcess("edge", self._folder / name, (*options, "--edge-id", name, "--cloud", ",".join(clouds)))

    async def _nats_ended(self) -> None:
        if self.nats.process is not None and self.nats.process.returncode is None:
            await self.nats.kill()

    async def _without(self, kind: str, cloud: ServiceProcess, end: Fault) -> None:
        await end()
        await self._recovered(kind, time.time())
        await cloud.start()

    async def _recovered(self, kind: str, since: float) -> None:
        """Wait until every subscriber has a result of every camera that was captured after `since` (seconds since 1970)."""
        wanted = [(name, camera) for name in WISHES for names in CAMERAS.values() for camera in names]
        async with asyncio.timeout(RECOVERY_SECONDS):
            while min(self._newest[one] for one in wanted) < since * 1e6:
                await asyncio.sleep(0.02)
        self.report.faults[kind] += 1
        self.report.last = kind
        self.report.recoveries[kind].append(time.time() - since)

    async def _arrived(self) -> None:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not self.report.arrived() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        # What came twice would come now.
        await asyncio.sleep(1.0)

    async def _wanted(self) -> None:
        """Wait until the edges know what both subscribers want, by frames with both groups of cameras for that alone."""
        for edge in self.edges:
            async with CameraClient(edge.rpc, f"probe-{edge.folder.name}") as camera, asyncio.timeout(BEGIN_SECONDS):
                while set((await camera.post(PICTURES[0])).groups) != set(GROUPS):
                    await asyncio.sleep(0.05)

    async def _camera(self, edge: ServiceProcess, camera_id: str) -> None:
        async def frames() -> AsyncIterator[CameraFrame]:
            number = 0
            while not self._over.is_set():
                yield CameraFrame(PICTURES[number % len(PICTURES)], capture_time_us=time.time_ns() // 1000)
                number += 1
                await asyncio.sleep(PAUSE_SECONDS)

        async with CameraClient(edge.rpc, camera_id) as camera:
            async for receipt in camera.stream(frames(), in_flight=4):
                self._note(receipt)

    def _note(self, receipt: Receipt) -> None:
        accepted = self.report.accepted[receipt.camera_id]
        self.report.outcomes[receipt.outcome] += 1
        if receipt.outcome is Outcome.CODED and receipt.sequence not in accepted[-200:]:
            accepted.append(receipt.sequence)
            self.report.half_coded += set(receipt.groups) != set(GROUPS)

    async def _subscriber(self, name: str, addresses: Sequence[str]) -> None:
        async with Subscriber(",".join(addresses), WISHES[name], subscription_id=name) as subscriber:
            try:
                async for result in subscriber:
                    self._take(name, result)
            finally:
                self.report.counted_lost += subscriber.lost

    def _take(self, name: str, result: Result) -> None:
        if not result.camera_id.startswith("probe-"):
            self.report.results[name][result.camera_id].append(result.sequence)
            self._newest[name, result.camera_id] = result.capture_time_us


def kind_of(report: Report) -> str:
    """Return the last fault and its recovery."""
    kind = report.last
    return f"{kind}: recovered in {report.recoveries[kind][-1]:.1f} s"


def main() -> None:
    """Print a line for each fault and one at the end; end with a traceback where a promise was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="taxon-scale-"))
    print(f"seed {options.seed}; logs and data: {folder}", flush=True)
    bundle = folder / "models" / "tiny" / "1"
    write_tiny_bundle(bundle)
    scale = Scale(folder, bundle, options.seed)
    report = asyncio.run(scale.run(lambda: scale.random_faults(options.seconds)))
    print(f"every promise was kept: {report}")


if __name__ == "__main__":
    main()
