"""Offered against served, past twice what the services can do: goodput, delay and what became of the other frames.

    python -m benchmarks.load [--cameras 10] [--seconds 20] [--json docs/load.json] [--report-only]

Open loop: a frame is posted when it is due, whatever became of the ones before it, as cameras do. First the capacity is measured (far more
is offered than can be served), then each share of it in turn, with the same services. Laws, checked at the end: over its capacity a
system goes on serving it (goodput does not fall), and the delay of what is served stays below what the queues that are bounded by
policy can hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.playing import TASK_NAMES
from benchmarks.sizing import Cameras
from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from shared.client import Outcome, Receipt, Subscriber, Wish
from tests.services import ServiceProcess, running

SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5)
FIRST_FPS = 100.0
"""More than any machine of ours serves on its processor."""
DRAIN_SECONDS = 60.0
FILLING = 0.25
"""The share of the time that is left for the queues to fill."""
LEAST_GOODPUT = 0.8
"""Of the capacity, at every rate above it: the machines are shared, and a fifth is their noise."""
FIGURE = Path("docs/figures/load.png")


@dataclass(frozen=True)
class Served:
    """At one offered rate. goodput_fps: results that came, after the queues had filled. outcomes: frames by what became of them."""

    share: float
    offered_fps: float
    goodput_fps: float
    delay_p50_ms: float
    delay_p95_ms: float
    delay_p99_ms: float
    outcomes: dict[str, int]


@dataclass(frozen=True)
class Load:
    """A run. bound_ms: what the delay may be at most, by the queues' bounds."""

    cameras: int
    seconds: float
    capacity_fps: float
    bound_ms: float
    served: tuple[Served, ...]

    def broken(self) -> list[str]:
        """Which laws were, in words."""
        found = []
        for one in self.served:
            if one.share >= 1 and one.goodput_fps < LEAST_GOODPUT * self.capacity_fps:
                found.append(f"at {one.share:g}x goodput fell to {one.goodput_fps:.1f} frames/s")
            if one.delay_p99_ms > self.bound_ms:
                found.append(
                    f"at {one.share:g}x the 99th percentile of the delay is {one.delay_p99_ms:.0f} ms, over {self.bound_ms:.0f}"
                )
        return found


class Bench:
    """Cameras at an edge, and a subscriber that notes when each result came."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras
        self._arrived: dict[tuple[str, int], float] = {}

    async def collect(self, subscriber: Subscriber) -> None:
        """Until it is cancelled."""
        async for result in subscriber:
            self._arrived[result.camera_id, result.sequence] = time.time()

    async def until_wanted(self) -> None:
        """Posts until the subscriber's wish is at the edge."""
        while all(receipt.outcome is not Outcome.CODED for receipt in await self._cameras.post(1, 1.0)):
            await asyncio.sleep(0.2)

    async def at(self, fps: float, seconds: float, share: float) -> Served:
        """Offers `fps` for so long, and waits until everything that was coded has its result."""
        begun = time.time()
        receipts = await self._cameras.post(round(fps * seconds), fps)
        coded = [one for one in receipts if one.outcome is Outcome.CODED]
        async with asyncio.timeout(DRAIN_SECONDS):
            while any(self._key(one) not in self._arrived for one in coded):
                await asyncio.sleep(0.05)
        times = np.array([self._arrived[self._key(one)] for one in coded])
        delays = 1e3 * (times - np.array([one.capture_time_us / 1e6 for one in coded]))
        filled, end = begun + FILLING * seconds, begun + seconds
        goodput = int(((times > filled) & (times <= end)).sum()) / (end - filled)
        p50, p95, p99 = np.percentile(delays, [50, 95, 99])
        outcomes = Counter(one.outcome.name.lower() for one in receipts)
        return Served(share, fps, goodput, float(p50), float(p95), float(p99), dict(outcomes))

    @staticmethod
    def _key(receipt: Receipt) -> tuple[str, int]:
        return receipt.camera_id, receipt.sequence


def bound_ms(cameras: int, capacity_fps: float) -> float:
    """The longest that a frame can wait where every queue on its way is full and `capacity_fps` leave it, and twice that for noise."""
    frames = EdgeSettings.model_fields["queue_depth"].default * cameras
    frames += CloudSettings.model_fields["credit_frames"].default
    frames += EdgeSettings.model_fields["most_batch"].default + CloudSettings.model_fields["most_batch"].default
    return 2e3 * float(frames) / capacity_fps


async def measured(cameras: int, seconds: float) -> Load:
    """Capacity, then every share of it; prints a line for each."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cloud = ServiceProcess("cloud", folder / "cloud")
        edge = ServiceProcess("edge", folder / "edge", ("--cloud", cloud.rpc))
        await stack.enter_async_context(running(cloud, edge))
        bench = Bench(await stack.enter_async_context(Cameras.connected(edge, cameras)))
        subscriber = await stack.enter_async_context(
            Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=64))
        )
        collecting = asyncio.create_task(bench.collect(subscriber))
        await bench.until_wanted()
        await bench.at(FIRST_FPS, 3.0, 0.0)  # the networks' first batches of every size
        capacity = (await bench.at(FIRST_FPS, seconds, 0.0)).goodput_fps
        print(f"capacity {capacity:.1f} frames/s, {cameras} cameras", flush=True)
        served = []
        for share in SHARES:
            served.append(await bench.at(share * capacity, seconds, share))
            print(row(served[-1]), flush=True)
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
    return Load(cameras, seconds, capacity, bound_ms(cameras, capacity), tuple(served))


def row(one: Served) -> str:
    """Markdown."""
    of = ", ".join(f"{count} {name}" for name, count in sorted(one.outcomes.items()))
    return (
        f"| {one.share:g} | {one.offered_fps:.1f} | {one.goodput_fps:.1f} "
        f"| {one.delay_p50_ms:.0f} | {one.delay_p95_ms:.0f} | {one.delay_p99_ms:.0f} | {of} |"
    )


def draw(load: Load, path: Path) -> None:
    """Goodput and delay against what is offered."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    offered = [one.offered_fps for one in load.served]
    left.plot(offered, [one.goodput_fps for one in load.served], "o-", label="served")
    left.plot([0, max(offered)], [0, max(offered)], ":", color="grey", label="offered")
    left.axhline(load.capacity_fps, color="tab:green", lw=1, label="capacity")
    left.set(xlabel="offered, frames a second", ylabel="frames a second", title="goodput", xlim=(0, None))
    left.set_ylim(0, 1.4 * load.capacity_fps)
    for label, name in (("median", "delay_p50_ms"), ("95th percentile", "delay_p95_ms"), ("99th", "delay_p99_ms")):
        right.plot(offered, [getattr(one, name) for one in load.served], "o-", label=label)
    right.set(xlabel="offered, frames a second", ylabel="ms", title="delay from post to result", xlim=(0, None))
    right.set_ylim(0, None)
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def read(path: Path) -> Load:
    """What `main` wrote."""
    found = json.loads(path.read_text())
    return Load(**{**found, "served": tuple(Served(**one) for one in found["served"])})


def main() -> None:
    """Parses and runs; exits with 1 where a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=10, help="that post in turns (default: 10)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each offered rate (default: 20)")
    parser.add_argument("--json", type=Path, default=Path("docs/load.json"), help="where the figures go")
    parser.add_argument("--report-only", action="store_true", help="draw and judge again, without measuring")
    arguments = parser.parse_args()
    if not arguments.report_only:
        measured_now = asyncio.run(measured(arguments.cameras, arguments.seconds))
        arguments.json.write_text(json.dumps(asdict(measured_now), indent=1) + "\n")
    load = read(arguments.json)
    draw(load, FIGURE)
    over = [one for one in load.served if one.share > 1]
    broken = load.broken()
    print(
        f"load: capacity {load.capacity_fps:.1f} frames/s with {load.cameras} cameras; over it at least "
        f"{min(one.goodput_fps for one in over):.1f} served, p99 at most {max(one.delay_p99_ms for one in over):.0f} ms "
        f"(bound {load.bound_ms:.0f}); {'; '.join(broken) or 'every law was kept'}"
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
