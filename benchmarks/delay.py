"""Delay from post to result at 1, 10 and 30 frames a second, and how it compares with the bare networks' own time for a frame.

    python -m benchmarks.delay [--seconds 15]

One camera, a real edge and a real cloud on this machine, a subscriber of all six tasks (dense ones as tensors of 64
pixels). The last column is the median against the time that encoder, decoder and all heads
take for one frame in this process, measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.playing import TASK_NAMES, paced, pictures
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.client import CameraClient, Outcome, Subscriber, Wish
from tests.support.services import ServiceProcess, running

RATES_FPS = (1, 10, 30)
WARM_FRAMES = 5


def network_seconds(turns: int = 30) -> float:
    """The median time of one frame through every network, nothing else running."""
    bundle = Bundle.load(SHIPPED_BUNDLE)
    encoder, decoder = Encoder(bundle), Decoder(bundle)
    pixels = preprocess(pictures()[0], bundle.manifest.input).pixels
    times = []
    for _ in range(turns):
        begun = time.perf_counter()
        coded = encoder.encode(pixels, [group.name for group in bundle.manifest.groups], bundle.manifest.default_rate)
        results(decoder, [coded.bitstream], TASK_NAMES)
        times.append(time.perf_counter() - begun)
    return float(np.median(times[WARM_FRAMES:]))


async def delays(cloud: ServiceProcess, edge: ServiceProcess, fps: int, seconds: float) -> tuple[list[float], int]:
    """Seconds from post to result, and how many frames were not coded."""
    frames, count = pictures(), round(seconds * fps)
    name = f"camera-{fps}"
    arrived: dict[int, float] = {}
    subscriber = Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=64))
    async with subscriber, CameraClient(edge.rpc, name) as camera:

        async def collect() -> None:
            async for result in subscriber:
                if result.camera_id == name:
                    arrived[result.capture_time_us] = time.time()

        collecting = asyncio.create_task(collect())
        while (await camera.post(frames[0])).outcome is not Outcome.CODED:
            await asyncio.sleep(0.2)
        receipts = [receipt async for receipt in camera.stream(paced(frames, count, fps), in_flight=64)]
        coded = [receipt for receipt in receipts if receipt.outcome is Outcome.CODED]
        async with asyncio.timeout(60):
            while any(receipt.capture_time_us not in arrived for receipt in coded):
                await asyncio.sleep(0.05)
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
    found = [arrived[receipt.capture_time_us] - receipt.capture_time_us / 1e6 for receipt in coded]
    return found, len(receipts) - len(coded)


async def run(seconds: float) -> None:
    """Measures each frame rate in turn and prints a line for each."""
    alone = network_seconds()
    print(f"networks alone: {alone * 1e3:.1f} ms a frame")
    print(f"{'frames/s':>8} {'coded':>6} {'superseded':>11} {'p50 ms':>8} {'p95 ms':>8} {'p50/networks':>13}")
    with tempfile.TemporaryDirectory() as folder:
        cloud = ServiceProcess("cloud", Path(folder) / "cloud")
        edge = ServiceProcess("edge", Path(folder) / "edge", ("--cloud", cloud.rpc))
        async with running(cloud, edge):
            for fps in RATES_FPS:
                found, missing = await delays(cloud, edge, fps, seconds)
                p50, p95 = np.percentile(found[min(WARM_FRAMES, len(found) - 1) :], [50, 95])
                print(f"{fps:8d} {len(found):6d} {missing:11d} {p50 * 1e3:8.0f} {p95 * 1e3:8.0f} {p50 / alone:12.2f}x")


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each frame rate is measured")
    asyncio.run(run(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
