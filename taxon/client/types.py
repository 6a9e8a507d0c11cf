"""What clients give and get.

    camera:      CameraFrame --edge--> Receipt
    subscriber:  Wish --cloud--> Result, with a ClassesResult, TensorResult or PictureResult for each task

Times are in microseconds since 1970 (UTC), sizes in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from shared.contract.geometry import Geometry
from shared.contract.pictures import Picture
from shared.contract.results import ClassesResult, Encoding, GroupBytes, PictureResult, TensorResult
from shared.errors import Refused


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """A frame to post; pixels are sent as JPEG. capture_time_us: None takes the time of posting. traceparent: W3C's, or empty."""

    picture: Picture = field(repr=False)
    capture_time_us: int | None = None
    traceparent: str = ""


class Outcome(StrEnum):
    """What became of a frame at the edge. Refused: no frame for this edge, see `Receipt.refusal`."""

    CODED = "coded"
    NOT_WANTED = "not_wanted"
    SUPERSEDED = "superseded"
    OVER_BUDGET = "over_budget"
    REFUSED = "refused"


@dataclass(frozen=True)
class Receipt:
    """The edge's answer about one frame; the numbers are 0 and the groups none for a frame that was not coded.

    sequence: the result carries the same. coded_bytes: the whole bitstream. rate: its operating point. repeated_post: this
    very frame had been accepted before. refusal: why, where the outcome is `refused`.
    """

    camera_id: str
    outcome: Outcome
    capture_time_us: int
    sequence: int = 0
    coded_bytes: int = 0
    rate: int = 0
    groups: tuple[str, ...] = ()
    repeated_post: bool = False
    refusal: Refused | None = None


@dataclass(frozen=True)
class Wish:
    """What a subscriber wants. cameras: none named means all, also those that appear later. tasks: may be none.

    longest_side_pixels: of dense results; 0 for the network's own size, which is never enlarged. top_classes: how many of
    the most probable. hold_seconds: how long the wish outlives a broken connection (at most 300).
    """

    cameras: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    encoding: Encoding = Encoding.TENSOR
    longest_side_pixels: int = 0
    top_classes: int = 5
    hold_seconds: float = 30.0


TaskResult = ClassesResult | TensorResult | PictureResult


@dataclass(frozen=True, eq=False)
class Result:
    """One frame's results.

    coded_bytes: the whole bitstream; groups: its parts. geometry: maps a dense result back onto the camera's picture.
    bundle_digest: SHA-256 of the bundle's manifest. error: why there are no results, where the frame could not be decoded.
    """

    camera_id: str
    sequence: int
    capture_time_us: int
    received_time_us: int
    coded_bytes: int
    groups: tuple[GroupBytes, ...]
    geometry: Geometry
    tasks: tuple[TaskResult, ...]
    traceparent: str
    bundle_digest: bytes
    error: str
    cursor: str

    def task(self, name: str) -> TaskResult | None:
        """The result of one task, where it was asked for."""
        return next((task for task in self.tasks if task.task == name), None)


@dataclass(frozen=True)
class CameraInfo:
    """What the cloud knows of a camera. connected: whether its edge is, now."""

    camera_id: str
    edge_id: str
    connected: bool
    last_sequence: int
    last_capture_time_us: int
    last_received_time_us: int


@dataclass(frozen=True)
class TaskInfo:
    """A task that can be asked for. shape: without the batch; H and W stand for the network's input. overlay: added beside the bundle."""

    name: str
    group: str
    shape: str
    dtype: str
    unit: str
    labels: tuple[str, ...] = field(repr=False)
    overlay: bool


@dataclass(frozen=True)
class BundleInfo:
    """A bundle that the cloud serves."""

    name: str
    version: str
    digest: bytes
    input_width: int
    input_height: int
    tasks: tuple[TaskInfo, ...]
    operating_points: tuple[str, ...]
