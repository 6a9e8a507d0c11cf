"""What was received, in one order for all: the ground that results are published and replayed from.

    Arrival --append (what was there before is dropped)--> positions 1, 2, 3, ... --come--> the pipeline        --replay--> feeds

`cloud_analytics.journal.local.frame_log` keeps it in this process's journal, `cloud_analytics.journal.jetstream` for many
replicas in a stream.
Laws: what `append` has returned for survives the death of this process; a frame (camera, sequence) is appended once for
good; `come` gives every frame after the position where it began, once and in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cloud_analytics.frames import Received
from shared.contract.packets import Packet


@dataclass(frozen=True)
class Arrival:
    """The packets of one uplink message. bundle_digest: 32 bytes."""

    packets: tuple[Packet, ...]
    bundle_digest: bytes
    edge_id: str


@dataclass(frozen=True)
class Appended:
    """What was new, in order; the cameras of what was not, one entry each frame; and the last position of all.

    late: the cameras of frames that are lost, being older than the last one, which came by another edge.
    """

    received: tuple[Received, ...]
    duplicates: tuple[str, ...]
    late: tuple[str, ...]
    head: int


@dataclass(frozen=True)
class Replay:
    """Frames in order, and how many before them are no longer kept. uncounted: some may be missing, and nobody can say how many."""

    received: tuple[Received, ...]
    lost: int
    uncounted: bool = False


@dataclass(frozen=True)
class KnownCamera:
    """What is remembered of a camera, also when its frames have gone. Times in microseconds since 1970."""

    camera_id: str
    edge_id: str
    last_sequence: int
    last_capture_time_us: int
    last_received_time_us: int


@dataclass(frozen=True)
class Kept:
    """What a log holds, and how many frames it has let go since it was last asked, by reason."""

    bytes: int
    frames: int
    dropped: Mapping[str, int] = field(default_factory=dict)


class FrameLog(Protocol):
    """A log."""

    @property
    def head(self) -> int:
        """The last position that is known; 0 before the first."""

    @property
    def cameras(self) -> Mapping[str, KnownCamera]:
        """All cameras that ever sent a frame, by name; replaced as a whole when it changes."""

    async def append(self, arrivals: Sequence[Arrival]) -> Appended:
        """Keeps all that is new. Raises LogUnavailable."""

    async def come(self) -> Sequence[Received]:
        """Waits for what was appended next, by any replica. To be called by one task."""

    async def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        """The first `limit` frames after `position`, up to and with `up_to`, of these cameras, or of all where none is named.

        Raises LogUnavailable.
        """

    def cursor(self, position: int) -> str:
        """A position as clients keep it; names this log too."""

    def position(self, cursor: str) -> int | None:
        """The position of a cursor, None if it is of another log; raises BadRequest for what is no cursor."""

    async def reach(self, cursor: str) -> None:
        """Makes sure that `position` knows what other replicas appended. Raises LogUnavailable."""

    async def keep(self) -> Kept:
        """Drops what is beyond the bounds, and tells what is left. Raises LogUnavailable."""
