"""The bus that carries results to the subscribers of this process: live queues in memory, replays from the frame log.

    DecodedFrame --publish--> ResultCache, and the SubscriberQueue of each live Feed
    Feed that is behind --replay from the log--> caught up --> live

The log is this process's own journal, or a stream that all replicas append to.
Laws: a feed gives each frame after its cursor once and in order, or counts it as lost. A feed that is too slow slows
nobody. Queues hold bitstreams; the numbers are in `ResultCache`. What `publish` has
returned for can be replayed for as long as the log keeps it.
"""

from __future__ import annotations

import asyncio
import time

from cloud_analytics.frames import DecodedFrame, FrameResult, LoggedFrame, Lost
from cloud_analytics.journal.frame_log import FrameLog
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.rendering.render import Style
from cloud_analytics.results.cache import ResultCache
from cloud_analytics.results.subscriber_queue import SubscriberQueue
from shared.contract.wishes import SubscriberWish
from shared.errors import LogUnavailable

REPLAY_FRAMES = 64
"""The frames that are read from the log at once."""
LOG_AWAY_SECONDS = 0.5
"""How long to wait before a log that could not be read is asked again."""


class ResultBus:
    """The bus of one cloud process. queue_frames: the most frames that wait for one live feed."""

    def __init__(self, frames: FrameLog, cache: ResultCache, queue_frames: int, metrics: CloudMetrics) -> None:
        self.frames = frames
        self._cache = cache
        self.queue_frames = queue_frames
        self.metrics = metrics
        self.live: dict[Feed, None] = {}
        # What was in the log before counts as published: it is replayed for whoever asks.
        self._published = frames.head
        metrics.watch_subscribers(lambda: sum(feed.waiting_frames for feed in self.live))

    @property
    def published(self) -> int:
        """The position of the last frame that was published."""
        return self._published

    def publish(self, decoded: DecodedFrame) -> None:
        """Give the next frame, in the log's order, to all live feeds. This never waits for a subscriber."""
        self._cache.put(decoded)
        self._published = decoded.frame.position
        self.metrics.results_published.inc()
        for feed in self.live:
            feed.offer(decoded.frame)

    def open(self, cursor: str, cameras: tuple[str, ...]) -> Feed:
        """Return a feed of what comes after the cursor, or from now on if it is empty.

        Raises BadRequest for what is no cursor.
        """
        if not cursor:
            return Feed(self, self._published, cameras, foreign=False)
        position = self.frames.position(cursor)
        # Of a cursor of another log only this is certain: all that this log holds came later.
        return Feed(self, position or 0, cameras, foreign=position is None)

    async def catch_up(self, cursor: str) -> None:
        """Catch up with the log as far as the cursor, which may be of a frame that only another replica knows yet.

        This is to be awaited before `open`. Raises LogUnavailable.
        """
        if cursor:
            await self.frames.catch_up(cursor)

    async def result(self, frame: LoggedFrame, wish: SubscriberWish) -> FrameResult:
        """Return the frame as the wish asks for it; what is missing is computed and rendered."""
        decoded, outputs = await self._cache.outputs(frame, wish.tasks, Style.of(wish))
        return FrameResult(
            frame.packet,
            frame.received_time_us,
            frame.bundle_digest,
            decoded.groups,
            outputs,
            self.frames.cursor(frame.position),
            decoded.error,
        )


class Feed:
    """One subscriber's frames: behind until its position is the bus's, then live.

    foreign: True where the client's cursor is of another log, so that nobody knows how many frames it has missed.
    """

    def __init__(self, bus: ResultBus, position: int, cameras: tuple[str, ...], foreign: bool) -> None:
        self._bus = bus
        self._metrics = bus.metrics
        self._position = position
        self._cameras = frozenset(cameras)
        self._queue = SubscriberQueue(bus.queue_frames, bus.metrics)
        self._live = False
        self._error: Exception | None = None
        self._something = asyncio.Event()
        if foreign:
            self._queue.lose_uncounted()
        else:
            self._go_live_if_level()

    @property
    def cursor(self) -> str:
        """The place of the feed in the log: a client gives it to go on from here."""
        return self._bus.frames.cursor(self._position)

    @property
    def waiting_frames(self) -> int:
        """The number of frames that wait for the subscriber."""
        return self._queue.waiting_frames

    def offer(self, frame: LoggedFrame) -> None:
        """Queue one more live frame; the bus calls this."""
        if frame.position <= self._position:
            # The client had this one from another replica, which was ahead of this one.
            return
        if self._cameras and frame.camera_id not in self._cameras:
            return
        self._queue.put(frame)
        self._something.set()

    def take(self) -> LoggedFrame | Lost | None:
        """Return what comes next; None if that is not there yet."""
        while (found := self._queue.take()) is not None:
            if isinstance(found, Lost):
                return found
            self._position = found.position
            # The wish may have changed since the frame was queued.
            if not self._cameras or found.camera_id in self._cameras:
                return found
        return None

    async def wait(self) -> None:
        """Return when `take` has something; raise what `end` was given. A wait that is cancelled has taken nothing."""
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._live:
                self._something.clear()
                await self._something.wait()
            elif not self._go_live_if_level():
                await self._read_on()

    def choose(self, cameras: tuple[str, ...]) -> None:
        """Give frames of these cameras from the next frame on; none named means all."""
        self._cameras = frozenset(cameras)

    def end(self, error: Exception, *, drop: bool) -> None:
        """Add nothing more, and let `wait` raise the error.

        drop: what is queued is thrown away; else it is given first.
        """
        self._error = error
        self._bus.live.pop(self, None)
        if drop:
            self._queue.clear()
        self._something.set()

    def _go_live_if_level(self) -> bool:
        """Go live where nothing is left to replay. Nothing is awaited in between, so no frame falls into a gap."""
        if self._position < self._bus.published or self._error is not None:
            return False
        self._live = True
        self._bus.live[self] = None
        return True

    async def _read_on(self) -> None:
        """Queue the next frames of the log."""
        began, up_to, after, cameras = time.monotonic(), self._bus.published, self._position, self._cameras
        try:
            replay = await self._bus.frames.replay(after, up_to, sorted(cameras), REPLAY_FRAMES)
        except LogUnavailable:
            # It may pass; where it does not, the service ends this feed.
            await asyncio.sleep(LOG_AWAY_SECONDS)
            return
        self._metrics.stage_seconds.labels("replay").observe(time.monotonic() - began)
        if self._error is not None or cameras != self._cameras:
            # The wish changed meanwhile, so what was read is not what is wanted. Nothing was taken: it is read again.
            return
        if replay.uncounted:
            self._queue.lose_uncounted()
        if replay.lost:
            self._queue.lose(replay.lost, "journal_bound")
        self._queue.put_replay(replay.frames)
        if not replay.frames:
            self._position = up_to
