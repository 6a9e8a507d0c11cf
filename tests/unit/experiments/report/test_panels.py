"""The range of a panel is made for the curves that it is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.panels import Level, Line, mean_point, value_range

figures = st.floats(0.01, 1.0)


def line(*values: float, focus: bool = True) -> Line:
    """A curve with these figures."""
    return Line([(0.001 * (i + 1), value) for i, value in enumerate(values)], "k", "curve", focus)


@given(st.lists(figures, min_size=1, max_size=5), figures, st.booleans())
def test_curves_in_focus_and_levels_are_inside(values: list[float], level: float, higher: bool) -> None:
    low, high = value_range([line(*values)], [Level(level, "original", "k")], 100.0, higher)
    assert low < high
    for value in (*values, level):
        assert low <= 100 * value <= high


@pytest.mark.parametrize("higher", [True, False])
def test_another_curve_may_leave_on_the_bad_side_alone(higher: bool) -> None:
    bad, good = (0.0, 1.2) if higher else (2.0, 0.8)
    low, high = value_range([line(0.9, 1.0), line(bad, good, focus=False)], [], 1.0, higher)
    assert not low <= bad <= high
    assert low <= good <= high


def test_a_mean_point_is_geometric_in_the_rate_and_arithmetic_in_the_figure() -> None:
    assert mean_point([(0.01, 0.2), (0.04, 0.4)]) == pytest.approx((0.02, 0.3))
