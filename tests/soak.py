"""Edge and cloud for as long as you like at a steady pace, while cameras and subscribers come and go: memory and descriptors stay flat.

python -m tests.soak --seconds 3600 [--fps 10] [--seed 7]        as `make soak DURATION=3600` does

Law: after the warm-up neither service has more memory or descriptors at its end than before, beyond a small allowance, and every
frame that was answered `coded` has its result.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.playing import TASK_NAMES, pictures
from benchmarks.sizing import usage
from shared.client import CameraClient, Outcome, Subscriber, Wish
from taxon.defaults import SHIPPED_BUNDLE
from tests.services import ServiceProcess, running

CAMERAS = 20
STAYS_SECONDS = (2.0, 20.0)
"""How long a camera's or a visitor's connection lasts."""
SAMPLES = 60
WARM_SHARE = 0.25
ALLOWED_BYTES = 24e6
"""What the middle of the last samples may lie above the middle of the first ones: an allocator's mood, a cache that was not full."""
ALLOWED_DESCRIPTORS = 8
ARRIVAL_SECONDS = 60.0


@dataclass(frozen=True)
class Sample:
    """Of one service."""

    resident_bytes: float
    descriptors: int


@dataclass
class Soak:
    """accepted, arrived: camera and sequence of every coded frame, and of every result."""

    seed: int
    accepted: set[tuple[str, int]] = field(default_factory=set)
    arrived: set[tuple[str, int]] = field(default_factory=set)
    visits: int = 0
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def growth(self, kind: str) -> tuple[float, int]:
        """Bytes and descriptors by which the last third of the samples lies above the first third, warm-up left out."""
        kept = self.samples[kind][int(WARM_SHARE * len(self.samples[kind])) :]
        third = max(1, len(kept) // 3)

        def middle(samples: Sequence[Sample]) -> tuple[float, float]:
            return statistics.median(one.resident_bytes for one in samples), statistics.median(
                one.descriptors for one in samples
            )

        (bytes_before, descriptors_before), (bytes_after, descriptors_after) = (
            middle(kept[:third]),
            middle(kept[-third:]),
        )
        return bytes_after - bytes_before, round(descriptors_after - descriptors_before)

    def broken(self) -> list[str]:
        """Which laws were, in words."""
        found = [f"{len(lost)} coded frames without a result"] if (lost := self.accepted - self.arrived) else []
        for kind in self.samples:
            grown, descriptors = self.growth(kind)
            if grown > ALLOWED_BYTES:
                found.append(f"{kind}: {grown / 1e6:.0f} MB more")
            if descriptors > ALLOWED_DESCRIPTORS:
                found.append(f"{kind}: {descriptors} descriptors more")
        return found

    def __str__(self) -> str:
        grown = ", ".join(
            f"{kind} {bytes_ / 1e6:+.1f} MB and {descriptors:+d} descriptors"
            for kind in self.samples
            for bytes_, descriptors in [self.growth(kind)]
        )
        return (
            f"soak: seed {self.seed}, {len(self.accepted)} frames coded, {len(self.accepted - self.arrived)} without a result, "
            f"{self.visits} visits; {grown}; {'; '.join(self.broken()) or 'every law was kept'}"
        )


def sample(service: ServiceProcess) -> Sample:
    """Memory and open descriptors of the service's process, as the kernel counts them."""
    assert service.process is not None
    return Sample(usage(service).resident_bytes, len(list(Path(f"/proc/{service.process.pid}/fd").iterdir())))


async def camera(soak: Soak, edge: ServiceProcess, name: str, fps: float, draw: random.Random) -> None:
    """Posts at its pace; connects anew now and then."""
    frames = pictures()
    while True:
        until = time.monotonic() + draw.uniform(*STAYS_SECONDS)
        async with CameraClient(edge.rpc, name) as client:
            while time.monotonic() < until:
                receipt = await client.post(draw.choice(frames))
                if receipt.outcome is Outcome.CODED:
                    soak.accepted.add((name, receipt.sequence))
                await asyncio.sleep(draw.expovariate(fps))


async def steady(soak: Soak, cloud: ServiceProcess) -> None:
    """Takes everything, all the time."""
    async with Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=32)) as subscriber:
        async for result in subscriber:
            soak.arrived.add((result.camera_id, result.sequence))


async def visitor(soak: Soak, cloud: ServiceProcess, draw: random.Random) -> None:
    """Comes, takes a few results of what it likes, and leaves."""
    while True:
        wish = Wish(tasks=tuple(draw.sample(TASK_NAMES, draw.randint(1, 3))), longest_side_pixels=64)
        async with Subscriber(cloud.rpc, wish) as subscriber:
            try:
                async with asyncio.timeout(draw.uniform(*STAYS_SECONDS)):
                    async for _ in subscriber:
                        pass
            except TimeoutError:
                soak.visits += 1


async def run(seconds: float, fps: float, seed: int, folder: Path) -> Soak:
    """The whole of it; prints how it goes ten times."""
    soak, draw = Soak(seed), random.Random(seed)
    cloud = ServiceProcess("cloud", folder / "cloud", ("--bundles", str(SHIPPED_BUNDLE.parents[1])))
    edge = ServiceProcess("edge", folder / "edge", ("--cloud", cloud.rpc, "--bundle", str(SHIPPED_BUNDLE)))
    soak.samples = {"edge": [], "cloud": []}
    async with running(cloud, edge), AsyncExitStack() as stack:
        takes = asyncio.create_task(steady(soak, cloud))
        works = [asyncio.create_task(visitor(soak, cloud, random.Random(draw.random()))) for _ in range(2)]
        works += [
            asyncio.create_task(camera(soak, edge, f"camera-{i}", fps / CAMERAS, random.Random(draw.random())))
            for i in range(CAMERAS)
        ]
        stack.push_async_callback(_ended, [*works, takes])
        for number in range(SAMPLES):
            await asyncio.sleep(seconds / SAMPLES)
            for one in (*works, takes):
                if one.done():
                    one.result()
            soak.samples["edge"].append(sample(edge))
            soak.samples["cloud"].append(sample(cloud))
            if (number + 1) % (SAMPLES // 10) == 0:
                print(_line(soak, number), flush=True)
        await _ended(works)
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while not soak.accepted <= soak.arrived:
                await asyncio.sleep(0.1)
    return soak


def _line(soak: Soak, number: int) -> str:
    edge, cloud = soak.samples["edge"][-1], soak.samples["cloud"][-1]
    return (
        f"{100 * (number + 1) // SAMPLES} %: {len(soak.accepted)} frames coded; edge {edge.resident_bytes / 1e6:.0f} MB, "
        f"{edge.descriptors} descriptors; cloud {cloud.resident_bytes / 1e6:.0f} MB, {cloud.descriptors} descriptors"
    )


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Parses and runs; exits with 1 where a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="(default: 600)")
    parser.add_argument("--fps", type=float, default=10.0, help="frames a second of all cameras (default: 10)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="which comings and goings")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = asyncio.run(run(arguments.seconds, arguments.fps, arguments.seed, Path(folder)))
    print(soak)
    sys.exit(bool(soak.broken()))


if __name__ == "__main__":
    main()
