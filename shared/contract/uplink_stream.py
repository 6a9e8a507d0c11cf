"""Packets as uplink messages and back: the state of one stream, on either side.

    Packets --PacketWriter.request--> ConnectRequest --PacketReader.packets--> the same Packets
    (camera, sequence) --PacketReader.ack--> Ack --PacketWriter.acked--> (camera, sequence)

A bitstream has one to three hundred bytes, so a frame's own message adds only six to ten. Cameras travel once a stream,
sequences and times as differences. Law: packets(request(p)) == p for packets whose sequences rise by camera. Anything
else is a BadRequest. Law: the cameras' shares of a message add up to it with gRPC's prefix, to the byte. The frames of
HTTP/2 and the headers of TCP are below what either side can see (`python -m benchmarks.wire` measures them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from shared.contract.geometry import Geometry
from shared.contract.packets import LATEST_CAPTURE_TIME_US, TRACE_CONTEXT_BYTES, Packet, checked_name
from shared.errors import BadRequest
from shared.wire import frame_pb2, uplink_pb2

PROTOCOL_VERSION = 1
MOST_CAMERAS = 10_000
"""The most cameras of one stream, which bounds what a peer can make the other side remember."""
GRPC_PREFIX_BYTES = 5
"""The length and compression flag that gRPC puts before each message."""
_TAG_BYTES = 1
_GEOMETRY_FIELDS = (
    *("picture_width", "picture_height", "input_width", "input_height"),
    *("crop_x", "crop_y", "uncropped_width", "uncropped_height"),
)
"""The wire's names of `Geometry.numbers`."""


@dataclass
class _StreamCamera:
    """The state of a camera within a stream: the numbers of its last packet."""

    index: int
    name: str
    geometry: Geometry
    base_sequence: int
    next_sequence: int
    capture_time_us: int


class PacketWriter:
    """The sending side of one stream."""

    def __init__(self) -> None:
        self._cameras: dict[str, _StreamCamera] = {}
        self._names: list[str] = []

    def request(self, packets: Sequence[Packet]) -> uplink_pb2.ConnectRequest:
        """Return one message with these packets; it declares the cameras that are new in it or whose geometry changed.

        Raises ValueError where a camera's sequences do not rise. The caller begins a new message where a geometry
        changes (`fits`).
        """
        request = uplink_pb2.ConnectRequest()
        for packet in packets:
            camera = self._cameras.get(packet.camera_id)
            if camera is None or camera.geometry != packet.geometry:
                camera = self._declared(packet, camera)
                request.cameras.append(_declaration(camera))
            if packet.sequence < camera.next_sequence:
                raise ValueError(
                    f"sequences of {packet.camera_id} must rise: {packet.sequence} after {camera.next_sequence - 1}"
                )
            request.frames.add(
                camera_index=camera.index,
                sequence_skip=packet.sequence - camera.next_sequence,
                capture_time_step_microseconds=packet.capture_time_us - camera.capture_time_us,
                bitstream=packet.bitstream,
                trace_context=packet.trace_context,
            )
            camera.next_sequence = packet.sequence + 1
            camera.capture_time_us = packet.capture_time_us
        return request

    def fits(self, packets: Sequence[Packet]) -> int:
        """Count the packets, from the first on, that fit one message: it ends where a camera's geometry changes."""
        geometries: dict[str, Geometry] = {}
        for count, packet in enumerate(packets):
            if geometries.setdefault(packet.camera_id, packet.geometry) != packet.geometry:
                return count
        return len(packets)

    def acked(self, ack: uplink_pb2.Ack) -> tuple[str, int]:
        """Return (camera, sequence) of an ack; raises BadRequest for a camera or frame that this stream never sent."""
        if ack.camera_index >= len(self._names):
            raise BadRequest(f"an ack names camera {ack.camera_index}, {len(self._names)} were declared")
        camera = self._cameras[self._names[ack.camera_index]]
        sequence = camera.base_sequence + ack.sequence_offset
        if sequence >= camera.next_sequence:
            raise BadRequest(f"an ack names frame {sequence} of {camera.name}, which was not sent")
        return camera.name, sequence

    def _declared(self, packet: Packet, known: _StreamCamera | None) -> _StreamCamera:
        if known is not None:
            known.geometry = packet.geometry
            return known
        camera = _StreamCamera(
            len(self._names),
            packet.camera_id,
            packet.geometry,
            packet.sequence,
            packet.sequence,
            packet.capture_time_us,
        )
        self._cameras[packet.camera_id] = camera
        self._names.append(packet.camera_id)
        return camera


class PacketReader:
    """The receiving side of one stream."""

    def __init__(self) -> None:
        self._cameras: list[_StreamCamera] = []
        self._by_name: dict[str, _StreamCamera] = {}

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras declared so far."""
        return tuple(self._by_name)

    def packets(self, request: uplink_pb2.ConnectRequest) -> list[Packet]:
        """Return the packets of one message; raises BadRequest, or BadName for a declared camera."""
        for declaration in request.cameras:
            self._declare(declaration)
        return [self._packet(frame) for frame in request.frames]

    def ack(self, camera_id: str, sequence: int) -> uplink_pb2.Ack:
        """Return the ack of a camera's frames up to `sequence`."""
        camera = self._by_name[camera_id]
        return uplink_pb2.Ack(camera_index=camera.index, sequence_offset=sequence - camera.base_sequence)

    def _declare(self, declaration: uplink_pb2.CameraDeclaration) -> None:
        name = checked_name("camera", declaration.camera_id)
        geometry = geometry_of(declaration.geometry)
        known = self._by_name.get(name)
        if known is not None:
            if known.index != declaration.index:
                raise BadRequest(f"camera {name} is declared as {declaration.index}, it was {known.index}")
            known.geometry = geometry
            return
        if declaration.index != len(self._cameras) or declaration.index >= MOST_CAMERAS:
            raise BadRequest(f"camera {name} is declared as {declaration.index}, the next one is {len(self._cameras)}")
        base, time = declaration.base_sequence, declaration.base_capture_time_microseconds
        camera = _StreamCamera(declaration.index, name, geometry, base, base, time)
        self._cameras.append(camera)
        self._by_name[name] = camera

    def _packet(self, frame: uplink_pb2.CodedFrame) -> Packet:
        if frame.camera_index >= len(self._cameras):
            raise BadRequest(f"a frame names camera {frame.camera_index}, {len(self._cameras)} were declared")
        if len(frame.trace_context) not in (0, TRACE_CONTEXT_BYTES):
            raise BadRequest(f"a trace context has {TRACE_CONTEXT_BYTES} bytes, not {len(frame.trace_context)}")
        camera = self._cameras[frame.camera_index]
        sequence = camera.next_sequence + frame.sequence_skip
        time = camera.capture_time_us + frame.capture_time_step_microseconds
        if not 0 <= sequence < 1 << 62 or not 0 <= time < LATEST_CAPTURE_TIME_US:
            raise BadRequest(f"a frame of {camera.name} has sequence {sequence} and capture time {time}")
        camera.next_sequence = sequence + 1
        camera.capture_time_us = time
        return Packet(camera.name, sequence, time, camera.geometry, frame.bitstream, frame.trace_context)


def _declaration(camera: _StreamCamera) -> uplink_pb2.CameraDeclaration:
    return uplink_pb2.CameraDeclaration(
        index=camera.index,
        camera_id=camera.name,
        base_sequence=camera.base_sequence,
        base_capture_time_microseconds=camera.capture_time_us,
        geometry=geometry_message(camera.geometry),
    )


def geometry_message(geometry: Geometry) -> frame_pb2.FrameGeometry:
    """Return a geometry as it travels; a whole picture costs no byte for the crop that it does not have."""
    return frame_pb2.FrameGeometry(**dict(zip(_GEOMETRY_FIELDS, geometry.numbers, strict=True)))


def geometry_of(message: frame_pb2.FrameGeometry) -> Geometry:
    """Return a geometry as it came; raises BadRequest."""
    try:
        return Geometry.of_numbers([getattr(message, name) for name in _GEOMETRY_FIELDS])
    except ValueError as error:
        raise BadRequest(str(error)) from error


def bytes_by_camera(request: uplink_pb2.ConnectRequest, packets: Sequence[Packet]) -> Mapping[str, float]:
    """Return the bytes of one message by camera. packets: the request's, at least one, in its order.

    A camera's own bytes are those of its frames and its declaration. What is left is shared out by frames.
    """
    shares: dict[str, float] = {}
    for packet, frame in zip(packets, request.frames, strict=True):
        shares[packet.camera_id] = shares.get(packet.camera_id, 0.0) + _field_bytes(frame)
    for declaration in request.cameras:
        shares[declaration.camera_id] = shares.get(declaration.camera_id, 0.0) + _field_bytes(declaration)
    left = GRPC_PREFIX_BYTES + request.ByteSize() - sum(shares.values())
    for packet in packets:
        shares[packet.camera_id] += left / len(packets)
    return shares


def _field_bytes(entry: Message) -> int:
    """Return the size of a field with its tag (all field numbers here are below 16) and its length."""
    size = entry.ByteSize()
    return _TAG_BYTES + max(1, -(-size.bit_length() // 7)) + size
