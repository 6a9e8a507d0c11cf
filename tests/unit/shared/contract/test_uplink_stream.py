"""What the uplink's messages promise: the same packets on the other side, acks that name real frames, and few bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.geometry import Crop, Geometry
from shared.contract.packets import Packet
from shared.contract.uplink_stream import PacketReader, PacketWriter, geometry_message, geometry_of
from shared.errors import BadName, BadRequest
from shared.wire import frame_pb2, uplink_pb2

GEOMETRIES = (
    Geometry(640, 480, 256, 256),
    Geometry(480, 640, 256, 256),
    Geometry(640, 480, 256, 256, Crop(0, 0, 200, 100)),
    Geometry(640, 480, 256, 256, Crop(40, 30, 200, 100)),
    Geometry(640, 480, 256, 256, Crop(0, 0, 640, 480)),
)


@st.composite
def packet_runs(draw: st.DrawFn) -> list[Packet]:
    """Packets of a few cameras, sequences rising by camera, times in any order, geometries that change now and then."""
    following: dict[str, int] = {}
    run: list[Packet] = []
    for _ in range(draw(st.integers(0, 20))):
        camera = draw(st.sampled_from(["hall", "door", "c.3"]))
        sequence = following.get(camera, draw(st.integers(0, 1 << 42))) + draw(st.integers(0, 5))
        following[camera] = sequence + 1
        trace = draw(st.sampled_from([b"", bytes(range(26))]))
        time = draw(st.integers(0, 1 << 52))
        run.append(
            Packet(camera, sequence, time, draw(st.sampled_from(GEOMETRIES)), draw(st.binary(max_size=8)), trace)
        )
    return run


@given(packet_runs())
def test_packets_come_out_as_they_went_in(run: list[Packet]) -> None:
    writer, reader = PacketWriter(), PacketReader()
    received: list[Packet] = []
    while len(received) < len(run):
        waiting = run[len(received) :]
        sent = waiting[: writer.fits(waiting)]
        wire = writer.request(sent).SerializeToString()
        received += reader.packets(uplink_pb2.ConnectRequest.FromString(wire))
        assert received == run[: len(received)]
        for packet in sent:
            assert writer.acked(reader.ack(packet.camera_id, packet.sequence)) == (packet.camera_id, packet.sequence)


def test_a_further_frame_adds_at_most_ten_bytes_to_its_bitstream() -> None:
    writer = PacketWriter()
    bitstream = bytes(244)
    start = 1_763_892_000_000_000
    writer.request([Packet("kitchen", 1_763_892_000_000, start, GEOMETRIES[0], bitstream)])
    following = Packet("kitchen", 1_763_892_000_001, start + 33_333, GEOMETRIES[0], bitstream)
    assert len(writer.request([following]).SerializeToString()) <= len(bitstream) + 10 + 3


def test_sequences_that_do_not_rise_are_not_sent() -> None:
    writer = PacketWriter()
    packet = Packet("hall", 5, 0, GEOMETRIES[0], b"x")
    writer.request([packet])
    with pytest.raises(ValueError, match="must rise"):
        writer.request([packet])


@pytest.mark.parametrize(
    "request_",
    [
        uplink_pb2.ConnectRequest(frames=[uplink_pb2.CodedFrame(camera_index=0)]),
        uplink_pb2.ConnectRequest(cameras=[uplink_pb2.CameraDeclaration(index=0, camera_id="a")]),
        uplink_pb2.ConnectRequest(
            cameras=[
                uplink_pb2.CameraDeclaration(
                    index=1,
                    camera_id="a",
                    geometry=frame_pb2.FrameGeometry(picture_width=1, picture_height=1, input_width=1, input_height=1),
                )
            ]
        ),
    ],
    ids=["undeclared camera", "no geometry", "index left out"],
)
def test_messages_that_contradict_themselves_are_refused(request_: uplink_pb2.ConnectRequest) -> None:
    with pytest.raises(BadRequest):
        PacketReader().packets(request_)


def test_a_camera_needs_a_name() -> None:
    with pytest.raises(BadName, match="no camera id"):
        PacketReader().packets(uplink_pb2.ConnectRequest(cameras=[uplink_pb2.CameraDeclaration(camera_id="a/b")]))


def test_acks_of_frames_that_were_not_sent_are_refused() -> None:
    writer = PacketWriter()
    writer.request([Packet("hall", 5, 0, GEOMETRIES[0], b"x")])
    with pytest.raises(BadRequest, match="not sent"):
        writer.acked(uplink_pb2.Ack(camera_index=0, sequence_offset=1))
    with pytest.raises(BadRequest, match="names camera"):
        writer.acked(uplink_pb2.Ack(camera_index=1))


def test_a_peer_that_knows_no_crops_takes_the_crop_for_the_picture() -> None:
    message = geometry_message(Geometry(640, 480, 256, 256, Crop(40, 30, 200, 100)))
    for name in ("crop_x", "crop_y", "uncropped_width", "uncropped_height"):
        message.ClearField(name)
    assert geometry_of(message) == Geometry(200, 100, 256, 256)
    old = frame_pb2.FrameGeometry(picture_width=640, picture_height=480, input_width=256, input_height=256)
    assert geometry_of(old) == Geometry(640, 480, 256, 256), "an old peer's frames are whole pictures"
    assert geometry_message(Geometry(640, 480, 256, 256)) == old, "whole pictures cost not a byte more"


@pytest.mark.parametrize("broken", [{"crop_x": 3}, {"uncropped_width": 100}, {"uncropped_width": 641, "crop_x": 2}])
def test_a_crop_that_cannot_be_is_a_bad_request(broken: dict[str, int]) -> None:
    with pytest.raises(BadRequest):
        geometry_of(
            frame_pb2.FrameGeometry(picture_width=640, picture_height=480, input_width=256, input_height=256, **broken)
        )
