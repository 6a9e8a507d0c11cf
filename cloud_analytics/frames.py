"""What travels from the heads to a subscriber.

Received --analysis--> Analysed (numbers, by task) --bus--> subscription --rendered--> FrameOutput (as the subscriber asked)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shared.contract.geometry import InputSize
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, Encoding, GroupBytes, PictureResult, TensorResult


@dataclass(frozen=True)
class ServedTask:
    """A task that can be asked for, of one bundle.

    shape: one frame's, without the batch; "H" and "W" stand for the network's input. dtype: a numpy type's name. labels: of
    classes, where there are. overlay: a head that was added beside the bundle.
    """

    name: str
    group: str
    shape: tuple[int | str, ...]
    dtype: str
    unit: str
    labels: tuple[str, ...] = ()
    overlay: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether there is a result for each pixel."""
        return "H" in self.shape


@dataclass(frozen=True)
class BundleState:
    """A bundle that is served. digest: 32 bytes. input: the network's, in pixels."""

    name: str
    version: str
    digest: bytes
    input: InputSize
    tasks: tuple[ServedTask, ...]
    operating_points: tuple[str, ...]


@dataclass(frozen=True)
class Received:
    """A packet in the journal. position: rises by one with every packet of this journal. received_time_us: the cloud's clock."""

    position: int
    packet: Packet
    bundle_digest: bytes
    received_time_us: int


@dataclass(frozen=True, eq=False)
class Analysed:
    """A frame's results as numbers, for the tasks that somebody wanted.

    groups: those that were sent. values: by task, one frame's array without the batch axis, of the task's shape and
    dtype. error: why there are none, where the bitstream was refused.
    """

    received: Received
    groups: tuple[GroupBytes, ...]
    values: Mapping[str, NDArray[Any]]
    error: str = ""


TaskOutput = ClassesResult | TensorResult | PictureResult


@dataclass(frozen=True)
class Wish:
    """What a subscriber wants. cameras: none named means all. tasks: may be empty. longest_side_pixels: 0 for the network's size.

    cursor: of the last result that the client has; empty for "from now on". hold_seconds: how long the wish outlives a
    broken connection.
    """

    subscription_id: str
    cameras: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    encoding: Encoding = Encoding.TENSOR
    longest_side_pixels: int = 0
    top_classes: int = 5
    cursor: str = ""
    hold_seconds: float = 0.0


@dataclass(frozen=True)
class FrameOutput:
    """One frame as one subscriber asked for it. error: as in `Analysed`."""

    packet: Packet
    received_time_us: int
    bundle_digest: bytes
    groups: tuple[GroupBytes, ...]
    outputs: tuple[TaskOutput, ...]
    cursor: str
    error: str = ""


@dataclass(frozen=True)
class Lost:
    """So many frames that a subscriber was too slow for, or that the journal no longer had.

    frames: 0 where nobody can know: the client's cursor is of another journal than this cloud's.
    """

    frames: int


@dataclass(frozen=True)
class CameraState:
    """What the cloud knows of a camera. connected: whether its edge is, now. Times in microseconds since 1970."""

    camera_id: str
    edge_id: str
    connected: bool
    last_sequence: int
    last_capture_time_us: int
    last_received_time_us: int
