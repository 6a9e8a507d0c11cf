"""What a camera's counters say of frames that were really coded."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from edge_encoder.control.bit_budget import Budget
from edge_encoder.encoding.encoder import EncodedFrame, Encoder
from edge_encoder.frames import FrameRef, KnownCamera, PictureFormat
from edge_encoder.metrics.cameras import CameraMetrics, CameraTerms
from shared.contract.geometry import Geometry, Picture
from shared.contract.receipts import ANSWERED, Outcome
from shared.errors import SourceRefused
from shared.model.bundle import Bundle
from shared.sources.state import SourceStatus
from shared.telemetry.metrics import Meters
from tests.support.pictures import picture

GROUPS = ("semantic", "geometry")
GEOMETRY = Geometry(48, 40, 32, 32)


def frame(camera: str, given: Picture) -> FrameRef:
    return FrameRef.of(KnownCamera(camera), given, 0)


class Measured:
    """The metrics of cameras, and a way to read them."""

    def __init__(self, terms: CameraTerms | None = None) -> None:
        self.registry = CollectorRegistry()
        self.cameras = CameraMetrics(Meters("edge", self.registry), terms or CameraTerms(), lambda: 1000.0)
        self.cameras.cover(GROUPS)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"edge_{name}", labels)


@pytest.fixture(scope="module")
def encoded(tiny_bundle: Bundle) -> EncodedFrame:
    image = np.random.default_rng(7).integers(0, 256, (32, 32, 3), np.uint8)
    return Encoder(tiny_bundle, threads=1).encode(image, GROUPS, 1)


def test_side_information_and_latent_add_up_to_the_coders_bytes(encoded: EncodedFrame) -> None:
    measured = Measured()
    measured.cameras.coded(frame("hall", picture()), encoded, GEOMETRY, 1)
    for group in encoded.groups:
        parts = {
            part: measured.value("coded_bytes_total", camera="hall", group=group.name, part=part) or 0.0
            for part in ("side_information", "latent", "framing")
        }
        assert parts["side_information"] + parts["latent"] == pytest.approx(group.payload_bytes)
        assert sum(parts.values()) == pytest.approx(group.substream_bytes)
        share = group.side_information_bits / group.cross_entropy_bits
        assert 0 < share < 1
        assert parts["side_information"] == pytest.approx(share * group.payload_bytes)
        bits = 8 * sum(
            measured.value("cross_entropy_bytes_total", camera="hall", group=group.name, part=part) or 0.0
            for part in ("side_information", "latent")
        )
        assert bits == pytest.approx(group.cross_entropy_bits)


def test_pictures_and_bitstreams_are_counted_by_what_was_posted(encoded: EncodedFrame) -> None:
    measured = Measured()
    jpeg, pixels = picture(), np.zeros((40, 48, 3), np.uint8)
    measured.cameras.coded(frame("hall", jpeg), encoded, GEOMETRY, 1)
    measured.cameras.coded(frame("hall", pixels), encoded, GEOMETRY, 1)
    assert measured.value("picture_bytes_total", camera="hall", format="jpeg") == len(jpeg)
    assert measured.value("picture_bytes_total", camera="hall", format="pixels") == 40 * 48 * 3
    assert measured.value("bitstream_bytes_total", camera="hall", format="jpeg") == len(encoded.bitstream)
    assert measured.value("pixels_total", camera="hall") == 2 * 32 * 32


def test_everything_that_can_be_known_begins_at_zero() -> None:
    measured = Measured(CameraTerms(budget_of=lambda _: Budget(8000.0, 16000.0)))
    measured.cameras.saw("hall")
    for outcome in ANSWERED:
        assert measured.value("frames_total", camera="hall", outcome=outcome) == 0
    assert measured.value("coded_bytes_total", camera="hall", group="geometry", part="latent") == 0
    assert measured.value("bitstream_bytes_total", camera="hall", format="jpeg") == 0
    assert measured.value("budget_bytes_per_second", camera="hall") == 1000
    assert measured.value("budget_burst_bytes", camera="hall") == 2000
    assert measured.value("camera_last_frame_timestamp_seconds", camera="hall") == 1000


def test_a_full_house_of_passing_cameras_leaves_no_series_behind(encoded: EncodedFrame) -> None:
    measured = Measured(CameraTerms(most=2))
    for number in range(20):
        posted = frame(f"passing-{number}", picture())
        measured.cameras.coded(posted, encoded, GEOMETRY, 1)
        measured.cameras.refused(posted.camera_id, "TOO_LARGE")
        measured.cameras.dropped(posted.camera_id, "age", 1)
        measured.cameras.sent({posted.camera_id: 10.0})
        measured.cameras.answered(posted.camera_id, Outcome.CODED)
        measured.cameras.source_is(posted.camera_id, SourceStatus().condition(), None)
    samples = [sample for family in measured.registry.collect() for sample in family.samples]
    assert {s.labels["camera"] for s in samples if "camera" in s.labels} == {"passing-18", "passing-19"}
    assert measured.value("cameras") == 2


def test_a_source_is_in_one_state_and_what_is_counted_of_it_survives_another_player() -> None:
    measured, status = Measured(), SourceStatus()
    before = status.condition()
    measured.cameras.source_is("hall", before, None)
    assert states_of(measured) == {"connecting": 1, "live": 0, "stalled": 0, "refused": 0, "gone": 0}
    status.broke(SourceRefused("hall", "the password is wrong"))
    status.damaged(3)
    status.superseded(2)
    measured.cameras.source_is("hall", status.condition(), before)
    measured.cameras.source_is("hall", status.condition(), status.condition())
    assert states_of(measured) == {"connecting": 0, "live": 0, "stalled": 0, "refused": 1, "gone": 0}
    measured.cameras.source_left("hall")
    assert states_of(measured) == {}, "a source that is played no more has no state, so that no alert is left behind"
    measured.cameras.source_is("hall", SourceStatus().condition(), None)
    assert measured.value("source_failures_total", camera="hall") == 1
    assert measured.value("source_damaged_packets_total", camera="hall") == 3
    assert measured.value("source_superseded_frames_total", camera="hall") == 2


def states_of(measured: Measured) -> dict[str, float]:
    samples = [sample for family in measured.registry.collect() for sample in family.samples]
    return {sample.labels["state"]: sample.value for sample in samples if sample.name == "edge_source_state"}


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (b"\xff\xd8\xff\xe0", PictureFormat.JPEG),
        (b"\x89PNG\r\n", PictureFormat.PNG),
        (b"RIFF\0\0\0\0WEBPVP8 ", PictureFormat.WEBP),
        (b"RIFF\0\0\0\0WAVE", PictureFormat.OTHER),
        (b"", PictureFormat.OTHER),
    ],
)
def test_a_pictures_format_shows_in_its_first_bytes(begins: bytes, expected: PictureFormat) -> None:
    assert PictureFormat.of(begins) is expected
