"""What the cloud service counts, for Prometheus; `cameras` has what it counts of single cameras.

Laws: labels are bounded. They are cameras, which `CameraSeries` bounds, and names from this code or from the bundles;
never the id of a subscriber. Times are in seconds and sizes in bytes. Every frame that does not reach a subscriber is
in one of the counters with its reason. docs/metrics.md lists all metrics.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from cloud_analytics.metrics.cameras import CloudCameraMetrics
from shared.telemetry.metrics import FRAMES, SECONDS, Meters


class CloudMetrics:
    """One set of metrics in one registry.

    most_cameras: the most cameras that have series at the same time.
    camera_series_seconds: a camera that sends nothing for so long loses its series.
    """

    def __init__(
        self, registry: CollectorRegistry, most_cameras: int = 10_000, camera_series_seconds: float = 86400.0
    ) -> None:
        self.registry = registry
        meters = self.meters = Meters("taxon_cloud", registry)
        meters.about_the_process()
        counter, gauge, histogram = meters.counter, meters.gauge, meters.histogram
        self.cameras = CloudCameraMetrics(meters, most_cameras, camera_series_seconds)
        self._ready = gauge("ready", "1 while calls are taken")
        self.bundle_info = gauge("bundle_info", "1 for each bundle served", "name", "version", "digest")
        self.bundles_refused = counter("bundles_refused", "Bundles and heads that could not be loaded")
        self.uplinks = gauge("uplinks_connected", "Edges connected now")
        self.uplinks_joined = counter("uplinks_joined", "Edges that connected, again and again")
        self.uplink_cameras = gauge("uplink_cameras", "Cameras that connected edges announced or sent frames of")
        self.uplink_messages = counter("uplink_messages", "Messages from edges")
        self.acks = counter("acks", "Acknowledgements sent, one for many frames")
        self.refusals = counter("refusals", "Calls refused", "reason")
        self.connections_dropped = counter(
            "http_connections_dropped",
            "HTTP connections ended by the cloud: too_many, slow_head, slow_reader, slow_handshake, failed_handshake",
            "reason",
        )
        self.calls_hung = counter("calls_hung", "Calls given up after their deadline", "stage")
        self._receive_queue = gauge("receive_queue_frames", "Frames between the journal and the bus")
        self._receive_limit = gauge("receive_queue_limit_frames", "The most that may be there")
        self._batcher_queue = gauge("batcher_queue_frames", "Frames that wait for the networks")
        self.heads_run = counter("heads_run", "Frames that a head ran for", "task")
        self.batch_frames = histogram("batch_frames", "Frames of a batch", FRAMES)
        self.stage_seconds = histogram("stage_seconds", "Time in a stage, or of a wait", SECONDS, "stage")
        self.results_published = counter("results_published", "Frames given to the bus")
        self.results_delivered = counter("results_delivered", "Frames that subscribers took")
        self.results_dropped = counter("results_dropped", "Frames that a subscriber lost", "reason")
        self.results_computed_again = counter("results_on_demand", "Frames analysed for replay or a late wish")
        self._recent_bytes = gauge("recent_bytes", "Memory that recent results take")
        self._recent_limit = gauge("recent_limit_bytes", "The most that they may take")
        self.subscribers = gauge("subscribers", "Subscribers connected now")
        self._subscriber_queues = gauge("subscriber_queue_frames", "Live results that wait for subscribers, all queues")
        self.wishes_held = gauge("wishes_held", "Wishes that outlive their broken connection now")
        self.journal_bytes = gauge("journal_bytes", "Bytes of the journal in use")
        self.journal_limit = gauge("journal_limit_bytes", "The most that the journal may take")
        self.journal_frames = gauge("journal_frames", "Frames in the journal")
        self.journal_dropped = counter("journal_frames_dropped", "Frames the journal let go", "reason")
        self.journal_damaged = counter("journal_damaged", "Journals that were damaged and set aside")
        for reason in ("age", "bytes"):
            self.journal_dropped.labels(reason)
        for reason in ("slow_subscriber", "journal_bound"):
            self.results_dropped.labels(reason)
        self.bus_connected = gauge("bus_connected", "1 while the bus that replicas share is reached")
        self.bus_connects = counter("bus_connects", "Connections to the bus")
        self.bus_conflicts = counter("bus_conflicts", "Frames that another replica was faster to append")
        self.bus_waits = counter("bus_waits", "Appends that waited for a slower replica")
        self.replicas = gauge("replicas", "Replicas alive, this one included")

    def watch_ready(self, is_ready: Callable[[], bool]) -> None:
        """Ask whether calls are taken whenever the metrics are read."""
        self._ready.set_function(lambda: float(is_ready()))

    def watch_receive_queue(self, frames: Callable[[], int], limit_frames: int) -> None:
        """Ask for the queue between journal and bus whenever the metrics are read."""
        self._receive_queue.set_function(frames)
        self._receive_limit.set(limit_frames)

    def watch_batchers(self, frames: Callable[[], int]) -> None:
        """Ask for the frames that wait for the networks whenever the metrics are read."""
        self._batcher_queue.set_function(frames)

    def watch_recent(self, held_bytes: Callable[[], int], limit_bytes: int) -> None:
        """Ask for the memory of recent results whenever the metrics are read."""
        self._recent_bytes.set_function(held_bytes)
        self._recent_limit.set(limit_bytes)

    def watch_subscribers(self, frames: Callable[[], int]) -> None:
        """Ask for the frames that wait for subscribers whenever the metrics are read."""
        self._subscriber_queues.set_function(frames)
