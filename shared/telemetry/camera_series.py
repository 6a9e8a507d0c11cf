"""The cameras that have metrics of their own: a bounded number, and none for ever.

    saw(camera) -> its series begin at 0, or live on          forget_quiet() -> those of cameras that left are removed

Law: no more than `most` cameras have series, whatever names come. One that was quiet for `quiet_seconds` has none. A
camera that comes back begins at 0, which Prometheus reads like any restart of a counter. It belongs to the loop and is
not thread-safe.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from prometheus_client.metrics import MetricWrapperBase

LABEL = "camera"


class CameraSeries:
    """The series of the cameras that are measured.

    metrics: those with the label `camera`. begin: makes the series of a new camera, at 0. clock: seconds, monotonic.
    """

    def __init__(
        self,
        metrics: Iterable[MetricWrapperBase],
        most: int,
        quiet_seconds: float,
        begin: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = tuple(metrics)
        self._most = most
        self._quiet_seconds = quiet_seconds
        self._begin = begin
        self._clock = clock
        self._seen_at: OrderedDict[str, float] = OrderedDict()
        """The moment when each camera was last seen, the quietest first."""

    def __len__(self) -> int:
        return len(self._seen_at)

    def saw(self, camera_id: str) -> None:
        """Note that something came of this camera. It is called before any of its series is touched."""
        is_new = camera_id not in self._seen_at
        if is_new and len(self._seen_at) >= self._most:
            self._forget(next(iter(self._seen_at)))
        self._seen_at[camera_id] = self._clock()
        self._seen_at.move_to_end(camera_id)
        if is_new:
            self._begin(camera_id)

    def forget_quiet(self) -> None:
        """Remove the series of cameras that have been quiet for too long."""
        until = self._clock() - self._quiet_seconds
        for camera_id, seen_at in tuple(self._seen_at.items()):
            if seen_at > until:
                return
            self._forget(camera_id)

    def _forget(self, camera_id: str) -> None:
        del self._seen_at[camera_id]
        for metric in self._metrics:
            metric.remove_by_labels({LABEL: camera_id})
