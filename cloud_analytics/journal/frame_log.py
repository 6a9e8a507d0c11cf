"""The log of all received frames, in one order: results are published and replayed from it.

    Arrival --append: what was there before is dropped--> positions 1, 2, 3, ... --next_batch--> the pipeline
                                                                                --replay--> the feeds of subscribers

`local.frame_log` keeps it in this process's journal; `jetstream.stream_log` keeps it in a stream that replicas share.
Laws: what `append` has returned for survives the death of this process. A frame (camera, sequence) is appended once for
good. `next_batch` gives every frame after the position where it began, once and in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cloud_analytics.frames import LoggedFrame
from shared.contract.packets import Packet
from shared.errors import BadRequest


@dataclass(frozen=True)
class Arrival:
    """The packets of one message of an edge. bundle_digest: the 32 bytes of the bundle that they were coded with."""

    packets: tuple[Packet, ...]
    bundle_digest: bytes
    edge_id: str


@dataclass(frozen=True)
class Appended:
    """The fate of some arrivals.

    frames: the new ones, in their order in the log.
    duplicates: the camera of each frame that was there before.
    late: the camera of each frame that is lost, because later ones of that camera had come by another edge.
    head: the last position of all these frames, new or not.
    """

    frames: tuple[LoggedFrame, ...]
    duplicates: tuple[str, ...]
    late: tuple[str, ...]
    head: int


@dataclass(frozen=True)
class Replay:
    """Frames in their order.

    lost: how many frames before them are no longer kept.
    uncounted: True where further ones may be missing, and nobody can say how many.
    """

    frames: tuple[LoggedFrame, ...]
    lost: int
    uncounted: bool = False


@dataclass(frozen=True)
class KnownCamera:
    """A camera as the log remembers it, also when its frames have gone. Times are in microseconds since 1970."""

    camera_id: str
    edge_id: str
    last_sequence: int
    last_capture_time_us: int
    last_received_time_us: int


@dataclass(frozen=True)
class Pruned:
    """The content of a log that was pruned. dropped: how many frames it has let go since the last time, by reason."""

    bytes: int
    frames: int
    dropped: Mapping[str, int] = field(default_factory=dict)


CURSOR_CHARACTERS = 64


def position_of(cursor: str, log_id: str, head: int) -> int | None:
    """Return the position of a cursor "<id of the log>:<position>"; None if it is of another log.

    head: the last position of this log.
    Raises BadRequest for what is no cursor.
    """
    named, _, digits = cursor.partition(":")
    if not (named and digits.isascii() and digits.isdigit() and len(cursor) <= CURSOR_CHARACTERS):
        raise BadRequest(f"{cursor[:80]!r} is no cursor: give one that a result carried, or none to begin now")
    if named != log_id:
        return None
    if int(digits) > head:
        raise BadRequest(f"the cursor {cursor} lies ahead of this cloud's log, which ends at {head}")
    return int(digits)


class FrameLog(Protocol):
    """The frame log of one cloud, alone or with replicas."""

    @property
    def head(self) -> int:
        """The last position that this process knows; 0 before the first."""

    @property
    def cameras(self) -> Mapping[str, KnownCamera]:
        """All cameras that ever sent a frame, by name; replaced as a whole when it changes."""

    async def append(self, arrivals: Sequence[Arrival]) -> Appended:
        """Keep all that is new. Raises LogUnavailable."""

    async def next_batch(self) -> Sequence[LoggedFrame]:
        """Wait for the frames that are appended next, by any replica. Only one task may call this."""

    async def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        """Return the first frames after a position. Raises LogUnavailable.

        up_to: the last position that counts.
        cameras: the wanted cameras; none named means all.
        limit: the most frames that are returned.
        """

    def cursor(self, position: int) -> str:
        """Return a position as clients keep it; it names this log too."""

    def position(self, cursor: str) -> int | None:
        """Return the position of a cursor; None if it is of another log. Raises BadRequest for what is no cursor."""

    async def catch_up(self, cursor: str) -> None:
        """Make sure that `position` knows what other replicas have appended. Raises LogUnavailable."""

    async def prune(self) -> Pruned:
        """Drop what is beyond the bounds, and return what is left. Raises LogUnavailable."""
