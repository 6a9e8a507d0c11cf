"""The frames of a stream that are not yet answered, in their order.

    add --> [oldest ... newest] --from_oldest, once for each connection--> the edge --answers, in order--> pop

Law: a frame leaves only when it is answered, so a frame that a broken connection lost is sent again on the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from shared.wire import ingest_pb2


class FrameWindow:
    """A queue of at most `depth` frames. One task fills it and another sends and empties it, on one loop."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"at least one frame must be in flight, not {depth}")
        self._depth = depth
        self._frames: deque[ingest_pb2.StreamFramesRequest] = deque()
        self._answered = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def add(self, frame: ingest_pb2.StreamFramesRequest) -> None:
        """Append a frame, once there is room."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)
            self._frames.append(frame)
            self._changed.notify_all()

    async def room(self) -> None:
        """Wait until a frame could be added, so that none is asked for before."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)

    async def end(self) -> None:
        """Say that no more frames will be added."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def oldest(self) -> ingest_pb2.StreamFramesRequest | None:
        """Wait for a frame that has no answer yet; return None when all are answered and no more will be added."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._frames) or self._ended)
            return self._frames[0] if self._frames else None

    async def pop(self) -> None:
        """Remove the oldest frame, which was answered."""
        async with self._changed:
            self._frames.popleft()
            self._answered += 1
            self._changed.notify_all()

    async def from_oldest(self) -> AsyncGenerator[ingest_pb2.StreamFramesRequest, None]:
        """Give every frame from the oldest unanswered one on, each as soon as it is there, until the window ends."""
        number = self._answered
        while (frame := await self._numbered(number)) is not None:
            number += 1
            yield frame

    async def _numbered(self, number: int) -> ingest_pb2.StreamFramesRequest | None:
        """Wait for the frame of this number, counted from the first one ever added; return None if there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or number < self._answered + len(self._frames))
            index = number - self._answered
            return self._frames[index] if index < len(self._frames) else None
