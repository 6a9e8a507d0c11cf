"""The frames that clients post, and the results that they get.

    camera:      CameraFrame --edge--> Receipt
    subscriber:  Wish --cloud--> Result, with a ClassesResult, TensorResult or PictureResult for each task

Times are in microseconds since 1970 (UTC), and sizes in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contract.geometry import Geometry, Picture
from shared.contract.results import ClassesResult, GroupBytes, PictureResult, TensorResult


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """A frame to post.

    picture: a picture file's bytes, or pixels, which are sent as JPEG.
    capture_time_us: the time of capture; None takes the time of posting.
    traceparent: W3C's trace context, or empty.
    """

    picture: Picture = field(repr=False)
    capture_time_us: int | None = None
    traceparent: str = ""


TaskResult = ClassesResult | TensorResult | PictureResult


@dataclass(frozen=True, eq=False)
class Result:
    """One frame's results.

    coded_bytes: the size of the whole bitstream. groups: the sizes of its parts.
    geometry: the map from a dense result's pixels to those of the camera's picture.
    traceparent: the trace context that the camera sent, or empty.
    bundle_digest: the SHA-256 of the bundle's manifest.
    error: the reason why there are no results, if the frame could not be decoded.
    cursor: the place in the stream of results; a later `Subscriber` goes on after it.
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
        """Return the result of one task, or None if it was not asked for."""
        return next((task for task in self.tasks if task.task == name), None)
