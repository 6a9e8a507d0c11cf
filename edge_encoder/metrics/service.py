"""The edge's metrics for Prometheus, in a registry that is passed down; those of single cameras are in `cameras`.

docs/metrics.md lists all of them.

Law: no label has an unbounded number of values. `CameraSeries` bounds the cameras, the code bounds the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from edge_encoder.metrics.cameras import CameraMetrics, CameraTerms
from edge_encoder.spool.spool import SpoolState
from shared.contract.packets import MICROSECONDS
from shared.model.bundle import Bundle
from shared.telemetry.metrics import FRAMES, LONG_SECONDS, SECONDS, Meters


class EdgeMetrics:
    """The counters, gauges and histograms of one edge. terms: those of the cameras' series."""

    def __init__(self, terms: CameraTerms | None = None) -> None:
        self.registry = CollectorRegistry()
        meters = self.meters = Meters("taxon_edge", self.registry)
        meters.about_the_process()
        counter, gauge, histogram = meters.counter, meters.gauge, meters.histogram
        self.cameras = CameraMetrics(meters, terms or CameraTerms())
        self._ready = gauge("ready", "1 while frames are taken")
        self._bundle = gauge("bundle_info", "1; the bundle that codes", "name", "version", "digest")
        self.refusals = counter(
            "refusals", "Posts that were refused, by reason, those of unknown cameras included", "reason"
        )
        self.connections_dropped = counter(
            "http_connections_dropped",
            "HTTP connections ended by the edge: too_many, slow_head, slow_reader, slow_handshake, failed_handshake",
            "reason",
        )
        self._file_refused = gauge(
            "cameras_file_refused", "1 while the cameras' file cannot be taken, and what it said before holds"
        )
        self.answer = histogram("answer_seconds", "From a post to its answer", SECONDS, "outcome")
        self._queue_frames = gauge("queue_frames", "Frames that wait for the networks")
        self._queue_bytes = gauge("queue_bytes", "Bytes of the pictures that wait")
        self._queue_limit = gauge("queue_limit_bytes", "The most that may wait")
        self.stage = histogram("stage_seconds", "Time in a stage; of one frame (wait) or of a batch", SECONDS, "stage")
        self.batch = histogram("batch_frames", "Frames that went through the networks together", FRAMES)
        self._spool_frames = gauge("spool_frames", "Coded frames that the cloud has not acknowledged")
        self._spool_bytes = gauge("spool_bytes", "Bytes that they take")
        self._spool_limit = gauge("spool_limit_bytes", "The most that they may take")
        self._spool_age = gauge("spool_age_seconds", "Age of the oldest of them")
        self._spool_age_limit = gauge("spool_age_limit_seconds", "The oldest that one may become")
        self.send_wait = histogram(
            "send_wait_seconds", "From the spool to a message; again for repetitions", LONG_SECONDS
        )
        self.ack_wait = histogram("ack_wait_seconds", "From the spool to the acknowledgement", LONG_SECONDS)
        self.connected = gauge("uplink_connected", "1 while the cloud takes frames")
        self.refused = gauge("uplink_refused", "1 while the cloud refuses this edge, by reason", "reason")
        self.connects = counter("uplink_connects", "Streams that the cloud welcomed; all but the first are reconnects")
        self.breaks = counter("uplink_breaks", "Streams, and attempts at one, that ended otherwise than by the edge")
        self._behind = gauge("uplink_behind", "1 while live frames are held back: the cloud takes fewer than come")
        self.credit = gauge("uplink_credit_frames", "Frames that the cloud takes further")
        self.sent_messages = counter("uplink_sent_messages", "Messages with frames")
        self.sent_frames = counter("uplink_sent_frames", "Frames sent, repetitions included")
        self.sent_bytes = counter(
            "uplink_sent_bytes", "Bytes of the messages, gRPC's prefixes included and HTTP/2's frames left out"
        )
        self.acked_frames = counter("uplink_acked_frames", "Frames that the cloud acknowledged")

    def describe(self, bundle: Bundle) -> None:
        """Show which bundle codes."""
        manifest = bundle.manifest
        self._bundle.labels(manifest.name, manifest.version, bundle.digest.hex()).set(1)
        self.cameras.cover(group.name for group in manifest.groups)

    def show_bounds(self, queue_bytes: int, spool_bytes: int, spool_age_seconds: float) -> None:
        """Show the most that may wait and be spooled."""
        self._queue_limit.set(queue_bytes)
        self._spool_limit.set(spool_bytes)
        self._spool_age_limit.set(spool_age_seconds)

    def show_file_refused(self, is_refused: bool) -> None:
        """Show whether the cameras' file stands refused."""
        self._file_refused.set(is_refused)

    def watch_queue(self, frames: Callable[[], int], waiting_bytes: Callable[[], int]) -> None:
        """Read the queue whenever the metrics are read."""
        self._queue_frames.set_function(frames)
        self._queue_bytes.set_function(waiting_bytes)

    def watch_backpressure(self, is_behind: Callable[[], bool]) -> None:
        """Read whether the cloud keeps up whenever the metrics are read."""
        self._behind.set_function(lambda: float(is_behind()))

    def watch_ready(self, is_ready: Callable[[], bool]) -> None:
        """Read whether frames are admitted whenever the metrics are read."""
        self._ready.set_function(lambda: float(is_ready()))

    def watch_spool(self, state: Callable[[], SpoolState], now_us: Callable[[], int]) -> None:
        """Read the last state of the spool whenever the metrics are read; the age is that of the moment.

        now_us: the spool's running clock.
        """
        self._spool_frames.set_function(lambda: state().frames)
        self._spool_bytes.set_function(lambda: state().bytes)
        self._spool_age.set_function(lambda: _age_seconds(state().oldest_at_us, now_us()))


def _age_seconds(since_us: int | None, now_us: int) -> float:
    return 0.0 if since_us is None else max(0, now_us - since_us) / MICROSECONDS
