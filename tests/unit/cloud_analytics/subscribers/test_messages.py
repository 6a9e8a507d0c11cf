"""A frame's results travel whole."""

from __future__ import annotations

import numpy as np
import pytest

from cloud_analytics.frames import FrameResult
from cloud_analytics.subscribers.server import frame_message
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, ClassProbability, GroupBytes, PictureResult, TensorResult
from shared.contract.trace_context import packed

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


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
    message = frame_message(FrameResult(packet, 7, bytes(32), groups, outputs, "j:9", "told"))
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
