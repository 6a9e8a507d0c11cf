"""The cloud's types as messages of proto/taxon/v1/bus.proto, and back.

Law: a message that this release cannot read becomes None, since replicas of two releases may share a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.jetstream.names import name_in
from cloud_analytics.journal.jetstream.reader import Message
from shared.contract.packets import MICROSECONDS, Packet
from shared.contract.uplink_stream import geometry_message, geometry_of
from shared.contract.wishes import SubscriberWish
from shared.errors import BadRequest
from shared.wire import bus_pb2


@dataclass(frozen=True)
class SharedFrame:
    """A frame of the stream. sequence_before_edge: the camera's last sequence when this edge began to send it."""

    frame: LoggedFrame
    edge_id: str
    replica_id: str
    sequence_before_edge: int


@dataclass(frozen=True)
class SharedCamera:
    """A camera as all replicas know it.

    replica_id: the replica that its edge is connected to; empty where it is not connected.
    last_capture_time_us, last_received_time_us: times of its last frame, in microseconds since 1970.
    sequence_before_edge: the camera's last sequence when its edge began to send it.
    """

    edge_id: str = ""
    replica_id: str = ""
    last_sequence: int = 0
    last_capture_time_us: int = 0
    last_received_time_us: int = 0
    sequence_before_edge: int = 0


@dataclass(frozen=True)
class SharedWish:
    """A subscriber's wish, and the replica that has the subscriber. position: this entry's position in its bucket."""

    wish: SubscriberWish
    replica_id: str
    position: int


@dataclass(frozen=True)
class Beat:
    """Word that a replica is alive. position: the last position that its subscribers have."""

    replica_id: str
    position: int
    leaving: bool


def frame_bytes(shared: SharedFrame) -> bytes:
    """Return a frame as it lies in the stream."""
    frame, packet = shared.frame, shared.frame.packet
    return bus_pb2.JournalledFrame(
        sequence=packet.sequence,
        capture_time_microseconds=packet.capture_time_us,
        received_time_microseconds=frame.received_time_us,
        geometry=geometry_message(packet.geometry),
        bundle_digest=frame.bundle_digest,
        bitstream=packet.bitstream,
        trace_context=packet.trace_context,
        edge_id=shared.edge_id,
        replica_id=shared.replica_id,
        sequence_before_edge=shared.sequence_before_edge,
    ).SerializeToString()


def frame_of(message: Message) -> SharedFrame | None:
    """Return the frame that a message of the stream holds."""
    try:
        found = bus_pb2.JournalledFrame.FromString(message.data)
        packet = Packet(
            name_in(message.subject),
            found.sequence,
            found.capture_time_microseconds,
            geometry_of(found.geometry),
            found.bitstream,
            found.trace_context,
        )
    except (DecodeError, BadRequest):
        return None
    frame = LoggedFrame(message.position, packet, found.bundle_digest, found.received_time_microseconds)
    return SharedFrame(frame, found.edge_id, found.replica_id, found.sequence_before_edge)


def camera_bytes(camera: SharedCamera) -> bytes:
    """Return a camera as it lies in the bucket."""
    return bus_pb2.SharedCamera(
        edge_id=camera.edge_id,
        replica_id=camera.replica_id,
        last_sequence=camera.last_sequence,
        last_capture_time_microseconds=camera.last_capture_time_us,
        last_received_time_microseconds=camera.last_received_time_us,
        sequence_before_edge=camera.sequence_before_edge,
    ).SerializeToString()


def camera_of(message: Message) -> SharedCamera | None:
    """Return the camera that an entry of the bucket holds."""
    try:
        found = bus_pb2.SharedCamera.FromString(message.data)
    except DecodeError:
        return None
    return SharedCamera(
        found.edge_id,
        found.replica_id,
        found.last_sequence,
        found.last_capture_time_microseconds,
        found.last_received_time_microseconds,
        found.sequence_before_edge,
    )


def wish_bytes(wish: SubscriberWish, replica_id: str, *, cameras: bool = True) -> bytes:
    """Return a wish as it lies in the bucket.

    cameras: False leaves the cameras' names out, so that it is a wish for all of them.
    """
    hold = Duration()
    hold.FromMicroseconds(round(wish.hold_seconds * MICROSECONDS))
    names = wish.cameras if cameras else ()
    return bus_pb2.SharedWish(replica_id=replica_id, camera_ids=names, tasks=wish.tasks, hold=hold).SerializeToString()


def wish_of(message: Message) -> SharedWish | None:
    """Return the part of an entry of the bucket of wishes that decides which groups are coded."""
    try:
        found = bus_pb2.SharedWish.FromString(message.data)
    except DecodeError:
        return None
    hold = found.hold.ToMicroseconds() / MICROSECONDS
    wish = SubscriberWish(
        tuple(found.camera_ids), tuple(found.tasks), hold_seconds=hold, subscription_id=name_in(message.subject)
    )
    return SharedWish(wish, found.replica_id, message.position)


def beat_bytes(beat: Beat) -> bytes:
    """Return a beat as it travels."""
    return bus_pb2.ReplicaBeat(
        replica_id=beat.replica_id, position=beat.position, leaving=beat.leaving
    ).SerializeToString()


def beat_of(data: bytes) -> Beat | None:
    """Return the beat that a message holds."""
    try:
        found = bus_pb2.ReplicaBeat.FromString(data)
    except DecodeError:
        return None
    return Beat(found.replica_id, found.position, found.leaving)
