"""The measures on cases small enough to be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.task_metrics import (
    AbsoluteErrorMetric,
    MeanDirection,
    MedianConstant,
    NormalMetric,
    SegmentationMetric,
    TopOneMetric,
)

A_WALL, A_FLOOR, A_CHAIR, NEVER_SEEN = 0, 1, 2, 3


def segmentation() -> SegmentationMetric:
    """Six labelled pixels in two frames: 3 wall (one called chair), 1 floor, 2 chair (one called floor); one unlabelled."""
    metric = SegmentationMetric(4, background=(A_WALL, A_FLOOR))
    metric.add(np.array([[0, 0, 2, 3]], np.uint8), np.array([[0, 0, 0, 255]], np.uint8))
    metric.add(np.array([[1, 2, 1]], np.uint8), np.array([[1, 2, 2]], np.uint8))
    return metric


def test_miou_is_the_mean_over_classes_that_occur_in_the_reference() -> None:
    # wall 2/3, floor 1/2, chair 1/3; the fourth class never occurs and does not count.
    assert segmentation().values()["miou"] == pytest.approx((2 / 3 + 1 / 2 + 1 / 3) / 3)


def test_pixel_accuracy_leaves_unlabelled_pixels_out() -> None:
    assert segmentation().values()["pixel_accuracy"] == pytest.approx(4 / 6)


def test_non_background_accuracy_counts_pixels_that_are_truly_furniture() -> None:
    assert segmentation().values()["non_background_accuracy"] == pytest.approx(1 / 2)


def test_a_class_that_is_only_predicted_lowers_the_others_but_is_not_itself_averaged() -> None:
    metric = SegmentationMetric(4)
    metric.add(np.array([[0, NEVER_SEEN]], np.uint8), np.array([[0, 0]], np.uint8))
    assert metric.values()["miou"] == pytest.approx(0.5)


def test_the_best_constant_map_is_the_commonest_class_everywhere() -> None:
    constant = segmentation().constant()
    assert constant["pixel_accuracy"] == pytest.approx(3 / 6)
    assert constant["miou"] == pytest.approx(0.5 / 3)
    assert constant["non_background_accuracy"] == 0


def test_class_ids_outside_the_set_are_refused() -> None:
    with pytest.raises(ValueError, match=r"prediction has class ids outside 0\.\.3"):
        SegmentationMetric(4).add(np.array([[4]]), np.array([[0]]))
    with pytest.raises(ValueError, match=r"reference has class ids outside 0\.\.3"):
        SegmentationMetric(4).add(np.array([[0]]), np.array([[17]]))


def test_top1_and_its_best_constant() -> None:
    metric = TopOneMetric(3)
    for probabilities, reference in (([0.5, 0.3, 0.2], 0), ([0.1, 0.1, 0.8], 1), ([0.1, 0.7, 0.2], 1), ([1, 0, 0], 2)):
        metric.add(np.array(probabilities), reference)
    assert metric.values() == {"top1": 0.5}
    assert metric.constant() == {"top1": 0.5}


def test_angles_are_averaged_over_the_pixels_of_the_whole_set() -> None:
    metric = NormalMetric()
    towards = np.array([0, 0, 1], np.float32).reshape(3, 1, 1)
    right = np.array([2, 0, 0], np.float32).reshape(3, 1, 1)  # its length must not matter
    metric.add(towards, right)
    metric.add(np.tile(towards, (1, 1, 3)), np.tile(towards, (1, 1, 3)))
    assert metric.values()["mean_angular_error_degrees"] == pytest.approx(90 / 4)
    assert metric.values()["median_angular_error_degrees"] == pytest.approx(0)


@given(st.floats(0, 180))
def test_the_angle_between_two_normals_is_measured_exactly(degrees: float) -> None:
    metric = NormalMetric()
    tilted = np.array([math.sin(math.radians(degrees)), 0, math.cos(math.radians(degrees))])
    metric.add(tilted.reshape(3, 1, 1), np.array([0.0, 0, 1]).reshape(3, 1, 1))
    assert metric.values()["mean_angular_error_degrees"] == pytest.approx(degrees, abs=1e-6)
    assert metric.values()["median_angular_error_degrees"] == pytest.approx(degrees, abs=0.0051)


def test_pixels_that_are_not_valid_do_not_count() -> None:
    metric = NormalMetric()
    towards = np.zeros((3, 1, 2), np.float32)
    towards[2] = 1
    sideways = np.array([[[0, 1]], [[0, 0]], [[1, 0]]], np.float32)
    metric.add(towards, sideways, np.array([[True, False]]))
    assert metric.values()["mean_angular_error_degrees"] == 0


def test_l1_is_over_valid_pixels_and_channels() -> None:
    metric = AbsoluteErrorMetric()
    reference = np.zeros((2, 1, 3), np.float32)
    prediction = np.array([[[1, 0, 9]], [[0, -1, 9]]], np.float32)
    metric.add(prediction, reference, np.array([[True, True, False]]))
    assert metric.values() == {"l1": 0.5}


def test_the_median_is_the_constant_with_the_least_l1() -> None:
    constant = MedianConstant(2, -1, 1)
    reference = np.array([[[-1, 0.25, 1]], [[0.5, 0.5, -0.5]]], np.float32)
    constant.add(reference)
    assert constant.prediction() == [0.25, 0.5]
    assert constant.values()["l1"] == pytest.approx((1.25 + 0 + 0.75 + 0 + 0 + 1) / 6)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30))
def test_no_other_constant_beats_the_median(values: list[float]) -> None:
    reference = np.array(values, np.float32).reshape(1, 1, -1)
    constant = MedianConstant(1, 0, 1)
    constant.add(reference)
    best = min(float(np.abs(reference - candidate).mean()) for candidate in [*values, float(reference.mean())])
    assert constant.values()["l1"] == pytest.approx(best, abs=1 / MedianConstant.BINS)


def test_the_mean_direction_is_a_unit_vector() -> None:
    mean = MeanDirection()
    mean.add(np.array([[[0, 3]], [[0, 0]], [[4, 0]]], np.float32))
    mean.add(np.full((3, 1, 1), 9, np.float32), np.array([[False]]))
    assert mean.prediction() == pytest.approx([0.6, 0, 0.8])


@pytest.mark.parametrize(
    "metric",
    [SegmentationMetric(3), TopOneMetric(3), NormalMetric(), AbsoluteErrorMetric(), MedianConstant(1, 0, 1)],
)
def test_a_metric_that_saw_nothing_reports_nothing(metric):
    assert metric.values() == {}


@pytest.mark.parametrize("metric", [SegmentationMetric(3), NormalMetric(), AbsoluteErrorMetric()])
def test_shapes_that_differ_are_refused(metric):
    with pytest.raises(ValueError, match="differ in shape"):
        metric.add(np.zeros((3, 2, 2)), np.zeros((3, 2, 1)))


def test_the_error_of_the_mean_direction() -> None:
    mean = MeanDirection()
    left_and_right = np.zeros((3, 4, 8), np.float32)
    left_and_right[0, :, :4], left_and_right[0, :, 4:] = 1, -1
    left_and_right[2] = 1
    mean.add(left_and_right / np.float32(np.sqrt(2)))
    assert mean.prediction() == pytest.approx([0, 0, 1])
    assert mean.values()["mean_angular_error_degrees"] == pytest.approx(45, abs=1e-4)
