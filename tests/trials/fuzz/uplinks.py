"""The uplink's messages: what an edge sends to the cloud, and what a cloud answers an edge.

    bytes --as a stream of messages--> PacketReader --> packets --frame_message--> what a subscriber's client reads
                                  `--> PacketWriter.acked

Law: only a RequestError is raised; packets that are taken travel on unchanged, over a further uplink and to a subscriber; and every
message's bytes are shared out among its cameras to the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from google.protobuf.message import DecodeError, Message

from cloud_analytics.frames import FrameResult
from cloud_analytics.subscribers.server import frame_message
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet, checked_name
from shared.contract.uplink_stream import GRPC_PREFIX_BYTES, PacketReader, PacketWriter, bytes_by_camera
from shared.errors import RequestError
from shared.wire import results_pb2, uplink_pb2
from taxon.client._messages import result_of
from tests.trials.fuzz.mutation import TELLING_NUMBERS, mutated
from tests.trials.fuzz.target import LawBroken, Target

_LENGTH_BYTES = 2
_TO_CLOUD, _TO_EDGE = 0, 1


class UplinkTarget(Target):
    """The first byte says which side reads; then each message behind its length (2 bytes, big endian)."""

    name = "uplink"

    def __init__(self) -> None:
        writer = PacketWriter()
        first, second = writer.request(_packets(3)), writer.request(_packets(2, 8))
        first.hello.edge_id, first.hello.protocol_version = "edge", 1
        first.hello.bundle_digest = bytes(range(32))
        second.announced_cameras.extend(["hall", "porch"])
        acks = uplink_pb2.ConnectResponse(credit=8, acks=[uplink_pb2.Ack(camera_index=1, sequence_offset=2)])
        wanted = uplink_pb2.Wanted(groups_of_all=["semantic"])
        wanted.cameras.add(camera_id="door", groups=["geometry"])
        self._seeds = [
            _joined(_TO_CLOUD, [first, second]),
            _joined(_TO_CLOUD, [first]),
            _joined(_TO_EDGE, [acks, uplink_pb2.ConnectResponse(wanted=wanted)]),
        ]

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        kind, messages = data[:1], _split(data[1:])
        try:
            if kind == bytes([_TO_EDGE]):
                return _heeded([uplink_pb2.ConnectResponse.FromString(one) for one in messages])
            return _taken([uplink_pb2.ConnectRequest.FromString(one) for one in messages])
        except (DecodeError, RequestError):
            # What is no message is gRPC's to refuse; the rest is the table's of shared.transport.status_codes.
            return False

    def mutate(self, data: bytes, random: Random) -> bytes:
        if data[:1] != bytes([_TO_CLOUD]) or random.randrange(3) == 0:
            return super().mutate(data, random)
        try:
            messages = [uplink_pb2.ConnectRequest.FromString(one) for one in _split(data[1:])]
        except DecodeError:
            return super().mutate(data, random)
        if not messages:
            return super().mutate(data, random)
        return _joined(_TO_CLOUD, [_changed(one, random) for one in messages])


def _taken(requests: Sequence[uplink_pb2.ConnectRequest]) -> bool:
    reader, writer, again = PacketReader(), PacketWriter(), PacketReader()
    for request in requests:
        for name in request.announced_cameras:
            checked_name("camera", name)
        packets = reader.packets(request)
        if not packets:
            continue
        shares = sum(bytes_by_camera(request, packets).values())
        if abs(shares - GRPC_PREFIX_BYTES - request.ByteSize()) > 1e-6 * request.ByteSize() + 1e-6:
            raise LawBroken(f"the cameras' shares are {shares} bytes of a message of {request.ByteSize()}")
        _travel_on(packets, writer, again)
        for packet in packets:
            _reaches_a_subscriber(packet)
            reader.ack(packet.camera_id, packet.sequence)
    return True


def _travel_on(packets: list[Packet], writer: PacketWriter, reader: PacketReader) -> None:
    while packets:
        count = writer.fits(packets)
        found = reader.packets(
            uplink_pb2.ConnectRequest.FromString(writer.request(packets[:count]).SerializeToString())
        )
        if found != packets[:count]:
            raise LawBroken(f"{packets[:count]} travel on as {found}")
        packets = packets[count:]


def _reaches_a_subscriber(packet: Packet) -> None:
    message = frame_message(FrameResult(packet, packet.capture_time_us, bytes(32), (), (), "journal:1"))
    try:
        result = result_of(results_pb2.FrameResult.FromString(message.SerializeToString()))
    except RequestError as error:
        raise LawBroken("a frame was taken that no subscriber can read") from error
    if (result.sequence, result.capture_time_us) != (packet.sequence, packet.capture_time_us):
        raise LawBroken(f"{packet} reaches a subscriber as {result}")


def _heeded(responses: Sequence[uplink_pb2.ConnectResponse]) -> bool:
    writer = PacketWriter()
    packets = _packets(4)
    writer.request(packets)
    sent = {(packet.camera_id, packet.sequence) for packet in packets}
    for response in responses:
        for ack in response.acks:
            camera, sequence = writer.acked(ack)
            if camera not in {name for name, _ in sent} or sequence > max(
                last for name, last in sent if name == camera
            ):
                raise LawBroken(f"an ack of frame {sequence} of {camera}, which was not sent, is taken")
    return True


def _changed(request: uplink_pb2.ConnectRequest, random: Random) -> uplink_pb2.ConnectRequest:
    """Change a number or the bytes of one of its frames or declarations."""
    parts: list[Message] = [*request.frames, *request.cameras, *(one.geometry for one in request.cameras)]
    if not parts:
        return request
    part = random.choice(parts)
    name = random.choice([field.name for field in part.DESCRIPTOR.fields])
    old = getattr(part, name)
    number = random.choice(TELLING_NUMBERS) + random.randint(-1, 1)
    try:
        if isinstance(old, int):
            setattr(part, name, number)
        elif isinstance(old, bytes):
            setattr(part, name, mutated(old, random, b"\xa7\x10") if random.randrange(2) else bytes(26))
        elif isinstance(old, str):
            setattr(part, name, random.choice(("hall", "", "a" * 65, "door\n", "é")))
    except ValueError:  # too wide for the field
        pass
    return request


def _packets(count: int, first: int = 1) -> list[Packet]:
    geometry = Geometry(640, 480, 256, 256)
    return [
        Packet(
            camera, sequence, 1_700_000_000_000_000 + 33_000 * sequence, geometry, b"\xa7\x10" + bytes(sequence), trace
        )
        for sequence in range(first, first + count)
        for camera, trace in (("door", b""), ("hall", bytes(25) + b"\1"))
    ]


def _joined(kind: int, messages: Sequence[Message]) -> bytes:
    texts = [message.SerializeToString() for message in messages]
    return bytes([kind]) + b"".join(
        len(one).to_bytes(_LENGTH_BYTES, "big") + one for one in texts if len(one) < 1 << 16
    )


def _split(data: bytes) -> list[bytes]:
    found = []
    while data:
        until = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
        found.append(data[_LENGTH_BYTES:until])
        data = data[until:]
    return found
