"""Frames a second that a cloud takes when nobody subscribes: uplink, journal or NATS, acknowledgement, and no network run.

    python -m benchmarks.intake [--frames 6000]

What a cloud must do for every frame of every camera, whoever wants it, is what bounds one installation (docs/sizing.md). Frames that were
coded before are sent over real uplinks by a few edges of many cameras: to a cloud with its own journal, to one on NATS, and to one of two
on NATS, of which the other reads along. Processor time is each process's own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.sizing import usage
from shared.contract.packets import Packet
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from tests.support.clients import SmallEdge, coded_packets
from tests.support.nats import NatsServer
from tests.support.services import ServiceProcess, running

EDGES, CAMERAS_EACH, AT_ONCE = 4, 25, 50
CREDIT_FRAMES = 2000
KEPT_SECONDS = 90.0


def packets_of(samples: Sequence[Packet], edge: int, count: int) -> list[Packet]:
    """`count` frames of an edge's cameras, which take turns."""
    return [
        replace(
            samples[i % len(samples)], camera_id=f"camera-{edge}-{i % CAMERAS_EACH}", sequence=1 + i // CAMERAS_EACH
        )
        for i in range(count)
    ]


async def measure(
    clouds: Sequence[ServiceProcess], nats: NatsServer | None, bundle: Bundle, samples: Sequence[Packet], frames: int
) -> str:
    """Delivers `frames` frames to the first cloud until all are acknowledged; a line of figures."""
    share = frames // EDGES
    processes: list[ServiceProcess | NatsServer] = [*clouds, *([nats] if nats else [])]
    async with AsyncExitStack() as stack:
        edges = [
            await stack.enter_async_context(SmallEdge(clouds[0].rpc, bundle.digest, f"edge-{i}")) for i in range(EDGES)
        ]
        before, began = [usage(one).cpu_seconds for one in processes], time.monotonic()
        work = (edge.deliver(packets_of(samples, i, share), AT_ONCE) for i, edge in enumerate(edges))
        await asyncio.gather(*work)
        seconds = time.monotonic() - began
        await asyncio.sleep(1.0)  # the one that reads along comes to the end
        spent = [1e3 * (usage(one).cpu_seconds - b) / (share * EDGES) for one, b in zip(processes, before, strict=True)]
        waits = await clouds[0].metric("taxon_cloud_bus_waits_total")
        kept = await bytes_kept(clouds[0], share * EDGES)
    names = ("cloud", *("reading along" for _ in clouds[1:]), *(["NATS"] if nats else []))
    costs = ", ".join(f"{name} {one:.3f}" for name, one in zip(names, spent, strict=True))
    return (
        f"{share * EDGES / seconds:6.0f} frames/s, CPU ms a frame: {costs}; {kept:.0f} bytes kept a frame; "
        f"{waits:.0f} waits for a slower replica"
    )


async def bytes_kept(cloud: ServiceProcess, frames: int) -> float:
    """Of a frame, in journal or stream, whose size is looked at now and then."""
    async with asyncio.timeout(KEPT_SECONDS):
        while await cloud.metric("taxon_cloud_journal_frames") < frames:
            await asyncio.sleep(0.5)
    return await cloud.metric("taxon_cloud_journal_bytes") / frames


async def run(frames: int) -> None:
    """The three in turn."""
    bundle = Bundle.load(SHIPPED_BUNDLE)
    samples = coded_packets(bundle, "sample", 8)
    print(f"frames of {sum(len(one.bitstream) for one in samples) / len(samples):.0f} bytes", flush=True)
    options = ("--credit-frames", str(CREDIT_FRAMES), "--threads", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        alone = ServiceProcess("cloud", path / "alone", options)
        async with running(alone):
            print(f"own journal           {await measure([alone], None, bundle, samples, frames)}", flush=True)
        for replicas in (1, 2):
            nats = NatsServer(path / f"nats-{replicas}")
            await nats.start()
            try:
                shared = (*options, "--bus", nats.url)
                clouds = [ServiceProcess("cloud", path / f"cloud-{replicas}-{i}", shared) for i in range(replicas)]
                async with running(*clouds):
                    print(
                        f"NATS, {replicas} replica(s)    {await measure(clouds, nats, bundle, samples, frames)}",
                        flush=True,
                    )
            finally:
                await nats.kill()


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000, help="frames of each measurement (default: 6000)")
    asyncio.run(run(parser.parse_args().frames))


if __name__ == "__main__":
    main()
