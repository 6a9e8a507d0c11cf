"""A panel of rate-performance curves, as table 1, table 4 and the curves of every task draw it.

Line (points, colour, label) + reference levels --draw_panel--> axes: log rate, lines with their operating points, direct labels
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from experiments.report.labels import Label, place
from experiments.report.names import Quantity
from experiments.report.style import better, rate_axis

# shares of the range that stay free: at the better end there is room for names and the direction
GOOD_MARGIN, BAD_MARGIN = 0.17, 0.07
BELOW = 0.5


@dataclass(frozen=True)
class Line:
    """One curve: (bits per pixel, figure in its own unit) pairs, fewest bits first.

    label: None for a thin line without a name (a single seed). focus: whether the panel's range of figures is made for it; others may leave
    the panel.
    """

    points: Sequence[tuple[float, float]]
    colour: str
    label: str | None
    focus: bool = True
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line: a figure that costs no rate here."""

    value: float
    label: str
    colour: str


@dataclass(frozen=True)
class Mark:
    """An operating point that is set apart by a ring: the plateau."""

    bpp: float
    value: float
    colour: str


def mean_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of (rate, figure) pairs: geometric of the rates, arithmetic of the figures."""
    return statistics.geometric_mean(x for x, _ in points), statistics.fmean(y for _, y in points)


def draw_panel(
    axes: Axes,
    quantity: Quantity,
    higher_is_better: bool,
    lines: Sequence[Line],
    levels: Sequence[Level] = (),
    marks: Sequence[Mark] = (),
) -> None:
    """Draw everything but the labels' places, which `name_lines` finds when all panels of the figure are drawn."""
    for line in lines:
        x, y = [bpp for bpp, _ in line.points], [value * quantity.factor for _, value in line.points]
        style, width = ("--", 1.4) if line.dashed else ("-", 2.0)
        if line.label is None:
            axes.plot(x, y, style, color=line.colour, linewidth=0.8, alpha=0.45, zorder=2)
        else:
            axes.plot(x, y, style, color=line.colour, linewidth=width, marker="o", markersize=3.5, zorder=3)
    for mark in marks:
        axes.scatter(
            mark.bpp, mark.value * quantity.factor, s=80, facecolors="none", edgecolors=mark.colour, linewidths=1.5, zorder=4
        )  # fmt: skip
    axes.set_ylim(*value_range(lines, levels, quantity.factor, higher_is_better))
    for level in levels:
        axes.axhline(level.value * quantity.factor, color=level.colour, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    rate_axis(axes)
    axes.set_ylabel(quantity.axis)
    better(axes, higher_is_better)


def name_lines(
    axes: Axes, quantity: Quantity, lines: Sequence[Line], levels: Sequence[Level] = (), size: float = 8.0
) -> None:
    """Write the names of lines and levels beside them; call it last, as it freezes the figure's layout."""
    labels = [
        Label(
            line.label or "",
            line.colour,
            [bpp for bpp, _ in line.points],
            [value * quantity.factor for _, value in line.points],
        )
        for line in lines
    ]
    low, high = axes.get_xlim()
    labels += [Label(level.label, level.colour, [high, low], [level.value * quantity.factor] * 2) for level in levels]
    place(axes, labels, size)


def value_range(
    lines: Sequence[Line], levels: Sequence[Level], factor: float, higher_is_better: bool
) -> tuple[float, float]:
    """Limits of the y axis: all lines in focus and all levels; of the others what lies at most BELOW of that range worse."""
    inside = [value for line in lines if line.focus for _, value in line.points] + [level.value for level in levels]
    low, high = min(inside), max(inside)
    extent = (high - low) or abs(high) or 1.0
    others = [value for line in lines if not line.focus for _, value in line.points]
    if higher_is_better:
        worst = low - BELOW * extent
        low, high = min([low, *(max(value, worst) for value in others)]), max([high, *others])
    else:
        worst = high + BELOW * extent
        low, high = min([low, *others]), max([high, *(min(value, worst) for value in others)])
    extent = (high - low) or extent
    margins = (BAD_MARGIN, GOOD_MARGIN) if higher_is_better else (GOOD_MARGIN, BAD_MARGIN)
    return (low - margins[0] * extent) * factor, (high + margins[1] * extent) * factor
