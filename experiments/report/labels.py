"""Direct labels: the name of a curve beside the curve, where it hides nothing.

Candidates lie around points of the curve. Each is priced by what it would cover (other labels, any curve), by what it would leave of
the panel, and by how near other curves are. The cheapest is taken, label by label, in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import Normal, Stroke
from matplotlib.transforms import Bbox

Points = npt.NDArray[np.float64]

GAP_POINTS = 5.0
ANCHORS = (1.0, 0.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.12)
SIDES = ((1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1), (-1, 0))
SAMPLES = 160
OUTSIDE_COST, LABEL_COST, CURVE_COST, STRANGER_COST, ORDER_COST = 1000.0, 60.0, 2.0, 12.0, 0.15


@dataclass(frozen=True)
class Label:
    """text for the polyline (x, y), in data coordinates; without a text it is only in the others' way."""

    text: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]


def place(axes: Axes, labels: Sequence[Label], size_points: float = 8.0) -> None:
    """Write every label; the axes' limits and scales must be final, and the layout of the figure is frozen here."""
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    frame, gap = axes.get_window_extent(renderer), GAP_POINTS * figure.dpi / 72
    curves = [_sampled(axes, label) for label in labels]
    taken = [text.get_window_extent(renderer) for text in axes.texts]
    for label, curve in zip(labels, curves, strict=True):
        if not label.text:
            continue
        text = axes.text(0, 0, label.text, color=label.colour, fontsize=size_points, va="bottom", ha="left")
        text.set_in_layout(False)
        text.set_path_effects([Stroke(linewidth=2.5, foreground="white"), Normal()])
        size = text.get_window_extent(renderer)
        boxes = _candidates(curve, size, frame, gap)
        costs = [ORDER_COST * order + _cost(box, frame, taken, curves, curve, gap) for order, box in enumerate(boxes)]
        best = boxes[int(np.argmin(costs))]
        x, y = axes.transData.inverted().transform((best.x0, best.y0))
        text.set_position((float(x), float(y)))
        taken.append(best)


def _sampled(axes: Axes, label: Label) -> Points:
    """The label's polyline in pixels, [SAMPLES, 2], evenly along its length, cut to the panel."""
    corners = axes.transData.transform(np.column_stack([label.x, label.y]).astype(np.float64))
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0.0, along[-1], SAMPLES)
    points = np.column_stack([np.interp(at, along, corners[:, i]) for i in (0, 1)])
    frame = axes.get_window_extent()
    inside = (points >= frame.min).all(1) & (points <= frame.max).all(1)
    return points[inside] if inside.any() else points


def _candidates(curve: Points, size: Bbox, frame: Bbox, gap: float) -> list[Bbox]:
    found = []
    for share in ANCHORS:
        x, y = curve[round(share * (len(curve) - 1))]
        for dx, dy in SIDES:
            left = x + dx * gap + (0 if dx > 0 else -size.width if dx < 0 else -size.width / 2)
            low = y + dy * gap + (0 if dy > 0 else -size.height if dy < 0 else -size.height / 2)
            # a label over the rim is pushed back in
            left = min(max(left, frame.x0 + gap), frame.x1 - size.width)
            found.append(Bbox.from_bounds(left, low, size.width, size.height))
    return found


def _cost(box: Bbox, frame: Bbox, taken: Sequence[Bbox], curves: Sequence[Points], own: Points, gap: float) -> float:
    padded = Bbox.from_extents(box.x0 - gap / 2, box.y0 - gap / 4, box.x1 + gap / 2, box.y1 + gap / 4)
    outside = padded.y0 < frame.y0 or padded.y1 > frame.y1 or padded.x1 > frame.x1 + 2 * gap
    covered = sum(((curve >= padded.min) & (curve <= padded.max)).all(1).sum() for curve in curves)
    nearest = min((_distance(box, curve) for curve in curves if curve is not own), default=np.inf)
    strange = max(0.0, _distance(box, own) + gap / 2 - nearest) / gap
    return (
        OUTSIDE_COST * outside
        + LABEL_COST * sum(padded.overlaps(other) for other in taken)
        + CURVE_COST * covered
        + STRANGER_COST * min(strange, 3.0)
    )


def _distance(box: Bbox, points: Points) -> float:
    beyond = np.maximum(np.maximum(box.min - points, points - box.max), 0.0)
    return float(np.hypot(*beyond.T).min())
