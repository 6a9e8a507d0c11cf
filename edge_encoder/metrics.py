"""The edge's numbers for Prometheus, in a registry that is passed down.

Law: no label has an unbounded number of values: cameras are bounded by `most_cameras`, the rest by the code.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from edge_encoder.spool import SpoolState

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FRAMES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class EdgeMetrics:
    """The counters, gauges and histograms, in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.frames = self._counter("frames", "Frames by what became of them", "camera", "outcome")
        self.refusals = self._counter("refusals", "Posts that were refused, by reason", "reason")
        self.repeated = self._counter("repeated_posts", "Posts answered with an earlier receipt")
        self.coded_bytes = self._counter("coded_bytes", "Bytes of the bitstreams' substreams", "camera", "group")
        self.source_failures = self._counter("source_failures", "Breaks of a pulled source", "camera")
        self.queue_frames = self._gauge("queue_frames", "Frames that wait for the networks")
        self.queue_bytes = self._gauge("queue_bytes", "Bytes of the pictures that wait")
        self.spool_frames = self._gauge("spool_frames", "Coded frames that the cloud has not acknowledged")
        self.spool_bytes = self._gauge("spool_bytes", "Bytes that they take")
        self.spool_age = self._gauge("spool_age_seconds", "Age of the oldest of them")
        self.spool_dropped = self._counter("spool_dropped_frames", "Coded frames that were lost to a bound", "bound")
        self._dropped_before = {"bytes": 0, "age": 0}
        self.connected = self._gauge("uplink_connected", "1 while the cloud takes frames")
        self.refused = self._gauge("uplink_refused", "1 while the cloud refuses this edge, by reason", "reason")
        self.connects = self._counter("uplink_connects", "Streams that the cloud welcomed")
        self.breaks = self._counter("uplink_breaks", "Streams that ended otherwise than by the edge")
        self.behind = self._gauge("uplink_behind", "1 while live frames are held back: the cloud takes fewer than come")
        self.credit = self._gauge("uplink_credit_frames", "Frames that the cloud takes further")
        self.sent_frames = self._counter("uplink_sent_frames", "Frames sent, repetitions included")
        self.sent_bytes = self._counter("uplink_sent_bytes", "Bytes of the messages, gRPC's prefixes included")
        self.acked_frames = self._counter("uplink_acked_frames", "Frames that the cloud acknowledged")
        self.stage = self._histogram(
            "stage_seconds", "Time in a stage; of one frame (wait) or of a batch", _SECONDS, "stage"
        )
        self.batch = self._histogram("batch_frames", "Frames that went through the networks together", _FRAMES)

    def watch_queue(self, frames: Callable[[], int], waiting_bytes: Callable[[], int]) -> None:
        """Reads the queue when the metrics are read."""
        self.queue_frames.set_function(frames)
        self.queue_bytes.set_function(waiting_bytes)

    def watch_flow(self, is_behind: Callable[[], bool]) -> None:
        """Reads whether the cloud keeps up when the metrics are read."""
        self.behind.set_function(lambda: float(is_behind()))

    def note_spool(self, state: SpoolState, now_us: int) -> None:
        """Shows the spool as it is now. now_us: microseconds since 1970."""
        self.spool_frames.set(state.frames)
        self.spool_bytes.set(state.bytes)
        self.spool_age.set(max(0, now_us - state.oldest_us) / 1e6 if state.oldest_us else 0)
        for bound, dropped in (("bytes", state.dropped_for_bytes), ("age", state.dropped_for_age)):
            self.spool_dropped.labels(bound).inc(dropped - self._dropped_before[bound])
            self._dropped_before[bound] = dropped

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"taxon_edge_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"taxon_edge_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"taxon_edge_{name}", text, labels, registry=self.registry, buckets=buckets)
