"""What a camera costs, from 1 to 1000 of them: processor time, memory, bytes and delay, as a table and a picture.

    python -m benchmarks.sizing [--fps 5] [--cameras 1 10 100 1000] [--json docs/sizing.json] [--report-only]

A fresh edge and a fresh cloud for each number of cameras. All cameras together post at the same rate, one whose frames are all coded,
each camera over a connection of its own; a subscriber takes the six tasks of all of them. So what changes from row to row is the number
of cameras alone. Then the subscriber leaves, and the same posts cost what an unwanted frame costs. Both processes' time and memory
are the kernel's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from prometheus_client import ProcessCollector

from benchmarks.playing import TASK_NAMES, pictures
from taxon.client import CameraClient, Outcome, Receipt, Subscriber, Wish
from tests.support.nats import NatsServer
from tests.support.network import Link
from tests.support.services import ServiceProcess, running

CAMERAS = (1, 10, 100, 1000)
LEAST_SECONDS = 40.0
RESULTS_SECONDS = 60.0
IN_FLIGHT = 64
FIGURE = Path("docs/figures/sizing.png")


@dataclass(frozen=True)
class Usage:
    """A process since it started: processor seconds, and resident bytes now."""

    cpu_seconds: float
    resident_bytes: float


@dataclass(frozen=True)
class Cost:
    """`cameras` cameras that posted `frames` frames, of which `coded` were coded; processor time and bytes are for each coded frame.

    not_wanted_edge_cpu_ms: of a frame that nobody wants. wire_bytes: both directions of the uplink.
    """

    cameras: int
    frames: int
    coded: int
    edge_cpu_ms: float
    cloud_cpu_ms: float
    not_wanted_edge_cpu_ms: float
    edge_resident_mb: float
    cloud_resident_mb: float
    coded_bytes: float
    wire_bytes: float
    delay_p50_ms: float
    delay_p95_ms: float


class Cameras:
    """`count` cameras, each with a connection of its own, that take turns at a pace."""

    def __init__(self, clients: Sequence[CameraClient]) -> None:
        self.clients = clients
        self._pictures = pictures()

    @classmethod
    @asynccontextmanager
    async def connected(cls, edge: ServiceProcess, count: int) -> AsyncIterator[Cameras]:
        """Connects them all; each has posted a frame, so that the services know it."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(CameraClient(edge.rpc, f"camera-{i:04d}")) for i in range(count)]
            gate = asyncio.Semaphore(IN_FLIGHT)
            picture = pictures()[0]

            async def introduce(client: CameraClient) -> None:
                async with gate:
                    await client.post(picture)

            await asyncio.gather(*(introduce(client) for client in clients))
            yield cls(clients)

    async def post(self, frames: int, fps: float) -> list[Receipt]:
        """`frames` frames, `fps` a second over all cameras, each when it is due whether or not the one before is answered."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        posts = []
        for index in range(frames):
            await asyncio.sleep(max(0.0, begun + index / fps - loop.time()))
            client = self.clients[index % len(self.clients)]
            posts.append(asyncio.create_task(client.post(self._pictures[index % len(self._pictures)])))
        return list(await asyncio.gather(*posts))


def usage(service: ServiceProcess | NatsServer) -> Usage:
    """Of the process."""
    assert service.process is not None
    pid = service.process.pid
    found = {
        metric.name: metric.samples[0].value for metric in ProcessCollector(pid=lambda: pid, registry=None).collect()
    }
    return Usage(found["process_cpu_seconds"], found["process_resident_memory_bytes"])


async def measured(folder: Path, count: int, fps: float) -> Cost:
    """One row."""
    frames = round(max(LEAST_SECONDS * fps, 1.0 * count))
    cloud = ServiceProcess("cloud", folder / f"cloud-{count}")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(cloud))
        link = await stack.enter_async_context(Link(cloud.rpc_port))
        edge = ServiceProcess("edge", folder / f"edge-{count}", ("--cloud", link.address, "--most-cameras", str(count)))
        await stack.enter_async_context(running(edge))
        cameras = await stack.enter_async_context(Cameras.connected(edge, count))
        unwanted_before = usage(edge)
        await cameras.post(frames, fps)
        unwanted = (usage(edge).cpu_seconds - unwanted_before.cpu_seconds) / frames

        arrived: dict[tuple[str, int], float] = {}
        subscriber = await stack.enter_async_context(
            Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=64))
        )

        async def collect() -> None:
            async for result in subscriber:
                arrived[result.camera_id, result.sequence] = time.time()

        collecting = asyncio.create_task(collect())
        while all(receipt.outcome is not Outcome.CODED for receipt in await cameras.post(1, fps)):
            await asyncio.sleep(0.2)
        await cameras.post(round(5 * fps), fps)  # the networks' first batches
        before, wire_before = (usage(edge), usage(cloud)), link.up_bytes + link.down_bytes
        receipts = await cameras.post(frames, fps)
        coded = [receipt for receipt in receipts if receipt.outcome is Outcome.CODED]
        async with asyncio.timeout(RESULTS_SECONDS):
            while any((receipt.camera_id, receipt.sequence) not in arrived for receipt in coded):
                await asyncio.sleep(0.05)
        after, wire = (usage(edge), usage(cloud)), link.up_bytes + link.down_bytes - wire_before
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
    delays = [arrived[one.camera_id, one.sequence] - one.capture_time_us / 1e6 for one in coded]
    edge_cpu, cloud_cpu = (
        1e3 * (b.cpu_seconds - a.cpu_seconds) / len(coded) for a, b in zip(before, after, strict=True)
    )
    p50, p95 = np.percentile(delays, [50, 95])
    edge_after, cloud_after = after
    return Cost(
        cameras=count,
        frames=len(receipts),
        coded=len(coded),
        edge_cpu_ms=edge_cpu,
        cloud_cpu_ms=cloud_cpu,
        not_wanted_edge_cpu_ms=1e3 * unwanted,
        edge_resident_mb=edge_after.resident_bytes / 1e6,
        cloud_resident_mb=cloud_after.resident_bytes / 1e6,
        coded_bytes=sum(one.coded_bytes for one in coded) / len(coded),
        wire_bytes=wire / len(coded),
        delay_p50_ms=1e3 * float(p50),
        delay_p95_ms=1e3 * float(p95),
    )


def table(costs: Sequence[Cost]) -> str:
    """Markdown, a row for each number of cameras."""
    lines = [
        "| cameras | frames coded | edge, CPU ms a frame | cloud, CPU ms a frame | edge, CPU ms a frame not wanted | edge, MB | cloud, MB "
        "| coded bytes a frame | wire bytes a frame | delay p50, ms | p95, ms |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {c.cameras} | {c.coded} of {c.frames} | {c.edge_cpu_ms:.0f} | {c.cloud_cpu_ms:.0f} | {c.not_wanted_edge_cpu_ms:.1f} "
        f"| {c.edge_resident_mb:.0f} | {c.cloud_resident_mb:.0f} | {c.coded_bytes:.0f} | {c.wire_bytes:.0f} "
        f"| {c.delay_p50_ms:.0f} | {c.delay_p95_ms:.0f} |"
        for c in costs
    ]
    return "\n".join(lines)


def draw(costs: Sequence[Cost], fps: float, path: Path) -> None:
    """How processor time, memory and delay grow with the number of cameras."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    cameras = [cost.cameras for cost in costs]
    shown = (
        ("processor time of a coded frame", "ms", {"edge": "edge_cpu_ms", "cloud": "cloud_cpu_ms"}),
        ("resident memory", "MB", {"edge": "edge_resident_mb", "cloud": "cloud_resident_mb"}),
        ("delay from post to result", "ms", {"median": "delay_p50_ms", "95th percentile": "delay_p95_ms"}),
    )
    for panel, (title, unit, lines) in zip(panels, shown, strict=True):
        for label, name in lines.items():
            panel.plot(cameras, [getattr(cost, name) for cost in costs], "o-", label=label)
        panel.set(xscale="log", xlabel="cameras", ylabel=unit, title=title, ylim=(0, None))
        panel.grid(alpha=0.3)
        panel.legend()
    figure.suptitle(
        f"{fps:g} frames a second over all cameras, one edge and one cloud on two shared cores", fontsize=10
    )
    figure.savefig(path, dpi=110, metadata={"Software": None})


async def run(cameras: Sequence[int], fps: float) -> list[Cost]:
    """Measures every number of cameras in turn, and prints each row when it is there."""
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for count in cameras:
            costs.append(await measured(Path(folder), count, fps))
            print(table(costs).splitlines()[-1], flush=True)
    return costs


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fps", type=float, default=5.0, help="frames a second, of all cameras together (default: 5)")
    parser.add_argument(
        "--cameras", type=int, nargs="+", default=CAMERAS, help="numbers of cameras (default: 1 10 100 1000)"
    )
    parser.add_argument("--json", type=Path, default=Path("docs/sizing.json"), help="where the figures go")
    parser.add_argument(
        "--report-only", action="store_true", help="print the table and draw the figure again, without measuring"
    )
    arguments = parser.parse_args()
    if not arguments.report_only:
        costs = asyncio.run(run(arguments.cameras, arguments.fps))
        document = {"fps": arguments.fps, "costs": [asdict(cost) for cost in costs]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    document = json.loads(arguments.json.read_text())
    costs = [Cost(**cost) for cost in document["costs"]]
    print(table(costs))
    draw(costs, document["fps"], FIGURE)


if __name__ == "__main__":
    main()
