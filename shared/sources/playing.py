"""The frames of a source, each at its time.

    Source.read (thread) --ThreadQueue--> due? --> SourceFrame with the wall clock of that moment

Laws: capture times rise. A recording whose taker is slow waits for it, then goes on at its own rate. A live source does
not wait: its newest frame replaces older ones, which are counted (`Source.superseded`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable

from shared.contract.pictures import SourceFrame
from shared.sources.thread_queue import ThreadQueue
from shared.sources.types import Source

READ_AHEAD_FRAMES = 3
CATCH_UP_SECONDS = 0.25
STOP_SECONDS = 1.0


class Pace:
    """The plan of when frames are due. clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin: float | None = None

    def seconds_until(self, due_seconds: float) -> float:
        """Return how long to wait for the frame that is due so long after the first one; 0 for a late one.

        After a delay of more than CATCH_UP_SECONDS the whole plan moves, so that a pause is not followed by a rush.
        """
        now = self._clock()
        if self._begin is None:
            self._begin = now - due_seconds
        early = self._begin + due_seconds - now
        if early < -CATCH_UP_SECONDS:
            self._begin -= early
        return max(0.0, early)


async def play(source: Source) -> AsyncGenerator[SourceFrame, None]:
    """Give the frames of a source, once, each when it is due; raises SourceError.

    It ends where the source does, when the source's context is left, or when the iteration is given up (`aclose`).
    """
    hand_over = ThreadQueue(READ_AHEAD_FRAMES)
    thread = threading.Thread(target=_read, args=(source, hand_over), name=f"source {source.name}", daemon=True)
    thread.start()
    pace, last_us = Pace(), 0
    try:
        while (reading := await hand_over.get()) is not None and not source.stopping.is_set():
            if reading.due_seconds is None:
                time_us = reading.read_time_us
            else:
                await asyncio.sleep(pace.seconds_until(reading.due_seconds))
                time_us = time.time_ns() // 1000
            last_us = max(time_us, last_us + 1)
            source.superseded = hand_over.superseded
            yield SourceFrame(reading.picture, last_us)
    finally:
        source.stopping.set()
        hand_over.close()
        # A device that neither gives nor fails holds its thread until its own timeout. Nobody else need wait for that.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await hand_over.ended()


def _read(source: Source, hand_over: ThreadQueue) -> None:
    error: BaseException | None = None
    try:
        for reading in source.read():
            if source.stopping.is_set() or not hand_over.put(reading):
                break
    except BaseException as caught:
        # Whatever the error is, it belongs to whoever takes the frames.
        error = caught
    hand_over.end(error)
