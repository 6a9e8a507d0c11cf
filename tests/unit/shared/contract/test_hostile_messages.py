"""What the fuzzer found in messages, each as a test."""

from __future__ import annotations

import logging

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shared.contract.geometry import Geometry
from shared.contract.packets import LATEST_CAPTURE_TIME_US, Packet
from shared.contract.trace_context import packed
from shared.contract.uplink_stream import PacketReader, PacketWriter
from shared.errors import BadRequest, BundleMismatch, UnknownName
from shared.wire import results_pb2
from taxon.client._messages import result_of


def test_an_edge_cannot_send_a_time_that_breaks_every_subscriber() -> None:
    def taken(time_us: int) -> list[Packet]:
        packet = Packet("door", 1, time_us, Geometry(64, 48, 32, 32), b"x")
        return PacketReader().packets(PacketWriter().request([packet]))

    assert taken(LATEST_CAPTURE_TIME_US - 1)[0].capture_time_us == LATEST_CAPTURE_TIME_US - 1
    with pytest.raises(BadRequest, match="capture time"):
        taken(LATEST_CAPTURE_TIME_US)


def test_a_client_refuses_a_time_that_cannot_be() -> None:
    message = results_pb2.FrameResult(camera_id="door", capture_time=Timestamp(seconds=LATEST_CAPTURE_TIME_US))
    with pytest.raises(BadRequest, match="time"):
        result_of(message)


def test_a_refusal_is_short_whatever_was_asked() -> None:
    assert len(str(UnknownName("task", "x" * 100_000, ["normal"]))) < 200
    assert len(str(BundleMismatch(bytes(100_000), [bytes(32)]))) < 400


def test_a_long_trace_context_is_none_and_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert packed("00-" + "a" * 1000) == b""
    assert not caplog.records
