"""Counts each camera's frames at the edge, and every figure of what they cost.

    posted picture bytes, pixels --coded--> cross-entropy, coded bytes by group and part, bitstream bytes --sent--> wire bytes

Law: every series here has the label `camera`, and only `CameraSeries` says which cameras have any.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge_encoder.control.bit_budget import Budget
from edge_encoder.encoding.encoder import EncodedFrame
from edge_encoder.frames import FrameRef, PictureFormat
from edge_encoder.sight.sights import Sight, Sights
from shared.contract.geometry import Damage, Geometry
from shared.contract.receipts import ANSWERED, Outcome
from shared.sources.state import SourceCondition, SourceState
from shared.telemetry.metrics import LABEL, CameraSeries, Meters

BOUNDS = ("bytes", "age")
SIDE_INFORMATION, LATENT, FRAMING = "side_information", "latent", "framing"


@dataclass(frozen=True)
class CameraTerms:
    """The terms on which cameras have series.

    most: the cameras that have series at the same time. quiet_seconds: a camera that is silent for so long has left.
    budget_of: gives a camera's bit budget, None for none. is_paused: says whether a camera's frames are refused.
    """

    most: int = 1000
    quiet_seconds: float = 86400.0
    budget_of: Callable[[str], Budget | None] = lambda _: None
    is_paused: Callable[[str], bool] = lambda _: False


class CameraMetrics:
    """The series of all cameras. clock: gives seconds since 1970."""

    def __init__(self, meters: Meters, terms: CameraTerms, clock: Callable[[], float] = time.time) -> None:
        self._terms = terms
        self._clock = clock
        self._groups: tuple[str, ...] = ()
        counter, gauge = meters.counter, meters.gauge
        self._frames = counter("frames", "Frames by what became of them", LABEL, "outcome")
        self._refused = counter("refused_frames", "Frames of a known camera that were refused", LABEL, "reason")
        self._repeated = counter("repeated_posts", "Posts answered with an earlier receipt", LABEL)
        self._last = gauge("camera_last_frame_timestamp_seconds", "When the camera's last frame was answered", LABEL)
        self._group_frames = counter("group_frames", "Frames coded with this group", LABEL, "group")
        self._pixels = counter("pixels", "Pixels of the network's input of coded frames", LABEL)
        self._group_pixels = counter("group_pixels", "The same, of frames with this group", LABEL, "group")
        self._coded_bytes = counter(
            "coded_bytes",
            "Bytes of the substreams. framing: header and check sum. The coder's one run leaves no border between "
            "side_information (v) and latent (z): its bytes are shared out as the model's information is",
            LABEL,
            "group",
            "part",
        )
        self._cross_entropy = counter(
            "cross_entropy_bytes", "What the symbols cost under the model's tables (bits / 8)", LABEL, "group", "part"
        )
        self._bitstream_bytes = counter(
            "bitstream_bytes", "Bytes of coded frames, headers included, by what was posted", LABEL, "format"
        )
        self._picture_bytes = counter(
            "picture_bytes", "Bytes of the pictures of the same frames, as the camera posted them", LABEL, "format"
        )
        self._wire_bytes = counter(
            "wire_bytes", "Bytes of the uplink messages that carried the frames, repetitions included", LABEL
        )
        self._spool_dropped = counter(
            "spool_dropped_frames", "Coded frames that were lost to a bound of the spool", LABEL, "bound"
        )
        self._operating_point = gauge("operating_point", "Operating point of the last coded frame", LABEL)
        self._budget = gauge("budget_bytes_per_second", "The camera's bit budget / 8", LABEL)
        self._burst = gauge("budget_burst_bytes", "What the budget allows at once, after a pause", LABEL)
        self._paused = gauge("camera_paused", "1 while somebody has paused the camera", LABEL)
        self._damaged = counter(
            "damaged_pictures", "Pictures that were taken although something of them is missing or wrong", LABEL, "kind"
        )
        self._source_failures = counter("source_failures", "Breaks and stalls of a pulled source", LABEL)
        self._source_state = gauge(
            "source_state", "1 for the state that the camera's pulled source is in, 0 for the others", LABEL, "state"
        )
        self._source_damaged = counter(
            "source_damaged_packets", "Packets of a pulled source, or its files, that gave no picture", LABEL
        )
        self._source_superseded = counter(
            "source_superseded_frames",
            "Frames of a pulled live source that a newer one replaced before they were taken",
            LABEL,
        )
        self._sight = gauge(
            "camera_sight", "1 for what the camera sees by its pictures, 0 for the others", LABEL, "state"
        )
        self.sights = Sights()
        """What the cameras see; a camera that has no series has no sight either, so that these are bounded, too."""
        self._series = CameraSeries(
            meters.with_label(LABEL), terms.most, terms.quiet_seconds, self._begin, end=self.sights.forget
        )
        meters.gauge("cameras", "Cameras that have series here").set_function(lambda: len(self._series))

    def cover(self, groups: Iterable[str]) -> None:
        """Name the bundle's groups, before the first camera comes, so that its series all begin at 0."""
        self._groups = tuple(groups)

    def saw(self, camera_id: str) -> None:
        """Note that the camera is one of this edge's, whether or not a frame has come."""
        self._series.saw(camera_id)

    def forget_quiet(self) -> None:
        """Remove the series of cameras that have left."""
        self._series.forget_quiet()

    def forget(self, camera_id: str) -> None:
        """Remove the series of a camera that somebody removed."""
        self._series.forget(camera_id)

    def replanned(self, camera_id: str) -> None:
        """Show the budget and the pause of a camera as they hold now."""
        if camera_id not in self._series:
            return
        self._paused.labels(camera_id).set(self._terms.is_paused(camera_id))
        budget = self._terms.budget_of(camera_id)
        if budget is None:
            self._budget.remove_by_labels({LABEL: camera_id})
            self._burst.remove_by_labels({LABEL: camera_id})
        else:
            self._budget.labels(camera_id).set(budget.bits_per_second / 8)
            self._burst.labels(camera_id).set(budget.burst_bits / 8)

    def gave(self, camera_id: str) -> None:
        """Note that a frame came and was answered."""
        self.saw(camera_id)
        self._last.labels(camera_id).set(self._clock())

    def answered(self, camera_id: str, outcome: Outcome) -> None:
        """Count a frame by its outcome."""
        self.gave(camera_id)
        self._frames.labels(camera_id, outcome).inc()

    def repeated(self, camera_id: str) -> None:
        """Count a post that was answered with an earlier receipt."""
        self.gave(camera_id)
        self._repeated.labels(camera_id).inc()

    def refused(self, camera_id: str, reason: str) -> None:
        """Count a refused frame. reason: as in `shared.transport.status_codes`."""
        self.saw(camera_id)
        self._refused.labels(camera_id, reason).inc()

    def damaged(self, camera_id: str, kind: Damage) -> None:
        """Count a picture that was taken although it is damaged."""
        self.saw(camera_id)
        self._damaged.labels(camera_id, kind).inc()

    def coded(self, ref: FrameRef, encoded: EncodedFrame, geometry: Geometry, rate: int) -> None:
        """Count a frame that is coded and spooled. rate: its operating point."""
        camera_id, form = ref.camera_id, ref.picture_format
        self.saw(camera_id)
        pixels = geometry.input_width * geometry.input_height
        self._pixels.labels(camera_id).inc(pixels)
        self._operating_point.labels(camera_id).set(rate)
        self._picture_bytes.labels(camera_id, form).inc(ref.picture_bytes)
        self._bitstream_bytes.labels(camera_id, form).inc(len(encoded.bitstream))
        for group in encoded.groups:
            side = group.side_information_bytes
            parts = {SIDE_INFORMATION: side, LATENT: group.payload_bytes - side}
            parts[FRAMING] = group.substream_bytes - group.payload_bytes
            for part, size in parts.items():
                self._coded_bytes.labels(camera_id, group.name, part).inc(size)
            side_bits = group.side_information_bits
            for part, bits in ((SIDE_INFORMATION, side_bits), (LATENT, group.cross_entropy_bits - side_bits)):
                # Of two sums in floating point the part can come out above the whole, by its last digit.
                self._cross_entropy.labels(camera_id, group.name, part).inc(max(0.0, bits / 8))
            self._group_frames.labels(camera_id, group.name).inc()
            self._group_pixels.labels(camera_id, group.name).inc(pixels)

    def sent(self, wire_bytes: Mapping[str, float]) -> None:
        """Count a message that went out. wire_bytes: each camera's share of its bytes."""
        for camera_id, size in wire_bytes.items():
            self.saw(camera_id)
            self._wire_bytes.labels(camera_id).inc(size)

    def dropped(self, camera_id: str, bound: str, frames: int) -> None:
        """Count coded frames that the spool lost to a bound."""
        self.saw(camera_id)
        self._spool_dropped.labels(camera_id, bound).inc(frames)

    def looked_at(self, camera_id: str) -> None:
        """Show what a camera sees, of which a picture was given to `sights`."""
        self.saw(camera_id)
        if (seen := self.sights.of(camera_id)) is not None:
            for sight in Sight:
                self._sight.labels(camera_id, sight).set(sight is seen.sight)

    def source_is(self, camera_id: str, now: SourceCondition, before: SourceCondition | None) -> None:
        """Show a source that the edge plays. before: what was shown of it last, None for the first time."""
        self.saw(camera_id)
        for state in SourceState:
            self._source_state.labels(camera_id, state).set(state is now.state)
        self._source_failures.labels(camera_id).inc(now.breaks - (before.breaks if before else 0))
        self._source_damaged.labels(camera_id).inc(now.damaged - (before.damaged if before else 0))
        self._source_superseded.labels(camera_id).inc(now.superseded - (before.superseded if before else 0))

    def source_left(self, camera_id: str) -> None:
        """Remove the state of a source that is played no more; what was counted of it stays."""
        self._source_state.remove_by_labels({LABEL: camera_id})

    def _begin(self, camera_id: str) -> None:
        """Begin a camera's series at 0, so that the first of anything is seen as a rise."""
        self._last.labels(camera_id).set(self._clock())
        for one in (self._pixels, self._wire_bytes, self._repeated, self._source_failures):
            one.labels(camera_id)
        for outcome in ANSWERED:
            self._frames.labels(camera_id, outcome)
        for kind in Damage:
            self._damaged.labels(camera_id, kind)
        for bound in BOUNDS:
            self._spool_dropped.labels(camera_id, bound)
        for sizes in (self._picture_bytes, self._bitstream_bytes):
            sizes.labels(camera_id, PictureFormat.JPEG)
        for group in self._groups:
            self._group_frames.labels(camera_id, group)
            self._group_pixels.labels(camera_id, group)
            for part in (SIDE_INFORMATION, LATENT, FRAMING):
                self._coded_bytes.labels(camera_id, group, part)
            for part in (SIDE_INFORMATION, LATENT):
                self._cross_entropy.labels(camera_id, group, part)
        self.replanned(camera_id)
