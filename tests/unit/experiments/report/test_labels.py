"""Names of curves lie within the panel, on no other name, and beside their own curve."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from experiments.report.labels import Label, place
from experiments.report.style import drawing


def placed(axes: Axes) -> dict[str, Bbox]:
    """Where each name was written."""
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    return {text.get_text(): text.get_window_extent(renderer) for text in axes.texts if isinstance(text, Text)}


@pytest.mark.parametrize("gap", [0.3, 0.1])
def test_names_do_not_cover_each_other_or_leave_the_panel(gap: float) -> None:
    x = np.geomspace(0.003, 0.03, 6)
    labels = [Label(f"curve {i}", "k", x.tolist(), (np.sqrt(x / 0.03) - gap * i).tolist()) for i in range(4)]
    with drawing() as figure:
        axes = figure.subplots()
        for label in labels:
            axes.plot(label.x, label.y)
        axes.set_xscale("log")
        place(axes, labels)
        boxes, frame = placed(axes), axes.get_window_extent()
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in combinations(boxes.values(), 2))
    for box in boxes.values():
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1 + 1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1


def test_a_name_is_nearest_to_its_own_curve() -> None:
    with drawing() as figure:
        axes = figure.subplots()
        labels = [Label("low", "k", [0, 1], [0, 0.2]), Label("high", "k", [0, 1], [0.8, 1.0])]
        for label in labels:
            axes.plot(label.x, label.y)
        place(axes, labels)
        boxes = placed(axes)
        middle = axes.transData.transform((0.5, 0.5))[1]
    assert boxes["low"].y1 < middle < boxes["high"].y0


def test_a_curve_without_a_name_is_only_in_the_way() -> None:
    with drawing() as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        place(axes, [Label("", "k", [0, 1], [0, 1])])
        assert placed(axes) == {}
