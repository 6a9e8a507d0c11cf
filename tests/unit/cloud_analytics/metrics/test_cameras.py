"""The cloud's counters of single cameras stay bounded, also when every name that comes is another one."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from cloud_analytics.frames import DecodedFrame, LoggedFrame
from cloud_analytics.metrics.cameras import CloudCameraMetrics
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.results import GroupBytes
from shared.telemetry.metrics import Meters

NOW = 1000.0


class Measured:
    """The metrics of cameras, and a way to read them."""

    def __init__(self, most: int = 10) -> None:
        self.registry = CollectorRegistry()
        self.cameras = CloudCameraMetrics(Meters("cloud", self.registry), most, 60.0, lambda: NOW)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"cloud_{name}", labels)


def logged(camera: str = "hall", captured_at: float = NOW - 0.2) -> LoggedFrame:
    packet = Packet(camera, 1, round(1e6 * captured_at), Geometry(640, 480, 256, 256), bytes(100))
    return LoggedFrame(1, packet, bytes(32), 0)


def test_a_frame_counts_with_its_groups_its_pixels_and_its_delay() -> None:
    measured = Measured()
    frame = logged()
    measured.cameras.received(frame)
    measured.cameras.published(
        DecodedFrame(frame, None, (GroupBytes("semantic", 3, 60), GroupBytes("geometry", 3, 34)), {})
    )
    assert measured.value("frames_received_total", camera="hall") == 1
    assert measured.value("bitstream_bytes_total", camera="hall") == 100
    assert measured.value("coded_bytes_total", camera="hall", group="semantic") == 60
    assert measured.value("group_pixels_total", camera="hall", group="geometry") == 256 * 256
    assert measured.value("result_delay_seconds_sum") == pytest.approx(0.2)
    assert measured.value("camera_result_delay_seconds_sum", camera="hall") == pytest.approx(0.2)
    assert measured.value("frames_failed_total", camera="hall") == 0


def test_a_frame_that_cannot_be_decoded_is_counted_as_such() -> None:
    measured = Measured()
    measured.cameras.published(DecodedFrame(logged(), None, (), {}, "damaged"))
    assert measured.value("frames_failed_total", camera="hall") == 1


def test_a_camera_whose_clock_is_ahead_has_no_negative_delay() -> None:
    measured = Measured()
    measured.cameras.published(DecodedFrame(logged(captured_at=NOW + 5), None, (), {}))
    assert measured.value("result_delay_seconds_sum") == 0


def test_whatever_edges_send_the_number_of_series_is_bounded() -> None:
    measured = Measured(most=3)
    for number in range(50):
        frame = logged(f"passing-{number}")
        measured.cameras.received(frame)
        measured.cameras.duplicate(frame.camera_id)
        measured.cameras.late(frame.camera_id)
        measured.cameras.carried({frame.camera_id: 120.0})
        measured.cameras.published(DecodedFrame(frame, None, (GroupBytes("semantic", 3, 60),), {}))
    samples = [sample for family in measured.registry.collect() for sample in family.samples]
    assert {one.labels["camera"] for one in samples if "camera" in one.labels} == {
        "passing-47",
        "passing-48",
        "passing-49",
    }
    assert measured.value("cameras") == 3
