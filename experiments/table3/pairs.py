"""The heat map of table 3: every pair of tasks coded together, relative to apart."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter

from experiments.report.names import task_name
from experiments.report.style import COLOURS, INK, QUIET, drawing, save
from experiments.table3.results import NAME, Table3Results

# the colours' ends are at least this ratio and its inverse, so that noise does not look like an effect
LEAST_RANGE = 1.25
DARK = 0.72
WRAP = 12


def pairs_figure(results: Table3Results, grouping: str, folder: Path) -> list[Path]:
    """table3_pairs: blue where a pair helps itself, orange where it is in its own way, hatched where nothing can be said."""
    tasks = results.tasks
    known = [abs(math.log(value)) for value in results.pairs.values() if value is not None]
    reach = max([math.log(LEAST_RANGE), *known])
    colours = LinearSegmentedColormap.from_list("ratio", [COLOURS["codebook"], "#f7f7f7", COLOURS["hyperprior"]])
    scale = ScalarMappable(Normalize(-reach, reach), colours)
    with drawing(6.6, 5.0) as figure:
        axes = figure.subplots()
        for row, a in enumerate(tasks[1:]):
            for column, b in enumerate(tasks[: row + 1]):
                _cell(axes, row, column, results.pair(b, a), scale, reach)
        count = len(tasks) - 1
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        axes.set_aspect("equal")
        axes.grid(False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks([i + 0.5 for i in range(count)], [_short(task) for task in tasks[:-1]])
        axes.set_yticks([i + 0.5 for i in range(count)], [_short(task) for task in tasks[1:]])
        axes.tick_params(length=0, labelcolor=INK)
        bar = figure.colorbar(scale, ax=axes, shrink=0.7, aspect=18)
        bar.ax.yaxis.set_major_locator(FixedLocator([math.log(value) for value in _ticks(reach)]))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{math.exp(value):.3g} x"))
        bar.outline.set_visible(False)
        bar.set_label("rate together / rate apart")
        axes.text(
            count, 0.12, "blue: the two help each other", color=COLOURS["codebook"], ha="right", va="top", fontsize=8
        )
        axes.text(
            count, 0.42, "orange: they are in each other's way", color=COLOURS["hyperprior"], ha="right", va="top", fontsize=8
        )  # fmt: skip
        if any(value is None for value in results.pairs.values()):
            axes.text(count, 0.72, "hatched: no common range", color=QUIET, ha="right", va="top", fontsize=8)
        figure.supxlabel(textwrap.fill(f"Best grouping: {grouping}", 88), fontsize=8.5, color=INK)
        return save(figure, folder, f"{NAME}_pairs")


def _cell(axes: Axes, row: int, column: int, value: float | None, scale: ScalarMappable, reach: float) -> None:
    corner, gap = (column + 0.03, row + 0.03), 0.94
    if value is None:
        axes.add_patch(Rectangle(corner, gap, gap, facecolor="white", edgecolor="#c4c4c4", hatch="////", linewidth=0))
        return
    axes.add_patch(Rectangle(corner, gap, gap, facecolor=scale.to_rgba(math.log(value)), linewidth=0))  # type: ignore[arg-type]
    colour = "white" if abs(math.log(value)) > DARK * reach else INK
    axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)


def _ticks(reach: float) -> list[float]:
    steps = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 2.0, 4.0)
    wanted = steps if reach < math.log(1.45) else (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
    return [value for value in wanted if abs(math.log(value)) <= reach * 1.001]


def _short(task: str) -> str:
    return textwrap.fill(task_name(task), WRAP)
