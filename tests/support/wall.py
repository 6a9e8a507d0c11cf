"""Cameras, edge and cloud in one process, for tests of the wall alone: real pictures, coded, decoded and analysed for real
by a bundle, and only for those groups that a subscription wants. Cameras can be stopped and edges cut at will.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import TaskResult, results
from cloud_analytics.frames import FrameResult, Lost, TaskOutput
from cloud_analytics.rendering.pictures import (
    curvature_picture,
    normal_picture,
    reshading_picture,
    segmentation_picture,
)
from cloud_analytics.rendering.render import ranked
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.codec.bitstream import parse
from shared.contract.descriptions import BundleInfo, CameraInfo, TaskInfo
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, GroupBytes, PictureResult
from shared.contract.wishes import SubscriberWish
from shared.errors import TaxonError, UnknownCamera
from shared.model.bundle import Bundle
from shared.model.tasks import task_named

DRAWN: Mapping[str, Callable[[Any], Image.Image]] = {
    "segment_semantic": segmentation_picture,
    "normal": normal_picture,
    "reshading": reshading_picture,
    "principal_curvature": curvature_picture,
}


@dataclass
class Feed:
    """A camera whose pictures are played in a loop while it runs."""

    pictures: Sequence[Path]
    running: bool = True
    connected: bool = True
    sequence: int = 0
    captured_us: int = 0
    received_us: int = 0


@dataclass(eq=False)
class Stream:
    """A subscription."""

    feeder: Feeder
    wish: SubscriberWish
    queue: asyncio.Queue[FrameResult | Lost | TaxonError] = field(default_factory=lambda: asyncio.Queue(100))

    async def change(self, wish: SubscriberWish) -> None:
        self.feeder.wishes.append(wish)
        self.wish = wish

    async def next(self) -> FrameResult | Lost:
        item = await self.queue.get()
        if isinstance(item, TaxonError):
            raise item
        return item

    async def close(self, *, hold: bool) -> None:
        assert not hold, "a wall leaves no wish behind"
        self.feeder.streams.remove(self)

    def wants(self, camera: str) -> frozenset[str]:
        return frozenset(self.wish.tasks) if not self.wish.cameras or camera in self.wish.cameras else frozenset()


class Feeder:
    """The part of the cloud that the wall speaks to. fps: the frames a second of each camera."""

    def __init__(self, bundle: Bundle, cameras: dict[str, Sequence[Path]], fps: float) -> None:
        self.bundle = bundle
        self.fps = fps
        self.feeds = {name: Feed(pictures) for name, pictures in cameras.items()}
        self.streams: list[Stream] = []
        self.wishes: list[SubscriberWish] = []
        self.refuse: TaxonError | None = None
        self._encoder, self._decoder = Encoder(bundle, threads=1), Decoder(bundle, threads=1)

    async def subscribe(self, wish: SubscriberWish) -> Stream:
        if self.refuse is not None:
            raise self.refuse
        for camera in wish.cameras:
            if camera not in self.feeds:
                raise UnknownCamera(camera, self.feeds)
        self.wishes.append(wish)
        self.streams.append(Stream(self, wish))
        return self.streams[-1]

    def cameras(self) -> tuple[CameraInfo, ...]:
        return tuple(
            CameraInfo(name, "door", feed.connected, feed.sequence, feed.captured_us, feed.received_us)
            for name, feed in self.feeds.items()
        )

    def describe(self) -> tuple[BundleInfo, ...]:
        manifest = self.bundle.manifest
        tasks = [(task_named(name), entry.labels) for name, entry in manifest.tasks.items()]
        served = tuple(
            TaskInfo(t.name, t.group, ",".join(map(str, t.shape[1:])), t.dtype, t.unit, labels) for t, labels in tasks
        )
        size = manifest.input
        return (BundleInfo(manifest.name, manifest.version, self.bundle.digest, size.width, size.height, served, ()),)

    def groups_wanted(self, camera: str) -> tuple[str, ...]:
        tasks = frozenset[str]().union(*(stream.wants(camera) for stream in self.streams))
        return tuple(group.name for group in self.bundle.manifest.groups if tasks & set(group.tasks))

    async def play(self) -> None:
        """Play all cameras until it is cancelled."""
        while True:
            started = time.monotonic()
            for name, feed in self.feeds.items():
                groups = self.groups_wanted(name)
                if feed.running and feed.connected and groups:
                    await self.frame(name, feed, groups)
            await asyncio.sleep(max(0.0, started + 1 / self.fps - time.monotonic()))

    async def frame(self, name: str, feed: Feed, groups: tuple[str, ...]) -> None:
        """Take one frame all its way, for every subscription."""
        captured_us = time.time_ns() // 1000
        streams = list(self.streams)
        tasks = frozenset[str]().union(*(stream.wants(name) for stream in streams))
        picture = feed.pictures[feed.sequence % len(feed.pictures)]
        feed.sequence += 1
        output = await asyncio.to_thread(
            self._analysed, name, feed.sequence, captured_us, picture.read_bytes(), groups, tasks
        )
        feed.captured_us, feed.received_us = captured_us, output.received_time_us
        for stream in streams:
            if stream.wish.cameras and name not in stream.wish.cameras:
                continue
            wanted = tuple(one for one in output.outputs if one.task in stream.wants(name))
            if not stream.queue.full():
                stream.queue.put_nowait(replace(output, outputs=wanted))

    def _analysed(
        self, name: str, sequence: int, captured_us: int, data: bytes, groups: tuple[str, ...], tasks: frozenset[str]
    ) -> FrameResult:
        manifest = self.bundle.manifest
        frame = preprocess(data, manifest.input)
        bitstream = self._encoder.encode(frame.pixels, groups, manifest.default_rate).bitstream
        substreams = parse(bitstream).substreams
        costs = tuple(
            GroupBytes(self.bundle.group_with_id(one.group_id).name, one.rate, one.size_bytes) for one in substreams
        )
        found = results(self._decoder, [bitstream], sorted(tasks))
        return FrameResult(
            Packet(name, sequence, captured_us, frame.geometry, bitstream),
            time.time_ns() // 1000,
            self.bundle.digest,
            costs,
            tuple(self._rendered(found)),
            f"{sequence}",
        )

    def _rendered(self, found: Sequence[TaskResult]) -> Iterator[TaskOutput]:
        for one in found:
            name, values = one.task.name, one.values[0]
            if one.task.is_dense:
                picture = DRAWN[name](values)
                picture.thumbnail((192, 192), Image.Resampling.NEAREST)
                buffer = BytesIO()
                picture.save(buffer, "PNG", compress_level=3)
                yield PictureResult(name, buffer.getvalue(), picture.width, picture.height)
            else:
                labels = self.bundle.manifest.tasks[name].labels
                yield ClassesResult(name, ranked(labels, values, 3))
