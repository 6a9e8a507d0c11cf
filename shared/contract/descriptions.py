"""The answers of a cloud to the questions which cameras and which tasks there are.

CameraInfo --camera_message--> Camera --camera_of--> the same CameraInfo
BundleInfo --bundle_message--> BundleDescription --bundle_of--> the same BundleInfo, with its TaskInfos
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contract.packets import time_us_of, timestamp
from shared.wire import results_pb2


@dataclass(frozen=True)
class CameraInfo:
    """A camera as the cloud knows it.

    connected: its edge is connected now. The numbers are 0 before its first frame; times are in microseconds since 1970.
    """

    camera_id: str
    edge_id: str
    connected: bool
    last_sequence: int
    last_capture_time_us: int
    last_received_time_us: int


@dataclass(frozen=True)
class TaskInfo:
    """A task that can be asked for.

    shape: the sides of one frame's result with commas, without the batch; H and W stand for the network's input ("3,H,W").
    dtype: a numpy type's name. labels: the names of classes, where there are any. overlay: the head was added beside the
    bundle.
    """

    name: str
    group: str
    shape: str
    dtype: str
    unit: str
    labels: tuple[str, ...] = field(default=(), repr=False)
    overlay: bool = False

    @property
    def sides(self) -> tuple[int | str, ...]:
        """The sides of the shape."""
        return tuple(side if side in ("H", "W") else int(side) for side in self.shape.split(","))

    @property
    def is_dense(self) -> bool:
        """True where there is a result for each pixel."""
        return "H" in self.shape


@dataclass(frozen=True)
class BundleInfo:
    """A bundle that the cloud serves. digest: the SHA-256 of its manifest. The input's sides are in pixels."""

    name: str
    version: str
    digest: bytes
    input_width: int
    input_height: int
    tasks: tuple[TaskInfo, ...]
    operating_points: tuple[str, ...]


def camera_message(camera: CameraInfo) -> results_pb2.Camera:
    """Return a camera as it travels."""
    return results_pb2.Camera(
        camera_id=camera.camera_id,
        edge_id=camera.edge_id,
        connected=camera.connected,
        last_sequence=camera.last_sequence,
        last_capture_time=timestamp(camera.last_capture_time_us),
        last_received_time=timestamp(camera.last_received_time_us),
    )


def camera_of(message: results_pb2.Camera) -> CameraInfo:
    """Return a camera as it came; raises BadRequest."""
    return CameraInfo(
        message.camera_id,
        message.edge_id,
        message.connected,
        message.last_sequence,
        time_us_of(message.last_capture_time),
        time_us_of(message.last_received_time),
    )


def bundle_message(bundle: BundleInfo) -> results_pb2.BundleDescription:
    """Return a bundle as it travels."""
    tasks = [results_pb2.TaskDescription(**vars(task)) for task in bundle.tasks]
    return results_pb2.BundleDescription(**(vars(bundle) | {"tasks": tasks}))


def bundle_of(message: results_pb2.BundleDescription) -> BundleInfo:
    """Return a bundle as it came."""
    return BundleInfo(
        message.name,
        message.version,
        message.digest,
        message.input_width,
        message.input_height,
        tuple(
            TaskInfo(task.name, task.group, task.shape, task.dtype, task.unit, tuple(task.labels), task.overlay)
            for task in message.tasks
        ),
        tuple(message.operating_points),
    )
