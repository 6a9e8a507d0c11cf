"""What the cloud counts of each camera: its frames, their bytes on the wire, and the delay of their results.

Law: every series here has the label `camera`, and `CameraSeries` alone says which cameras have any. Edges may send any
name, and the journal forgets none, so the number of series has to be bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from cloud_analytics.frames import DecodedFrame, LoggedFrame
from shared.contract.packets import MICROSECONDS
from shared.telemetry.metrics import LABEL, LONG_SECONDS, CameraSeries, Meters


class CloudCameraMetrics:
    """The metrics of single cameras.

    most: the most cameras that have series at the same time.
    quiet_seconds: a camera that sends nothing for so long has left.
    clock: returns the time in seconds since 1970.
    """

    def __init__(self, meters: Meters, most: int, quiet_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        counter = meters.counter
        self._received = counter("frames_received", "Frames written to the journal", LABEL)
        self._duplicate = counter("frames_duplicate", "Frames that had come before", LABEL)
        self._late = counter("frames_late", "Frames lost: later ones had come by another edge", LABEL)
        self._failed = counter("frames_failed", "Frames that could not be decoded", LABEL)
        self._last = meters.gauge("camera_last_frame_timestamp_seconds", "When the camera's last new frame came", LABEL)
        self._pixels = counter("pixels", "Pixels of the network's input of frames received", LABEL)
        self._group_frames = counter("group_frames", "Frames that came with this group", LABEL, "group")
        self._group_pixels = counter("group_pixels", "Pixels of the network's input of these", LABEL, "group")
        self._coded_bytes = counter(
            "coded_bytes", "Bytes of the substreams, header and check sum included", LABEL, "group"
        )
        self._bitstream_bytes = counter("bitstream_bytes", "Bytes of whole bitstreams, headers included", LABEL)
        self._wire_bytes = counter(
            "wire_bytes", "Bytes of the uplink messages that carried the frames, repetitions included", LABEL
        )
        self._camera_delay = meters.summary(
            "camera_result_delay_seconds", "As taxon_cloud_result_delay_seconds, of one camera", LABEL
        )
        self._series = CameraSeries(meters.with_label(LABEL), most, quiet_seconds, self._begin)
        self._delay = meters.histogram(
            "result_delay_seconds",
            "From the capture time (the edge's clock when it was posted, or the camera's where it gave one) "
            "to the results on the bus",
            LONG_SECONDS,
        )
        meters.gauge("cameras", "Cameras that have series here").set_function(lambda: len(self._series))

    def forget_quiet(self) -> None:
        """Remove the series of cameras that have left."""
        self._series.forget_quiet()

    def received(self, frame: LoggedFrame) -> None:
        """Count a new frame that is in the journal."""
        packet = frame.packet
        camera_id = packet.camera_id
        self._series.saw(camera_id)
        self._received.labels(camera_id).inc()
        self._last.labels(camera_id).set(self._clock())
        self._pixels.labels(camera_id).inc(packet.geometry.input_width * packet.geometry.input_height)
        self._bitstream_bytes.labels(camera_id).inc(len(packet.bitstream))

    def duplicate(self, camera_id: str) -> None:
        """Count a frame that had come before."""
        self._series.saw(camera_id)
        self._duplicate.labels(camera_id).inc()

    def late(self, camera_id: str) -> None:
        """Count a frame that is lost, because later ones had come by another edge."""
        self._series.saw(camera_id)
        self._late.labels(camera_id).inc()

    def carried(self, wire_bytes: Mapping[str, float]) -> None:
        """Count a message that came. wire_bytes: its bytes, by camera."""
        for camera_id, size in wire_bytes.items():
            self._series.saw(camera_id)
            self._wire_bytes.labels(camera_id).inc(size)

    def published(self, decoded: DecodedFrame) -> None:
        """Count a frame that is on the bus, with its results or with the reason why there are none."""
        packet = decoded.frame.packet
        camera_id, pixels = packet.camera_id, packet.geometry.input_width * packet.geometry.input_height
        self._series.saw(camera_id)
        if decoded.error:
            self._failed.labels(camera_id).inc()
        for group in decoded.groups:
            self._group_frames.labels(camera_id, group.group).inc()
            self._group_pixels.labels(camera_id, group.group).inc(pixels)
            self._coded_bytes.labels(camera_id, group.group).inc(group.bytes)
        # Two machines' clocks: a camera's may be ahead of this one.
        delay_seconds = max(0.0, self._clock() - packet.capture_time_us / MICROSECONDS)
        self._delay.observe(delay_seconds)
        self._camera_delay.labels(camera_id).observe(delay_seconds)

    def _begin(self, camera_id: str) -> None:
        """Begin a camera's series at 0, so that the first frame is seen as a rise."""
        for one in (self._received, self._duplicate, self._late, self._failed, self._pixels, self._bitstream_bytes):
            one.labels(camera_id)
        self._wire_bytes.labels(camera_id)
        self._camera_delay.labels(camera_id)
