"""The frames of a stream that were given and not yet answered: at most `depth`, in their order.

    add --> [oldest ... newest] --from_oldest, once for each connection--> the edge --answers, in order--> pop

Law: a frame leaves by its answer alone, so whatever a broken connection swallowed is sent again on the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from shared.wire import ingest_pb2


class Window:
    """Filled by one task, sent and emptied by another, on one loop."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"at least one frame is in flight, not {depth}")
        self._depth = depth
        self._frames: deque[ingest_pb2.StreamFramesRequest] = deque()
        self._answered = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def add(self, frame: ingest_pb2.StreamFramesRequest) -> None:
        """Waits for room."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)
            self._frames.append(frame)
            self._changed.notify_all()

    async def room(self) -> None:
        """Waits until a frame could be added, so that none is asked for before."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)

    async def end(self) -> None:
        """No more will be added."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def oldest(self) -> ingest_pb2.StreamFramesRequest | None:
        """Waits for a frame that has no answer yet; None when all are answered and no more will be added."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._frames) or self._ended)
            return self._frames[0] if self._frames else None

    async def pop(self) -> None:
        """The oldest frame was answered."""
        async with self._changed:
            self._frames.popleft()
            self._answered += 1
            self._changed.notify_all()

    async def from_oldest(self) -> AsyncGenerator[ingest_pb2.StreamFramesRequest, None]:
        """Every frame from the oldest unanswered one on, each when it is there; ends with the window."""
        number = self._answered
        while (frame := await self._numbered(number)) is not None:
            number += 1
            yield frame

    async def _numbered(self, number: int) -> ingest_pb2.StreamFramesRequest | None:
        """The frame of that number, counted from the first one ever added; None when there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or number < self._answered + len(self._frames))
            index = number - self._answered
            return self._frames[index] if index < len(self._frames) else None
