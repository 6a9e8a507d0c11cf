"""Keeps a page's subscriptions as its plan says, and hands their frames on.

    Plan --follow--> one Subscription for all cameras, one for each camera with more --FrameResult | Lost--> deliver

Law: a closed page leaves no wish behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloud_analytics.frames import FrameResult, Lost
from cloud_analytics.wall.limits import WallLimits
from cloud_analytics.wall.switches import Plan, Tasks
from shared.contract.descriptions import BundleInfo, CameraInfo
from shared.contract.results import Encoding
from shared.contract.wishes import SubscriberWish
from shared.errors import UnknownCamera

_ALL = ""


class FrameStream(Protocol):
    """One subscription of the cloud."""

    async def change(self, wish: SubscriberWish) -> None:
        """Replace the wish without a gap."""

    async def next(self) -> FrameResult | Lost:
        """Wait for the next frame, or for word that some were lost."""

    async def close(self, *, hold: bool) -> None:
        """End the subscription; with `hold` the wish outlives it."""


class WallSource(Protocol):
    """The part of the cloud that a wall needs; `cloud_analytics.subscribers.subscriptions` has it."""

    async def subscribe(self, wish: SubscriberWish) -> FrameStream:
        """Open a subscription. Raises UnknownCamera, UnknownName, BadRequest, Busy."""

    def cameras(self) -> tuple[CameraInfo, ...]:
        """Return every camera that the cloud knows."""

    def describe(self) -> tuple[BundleInfo, ...]:
        """Return the bundles that are served, and their tasks."""


@dataclass
class _Open:
    stream: FrameStream
    pump: asyncio.Task[None]
    wish: SubscriberWish


class Follower:
    """The subscriptions of one page. group: runs the tasks that read them; one that fails ends the page."""

    def __init__(
        self,
        source: WallSource,
        name: str,
        limits: WallLimits,
        group: asyncio.TaskGroup,
        deliver: Callable[[FrameResult | Lost], None],
    ) -> None:
        self._source = source
        self._name = name
        self._limits = limits
        self._group = group
        self._deliver = deliver
        self._open: dict[str, _Open] = {}
        self._opened = 0

    async def follow(self, plan: Plan) -> None:
        """Bring the subscriptions to the plan. Raises what the cloud refuses; a camera that is gone is left out."""
        await self._wish(_ALL, plan.of_all)
        for camera, tasks in plan.of_single.items():
            with contextlib.suppress(UnknownCamera):
                await self._wish(camera, tasks)
        for camera in self._open.keys() - plan.of_single.keys() - {_ALL}:
            await self._end(camera)

    async def close(self) -> None:
        """End all subscriptions, and with them their wishes."""
        for key in tuple(self._open):
            await self._end(key)

    async def _wish(self, key: str, tasks: Tasks) -> None:
        known = self._open.get(key)
        if known is None:
            self._opened += 1
            wish = self._made(f"{self._name}.{self._opened}", key, tasks)
            stream = await self._source.subscribe(wish)
            pump = self._group.create_task(self._pump(stream), name=f"{wish.subscription_id} {key or 'all'}")
            self._open[key] = _Open(stream, pump, wish)
            return
        wish = self._made(known.wish.subscription_id, key, tasks)
        if wish != known.wish:
            await known.stream.change(wish)
            known.wish = wish

    def _made(self, subscription_id: str, key: str, tasks: Tasks) -> SubscriberWish:
        return SubscriberWish(
            subscription_id=subscription_id,
            cameras=() if key == _ALL else (key,),
            tasks=tuple(sorted(tasks)),
            encoding=Encoding.PNG,
            longest_side_pixels=self._limits.longest_side_pixels,
            top_classes=self._limits.top_classes,
        )

    async def _pump(self, stream: FrameStream) -> None:
        while True:
            self._deliver(await stream.next())

    async def _end(self, key: str) -> None:
        ended = self._open.pop(key)
        ended.pump.cancel()
        await asyncio.wait({ended.pump})
        await ended.stream.close(hold=False)
