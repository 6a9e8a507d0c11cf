"""Between the cloud's types and the messages of proto/taxon/v1/bus.proto.

Law: of a message that this release cannot read, `None` is made; replicas of two releases may share a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from cloud_analytics.frames import Received
from cloud_analytics.journal.jetstream.names import name_in
from cloud_analytics.journal.jetstream.reader import Message
from shared.contract.packets import MICROSECONDS, Packet
from shared.contract.uplink_stream import geometry_message, geometry_of
from shared.contract.wishes import SubscriberWish
from shared.errors import BadRequest
from shared.wire import bus_pb2


@dataclass(frozen=True)
class Journalled:
    """A frame of the stream. sequence_before_edge: the camera's last one when this edge began to send it."""

    received: Received
    edge_id: str
    replica_id: str
    sequence_before_edge: int


@dataclass(frozen=True)
class SharedCamera:
    """Who gives a camera, and how far it has come. replica_id: empty where its edge is not connected. Times in microseconds since 1970."""

    edge_id: str = ""
    replica_id: str = ""
    last_sequence: int = 0
    last_capture_time_us: int = 0
    last_received_time_us: int = 0
    sequence_before_edge: int = 0


@dataclass(frozen=True)
class SharedWish:
    """A subscriber's wish, and the replica that has the subscriber. position: of this entry in its bucket."""

    wish: SubscriberWish
    replica_id: str
    position: int


@dataclass(frozen=True)
class Beat:
    """A replica is alive. position: the last one that its subscribers have."""

    replica_id: str
    position: int
    leaving: bool


def frame_bytes(journalled: Journalled) -> bytes:
    """As it lies in the stream."""
    received, packet = journalled.received, journalled.received.packet
    return bus_pb2.JournalledFrame(
        sequence=packet.sequence,
        capture_time_microseconds=packet.capture_time_us,
        received_time_microseconds=received.received_time_us,
        geometry=geometry_message(packet.geometry),
        bundle_digest=received.bundle_digest,
        bitstream=packet.bitstream,
        trace_context=packet.trace_context,
        edge_id=journalled.edge_id,
        replica_id=journalled.replica_id,
        sequence_before_edge=journalled.sequence_before_edge,
    ).SerializeToString()


def frame_of(message: Message) -> Journalled | None:
    """A frame of the stream."""
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
    received = Received(message.position, packet, found.bundle_digest, found.received_time_microseconds)
    return Journalled(received, found.edge_id, found.replica_id, found.sequence_before_edge)


def camera_bytes(camera: SharedCamera) -> bytes:
    """As it lies in the bucket."""
    return bus_pb2.SharedCamera(
        edge_id=camera.edge_id,
        replica_id=camera.replica_id,
        last_sequence=camera.last_sequence,
        last_capture_time_microseconds=camera.last_capture_time_us,
        last_received_time_microseconds=camera.last_received_time_us,
        sequence_before_edge=camera.sequence_before_edge,
    ).SerializeToString()


def camera_of(message: Message) -> SharedCamera | None:
    """An entry of the bucket of cameras."""
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
    """As it lies in the bucket. cameras: False leaves the names out, which makes it a wish for all of them."""
    hold = Duration()
    hold.FromMicroseconds(round(wish.hold_seconds * MICROSECONDS))
    names = wish.cameras if cameras else ()
    return bus_pb2.SharedWish(replica_id=replica_id, camera_ids=names, tasks=wish.tasks, hold=hold).SerializeToString()


def wish_of(message: Message) -> SharedWish | None:
    """An entry of the bucket of wishes: what of it decides which groups are coded."""
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
    """As it travels."""
    return bus_pb2.ReplicaBeat(
        replica_id=beat.replica_id, position=beat.position, leaving=beat.leaving
    ).SerializeToString()


def beat_of(data: bytes) -> Beat | None:
    """A beat as it came."""
    try:
        found = bus_pb2.ReplicaBeat.FromString(data)
    except DecodeError:
        return None
    return Beat(found.replica_id, found.position, found.leaving)
