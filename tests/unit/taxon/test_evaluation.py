"""What `evaluate` adds up, on frames of a few pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from taxon.evaluation import (
    ConstantMeters,
    RateMeter,
    TaskMeters,
    labelled_tasks,
    operating_point_document,
    table,
)
from training.datasets import LabelledFrame

PICTURE = np.zeros((2, 2, 3), np.uint8)


def room(**labels: object) -> LabelledFrame:
    return LabelledFrame("room", PICTURE, **labels)  # type: ignore[arg-type]


def probabilities(best: int, classes: int = 10) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[best]


def test_only_tasks_with_a_label_are_measured() -> None:
    assert labelled_tasks(room(class_object=0)) == ("class_object",)
    assert labelled_tasks(room(class_scene=3, reshading=np.zeros((1, 2, 2), np.float32))) == (
        "class_scene",
        "reshading",
    )


def test_every_task_has_its_figures() -> None:
    towards = np.zeros((3, 2, 2), np.float32)
    towards[2] = 1
    frame = room(
        class_scene=1,
        class_object=999,
        segment_semantic=np.array([[0, 11], [255, 4]], np.uint8),
        normal=towards,
        reshading=np.ones((1, 2, 2), np.float32),
        principal_curvature=np.zeros((2, 2, 2), np.float32),
        valid=np.array([[True, False], [False, False]]),
    )
    meters = TaskMeters()
    meters.add("class_scene", probabilities(1), frame)
    meters.add("class_object", probabilities(0, 1000), frame)
    meters.add("segment_semantic", np.array([[0, 11], [3, 11]], np.uint8), frame)
    meters.add("normal", np.roll(towards, 1, axis=0), frame)
    meters.add("reshading", np.array([[[0.5, 9], [9, 9]]], np.float32), frame)
    meters.add("principal_curvature", np.full((2, 2, 2), 0.25, np.float32), frame)
    figures = meters.figures()
    assert figures["class_scene"] == {"top1": 1}
    assert figures["class_object"] == {"top1": 0}
    assert figures["segment_semantic"] == {
        "miou": pytest.approx((1 + 0.5 + 0) / 3, abs=1e-6),
        "pixel_accuracy": pytest.approx(2 / 3, abs=1e-6),
        "non_background_accuracy": 1,
    }
    assert figures["normal"]["mean_angular_error_degrees"] == pytest.approx(90)
    assert figures["reshading"] == {"l1": 0.5}
    assert figures["principal_curvature"] == {"l1": 0.25}


def test_tasks_without_labels_are_left_out_rather_than_reported_as_zero() -> None:
    assert TaskMeters().figures() == {}
    assert ConstantMeters().figures() == {}


def test_the_best_constant_comes_from_the_labels_alone() -> None:
    constant = ConstantMeters()
    for value, scene in ((0.0, 2), (0.0, 2), (1.0, 5)):
        constant.add(room(class_scene=scene, reshading=np.full((1, 2, 2), value, np.float32)))
    figures = constant.figures()
    assert figures["class_scene"]["top1"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["reshading"]["l1"] == pytest.approx(1 / 3, abs=1e-6)


def test_rates_are_per_pixel_and_per_frame_and_the_total_counts_the_header() -> None:
    meter = RateMeter(pixels=100)
    for payload in (10, 30):
        meter.add_substream(
            "semantic", cross_entropy_bits=8.0 * payload - 4, payload_bytes=payload, substream_bytes=payload + 6
        )
        meter.add_substream("geometry", cross_entropy_bits=80, payload_bytes=10, substream_bytes=16)
        meter.add_frame(6 + payload + 6 + 16)
    figures = meter.figures()
    assert figures["semantic"] == {"cross_entropy_bpp": 1.56, "coded_bpp": 1.6, "bytes_per_frame": 26}
    assert figures["geometry"] == {"cross_entropy_bpp": 0.8, "coded_bpp": 0.8, "bytes_per_frame": 16}
    assert figures["total"] == {"cross_entropy_bpp": 2.36, "coded_bpp": 2.4, "bytes_per_frame": 48}


def test_the_report_is_json_and_its_table_names_every_figure() -> None:
    meters, rate = TaskMeters(), RateMeter(pixels=100)
    meters.add("class_scene", probabilities(1), room(class_scene=1))
    rate.add_substream("semantic", 10, 2, 8)
    rate.add_frame(14)
    point = operating_point_document(3, rate, meters, {"class_scene": {"top1": 0.5}}, {})
    assert json.loads(json.dumps(point))["tasks"]["class_scene"] == {
        "top1": 1.0,
        "uncompressed": {"top1": 0.5},
        "constant": {},
    }
    text = table({"frames": 1, "lossless_frames": 1, "bundle": "indoor/1", "operating_points": [point]})
    for expected in ("operating point 3", "class_scene", "top1", "1.0000", "0.5000", "semantic", "14.0"):
        assert expected in text
