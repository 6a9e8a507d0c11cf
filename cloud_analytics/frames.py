"""What travels from an edge's packet to a subscriber.

    Packet --journal--> LoggedFrame --analysis--> DecodedFrame --subscription--> FrameResult

A `DecodedFrame` holds a frame's results as numbers; a `FrameResult` holds them as one subscriber asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shared.codec.bitstream import Bitstream
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, GroupBytes, PictureResult, TensorResult


@dataclass(frozen=True)
class LoggedFrame:
    """A packet in the frame log.

    position: the frame's place in the log, which rises with every frame.
    received_time_us: the time by the cloud's clock when the packet came, in microseconds since 1970.
    """

    position: int
    packet: Packet
    bundle_digest: bytes
    received_time_us: int

    @property
    def camera_id(self) -> str:
        """The camera that took the picture."""
        return self.packet.camera_id


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame's results as numbers, for those tasks that somebody wanted.

    bitstream: the parsed bitstream; None where it was refused.
    groups: the groups that were sent, and the bytes of each.
    values: one array for each task, of the task's shape and dtype, without the batch axis.
    error: the reason why there are no values; empty where nothing went wrong.
    """

    frame: LoggedFrame
    bitstream: Bitstream | None
    groups: tuple[GroupBytes, ...]
    values: Mapping[str, NDArray[Any]]
    error: str = ""


TaskOutput = ClassesResult | TensorResult | PictureResult


@dataclass(frozen=True)
class FrameResult:
    """One frame as one subscriber asked for it. error: the same as in `DecodedFrame`."""

    packet: Packet
    received_time_us: int
    bundle_digest: bytes
    groups: tuple[GroupBytes, ...]
    outputs: tuple[TaskOutput, ...]
    cursor: str
    error: str = ""


@dataclass(frozen=True)
class Lost:
    """Frames that a subscriber did not get: it was too slow, or the journal no longer had them.

    frames: how many; 0 where nobody can know, because the client's cursor is of another journal.
    """

    frames: int
