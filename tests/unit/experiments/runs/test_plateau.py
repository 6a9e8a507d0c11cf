"""Where the plateau begins: searched and interpolated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runs.measure import Point
from experiments.runs.plateau import interpolated, reaches, search, threshold
from experiments.suites.tasks import ExperimentTask

MIOU = ExperimentTask("segment_semantic", "segmentation", 13, 1.0, "miou", True)
NORMAL = ExperimentTask("normal", "normal", 3, 1.0, "mean_angular_error_degrees", False)


def point(task: ExperimentTask, rate: float, figure: float, coded_bytes: float | None = None) -> Point:
    return Point(rate, 8 * (10 + rate), 0.0, coded_bytes, {task.name: {task.figure: figure}})


def test_the_threshold_is_a_little_worse_than_the_original() -> None:
    assert threshold(MIOU, 0.50) == pytest.approx(0.485)
    assert threshold(NORMAL, 25.0) == pytest.approx(25.75)
    assert reaches(NORMAL, 25.5, 25.5)
    assert not reaches(NORMAL, 25.6, 25.5)


@given(st.integers(0, 51))
def test_a_search_over_whole_numbers_finds_the_coarsest_that_is_good_enough(wanted: int) -> None:
    seen: list[tuple[str, float]] = []

    def measure(split: str, qp: float) -> Point:
        seen.append((split, qp))
        return point(MIOU, qp, 0.49 if qp <= wanted else 0.40)

    found = search(measure, MIOU, 0.49, 51, 0, whole=True)
    assert (found.reached, found.setting) == (True, wanted)
    assert found.test.rate == wanted
    assert [split for split, _ in seen].count("test") == 1, "test frames are for the chosen setting alone"
    assert all(float(qp).is_integer() for _, qp in seen)


def test_a_search_between_operating_points_comes_close() -> None:
    found = search(lambda _, rate: point(MIOU, rate, 0.40 + 0.02 * rate), MIOU, 0.47, 0.0, 5.0)
    assert found.reached
    assert 3.5 <= found.setting <= 3.6
    assert found.validation.figures["segment_semantic"]["miou"] >= 0.47


def test_where_nothing_is_good_enough_the_dearest_is_given() -> None:
    found = search(lambda _, rate: point(NORMAL, rate, 40.0 - rate), NORMAL, 25.0, 0.0, 5.0)
    assert (found.reached, found.setting) == (False, 5.0)


def test_where_the_cheapest_is_good_enough_it_is_taken() -> None:
    found = search(lambda _, rate: point(NORMAL, rate, 20.0 - rate), NORMAL, 25.0, 0.0, 5.0)
    assert (found.reached, found.setting) == (True, 0.0)


def test_interpolation_finds_the_first_crossing_and_reads_the_test_points_there() -> None:
    validation = [point(MIOU, i, figure) for i, figure in enumerate((0.40, 0.44, 0.48, 0.47))]
    test = [point(MIOU, i, figure, 100.0 * (i + 1)) for i, figure in enumerate((0.41, 0.45, 0.47, 0.49))]
    found = interpolated(MIOU, 0.46, validation, test)
    assert found.reached
    assert found.setting == pytest.approx(1.5)
    assert found.test.coded_bytes == pytest.approx(250.0)
    assert found.test.figures["segment_semantic"]["miou"] == pytest.approx(0.46)


def test_interpolation_at_the_ends() -> None:
    validation = [point(MIOU, 0, 0.45), point(MIOU, 1, 0.46)]
    assert interpolated(MIOU, 0.40, validation, validation).setting == 0.0
    missed = interpolated(MIOU, 0.50, validation, validation)
    assert (missed.reached, missed.setting) == (False, 1.0)
