"""Writes frames into the stream, each once.

    one camera's packets, in order --publish, expecting the camera's last frame--> JetStream --confirmed--> next packet
                      ^--- another replica was faster, or no answer came: the last frame is read ---|

Law: a frame is written only if the camera's last frame in the stream is the one that this replica knows of. Else what
is there is read, and what was there before is dropped. So it does not matter who else writes, nor whether an answer was
lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nats.js.api import Header
from nats.js.errors import APIError, NotFoundError

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.journal.jetstream.cameras import CameraBook
from cloud_analytics.journal.jetstream.link import Link, NatsTrouble, is_conflict
from cloud_analytics.journal.jetstream.messages import SharedFrame, frame_bytes, frame_of
from cloud_analytics.journal.jetstream.names import Names
from cloud_analytics.journal.jetstream.reader import Message
from cloud_analytics.metrics.service import CloudMetrics
from shared.contract.packets import MICROSECONDS, Packet
from shared.errors import LogUnavailable
from shared.telemetry.logs import Throttle, logger

AGAIN_SECONDS = 0.2
CAMERAS_AT_ONCE = 128

log = logger("cloud.bus")


@dataclass(frozen=True)
class _Last:
    """A camera's last frame.

    position: 0 where the frame is no longer in the stream.
    before_edge: the camera's last sequence when the edge of this frame began to send it.
    """

    position: int = 0
    sequence: int = -1
    edge_id: str = ""
    before_edge: int = 0


@dataclass(frozen=True)
class CameraAppended:
    """The fate of one camera's packets: the new frames, the numbers of the others, and its last frame afterwards."""

    frames: tuple[LoggedFrame, ...]
    duplicates: int
    late: int
    last: _Last


class Appender:
    """The way of one replica's frames into the stream.

    book: remembers the cameras whose frames have aged out.
    clock: returns the time in seconds since 1970.
    """

    def __init__(
        self,
        link: Link,
        names: Names,
        replica_id: str,
        book: CameraBook,
        metrics: CloudMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._names = names
        self._replica_id = replica_id
        self._book = book
        self._metrics = metrics
        self._clock = clock
        self._last: dict[str, _Last] = {}
        self._slots = asyncio.Semaphore(CAMERAS_AT_ONCE)
        self._throttle = Throttle(10.0)

    async def append(self, camera: str, packets: Sequence[tuple[Packet, Arrival]]) -> CameraAppended:
        """Append one camera's packets, in their order, and wait until JetStream answers.

        packets: each with the message that it came in.
        Raises LogUnavailable for what JetStream never takes.
        """
        frames: list[LoggedFrame] = []
        duplicates = late = 0
        async with self._slots:
            last = self._last.pop(camera, None) or await self._found(camera)
            for packet, arrival in packets:
                while packet.sequence > last.sequence:
                    last, written = await self._written(packet, arrival, last)
                    if written is not None:
                        frames.append(written)
                        break
                else:
                    # The stream has a later one. It is late, not a duplicate, where another edge sent that one.
                    is_late = last.edge_id != arrival.edge_id and packet.sequence > last.before_edge
                    late += is_late
                    duplicates += not is_late
            # Where this ends with an error, the last frame is forgotten: the outcome of a write may be unknown then.
            self._last[camera] = last
        return CameraAppended(tuple(frames), duplicates, late, last)

    async def _written(self, packet: Packet, arrival: Arrival, last: _Last) -> tuple[_Last, LoggedFrame | None]:
        """Try once to append a packet; return the camera's last frame afterwards, and the packet's frame if new."""
        before_edge = last.before_edge if last.edge_id == arrival.edge_id else max(0, last.sequence)
        frame = LoggedFrame(0, packet, arrival.bundle_digest, int(self._clock() * MICROSECONDS))
        shared = SharedFrame(frame, arrival.edge_id, self._replica_id, before_edge)
        headers = {
            str(Header.MSG_ID.value): f"{packet.camera_id}:{packet.sequence}",
            str(Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value): str(last.position),
        }
        try:
            subject = self._names.frames_of(packet.camera_id)
            ack = await self._link.js.publish(subject, frame_bytes(shared), stream=self._names.frames, headers=headers)
        except NatsTrouble as error:
            return await self._after_refusal(packet.camera_id, error), None
        if ack.duplicate:
            # An earlier attempt had written it, though no answer came. It may even have aged out since.
            found = await self._found(packet.camera_id)
            return (found if found.sequence >= packet.sequence else replace(found, sequence=packet.sequence)), None
        return _Last(ack.seq, packet.sequence, arrival.edge_id, before_edge), replace(frame, position=ack.seq)

    async def _after_refusal(self, camera: str, error: BaseException) -> _Last:
        """Return the camera's last frame as it is now.

        Raises LogUnavailable for a frame that JetStream will never take.
        """
        if is_conflict(error):
            self._metrics.bus_conflicts.inc()
            return await self._found(camera)
        if self._throttle.due():
            log.warning("frame not confirmed", camera=camera, reason=repr(error), times=self._throttle.times)
        if isinstance(error, APIError) and error.code == 400:
            raise LogUnavailable(repr(error)) from error
        await asyncio.sleep(AGAIN_SECONDS)
        return await self._found(camera)

    async def _found(self, camera: str) -> _Last:
        """Return a camera's last frame, from the stream or from the book; wait until NATS answers."""
        while True:
            try:
                raw = await self._link.js.get_last_msg(self._names.frames, self._names.frames_of(camera))
            except NotFoundError:
                known = self._book.last(camera)
                return (
                    _Last()
                    if known is None
                    else _Last(0, known.last_sequence, known.edge_id, known.sequence_before_edge)
                )
            except NatsTrouble:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            found = frame_of(Message(raw.seq or 0, raw.subject or "", raw.data or b""))
            if found is None:
                raise LogUnavailable(f"the last message of {raw.subject} cannot be read as a frame")
            return _last_of(found)

    def note(self, shared: SharedFrame) -> None:
        """Take a frame that came from the stream, which another replica may have written."""
        known = self._last.get(shared.frame.camera_id)
        if known is not None and shared.frame.position > known.position:
            self._last[shared.frame.camera_id] = _last_of(shared)


def _last_of(shared: SharedFrame) -> _Last:
    frame = shared.frame
    return _Last(frame.position, frame.packet.sequence, shared.edge_id, shared.sequence_before_edge)
