"""What clients give and get.

    camera:      CameraFrame --edge--> Receipt
    subscriber:  Wish --cloud--> Result, with a ClassesResult, TensorResult or PictureResult for each task

Times are in microseconds since 1970 (UTC), sizes in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contract.geometry import Geometry
from shared.contract.pictures import Picture
from shared.contract.results import ClassesResult, GroupBytes, PictureResult, TensorResult


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """A frame to post; pixels are sent as JPEG. capture_time_us: None takes the time of posting. traceparent: W3C's, or empty."""

    picture: Picture = field(repr=False)
    capture_time_us: int | None = None
    traceparent: str = ""


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
