"""The making of both services' metrics: a registry, a prefix, and one way to make each kind.

    meters = Meters("taxon_edge", registry);  frames = meters.counter("frames", "Frames by outcome", "camera", "outcome")

Names follow Prometheus: base units (seconds, bytes), and `_total` at the end of a counter, which the library adds.
Law: no more than `most` cameras have series of their own, whatever names come, and one that was quiet has none.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary
from prometheus_client.metrics import MetricWrapperBase

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The buckets of a stage's work, or of a wait between two stages."""
LONG_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
"""The buckets of a wait that an outage lengthens."""
FRAMES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

Made = TypeVar("Made", bound=MetricWrapperBase)
LABEL = "camera"


@dataclass(frozen=True, eq=False)
class Meters:
    """The maker of one service's metrics. prefix: the beginning of all names, without its underscore."""

    prefix: str
    registry: CollectorRegistry
    _made: list[tuple[tuple[str, ...], MetricWrapperBase]] = field(default_factory=list, repr=False)

    def counter(self, name: str, told: str, *labels: str) -> Counter:
        """Make a metric that only rises; its name is given without `_total`."""
        return self._kept(Counter(f"{self.prefix}_{name}", told, labels, registry=self.registry), labels)

    def gauge(self, name: str, told: str, *labels: str) -> Gauge:
        """Make a metric that rises and falls."""
        return self._kept(Gauge(f"{self.prefix}_{name}", told, labels, registry=self.registry), labels)

    def histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Make a metric that counts by size. buckets: upper bounds, rising."""
        made = Histogram(f"{self.prefix}_{name}", told, labels, buckets=buckets, registry=self.registry)
        return self._kept(made, labels)

    def summary(self, name: str, told: str, *labels: str) -> Summary:
        """Make a sum and a count, for a mean where buckets for every label would be too many series."""
        return self._kept(Summary(f"{self.prefix}_{name}", told, labels, registry=self.registry), labels)

    def with_label(self, label: str) -> tuple[MetricWrapperBase, ...]:
        """Return the metrics made so far that have this label."""
        return tuple(metric for labels, metric in self._made if label in labels)

    def about_the_process(self) -> None:
        """Make the metrics of every service: its release, and the process's memory, processor time and open files."""
        ProcessCollector(registry=self.registry)
        self.gauge("build_info", "1; the release that runs", "version").labels(version("taxon")).set(1)

    def _kept(self, metric: Made, labels: tuple[str, ...]) -> Made:
        self._made.append((labels, metric))
        return metric


class CameraSeries:
    """The series of the cameras that are measured.

    metrics: those with the label `camera`. begin: makes the series of a new camera, at 0. clock: seconds, monotonic.
    end: lets go of what else is kept for a camera while it has series.
    """

    def __init__(
        self,
        metrics: Iterable[MetricWrapperBase],
        most: int,
        quiet_seconds: float,
        begin: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        end: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._metrics = tuple(metrics)
        self._most = most
        self._quiet_seconds = quiet_seconds
        self._begin = begin
        self._end = end
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

    def __contains__(self, camera_id: str) -> bool:
        return camera_id in self._seen_at

    def forget(self, camera_id: str) -> None:
        """Remove the series of a camera that has left; it may have none."""
        if camera_id in self._seen_at:
            self._forget(camera_id)

    def _forget(self, camera_id: str) -> None:
        del self._seen_at[camera_id]
        for metric in self._metrics:
            metric.remove_by_labels({LABEL: camera_id})
        self._end(camera_id)
