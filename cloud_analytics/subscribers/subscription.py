"""One subscriber's stream: its feed's frames, with the outputs that it asked for.

    Feed --take--> Received --Recent.outputs, a few frames ahead--> FrameOutput --next-->

Laws: outputs come in the feed's order; `next` may be cancelled at any time and has then taken nothing; after `change` has returned, every
frame is as the new wish asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cloud_analytics.frames import FrameOutput, Lost, Received
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.rendering.render import Style
from cloud_analytics.results.bus import Feed, ResultBus
from cloud_analytics.results.cache import ResultCache
from cloud_analytics.wishes import Wishes
from shared.contract.wishes import SubscriberWish
from shared.errors import BadRequest

AHEAD = 8
"""Frames whose outputs are made before they are asked for: a replay then fills batches."""


@dataclass
class _Ahead:
    """What comes next: a loss, or a frame and the work that makes its outputs."""

    item: Received | Lost
    output: asyncio.Task[FrameOutput] | None
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, eq=False)
class Outlets:
    """What all subscriptions share."""

    bus: ResultBus
    recent: ResultCache
    wishes: Wishes
    metrics: CloudMetrics


class Subscription:
    """Made by `Subscriptions`. changed, closed: tell it about a new wish and about the end."""

    def __init__(
        self,
        wish: SubscriberWish,
        feed: Feed,
        outlets: Outlets,
        changed: Callable[[Subscription, SubscriberWish], None],
        closed: Callable[[Subscription, bool], Awaitable[None]],
    ) -> None:
        self._wish = wish
        self._feed = feed
        self._outlets = outlets
        self._changed = changed
        self._closed = closed
        self._ahead: deque[_Ahead] = deque()
        self._open = True

    @property
    def wish(self) -> SubscriberWish:
        """What it wants now."""
        return self._wish

    @property
    def cursor(self) -> str:
        """Where the stream is, for a client that has had nothing yet."""
        return self._feed.cursor

    async def change(self, wish: SubscriberWish) -> None:
        """Another wish from the next frame on; its cursor is not looked at. Raises UnknownCamera, UnknownName, BadRequest."""
        if wish.subscription_id != self._wish.subscription_id:
            raise BadRequest(f"this stream is the subscription {self._wish.subscription_id}; open another for another")
        self._changed(self, wish)
        self._wish = wish
        self._feed.choose(wish.cameras)
        ahead, self._ahead = self._ahead, deque()
        for one in ahead:
            if one.output is not None:
                one.output.cancel()
            if isinstance(one.item, Lost) or not wish.cameras or one.item.packet.camera_id in wish.cameras:
                self._ahead.append(self._started(one.item))
        await self._outlets.wishes.written()

    async def next(self) -> FrameOutput | Lost:
        """What comes next, as soon as it is there. Raises Superseded or Draining when the stream was ended from here."""
        while True:
            self._fill()
            if not self._ahead:
                await self._feed.wait()
                continue
            first = self._ahead[0]
            if first.output is not None:
                await asyncio.wait({first.output})
                if not self._ahead or self._ahead[0] is not first:
                    continue
            self._ahead.popleft()
            if first.output is None:
                assert isinstance(first.item, Lost)
                return first.item
            self._outlets.metrics.results_delivered.inc()
            self._outlets.metrics.stage_seconds.labels("delivery").observe(time.monotonic() - first.since)
            return first.output.result()

    async def close(self, *, hold: bool) -> None:
        """Ends it; the wish stays for its `hold_seconds` where the connection broke, and else ends too."""
        if not self._open:
            return
        self.end(BadRequest("this subscription was closed"), drop=True)
        await self._closed(self, hold)

    def end(self, error: Exception, *, drop: bool) -> None:
        """`next` raises the error, at once (drop) or after what is queued."""
        if drop:
            self._open = False
            for one in self._ahead:
                if one.output is not None:
                    one.output.cancel()
            self._ahead.clear()
        self._feed.end(error, drop=drop)

    def _fill(self) -> None:
        while len(self._ahead) < AHEAD and (item := self._feed.take()) is not None:
            self._ahead.append(self._started(item))

    def _started(self, item: Received | Lost) -> _Ahead:
        if isinstance(item, Lost):
            return _Ahead(item, None)
        return _Ahead(item, asyncio.create_task(self._output(item, self._wish), name="output"))

    async def _output(self, received: Received, wish: SubscriberWish) -> FrameOutput:
        analysed, outputs = await self._outlets.recent.outputs(received, wish.tasks, Style.of(wish))
        return FrameOutput(
            received.packet,
            received.received_time_us,
            received.bundle_digest,
            analysed.groups,
            outputs,
            self._outlets.bus.cursor_of(received),
            analysed.error,
        )
