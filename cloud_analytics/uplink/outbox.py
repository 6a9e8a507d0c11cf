"""What the cloud owes an edge, and when it is worth a message.

    credit, acknowledgements, wanted groups --UplinkOutbox--> ConnectResponse, seldom

A response costs as much on the wire as a quarter of a frame. So acknowledgements are cumulative and wait for one
another, and credit travels with them unless half of the window is owed.
Law: nothing waits longer than `ack_interval_seconds`, except credit that nobody misses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cloud_analytics.settings import CloudSettings
from cloud_analytics.wishes import WantedGroups
from shared.contract.uplink_stream import PacketReader
from shared.wire import uplink_pb2


class UplinkOutbox:
    """The outbox of one stream.

    reader: knows the short names of cameras on this stream.
    clock: returns a monotonic time in seconds.
    """

    def __init__(
        self, reader: PacketReader, settings: CloudSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._credit = 0
        self._acks: dict[str, int] = {}
        self._acked_frames = 0
        self._oldest_ack = 0.0
        self._wanted: WantedGroups | None = None
        self._told: WantedGroups | None = None
        self._is_finishing = False

    def add_credit(self, frames: int) -> None:
        """Owe credit for so many frames, whose results are with the bus or were there before."""
        self._credit += frames

    def add_acks(self, sequences: dict[str, int], frames: int) -> None:
        """Owe acknowledgements.

        sequences: by camera, the sequence up to which all results are with the bus.
        frames: the number of frames that this acknowledges.
        """
        if not self._acks:
            self._oldest_ack = self._clock()
        for camera, sequence in sequences.items():
            self._acks[camera] = max(sequence, self._acks.get(camera, 0))
        self._acked_frames += frames

    def want(self, wanted: WantedGroups) -> None:
        """Owe the edge what subscribers want now, unless it was told so already."""
        self._wanted = None if wanted == self._told else wanted

    def finish(self) -> None:
        """Make all that is owed due at once: nothing comes any more."""
        self._is_finishing = True

    @property
    def finished(self) -> bool:
        """True where nothing is owed any more and nothing will be."""
        return self._is_finishing and not self._acks

    def due_in(self) -> float | None:
        """Return the seconds until a response is due, 0 for now; None where nothing becomes due by itself."""
        if self._wanted is not None or 2 * self._credit >= self._settings.credit_frames:
            return 0.0
        if not self._acks:
            return None
        if self._is_finishing or self._acked_frames >= self._settings.ack_frames:
            return 0.0
        return max(0.0, self._oldest_ack + self._settings.ack_interval_seconds - self._clock())

    def response(self) -> uplink_pb2.ConnectResponse:
        """Return everything that is owed, in one message; nothing is owed afterwards."""
        response = uplink_pb2.ConnectResponse(credit=self._credit)
        response.acks.extend(self._reader.ack(camera, sequence) for camera, sequence in self._acks.items())
        if self._wanted is not None:
            response.wanted.CopyFrom(wanted_message(self._wanted))
            self._told, self._wanted = self._wanted, None
        self._credit, self._acks, self._acked_frames = 0, {}, 0
        return response


def wanted_message(wanted: WantedGroups) -> uplink_pb2.Wanted:
    """Return wanted groups as they travel; names are in order, so that equal wishes are equal bytes."""
    message = uplink_pb2.Wanted(groups_of_all=sorted(wanted.of_all))
    for camera, groups in sorted(wanted.of_cameras.items()):
        message.cameras.add(camera_id=camera, groups=sorted(groups))
    return message
