"""The figures of rd: a panel a task, side information and latent as stacked bars, ablations as dots, vector against spatial features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from experiments.rd.results import NAME, SCHEMES, FeatureKind, RdResults, TaskCurves
from experiments.report.names import line_name, quantity, task_name
from experiments.report.panels import Level, Line, draw_panel, name_lines
from experiments.report.style import COLOURS, INK, QUIET, WIDTH_INCHES, drawing, pale, plain_numbers, save
from experiments.runs.measure import Point

COLUMNS, PANEL_INCHES, BITS_INCHES = 3, 2.9, 2.2
SMALL_POINTS = 7.0
BAR = 0.4
# ticks of an axis of ratios, where it reaches further than WIDE and where it does not
WIDE = 1.6
WIDE_TICKS, NARROW_TICKS = (0.1, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0, 10.0), (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)


def curves_figure(results: RdResults, folder: Path) -> list[Path]:
    """rd: performance over coded rate."""
    rows = -(-len(results.tasks) // COLUMNS)
    with drawing(WIDTH_INCHES, rows * PANEL_INCHES) as figure:
        drawn = []
        for axes, task in zip(_grid(figure, rows, len(results.tasks)), results.tasks, strict=True):
            lines = [_line(task, points, scheme) for scheme, points in task.curves.items()]
            lines.append(_line(task, task.idfc, "idfc"))
            levels = [
                Level(task.original, "original", COLOURS["original"]),
                Level(task.control, "control", COLOURS["control"]),
            ]
            draw_panel(axes, task.shown, task.higher_is_better, lines, levels)
            axes.set_title(task_name(task.name).capitalize())
            drawn.append((axes, task, lines, levels))
        # the rate's label stands only under the lowest panel of each column
        for axes, *_ in drawn[:-COLUMNS]:
            axes.set_xlabel("")
        for axes, task, lines, levels in drawn:
            name_lines(axes, task.shown, lines, levels, SMALL_POINTS)
        return save(figure, folder, NAME)


def _line(task: TaskCurves, points: Sequence[Point], scheme: str) -> Line:
    pairs = [(point.bpp, task.value(point)) for point in points]
    return Line(pairs, COLOURS[scheme], "hyperprior" if scheme == "hyperprior" else line_name(scheme), scheme != "idfc")


def _grid(figure: Figure, rows: int, count: int) -> list[Axes]:
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.remove()
    return list(panels[:count])


def bits_figure(results: RdResults, folder: Path) -> list[Path]:
    """rd_bits: cross-entropy of side information (full) and latent (pale) at every operating point, codebook beside hyperprior."""
    rows = -(-len(results.tasks) // COLUMNS)
    with drawing(WIDTH_INCHES, rows * BITS_INCHES + 0.35) as figure:
        for i, (axes, task) in enumerate(zip(_grid(figure, rows, len(results.tasks)), results.tasks, strict=True)):
            for scheme, shift in zip(SCHEMES, (-BAR / 2, BAR / 2), strict=True):
                points = task.curves[scheme]
                at = np.arange(len(points)) + shift
                side = np.array([point.side_bits for point in points])
                latent = np.array([point.bits for point in points]) - side
                width = BAR * 0.92
                axes.bar(at, side, width, color=COLOURS[scheme])
                axes.bar(at, latent, width, side, color=pale(COLOURS[scheme]))
            axes.set_title(task_name(task.name).capitalize())
            axes.grid(False, axis="x")
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_xticks(range(max(len(points) for points in task.curves.values())))
            axes.set_ylabel("" if i % COLUMNS else "bits a frame")
            axes.set_xlabel("operating point" if i + COLUMNS >= len(results.tasks) else "")
        handles = [
            Patch(color=colour, label=f"{scheme}: {part}")
            for scheme, side in (("codebook", "v"), ("hyperprior", "hyper-latent"))
            for part, colour in ((side, COLOURS[scheme]), ("latent", pale(COLOURS[scheme])))
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=8)
        return save(figure, folder, f"{NAME}_bits")


def ablation_figure(results: RdResults, names: Sequence[str], folder: Path) -> list[Path]:
    """rd_ablations: every change's rate ratio on a logarithmic axis, 1 in the middle."""
    shown = list(zip(names, results.ablations, strict=True))[1:]
    with drawing(WIDTH_INCHES * 0.8, 0.34 * len(shown) + 1.0) as figure:
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.axvline(1.0, color=QUIET, linewidth=1.0)
        ratios = [ablation.rate_ratio for _, ablation in shown]
        reach = max([1.15, *(max(ratio, 1 / ratio) for ratio in ratios if ratio is not None)]) ** 1.35
        for y, ratio in enumerate(ratios):
            if ratio is None:
                axes.text(1.0, y, "  no common range of figures", va="center", color=QUIET, fontsize=8, style="italic")
                continue
            colour = COLOURS["hyperprior"] if ratio > 1 else COLOURS["codebook"]
            axes.plot([1.0, ratio], [y, y], color=colour, linewidth=2.0)
            axes.plot([ratio], [y], "o", color=colour, markersize=6)
            axes.annotate(
                f"{ratio:.2f} x", (ratio, y), (7 if ratio > 1 else -7, 0), textcoords="offset points", va="center",
                ha="left" if ratio > 1 else "right", fontsize=8, color=colour,
            )  # fmt: skip
        axes.set_yticks(range(len(shown)), [name for name, _ in shown])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(1 / reach, reach)
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        plain_numbers(axes, FixedLocator(WIDE_TICKS if reach > WIDE else NARROW_TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("← better      rate ratio at equal performance      costs bits →")
        return save(figure, folder, f"{NAME}_ablations")


def spatial_figure(results: RdResults, folder: Path) -> list[Path]:
    """rd_spatial: a panel a class task, its vector feature against its spatial one."""
    by_name = {task.name: task for task in results.tasks}
    with drawing(WIDTH_INCHES * 0.6 * min(len(results.spatial), 2), 3.6) as figure:
        panels = figure.subplots(1, len(results.spatial), squeeze=False).ravel()
        drawn = []
        for axes, (name, kinds) in zip(panels, results.spatial.items(), strict=True):
            task = by_name[name]
            shown = quantity(name, task.figure)
            lines = [_kind_line(kind, task.figure) for kind in kinds]
            levels = [Level(kind.original, f"original, {kind.kind}", COLOURS[kind.kind]) for kind in kinds]
            draw_panel(axes, shown, task.higher_is_better, lines, levels)
            axes.set_title(task_name(name).capitalize())
            drawn.append((axes, shown, lines, levels))
        for axes, shown, lines, levels in drawn:
            name_lines(axes, shown, lines, levels)
        return save(figure, folder, f"{NAME}_spatial")


def _kind_line(kind: FeatureKind, figure: str) -> Line:
    pairs = [(point.bpp, point.figures[kind.task][figure]) for point in kind.test]
    return Line(pairs, COLOURS[kind.kind], f"{kind.kind} feature")
