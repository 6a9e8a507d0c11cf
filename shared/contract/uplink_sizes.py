"""The share of each camera in the bytes of an uplink message, for the metrics of both sides.

    ConnectRequest, its packets --bytes_by_camera--> {camera: bytes}

Law: the shares add up to the message with gRPC's prefix, to the byte. HTTP/2's frames and TCP's headers are below what
either side can see (`python -m benchmarks.wire` measures them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from shared.contract.packets import Packet
from shared.wire import uplink_pb2

GRPC_PREFIX_BYTES = 5
"""The length and compression flag that gRPC puts before each message."""

_TAG_BYTES = 1


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
