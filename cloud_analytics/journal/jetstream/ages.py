"""How far a stream is too old, by what this replica has seen of it.

    the stream's end, now and then --too_old--> the last position that has been there for its whole age

Law: a position counts from the moment when this replica saw it, by a clock that nobody sets. So a frame may stay for longer than
its age where replicas start anew, and never goes before.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MARKS = 256
"""A frame goes at most this part of its age too late."""


class StreamAges:
    """age_seconds: how long a frame is kept. clock: returns a monotonic time in seconds."""

    def __init__(self, age_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._age_seconds = age_seconds
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()
        self._too_old = 0

    def too_old(self, head: int) -> int:
        """Return the last position that is too old; 0 for none. head: the last position of the stream now."""
        now = self._clock()
        newest_at, newest = self._marks[-1] if self._marks else (float("-inf"), 0)
        if head > newest and now - newest_at >= self._age_seconds / MARKS:
            self._marks.append((now, head))
        while self._marks and now - self._marks[0][0] >= self._age_seconds:
            self._too_old = max(self._too_old, self._marks.popleft()[1])
        return self._too_old
