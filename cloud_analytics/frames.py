"""What travels from the heads to a subscriber.

Received --analysis--> Analysed (numbers, by task) --bus--> subscription --rendered--> FrameOutput (as the subscriber asked)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, GroupBytes, PictureResult, TensorResult


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
