"""Bytes on the wire of the uplink (HTTP/2 framing included, TCP and IP not) against the coded bytes.

    python -m benchmarks.wire [--seconds 60]

Real edges and a real cloud, with a counting TCP link between them, one camera an edge, at 30 and at 1 frames a second,
the default operating point. Everything is counted from the connection's first byte on, in both directions:
handshake, frames, acks, credit, window updates.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.playing import paced, pictures
from taxon.client import CameraClient, Outcome
from tests.support.network import Link
from tests.support.services import ServiceProcess, running

RATES_FPS = (30, 1)
AIMS = {30: 1.15, 1: 1.35}


@dataclass(frozen=True)
class Wire:
    """What one camera's frames cost."""

    fps: int
    frames: int
    coded_bytes: int
    up_bytes: int
    down_bytes: int


async def measured(folder: Path, cloud: ServiceProcess, fps: int, seconds: float) -> Wire:
    """One edge with one camera of so many frames a second."""
    count = round(seconds * fps)
    async with Link(cloud.rpc_port) as link:
        edge = ServiceProcess(
            "edge",
            folder / f"edge-{fps}",
            ("--cloud", link.address, "--queue-depth", "64", "--threads", "1")
            + ("--pinned-groups", "semantic", "--pinned-groups", "geometry"),
        )
        async with running(edge):
            async with CameraClient(edge.rpc, f"camera-{fps}") as camera:
                receipts = [one async for one in camera.stream(paced(pictures(), count, fps), in_flight=64)]
            await edge.stop()
        coded = [one for one in receipts if one.outcome is Outcome.CODED]
        return Wire(fps, len(coded), sum(one.coded_bytes for one in coded), link.up_bytes, link.down_bytes)


async def run(seconds: float) -> None:
    """Measures all frame rates side by side and prints a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        cloud = ServiceProcess("cloud", Path(folder) / "cloud")
        async with running(cloud):
            found = await asyncio.gather(*(measured(Path(folder), cloud, fps, seconds) for fps in RATES_FPS))
    print(f"{'frames/s':>8} {'frames':>7} {'coded B':>9} {'up B':>9} {'down B':>9} {'wire/coded':>11} {'aim':>6}")
    for one in found:
        ratio = (one.up_bytes + one.down_bytes) / one.coded_bytes
        print(
            f"{one.fps:8d} {one.frames:7d} {one.coded_bytes:9d} {one.up_bytes:9d} {one.down_bytes:9d} "
            f"{ratio:10.3f}x {AIMS[one.fps]:5.2f}x"
        )


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each frame rate is measured")
    asyncio.run(run(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
