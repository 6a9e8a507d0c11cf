"""What an uplink owes its edge, and when it is worth a message.

    credit, acks, wishes --Outbox--> ConnectResponse, seldom

A response costs as much on the wire as a quarter of a frame. So acknowledgements are cumulative and wait for one
another, and credit travels with them unless half of the window is owed. Law:
nothing waits longer than `ack_interval_seconds`, but credit that nobody misses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cloud_analytics.wishes import WantedGroups
from shared.contract.uplink_stream import PacketReader
from shared.wire import uplink_pb2


class Outbox:
    """One stream's. window: the credit that the edge began with. clock: seconds, monotonic."""

    def __init__(
        self,
        reader: PacketReader,
        window: int,
        ack_interval_seconds: float,
        ack_frames: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._window = window
        self._interval = ack_interval_seconds
        self._ack_frames = ack_frames
        self._clock = clock
        self._credit = 0
        self._acks: dict[str, int] = {}
        self._acked_frames = 0
        self._oldest_ack = 0.0
        self._wanted: WantedGroups | None = None
        self._told: WantedGroups | None = None
        self._finishing = False

    def add_credit(self, frames: int) -> None:
        """So many frames have their results with the bus, or were there before."""
        self._credit += frames

    def add_acks(self, sequences: dict[str, int], frames: int) -> None:
        """Frames whose results are with the bus, up to a sequence by camera. frames: how many."""
        if not self._acks:
            self._oldest_ack = self._clock()
        for camera, sequence in sequences.items():
            self._acks[camera] = max(sequence, self._acks.get(camera, 0))
        self._acked_frames += frames

    def want(self, wanted: WantedGroups) -> None:
        """What subscribers want now."""
        self._wanted = None if wanted == self._told else wanted

    def finish(self) -> None:
        """Nothing comes any more: all that is owed is due."""
        self._finishing = True

    @property
    def finished(self) -> bool:
        """Whether nothing is owed any more and nothing will be."""
        return self._finishing and not self._acks

    def due_in(self) -> float | None:
        """Seconds until a response is due, 0 for now; None where nothing is owed that could become due by itself."""
        if self._wanted is not None or 2 * self._credit >= self._window:
            return 0.0
        if not self._acks:
            return None
        if self._finishing or self._acked_frames >= self._ack_frames:
            return 0.0
        return max(0.0, self._oldest_ack + self._interval - self._clock())

    def response(self) -> uplink_pb2.ConnectResponse:
        """Everything that is owed, in one message."""
        response = uplink_pb2.ConnectResponse(credit=self._credit)
        response.acks.extend(self._reader.ack(camera, sequence) for camera, sequence in self._acks.items())
        if self._wanted is not None:
            response.wanted.CopyFrom(wanted_message(self._wanted))
            self._told, self._wanted = self._wanted, None
        self._credit, self._acks, self._acked_frames = 0, {}, 0
        return response


def wanted_message(wanted: WantedGroups) -> uplink_pb2.Wanted:
    """As it travels; names in their order, so that equal wishes are equal bytes."""
    message = uplink_pb2.Wanted(groups_of_all=sorted(wanted.of_all))
    for camera, groups in sorted(wanted.of_cameras.items()):
        message.cameras.add(camera_id=camera, groups=sorted(groups))
    return message
