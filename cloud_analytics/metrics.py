"""What the cloud service counts, for Prometheus.

Law: labels are bounded: camera ids that edges sent, and names from this code or the bundles; never a subscriber's id. Times are in seconds,
sizes in bytes, and every frame that does not reach a subscriber is in one of the counters with its reason.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STAGE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class CloudMetrics:
    """One set of metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        by_camera = ["camera"]
        self.frames_received = self._counter("frames_received", "Frames written to the journal", by_camera)
        self.frames_duplicate = self._counter("frames_duplicate", "Frames that had come before", by_camera)
        self.frames_late = self._counter("frames_late", "Frames lost: later ones had come by another edge", by_camera)
        self.frames_failed = self._counter("frames_failed", "Frames that could not be decoded", by_camera)
        self.coded_bytes = self._counter("coded_bytes", "Bytes of the bitstreams received", by_camera)
        self.acks = self._counter("acks", "Acknowledgements sent, one for many frames")
        self.uplink_messages = self._counter("uplink_messages", "Messages from edges")
        self.uplinks = self._gauge("uplinks_connected", "Edges connected now")
        self.refusals = self._counter("refusals", "Calls refused", ["reason"])
        self.heads_run = self._counter("heads_run", "Frames that a head ran for", ["task"])
        self.batch_frames = self._histogram("batch_frames", "Frames of a batch", BATCH_BUCKETS)
        self.stage_seconds = self._histogram("stage_seconds", "Time of a stage", STAGE_BUCKETS, ["stage"])
        self.results_published = self._counter("results_published", "Frames given to the bus")
        self.results_delivered = self._counter("results_delivered", "Frames that subscribers took")
        self.results_dropped = self._counter("results_dropped", "Frames that a subscriber lost", ["reason"])
        self.results_computed_again = self._counter("results_on_demand", "Frames analysed for replay or a late wish")
        self.subscribers = self._gauge("subscribers", "Subscribers connected now")
        self.wishes_held = self._gauge("wishes_held", "Wishes that outlive their broken connection now")
        self.journal_bytes = self._gauge("journal_bytes", "Bytes of the journal in use")
        self.journal_frames = self._gauge("journal_frames", "Frames in the journal")
        self.journal_dropped = self._counter("journal_frames_dropped", "Frames the journal let go", ["reason"])
        self.journal_damaged = self._counter("journal_damaged", "Journals that were damaged and set aside")
        self.bus_connected = self._gauge("bus_connected", "Whether the bus that replicas share is reached")
        self.bus_connects = self._counter("bus_connects", "Connections to the bus")
        self.bus_conflicts = self._counter("bus_conflicts", "Frames that another replica was faster to append")
        self.bus_waits = self._counter("bus_waits", "Appends that waited for a slower replica")
        self.replicas = self._gauge("replicas", "Replicas alive, this one included")
        self.bundle_info = Gauge(
            "taxon_bundle_info", "1 for each bundle served", ["name", "version", "digest"], registry=registry
        )
        self.bundles_refused = self._counter("bundles_refused", "Bundles and heads that could not be loaded")

    def _counter(self, name: str, told: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"taxon_cloud_{name}", told, labels or (), registry=self.registry)

    def _gauge(self, name: str, told: str) -> Gauge:
        return Gauge(f"taxon_cloud_{name}", told, registry=self.registry)

    def _histogram(
        self, name: str, told: str, buckets: tuple[float, ...], labels: list[str] | None = None
    ) -> Histogram:
        return Histogram(f"taxon_cloud_{name}", told, labels or (), buckets=buckets, registry=self.registry)
