"""The way from a reading thread to the loop, a few frames at a time.

    thread: put(reading) --at most `depth`--> loop: await get()

A recording's frames wait for room; a live source's newest frame replaces those that wait. Law: nothing is lost
uncounted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from shared.sources.types import Reading


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
