"""Frames per second of the edge, and from end to end, against the bare networks on the same cores in the same run.

    python -m benchmarks.throughput [--frames 200]

    edge        from post to receipt over gRPC (JPEG decode, networks, entropy coding, spool) against the encoder's networks
    end to end  edge and cloud side by side, until the last of six results is delivered, against all networks in turn

Each is measured in turns (networks, service, networks, ...) and the medians of the turns are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.playing import TASK_NAMES, pictures
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.client import CameraClient, CameraFrame, Outcome, Subscriber, Wish
from tests.support.services import ServiceProcess, running

CAMERAS = 3
TURNS = 3
BATCHES = (1, 8)


class Networks:
    """The bundle's networks in this process, with nothing around them."""

    def __init__(self) -> None:
        bundle = Bundle.load(SHIPPED_BUNDLE)
        self.encoder, self.decoder = Encoder(bundle), Decoder(bundle)
        self.groups = [group.name for group in bundle.manifest.groups]
        self.rate = bundle.manifest.default_rate
        self.pixels = preprocess(pictures()[0], bundle.manifest.input).pixels[None]
        self.bitstream = self.encoder.encode(self.pixels[0], self.groups, self.rate).bitstream

    def encoder_seconds(self, frames: int, batch: int) -> float:
        """A frame's time through backbone and group encoders, `batch` frames at a time."""
        pixels = np.repeat(self.pixels, batch, axis=0)
        begun = time.perf_counter()
        for _ in range(frames // batch):
            self.encoder.analyse(pixels, self.groups, self.rate)
        return (time.perf_counter() - begun) / (frames // batch * batch)

    def all_seconds(self, frames: int) -> float:
        """A frame's time through these, the group decoders and all heads."""
        begun = time.perf_counter()
        for _ in range(frames):
            self.encoder.analyse(self.pixels, self.groups, self.rate)
            results(self.decoder, [self.bitstream], TASK_NAMES)
        return (time.perf_counter() - begun) / frames


async def post_all(edge: ServiceProcess, frames: int, turn: str) -> int:
    """Cameras post side by side, at full speed; the number of coded frames."""

    async def one(camera_id: str, share: Sequence[bytes]) -> int:
        async def stream() -> AsyncIterator[CameraFrame]:
            for picture in share:
                yield CameraFrame(picture)

        async with CameraClient(edge.rpc, camera_id) as camera:
            receipts = [receipt async for receipt in camera.stream(stream(), in_flight=8)]
        return sum(receipt.outcome is Outcome.CODED for receipt in receipts)

    shown = pictures()
    share = [shown[index % len(shown)] for index in range(frames // CAMERAS)]
    return sum(await asyncio.gather(*(one(f"{turn}-{number}", share) for number in range(CAMERAS))))


async def edge_seconds(edge: ServiceProcess, frames: int, turn: int) -> float:
    """A frame's time through the edge."""
    begun = time.perf_counter()
    coded = await post_all(edge, frames, f"edge-{turn}")
    return (time.perf_counter() - begun) / coded


async def service_seconds(cloud: ServiceProcess, edge: ServiceProcess, frames: int, turn: int) -> float:
    """A frame's time from post to delivery, edge and cloud overlapping."""
    seen = 0
    subscriber = Subscriber(cloud.rpc, Wish(tasks=TASK_NAMES, longest_side_pixels=64))
    async with subscriber:
        begun = time.perf_counter()
        posting = asyncio.create_task(post_all(edge, frames, f"all-{turn}"))
        async with asyncio.timeout(300):
            async for _ in subscriber:
                seen += 1
                if posting.done() and seen >= posting.result():
                    break
        return (time.perf_counter() - begun) / seen


async def run(frames: int) -> None:
    """Measures in turns and prints the two ratios."""
    networks = Networks()
    networks.all_seconds(5)
    keep = ("--queue-policy", "all", "--queue-depth", "64", "--spool-sync", "normal")
    pinned = ("--pinned-groups", "semantic", "--pinned-groups", "geometry")
    bare: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    edge_alone: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    every, end_to_end = [], []
    with tempfile.TemporaryDirectory() as folder:
        for batch in BATCHES:
            options = (*keep, *pinned, "--cloud", "127.0.0.1:9", "--most-batch", str(batch))
            lonely = ServiceProcess("edge", Path(folder) / f"lonely-{batch}", options)
            async with running(lonely):
                await edge_seconds(lonely, frames // 4, -1)
                for turn in range(TURNS):
                    bare[batch].append(networks.encoder_seconds(frames // 2, batch))
                    edge_alone[batch].append(await edge_seconds(lonely, frames, turn))
        cloud = ServiceProcess("cloud", Path(folder) / "cloud")
        edge = ServiceProcess("edge", Path(folder) / "edge", (*keep, *pinned, "--cloud", cloud.rpc))
        async with running(cloud, edge):
            await service_seconds(cloud, edge, frames // 4, -1)
            for turn in range(TURNS):
                every.append(networks.all_seconds(frames // 2))
                end_to_end.append(await service_seconds(cloud, edge, frames, turn))
    for batch in BATCHES:
        report(f"edge, batches of at most {batch}", edge_alone[batch], f"encoder networks at {batch}", bare[batch])
    report("end to end", end_to_end, "all networks", every)


def report(what: str, seconds: Sequence[float], against: str, base: Sequence[float]) -> None:
    """One line: frames a second of both, and the ratio of their medians."""
    ours, theirs = float(np.median(seconds)), float(np.median(base))
    print(
        f"{what}: {1 / ours:.1f} frames/s ({ours * 1e3:.1f} ms a frame), {against} alone {1 / theirs:.1f} frames/s "
        f"({theirs * 1e3:.1f} ms): {ours / theirs:.2f}x the time"
    )


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=240, help="frames of each turn")
    asyncio.run(run(parser.parse_args().frames))


if __name__ == "__main__":
    main()
