"""Edge and cloud as real processes over real sockets: every accepted frame's results arrive once and in order, and are
those of `taxon encode` and `taxon run`; also when the cloud or the edge is killed in mid-stream, or the link is cut.

Frames: the kitchen clip of the folder TAXON_DATA where there is one, else the shipped clips.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results as results_of
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.client import (
    CameraClient,
    CameraFrame,
    ClassesResult,
    Outcome,
    Receipt,
    Result,
    Subscriber,
    TensorResult,
    Wish,
)
from tests.support.network import Link
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("class_scene", "class_object", "segment_semantic", "normal", "reshading", "principal_curvature")
CAMERAS = ("left", "middle", "right")
KEEP_ALL = ("--queue-policy", "all", "--queue-depth", "16")
FRAMES = 500
OUTAGE_FRAMES = 60
PATIENCE_SECONDS = 240.0


def clip() -> list[Path]:
    """The clip's pictures, in order."""
    kitchen = Path(os.environ.get("TAXON_DATA", "/nowhere")) / "kitchen_clip" / "rgb"
    found = sorted(kitchen.glob("*.jpg"))
    return found or sorted((ROOT / "samples").glob("*/*.jpg"))


def pictures(count: int) -> list[bytes]:
    """That many frames, the clip again and again."""
    paths = clip()
    return [paths[index % len(paths)].read_bytes() for index in range(count)]


class Watcher:
    """A subscriber that keeps what it gets, in the order of its coming."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.results: dict[str, list[Result]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watcher:
        await self.subscriber.__aenter__()
        self._task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.subscriber.__aexit__(None, None, None)

    def sequences(self) -> dict[str, list[int]]:
        return {camera: [result.sequence for result in found] for camera, found in self.results.items()}

    async def has(self, wanted: dict[str, list[int]], patience: float = PATIENCE_SECONDS) -> None:
        """Waits until that many results have come; the caller compares."""
        async with asyncio.timeout(patience):
            while any(len(self.results[camera]) < len(sequences) for camera, sequences in wanted.items()):
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                self._changed.clear()
                await self._changed.wait()

    async def _collect(self) -> None:
        async for result in self.subscriber:
            self.results[result.camera_id].append(result)
            self._changed.set()


async def wanted_by_somebody(edge: ServiceProcess, picture: bytes) -> None:
    """Waits until the edge knows that somebody subscribes: its first coded frame, of a camera for that alone."""
    async with CameraClient(edge.rpc, "probe") as camera:
        async with asyncio.timeout(30):
            while (await camera.post(picture)).outcome is not Outcome.CODED:
                await asyncio.sleep(0.1)


async def play(edge: ServiceProcess, camera_id: str, frames: Sequence[bytes], pause: float = 0.0) -> list[Receipt]:
    """Posts the frames, several in flight, and returns their receipts."""

    async def paced() -> AsyncIterator[CameraFrame]:
        for frame in frames:
            yield CameraFrame(frame)
            await asyncio.sleep(pause)

    async with CameraClient(edge.rpc, camera_id) as camera:
        return [receipt async for receipt in camera.stream(paced(), in_flight=4)]


def accepted(receipts: Sequence[Receipt]) -> list[int]:
    """The sequences of the coded frames; a repeated post counts once."""
    return list(dict.fromkeys(receipt.sequence for receipt in receipts if receipt.outcome is Outcome.CODED))


def subscriber(cloud_address: str, tasks: Sequence[str] = ("class_scene", "normal"), longest: int = 0) -> Subscriber:
    return Subscriber(cloud_address, Wish(tasks=tuple(tasks), longest_side_pixels=longest, top_classes=10))


@pytest.mark.asyncio
async def test_every_result_once_in_order_and_equal_to_the_commands(tmp_path: Path) -> None:
    cloud = ServiceProcess("cloud", tmp_path / "cloud")
    edge = ServiceProcess("edge", tmp_path / "edge", (*KEEP_ALL, "--cloud", cloud.rpc))
    frames = pictures(FRAMES)
    shares = {camera: frames[index :: len(CAMERAS)] for index, camera in enumerate(CAMERAS)}
    async with running(cloud, edge), Watcher(subscriber(cloud.rpc, TASKS)) as watcher:
        await wanted_by_somebody(edge, frames[0])
        receipts = dict(zip(CAMERAS, await asyncio.gather(*(play(edge, camera, shares[camera]) for camera in CAMERAS))))
        posted = {camera: accepted(found) for camera, found in receipts.items()}
        assert {camera: len(found) for camera, found in posted.items()} == {c: len(shares[c]) for c in CAMERAS}
        await watcher.has(posted)
        assert {camera: watcher.sequences()[camera] for camera in CAMERAS} == posted
        assert watcher.subscriber.lost == 0
        assert (await edge.stop(), await cloud.stop()) == (0, 0)
    bitstreams = journalled(cloud)
    results: dict[bytes, list[Result]] = defaultdict(list)
    for camera in CAMERAS:
        for picture, result in zip(shares[camera], watcher.results[camera], strict=True):
            results[picture].append(result)
    check = Expected()
    for picture, found in results.items():
        check.equal(picture, [(result, bitstreams[result.camera_id, result.sequence]) for result in found])


def journalled(cloud: ServiceProcess) -> dict[tuple[str, int], bytes]:
    """The bitstreams that the cloud received, from its journal."""
    (path,) = [path for path in (cloud.folder / "data").iterdir() if path.suffix in (".sqlite", ".sqlite3", ".db")]
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            "SELECT cameras.name, sequence, bitstream FROM frames JOIN cameras ON cameras.number = frames.camera"
        ).fetchall()
    return {(camera, sequence): bitstream for camera, sequence, bitstream in rows}


class Expected:
    """What `taxon encode` and `taxon run` make of a picture, once for each picture."""

    def __init__(self) -> None:
        bundle = Bundle.load(SHIPPED_BUNDLE)
        self._encoder, self._decoder = Encoder(bundle), Decoder(bundle)
        self._groups = [group.name for group in bundle.manifest.groups]
        self._rate = bundle.manifest.default_rate
        self._size = bundle.manifest.input

    def equal(self, picture: bytes, found: Sequence[tuple[Result, bytes]]) -> None:
        """Asserts of all results of a picture that symbols are equal, classes nearly so, and dense results within one 8-bit level."""
        coded = self._encoder.encode(preprocess(picture, self._size).pixels, self._groups, self._rate).bitstream
        latents = self._decoder.latents(coded)
        expected = {one.task.name: one.values[0] for one in results_of(self._decoder, [coded], TASKS)}
        for result, bitstream in found:
            assert not result.error
            for name, received in self._decoder.latents(bitstream).items():
                assert np.array_equal(latents[name].z, received.z), f"{name}: z"
                assert np.array_equal(latents[name].v, received.v), f"{name}: v"
            assert bitstream == coded
            assert result.coded_bytes == len(coded)
            assert {task.task for task in result.tasks} == set(TASKS)
            for task in result.tasks:
                self._task_equal(expected[task.task], task)

    @staticmethod
    def _task_equal(expected: np.ndarray, task: object) -> None:
        if isinstance(task, ClassesResult):
            for one in task.classes:
                assert abs(one.probability - float(expected[one.index])) < 1e-4
            return
        assert isinstance(task, TensorResult)
        assert task.values.shape == expected.shape
        if task.task == "segment_semantic":
            assert (task.values != expected).mean() < 1e-3, "class ids differ by rounding alone"
            return
        level = (1 if task.task == "reshading" else 2) / 255
        assert np.abs(task.values - expected).max() <= level, task.task


@pytest.mark.asyncio
async def test_the_cloud_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def outage(cloud: ServiceProcess, edge: ServiceProcess, link: Link) -> None:
        await cloud.kill()
        await asyncio.sleep(10)
        await cloud.start()

    await survives(tmp_path, outage)


@pytest.mark.asyncio
async def test_the_edge_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def outage(cloud: ServiceProcess, edge: ServiceProcess, link: Link) -> None:
        await edge.kill()
        await asyncio.sleep(2)
        await edge.start()

    await survives(tmp_path, outage)


@pytest.mark.asyncio
async def test_the_link_is_cut_for_thirty_seconds(tmp_path: Path) -> None:
    async def outage(cloud: ServiceProcess, edge: ServiceProcess, link: Link) -> None:
        link.cut()
        await asyncio.sleep(30)
        link.mend()

    await survives(tmp_path, outage)


async def survives(folder: Path, outage: Callable[[ServiceProcess, ServiceProcess, Link], Awaitable[None]]) -> None:
    """Cameras go on posting through an outage; every accepted frame's result comes once, in order, within the patience."""
    cloud = ServiceProcess("cloud", folder / "cloud")
    frames = pictures(OUTAGE_FRAMES)
    async with Link(cloud.rpc_port) as link:
        edge = ServiceProcess("edge", folder / "edge", (*KEEP_ALL, "--cloud", link.address))
        async with running(cloud, edge), Watcher(subscriber(cloud.rpc, longest=32)) as watcher:
            await wanted_by_somebody(edge, frames[0])
            cameras = [asyncio.create_task(play(edge, camera, frames, pause=0.2)) for camera in CAMERAS]
            await asyncio.sleep(3)
            await outage(cloud, edge, link)
            receipts = dict(zip(CAMERAS, await asyncio.gather(*cameras)))
            posted = {camera: accepted(found) for camera, found in receipts.items()}
            assert {camera: len(found) for camera, found in posted.items()} == dict.fromkeys(CAMERAS, len(frames))
            await watcher.has(posted)
            assert {camera: watcher.sequences()[camera] for camera in CAMERAS} == posted
            assert watcher.subscriber.lost == 0
