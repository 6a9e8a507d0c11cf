"""See the package: measures, draws, judges; one summary line last."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import benchmarks.load
from benchmarks.load.generate import Generator, running_generator
from benchmarks.load.report import Load, Served, draw, read, row, summary, table
from tests.support.services import ServiceProcess, running

SHARES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5)
SPREAD_SHARES = (1.0, 2.0)
CURVE_CAMERAS = 10
SPREAD_CAMERAS = (1, 100, 1000)
"""Beside those of the curve."""
MANY = 100
MANY_LONGER = 3
"""So many cameras' queues take so much longer to fill."""
PARTS = 32
"""A measurement at one rate is this part of the whole, starts and drains included."""
WARM_SECONDS = 3.0
FIGURE = Path("docs/figures/load.png")


@asynccontextmanager
async def fresh(folder: Path, cameras: int) -> AsyncIterator[Generator]:
    """A new edge and a new cloud with so many cameras, warm."""
    cloud = ServiceProcess("cloud", folder / f"cloud-{cameras}")
    edge = ServiceProcess("edge", folder / f"edge-{cameras}", ("--cloud", cloud.rpc, "--most-cameras", str(cameras)))
    async with running(cloud, edge), running_generator(edge, cloud, cameras) as generator:
        await generator.until_wanted()
        await generator.capacity(WARM_SECONDS)  # the networks' first batches of every size
        yield generator


async def measured(seconds: float) -> Load:
    """Capacity, then every multiple of it, then every number of cameras; prints a line for each."""
    each = seconds / PARTS
    with tempfile.TemporaryDirectory() as folder:
        async with fresh(Path(folder), CURVE_CAMERAS) as generator:
            capacity = await generator.capacity(each)
            print(f"capacity {capacity:.1f} frames/s, {CURVE_CAMERAS} cameras", flush=True)
            curve = [_told(await generator.at(share * capacity, each, share)) for share in SHARES]
        spread = []
        for cameras in SPREAD_CAMERAS:
            async with fresh(Path(folder), cameras) as generator:
                for share in SPREAD_SHARES:
                    longer = MANY_LONGER if cameras >= MANY and share > 1 else 1
                    spread.append(_told(await generator.at(share * capacity, longer * each, share)))
    return Load(seconds, capacity, tuple(curve), tuple(spread))


def _told(one: Served) -> Served:
    print(row(one), flush=True)
    return one


def main() -> None:
    """Parses and runs; exits with 1 where a law was broken."""
    parser = argparse.ArgumentParser(
        description=benchmarks.load.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=480.0, help="about so long in all (default: 480)")
    parser.add_argument("--json", type=Path, default=Path("docs/load.json"), help="where the figures go")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="where the picture goes")
    parser.add_argument("--report-only", action="store_true", help="draw and judge again, without measuring")
    arguments = parser.parse_args()
    if not arguments.report_only:
        document = json.dumps(asdict(asyncio.run(measured(arguments.seconds))), indent=1)
        arguments.json.write_text(document + "\n")
    load = read(arguments.json)
    draw(load, arguments.figure)
    print(table(load))
    print(summary(load))
    sys.exit(bool(load.broken()))


if __name__ == "__main__":
    main()
