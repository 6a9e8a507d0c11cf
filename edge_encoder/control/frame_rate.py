"""Keeps a camera to the frames a second that were set for it.

    camera --wait_seconds--> 0: its next frame is taken, and `spend` counts it; else the time until one is

This is the generic cell rate algorithm. Each frame moves the camera's theoretical time one interval on, and a frame may
come before that time by a tolerance. So a camera that keeps the rate on average loses nothing to its jitter.

Law: over every window of T seconds at most rate x T + 1 + max(1/4, rate/4) frames of a camera are taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_TOLERANCE_INTERVALS = 0.25
TOLERANCE_SECONDS = 0.25


class FrameRates:
    """The rates of all cameras. rate_of: gives a camera's frames a second, None for any. clock: seconds, monotonic."""

    def __init__(self, rate_of: Callable[[str], float | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_of = rate_of
        self._clock = clock
        self._due_at: dict[str, float] = {}
        """The time at which each camera's next frame would be due."""

    def wait_seconds(self, camera_id: str) -> float:
        """Return how long to wait until a frame of the camera is taken; 0 for now."""
        if camera_id not in self._due_at or (rate := self._rate_of(camera_id)) is None:
            return 0.0
        due_at, tolerance_seconds = self._due(camera_id, rate)
        return max(0.0, due_at - tolerance_seconds - self._clock())

    def spend(self, camera_id: str) -> None:
        """Count a frame that is taken."""
        if (rate := self._rate_of(camera_id)) is None:
            self._due_at.pop(camera_id, None)
            return
        due_at, _ = self._due(camera_id, rate)
        self._due_at[camera_id] = due_at + 1.0 / rate

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left."""
        self._due_at.pop(camera_id, None)

    def _due(self, camera_id: str, rate: float) -> tuple[float, float]:
        now, interval = self._clock(), 1.0 / rate
        tolerance = max(LEAST_TOLERANCE_INTERVALS * interval, TOLERANCE_SECONDS)
        due_at = max(now, self._due_at.get(camera_id, now))
        # What a slower rate put into the future does not outlast it.
        return min(due_at, now + tolerance + interval), tolerance
