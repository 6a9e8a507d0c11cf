"""The frames that wait for the networks: a bounded line for each camera, served in turn.

    frame --put--> a line for each camera --take--> frames in turn, one of each camera before a second of any

With policy `newest`, a frame enters a full line by superseding the oldest one. With policy `all`, a full line is Busy.
Each camera has a policy of its own, which may change while frames wait.

Law: a camera's frames leave in the order they came. A camera that posts fast delays another by one frame a turn at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from edge_encoder.cameras.plan import QueuePolicy
from edge_encoder.frames import FrameRef, QueuedFrame, not_coded, settle_answer
from shared.contract.geometry import Picture
from shared.contract.receipts import Outcome, Receipt
from shared.errors import Busy


class FrameQueue:
    """The lines of all cameras. policy_of: gives a camera's policy. depth: the frames of one camera that may wait.

    most_bytes: the size of all waiting pictures together.
    """

    def __init__(self, policy_of: Callable[[str], QueuePolicy], depth: int, most_bytes: int) -> None:
        self._policy_of = policy_of
        self._depth = depth
        self._most_bytes = most_bytes
        # In the order of their turns; a line is here only while something waits in it.
        self._lines: dict[str, deque[QueuedFrame]] = {}
        self._filled = asyncio.Event()
        self.frames = 0
        self.bytes = 0

    def put(self, ref: FrameRef, groups: tuple[str, ...], picture: Picture) -> QueuedFrame:
        """Let a frame wait for its turn; its answer comes later. Raises Busy."""
        line, policy = self._lines.get(ref.camera_id, deque()), self._policy_of(ref.camera_id)
        if len(line) >= self._depth and policy == "all":
            raise Busy(f"{self._depth} frames of camera {ref.camera_id} wait already; post slower, or again later")
        for _ in range(self._to_supersede(line, ref.picture_bytes, policy)):
            oldest = self._leave(line)
            settle_answer(oldest.answer, not_coded(oldest.ref, Outcome.SUPERSEDED))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()
        queued = QueuedFrame(ref, groups, picture, answer, loop.time())
        line.append(queued)
        self._lines.setdefault(ref.camera_id, line)
        self.frames += 1
        self.bytes += ref.picture_bytes
        self._filled.set()
        return queued

    async def take(self, limit: int) -> list[QueuedFrame]:
        """Wait for a frame, and return those whose turn it is: at least one, at most `limit`."""
        while not (taken := self.take_waiting(limit)):
            await self.filled()
        return taken

    def take_waiting(self, limit: int, *, keeping_newest: bool = False) -> list[QueuedFrame]:
        """Return those whose turn it is, at most `limit`, and none where none waits.

        keeping_newest: the frames of cameras with policy `newest` stay.
        """
        turns = deque(name for name in self._lines if not (keeping_newest and self._policy_of(name) == "newest"))
        taken: list[QueuedFrame] = []
        while turns and len(taken) < limit:
            camera_id = turns.popleft()
            line = self._lines.pop(camera_id)
            taken.append(self._leave(line))
            # A line that still holds frames goes to the end: the other cameras come first.
            if line:
                self._lines[camera_id] = line
                turns.append(camera_id)
        return taken

    def filled(self) -> Awaitable[object]:
        """Return what to await until the next frame comes, counted from this call on."""
        self._filled.clear()
        return self._filled.wait()

    def holds(self, camera_id: str) -> bool:
        """Return whether frames of the camera wait."""
        return camera_id in self._lines

    def forget(self, queued: QueuedFrame) -> bool:
        """Take a frame out before its turn; return False where its turn has come."""
        camera_id = queued.ref.camera_id
        line = self._lines.get(camera_id, deque())
        if queued not in line:
            return False
        line.remove(queued)
        self._count_out(queued)
        if not line:
            del self._lines[camera_id]
        return True

    def _to_supersede(self, line: deque[QueuedFrame], size_bytes: int, policy: QueuePolicy) -> int:
        """Return how many of the camera's oldest frames make room for a new one. Raises Busy if all would not do."""
        leaving = max(0, len(line) - self._depth + 1)
        free = self._most_bytes - self.bytes + sum(line[i].ref.picture_bytes for i in range(leaving))
        while free < size_bytes and policy == "newest" and leaving < len(line):
            free += line[leaving].ref.picture_bytes
            leaving += 1
        if free < size_bytes:
            raise Busy(f"the pictures that wait fill {self._most_bytes} bytes; post slower, or again later")
        return leaving

    def _leave(self, line: deque[QueuedFrame]) -> QueuedFrame:
        queued = line.popleft()
        self._count_out(queued)
        return queued

    def _count_out(self, queued: QueuedFrame) -> None:
        self.frames -= 1
        self.bytes -= queued.ref.picture_bytes
