"""Frames that wait for the networks: a bounded line for each camera, served in turn.

    posted frame --put--> a line for each camera --take--> frames in turn, one of each camera before a second of any

Policy `newest`: into a full line a frame enters by superseding the oldest one. Policy `all`: a full line is Busy.
Law: a camera's frames leave in the order they came, and a camera that posts fast delays another by one frame a turn at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

from edge_encoder.frames import Posted, Waiting
from shared.contract.receipts import Outcome, Receipt
from shared.errors import Busy

QueuePolicy = Literal["newest", "all"]


class FrameQueue:
    """policy: see above. depth: frames of one camera. most_bytes: of all waiting pictures together."""

    def __init__(self, policy: QueuePolicy, depth: int, most_bytes: int) -> None:
        self._policy = policy
        self._depth = depth
        self._most_bytes = most_bytes
        # In the order of their turns; a line is here only while something waits in it.
        self._lines: dict[str, deque[Waiting]] = {}
        self._filled = asyncio.Event()
        self.frames = 0
        self.bytes = 0

    def put(self, posted: Posted) -> Waiting:
        """Takes a frame, whose answer comes later; raises Busy."""
        line = self._lines.get(posted.camera_id, deque())
        if len(line) >= self._depth and self._policy == "all":
            raise Busy(f"{self._depth} frames of camera {posted.camera_id} wait already; post slower, or again later")
        superseded = self._in_the_way(line, posted.size_bytes)
        for _ in range(superseded):
            self._leave(line).outcome(Outcome.SUPERSEDED)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()
        waiting = Waiting(posted, answer, loop.time())
        line.append(waiting)
        self._lines.setdefault(posted.camera_id, line)
        self.frames += 1
        self.bytes += posted.size_bytes
        self._filled.set()
        return waiting

    async def take(self, limit: int) -> list[Waiting]:
        """Waits for a frame; then those whose turn it is, at least one."""
        while not self.frames:
            self._filled.clear()
            await self._filled.wait()
        taken: list[Waiting] = []
        while self.frames and len(taken) < limit:
            camera_id, line = next(iter(self._lines.items()))
            taken.append(self._leave(line))
            del self._lines[camera_id]
            if line:
                self._lines[camera_id] = line
        return taken

    def forget(self, waiting: Waiting) -> bool:
        """Takes a frame out whose turn has not come; False where it has."""
        line = self._lines.get(waiting.posted.camera_id, deque())
        if waiting not in line:
            return False
        line.remove(waiting)
        self._count_out(waiting)
        if not line:
            del self._lines[waiting.posted.camera_id]
        return True

    def _in_the_way(self, line: deque[Waiting], size_bytes: int) -> int:
        """How many of the camera's oldest frames have to go for a new one; raises Busy if even all would not do."""
        leaving = max(0, len(line) - self._depth + 1)
        free = self._most_bytes - self.bytes + sum(line[i].posted.size_bytes for i in range(leaving))
        while free < size_bytes and self._policy == "newest" and leaving < len(line):
            free += line[leaving].posted.size_bytes
            leaving += 1
        if free < size_bytes:
            raise Busy(f"the pictures that wait fill {self._most_bytes} bytes; post slower, or again later")
        return leaving

    def _leave(self, line: deque[Waiting]) -> Waiting:
        waiting = line.popleft()
        self._count_out(waiting)
        return waiting

    def _count_out(self, waiting: Waiting) -> None:
        self.frames -= 1
        self.bytes -= waiting.posted.size_bytes
