"""A message's bytes, shared out by camera, add up to the message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.uplink_stream import GRPC_PREFIX_BYTES, PacketWriter, bytes_by_camera
from shared.wire import uplink_pb2

GEOMETRY = Geometry(640, 480, 256, 256)


def packet(camera: str, sequence: int, size: int) -> Packet:
    return Packet(camera, sequence, 1_000_000 * sequence, GEOMETRY, bytes(size))


@given(st.lists(st.tuples(st.sampled_from(["a", "hall", "k" * 64]), st.integers(1, 40_000)), min_size=1, max_size=8))
def test_the_shares_add_up_to_the_message_with_its_prefix(frames: list[tuple[str, int]]) -> None:
    packets = [packet(camera, sequence, size) for sequence, (camera, size) in enumerate(frames)]
    request = PacketWriter().request(packets)
    shares = bytes_by_camera(request, packets)
    assert sum(shares.values()) == pytest.approx(GRPC_PREFIX_BYTES + len(request.SerializeToString()))
    assert shares.keys() == {camera for camera, _ in frames}
    for camera in shares:
        assert shares[camera] > sum(size for name, size in frames if name == camera)


def test_a_camera_pays_for_its_own_frames_and_its_part_of_the_prefix() -> None:
    writer = PacketWriter()
    writer.request([packet("hall", 0, 100), packet("attic", 0, 100)])
    packets = [packet("hall", 1, 100), packet("attic", 1, 300), packet("attic", 2, 300)]
    request = writer.request(packets)
    alone = uplink_pb2.ConnectRequest(frames=[request.frames[0]])
    shares = bytes_by_camera(request, packets)
    assert shares["hall"] == pytest.approx(len(alone.SerializeToString()) + GRPC_PREFIX_BYTES / 3)
