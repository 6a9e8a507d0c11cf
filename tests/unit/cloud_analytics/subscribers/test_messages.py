"""Wishes and outputs on the wire."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from cloud_analytics.frames import FrameOutput, Wish
from cloud_analytics.subscribers.messages import frame_message, timestamp, wish_of
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, ClassProbability, Encoding, GroupBytes, PictureResult, TensorResult
from shared.contract.trace_context import packed
from shared.errors import BadRequest
from shared.wire import results_pb2

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_request_becomes_a_wish_with_its_defaults() -> None:
    request = results_pb2.SubscribeRequest(subscription_id="a", camera_ids=["x", "y", "x"], tasks=["normal", "normal"])
    assert wish_of(request) == Wish("a", ("x", "y"), ("normal",), Encoding.TENSOR, 0, 5, "", 0.0)
    request = results_pb2.SubscribeRequest(
        subscription_id="b",
        encoding=results_pb2.ENCODING_PNG,
        longest_side_pixels=64,
        top_classes=2,
        cursor="j:1",
        hold=Duration(seconds=2, nanos=500_000_000),
    )
    assert wish_of(request) == Wish("b", (), (), Encoding.PNG, 64, 2, "j:1", 2.5)


def test_an_encoding_of_a_later_release_is_refused() -> None:
    with pytest.raises(BadRequest, match="encoding 9 is unknown"):
        wish_of(results_pb2.SubscribeRequest(subscription_id="a", encoding=9))  # type: ignore[arg-type]


def test_times_before_1970_and_their_microseconds_are_exact() -> None:
    for microseconds in (0, 1, 1_700_000_000_123_456, -1):
        assert timestamp(microseconds).ToMicroseconds() == microseconds


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_frame_travels_whole_its_numbers_little_endian(order: str) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2).astype(f"{order}f4")
    packet = Packet("door", 5, 1_700_000_000_123_456, Geometry(640, 480, 256, 128), b"12345", packed(PARENT))
    outputs = (
        ClassesResult("class_scene", (ClassProbability(3, "den", 0.5),)),
        TensorResult("normal", values),
        PictureResult("reshading", b"png", 4, 2),
    )
    groups = (GroupBytes("geometry", 1, 4),)
    message = frame_message(FrameOutput(packet, 7, bytes(32), groups, outputs, "j:9", "told"))
    assert (message.camera_id, message.sequence, message.coded_bytes, message.cursor) == ("door", 5, 5, "j:9")
    assert message.capture_time.ToMicroseconds() == packet.capture_time_us
    assert (message.traceparent, message.bundle_digest, message.error) == (PARENT, bytes(32), "told")
    assert (message.geometry.picture_width, message.geometry.input_height) == (640, 128)
    assert [(one.group, one.rate, one.bytes) for one in message.groups] == [("geometry", 1, 4)]
    classes, tensor, picture = message.results
    assert [(one.index, one.label, one.probability) for one in classes.classes.classes] == [(3, "den", 0.5)]
    assert (tensor.tensor.dtype, list(tensor.tensor.shape)) == ("float32", [3, 2, 2])
    assert np.frombuffer(tensor.tensor.values, "<f4").tolist() == list(range(12))
    assert (picture.picture.png, picture.picture.width, picture.picture.height) == (b"png", 4, 2)
