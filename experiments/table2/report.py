"""Table 2 for readers: the least rate at which each task does as well as without a rate, ours and IDFC's (paper 4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from experiments.report import paper
from experiments.report.names import BYTES_OF_BPP, arrow, quantity, task_name
from experiments.report.results import JudgedTask, Made, coded_bytes, plateau_of, reading, tolerance_text
from experiments.report.style import COLOURS, INK, QUIET, WIDTH_INCHES, drawing, plain_numbers, save
from experiments.report.tables import BPP, BYTES, NONE, italic, maybe, paragraphs, prose, rate, ratio, table
from experiments.runs.plateau import Plateau
from experiments.summary import geometric_mean

NAME = "table2"
METHODS = ("codebook", "idfc")
TITLES = {"original": "Original", "control": "Control group", "idfc": "IDFC", "codebook": "Codebook hyperprior"}
HEADER = (
    "task", "method", "validation", "bpp", "test", "bpp", "bytes a frame", "*paper: validation*", "*bpp*", "*paper: test*", "*bpp*",
)  # fmt: skip
BAR = 0.36
# a mark at this share of a bar's length would hide a number inside the bar's end
TAKEN = (0.7, 1.08)


@dataclass(frozen=True)
class TaskPlateau(JudgedTask):
    """One task. original, control: by split; plateaus: by method; compared: by method, at `compared_at`, a figure that both reach."""

    original: Mapping[str, float]
    control: Mapping[str, float]
    threshold: float
    plateaus: Mapping[str, Plateau]
    compared_at: float
    compared: Mapping[str, Plateau]
    rate_ratio: float

    @property
    def both_reach(self) -> bool:
        """True where both methods come to the plateau."""
        return all(plateau.reached for plateau in self.plateaus.values())

    @property
    def paper_ratio(self) -> float | None:
        """The paper's rate / IDFC's, on test frames."""
        printed = paper.TABLE_2.get(self.name)
        if printed is None:
            return None
        ours, idfc = (printed[method].test_bpp for method in METHODS)
        return None if ours is None or idfc is None else ours / idfc


def _tasks(found: Mapping[str, Any]) -> tuple[TaskPlateau, ...]:
    return tuple(
        TaskPlateau(
            name,
            entry["figure"],
            entry["higher_is_better"],
            {split: values[entry["figure"]] for split, values in entry["original"].items()},
            entry["control"],
            entry["plateau_threshold"],
            {method: plateau_of(entry[method]) for method in METHODS},
            entry["compared_at"],
            dict(zip(METHODS, map(plateau_of, entry["compared"]), strict=True)),
            entry["rate_ratio"],
        )
        for name, entry in found["tasks"].items()
    )


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """The text of table2.md; raises DataError for a results file of another version."""
    made, tasks = Made.of(found, NAME), _tasks(found)
    mean = geometric_mean(task.rate_ratio for task in tasks)
    return paragraphs(
        "# Table 2: how many bytes each task needs",
        prose(f"""
            From some rate on, more bits do not make a task's results any better: its plateau. Where does it begin, task by task,
            and how far is an earlier method from it? Ours is the paper's codebook hyperprior, one codec a task,
            with a linear path beside the networks of E and D where the feature has spatial dimensions. *IDFC* packs the same feature
            into a grey picture and codes that by HEVC intra. The plateau begins where a figure comes within
            {tolerance_text(tasks[0].threshold, tasks[0].control["validation"])} of the *control group's*, the same transform without any
            rate. (Paper, section 4.3; here on {made.where}.)
        """),
        f"**Rate against IDFC's, geometric mean over the tasks: {ratio(mean)}.**",
        "![Bytes at the plateau, ours and IDFC's, task by task](table2.png)",
        "## At the plateau",
        table(HEADER, [row for task in tasks for row in _rows(task)]),
        _notes(tasks),
        "## Rates compared",
        prose("""
            At the plateau where both methods come to it, else at the best figure that both reach on validation frames. Found on
            validation frames by bisection over the encoder's operating points (ours) and QPs (IDFC), measured in real bytes on
            test frames.
        """),
        table(
            ("task", "at", "codebook, bytes", "IDFC, bytes", "ratio", "*the paper's ratio*"),
            [_compared(task) for task in tasks],
        ),
        made.text(),
    )  # fmt: skip


def _rows(task: TaskPlateau) -> list[list[str]]:
    rows = []
    for method, title in TITLES.items():
        if method in task.plateaus:
            plateau = task.plateaus[method]
            points = plateau.validation, plateau.test
            values = [task.value(point) for point in points]
            rates = [BPP.text(points[0].bpp), *rate(points[1].bpp)[::-1]]
            title += "" if plateau.reached else " \\*"
        else:
            figures = task.original if method == "original" else task.control
            values, rates = [figures["validation"], figures["test"]], [NONE] * 3
        first = (
            f"{task_name(task.name)}, {task.shown.name} {arrow(task.higher_is_better)}" if method == "original" else ""
        )
        shown = [task.shown.text(value) for value in values]
        rows.append([first, title, shown[0], rates[0], shown[1], *rates[1:], *_paper_cells(task, method)])
    return rows


def _paper_cells(task: TaskPlateau, method: str) -> list[str]:
    if task.name not in paper.TABLE_2:
        return [NONE] * 4
    row = paper.TABLE_2[task.name][method]
    shown = quantity(task.name, paper.TABLE_2_FIGURES[task.name])
    shown = shown.printed(2) if shown.unit else shown
    return italic(
        [shown.text(row.validation), maybe(row.validation_bpp, BPP), shown.text(row.test), maybe(row.test_bpp, BPP)]
    )


def _compared(task: TaskPlateau) -> list[str]:
    where = task.shown.text(task.compared_at) + ("" if task.both_reach else ", short of the plateau")
    sizes = [BYTES.text(coded_bytes(task.compared[method].test)) for method in METHODS]
    printed = task.paper_ratio
    return [
        task_name(task.name),
        where,
        *sizes,
        ratio(task.rate_ratio),
        NONE if printed is None else f"*{ratio(printed)}*",
    ]


def _notes(tasks: Sequence[TaskPlateau]) -> str:
    missed = [
        f"{TITLES[method]} on {task_name(task.name)}"
        for task in tasks
        for method in METHODS
        if not task.plateaus[method].reached
    ]
    lines = ["Bytes, and both columns of bpp, are coded, not estimated."]
    if missed:
        lines.append(
            f"\\* Does not reach the plateau on validation frames: {', '.join(missed)}. The row is its dearest operating point."
        )
    return " ".join(lines)


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """table2.png and table2.svg: bytes at the compared figure as bars, the paper's as hollow marks."""
    tasks = _tasks(found)
    with drawing(WIDTH_INCHES, 0.72 * len(tasks) + 1.3) as figure:
        axes = figure.subplots()
        axes.set_xscale("log")
        for y, task in enumerate(tasks):
            for method, shift in zip(METHODS, (-BAR / 2, BAR / 2), strict=True):
                _bar(axes, task, method, y + shift)
        axes.set_yticks(range(len(tasks)), [_tick(task) for task in tasks])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(tasks) - 0.4, -0.95)
        axes.set_xlim(*_range(tasks))
        plain_numbers(axes, LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        axes.set_xlabel("bytes a frame (log)      ← better")
        _key(axes)
        return save(figure, folder, NAME)


def _bar(axes: Axes, task: TaskPlateau, method: str, y: float) -> None:
    size = coded_bytes(task.compared[method].test)
    axes.barh(y, size, BAR * 0.9, color=COLOURS[method])
    printed = paper.TABLE_2.get(task.name, {}).get(method)
    mark = None if printed is None or printed.test_bpp is None else printed.test_bpp * BYTES_OF_BPP
    if mark is not None:
        axes.plot([mark], [y], "D", color=COLOURS[method], markerfacecolor="white", markersize=5.5, zorder=4)
    # the number stands inside the bar's end, unless the mark does
    inside = mark is None or not TAKEN[0] < mark / size < TAKEN[1]
    axes.annotate(
        f"{size:.0f}" if size >= 10 else f"{size:.1f}", (size, y), (-4 if inside else 8, -0.5), textcoords="offset points",
        ha="right" if inside else "left", va="center", fontsize=8, color="white" if inside else COLOURS[method],
    )  # fmt: skip


def _tick(task: TaskPlateau) -> str:
    where = task.shown.text(task.compared_at)
    return f"{task_name(task.name)}\n{'plateau' if task.both_reach else 'both reach'}: {where}"


def _range(tasks: Sequence[TaskPlateau]) -> tuple[float, float]:
    """From below the smallest bar or mark, as bars on a logarithmic axis have no zero, to beyond the largest."""
    sizes = [coded_bytes(task.compared[method].test) for task in tasks for method in METHODS]
    for task in tasks:
        marks = [row.test_bpp for row in paper.TABLE_2.get(task.name, {}).values()]
        sizes += [bpp * BYTES_OF_BPP for bpp in marks if bpp is not None]
    return 10 ** math.floor(math.log10(min(sizes) / 1.5)), max(sizes) * 1.6


def _key(axes: Axes) -> None:
    words = (("codebook hyperprior", "codebook", 0.0), ("IDFC", "idfc", 0.21))
    for text, method, x in words:
        axes.text(
            x, 0.985, text, transform=axes.transAxes, color=COLOURS[method], va="top", fontsize=9, fontweight="bold"
        )
    axes.text(0.29, 0.985, "◇ the paper's, on Taskonomy", transform=axes.transAxes, color=QUIET, va="top", fontsize=9)
