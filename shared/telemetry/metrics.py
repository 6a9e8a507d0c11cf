"""The making of both services' metrics: a registry, a prefix, and one way to make each kind.

    meters = Meters("taxon_edge", registry);  frames = meters.counter("frames", "Frames by outcome", "camera", "outcome")

Names follow Prometheus: base units (seconds, bytes), and `_total` at the end of a counter, which the library adds.
"""

from __future__ import annotations

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
