"""The frames of a source, each at its time.

    Source.read (thread) --ThreadQueue--> due? --> SourceFrame with the wall clock of that moment

Laws: capture times rise. A recording whose taker is slow waits for it, then goes on at its own rate. A live source does
not wait: its newest frame replaces older ones, which are counted (`Source.superseded`).
A recording's frames wait for room in the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from shared.contract.geometry import Picture, SourceFrame
from shared.sources.state import SourceStatus
from shared.telemetry.redaction import redacted

READ_AHEAD_FRAMES = 3
CATCH_UP_SECONDS = 0.25
STOP_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Reading:
    """One frame as it was read.

    due_seconds: the moment to show it, counted from the first one; None for a live source, whose frame is due now.
    read_time_us: the moment when it was read, in microseconds since 1970. captured_us: when the picture was captured,
    where that is known and not the moment to show it. taken: called once somebody has taken the frame.
    """

    picture: Picture = field(repr=False)
    due_seconds: float | None
    read_time_us: int
    captured_us: int | None = None
    taken: Callable[[], None] | None = None


class Source(ABC):
    """A source of frames, which is a context manager; the end of the context stops the reading.

    name: its name in logs, without a password. is_live: whether it goes on by itself, taken or not. status: what becomes
    of it. A source that catches its own SourceError tells it to the status (`broke`), and counts there what gave no
    picture (`damaged`). `play` does the rest.
    """

    is_live = False

    def __init__(self, name: str) -> None:
        self.name = redacted(name)
        self.status = SourceStatus()
        self.stopping = threading.Event()

    @property
    def superseded(self) -> int:
        """Frames of a live source that a newer one replaced before they were taken."""
        return self.status.condition().superseded

    @property
    def damaged(self) -> int:
        """Packets of a video, or files, that gave no picture."""
        return self.status.condition().damaged

    def report_to(self, status: SourceStatus) -> None:
        """Report to this status from now on, which outlives the source (before it is played)."""
        self.status = status

    @abstractmethod
    def read(self) -> Iterator[Reading]:
        """Give readings and block between them, so that it runs in a thread; raises SourceError."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()


class ThreadQueue:
    """A bounded queue, made on the loop that takes and given to one thread that puts."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._waiting: deque[Reading] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._there = asyncio.Event()
        self.superseded = 0

    def put(self, reading: Reading) -> bool:
        """Put a reading (in the thread); return False when nobody takes any more."""
        with self._changed:
            if reading.due_seconds is None:
                self.superseded += len(self._waiting)
                self._waiting.clear()
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._depth)
            if self._closed:
                return False
            self._waiting.append(reading)
        self._wake()
        return True

    def end(self, error: BaseException | None) -> None:
        """Say (in the thread) that there is no more, because of the error where there is one."""
        with self._changed:
            self._ended, self._error = True, error
        self._wake()

    async def get(self) -> Reading | None:
        """Return the next reading (on the loop), None at the end; raises what ended the thread."""
        while True:
            self._there.clear()
            with self._changed:
                if self._waiting:
                    self._changed.notify()
                    return self._waiting.popleft()
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return None
            await self._there.wait()

    def close(self) -> None:
        """Take no more (on the loop); a waiting thread goes on at once."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()

    async def ended(self) -> None:
        """Wait (on the loop) until the thread has said that there is no more."""
        while not self._ended:
            self._there.clear()
            if not self._ended:
                await self._there.wait()

    def _wake(self) -> None:
        # The loop may be gone when a thread comes back from a slow device.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._there.set)


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
                time_us = time.time_ns() // 1000 if reading.captured_us is None else reading.captured_us
            last_us = max(time_us, last_us + 1)
            yield SourceFrame(reading.picture, last_us)
            # Whoever comes for the next frame has this one.
            if reading.taken is not None:
                reading.taken()
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
            source.status.frame()
            before = hand_over.superseded
            with source.status.handing_over():
                is_wanted = not source.stopping.is_set() and hand_over.put(reading)
            source.status.superseded(hand_over.superseded - before)
            if not is_wanted:
                break
    except BaseException as caught:
        # Whatever the error is, it belongs to whoever takes the frames.
        error = caught
    hand_over.end(error)
