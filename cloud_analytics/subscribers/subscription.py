"""One subscriber's stream: the frames of its feed, with the outputs that it has asked for.

    Feed --take--> LoggedFrame --ResultBus.result, a few frames ahead--> FrameResult --next--> the subscriber

Laws: results come in the feed's order. `next` may be cancelled at any time and has then taken nothing. After `change`
has returned, every frame is as the new wish asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from cloud_analytics.frames import FrameResult, LoggedFrame, Lost
from cloud_analytics.results.bus import Feed, ResultBus
from cloud_analytics.wishes import Wishes
from shared.contract.wishes import SubscriberWish
from shared.errors import BadRequest

AHEAD = 8
"""How many frames are computed ahead of `next`, so that a replay fills batches. They come on top of the queue."""

_Ahead = tuple[LoggedFrame | Lost, "asyncio.Task[FrameResult] | None", float]
"""An item, the work that makes its result (None for a loss), and when the work began, in monotonic seconds."""


class Subscription:
    """One subscriber's stream, made by `Subscriptions`.

    on_change: is told of a new wish, and raises where the wish cannot be taken.
    on_close: is told of the end, and whether the wish is to be held.
    """

    def __init__(
        self,
        wish: SubscriberWish,
        feed: Feed,
        bus: ResultBus,
        wishes: Wishes,
        on_change: Callable[[Subscription, SubscriberWish], None],
        on_close: Callable[[Subscription, bool], Awaitable[None]],
    ) -> None:
        self._wish = wish
        self._feed = feed
        self._bus = bus
        self._wishes = wishes
        self._on_change = on_change
        self._on_close = on_close
        self._ahead: deque[_Ahead] = deque()
        self._is_open = True

    @property
    def wish(self) -> SubscriberWish:
        """The wish that holds now."""
        return self._wish

    @property
    def cursor(self) -> str:
        """The place of the stream, for a client that has had nothing yet."""
        return self._feed.cursor

    async def change(self, wish: SubscriberWish) -> None:
        """Take another wish, which holds from the next frame on; its cursor is not looked at.

        Raises UnknownCamera, UnknownName or BadRequest.
        """
        if wish.subscription_id != self._wish.subscription_id:
            raise BadRequest(
                f"this stream is the subscription {self._wish.subscription_id}; open a new one for another"
            )
        self._on_change(self, wish)
        self._wish = wish
        self._feed.choose(wish.cameras)
        # What was taken from the feed already is kept, and made anew as the new wish asks.
        ahead, self._ahead = self._ahead, deque()
        for item, result, _ in ahead:
            if result is not None:
                result.cancel()
            if isinstance(item, Lost) or not wish.cameras or item.camera_id in wish.cameras:
                self._ahead.append(self._started(item))
        await self._wishes.written()

    async def next(self) -> FrameResult | Lost:
        """Return what comes next, as soon as it is there. Raises the reason of `end`, for example Draining."""
        while True:
            while len(self._ahead) < AHEAD and (item := self._feed.take()) is not None:
                self._ahead.append(self._started(item))
            if not self._ahead:
                await self._feed.wait()
                continue
            first = self._ahead[0]
            item, result, since = first
            if result is not None:
                await asyncio.wait({result})
                # A change of the wish may have replaced it meanwhile.
                if not self._ahead or self._ahead[0] is not first:
                    continue
            self._ahead.popleft()
            if result is None:
                assert isinstance(item, Lost)
                return item
            metrics = self._bus.metrics
            metrics.results_delivered.inc()
            metrics.stage_seconds.labels("delivery").observe(time.monotonic() - since)
            return result.result()

    async def close(self, *, hold: bool) -> None:
        """End the stream. hold: the connection broke, so the wish stays for its `hold_seconds`; else it ends too."""
        if not self._is_open:
            return
        self.end(BadRequest("this subscription was closed"), drop=True)
        await self._on_close(self, hold)

    def end(self, error: Exception, *, drop: bool) -> None:
        """Let `next` raise the error: at once where what is queued is dropped, else after it."""
        if drop:
            self._is_open = False
            for _, result, _ in self._ahead:
                if result is not None:
                    result.cancel()
            self._ahead.clear()
        self._feed.end(error, drop=drop)

    def _started(self, item: LoggedFrame | Lost) -> _Ahead:
        result = None
        if isinstance(item, LoggedFrame):
            result = asyncio.create_task(self._bus.result(item, self._wish), name="output")
        return item, result, time.monotonic()
