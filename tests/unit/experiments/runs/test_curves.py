"""Rate-performance curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runs.curves import Curve, mean_rate_ratio, relative_performance

POINTS = [(0.01, 0.40), (0.02, 0.44), (0.04, 0.46)]
points = st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=12)


def test_the_rate_between_two_points_is_read_in_its_logarithm() -> None:
    curve = Curve.of(POINTS, higher_is_better=True)
    assert curve.rate_at(0.42) == pytest.approx(math.sqrt(0.01 * 0.02))
    assert curve.rate_at(0.46) == pytest.approx(0.04)


def test_what_is_never_reached_has_no_rate_and_what_is_cheap_has_the_cheapest_points() -> None:
    curve = Curve.of(POINTS, higher_is_better=True)
    assert curve.rate_at(0.47) is None
    assert curve.rate_at(0.10) == pytest.approx(0.01)


def test_where_lower_is_better_the_score_is_the_negative_figure() -> None:
    curve = Curve.of([(0.01, 30.0), (0.02, 28.0)], higher_is_better=False)
    assert curve.rate_at(-28.0) == pytest.approx(0.02)
    assert curve.rate_at(-27.0) is None


@given(points, st.floats(0.001, 1.0))
def test_a_worse_point_at_a_higher_rate_changes_nothing(found: list[tuple[float, float]], more: float) -> None:
    curve = Curve.of(found, higher_is_better=True)
    worse = (float(curve.bpp[-1]) + more, float(curve.score[-1]))
    again = Curve.of([*found, worse], higher_is_better=True)
    assert np.array_equal(curve.bpp, again.bpp)
    assert np.array_equal(curve.score, again.score)


@given(points)
def test_a_curve_rises_in_both(found: list[tuple[float, float]]) -> None:
    curve = Curve.of(found, higher_is_better=True)
    assert (np.diff(curve.bpp) > 0).all()
    assert (np.diff(curve.score) > 0).all()


@given(st.floats(0.1, 10.0))
def test_the_same_curve_at_a_multiple_of_the_rate_has_that_ratio(factor: float) -> None:
    ours = Curve.of([(bpp * factor, figure) for bpp, figure in POINTS], higher_is_better=True)
    assert mean_rate_ratio(ours, Curve.of(POINTS, higher_is_better=True)) == pytest.approx(factor)


def test_curves_that_share_no_performance_have_no_ratio() -> None:
    low, high = Curve.of([(0.01, 0.1), (0.02, 0.2)], True), Curve.of(POINTS, True)
    assert mean_rate_ratio(low, high) is None
    assert mean_rate_ratio(Curve.of([(0.01, 0.4)], True), high) is None


def test_a_curve_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one operating point"):
        Curve.of([], True)


def test_relative_performance_is_less_than_one_where_a_figure_is_worse() -> None:
    assert relative_performance(0.45, 0.5, higher_is_better=True) == pytest.approx(0.9)
    assert relative_performance(30.0, 27.0, higher_is_better=False) == pytest.approx(0.9)
