"""The frames that wait for one subscriber, and the word of those that it has lost.

    live frame --put--> queue, `most_frames` long --take--> LoggedFrame | Lost

Law: a subscriber that is too slow loses its own oldest frames, and is told how many before it gets the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cloud_analytics.frames import LoggedFrame, Lost
from cloud_analytics.metrics.service import CloudMetrics

UNKNOWN_LOSS = 0
"""Stands in `Lost.frames` where nobody knows how many frames are missing."""


class SubscriberQueue:
    """The queue of one subscriber. most_frames: a live frame beyond them takes the place of the oldest."""

    def __init__(self, most_frames: int, metrics: CloudMetrics) -> None:
        self._most_frames = most_frames
        self._metrics = metrics
        self._frames: deque[LoggedFrame] = deque()
        self._lost: deque[int] = deque()

    @property
    def waiting_frames(self) -> int:
        """The number of frames that wait for the subscriber."""
        return len(self._frames)

    def __bool__(self) -> bool:
        return bool(self._frames or self._lost)

    def put(self, frame: LoggedFrame) -> None:
        """Queue one more live frame."""
        if len(self._frames) >= self._most_frames:
            self._frames.popleft()
            self.lose(1, "slow_subscriber")
        self._frames.append(frame)

    def put_replay(self, frames: Iterable[LoggedFrame]) -> None:
        """Queue frames that were read from the log; the reader asks for a few at a time, and only while none wait."""
        self._frames.extend(frames)

    def lose(self, frames: int, reason: str) -> None:
        """Count frames that the subscriber does not get, for the metrics and for itself."""
        self._metrics.results_dropped.labels(reason).inc(frames)
        if self._lost and self._lost[-1] != UNKNOWN_LOSS:
            self._lost[-1] += frames
        else:
            self._lost.append(frames)

    def lose_uncounted(self) -> None:
        """Tell the subscriber that frames are missing, where nobody knows how many."""
        self._lost.append(UNKNOWN_LOSS)

    def take(self) -> LoggedFrame | Lost | None:
        """Return what comes next: the word of a loss, else the oldest frame; None while nothing waits."""
        if self._lost:
            return Lost(self._lost.popleft())
        return self._frames.popleft() if self._frames else None

    def clear(self) -> None:
        """Throw away all that waits."""
        self._frames.clear()
        self._lost.clear()
