"""Table 3 for readers: six tasks coded apart, in two groups and together, and which pairs help each other (paper 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.report import paper
from experiments.report.names import AGGREGATIONS, BYTES_OF_BPP, Quantity, arrow, quantity, task_name, tasks_text
from experiments.report.panels import Level, Line, Mark, draw_panel, name_lines
from experiments.report.results import reading
from experiments.report.style import COLOURS, QUIET, drawing, save
from experiments.report.tables import BPP, BYTES, NONE, paragraphs, prose, ratio, table
from experiments.table3.pairs import pairs_figure
from experiments.table3.results import NAME, Aggregation, Table3Results

RELATIVE = Quantity("mean performance, original networks = 100", " %", 100.0, 1)


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """The text of table3.md; raises DataError for a results file of another version."""
    results = Table3Results.of(found)
    return paragraphs(
        "# Table 3: coding tasks apart, in groups and together",
        prose(f"""
            Several tasks ({len(results.tasks)} here) look at the same picture, so their features share information: coded together
            they could cost less than each alone, but a codec that has to serve many tasks may serve each worse. *Customized* is one
            codec a task, *Trinity* one for each of {len(results.aggregations["trinity"].groups)} groups of related tasks, *Hex* one for
            all. Which needs the fewest bits for the same performance? (Paper, section 4.4; here on {results.made.where}.)
        """),
        _verdict(results),
        "![Total rate against mean performance of the three aggregations](table3.png)",
        "## At equal loss",
        _table(results),
        _notes(results),
        "## Which tasks help each other",
        prose(f"""
            Every pair of tasks, coded by one codec, is compared with two codecs of one task each, at equal mean performance (training
            of {results.pair_steps} steps for all of them). Less than 1 means that the two help each other, more than 1 that they are
            in each other's way.
        """),
        "![Rate of every pair coded together, relative to apart](table3_pairs.png)",
        _pair_table(results),
        prose(f"""
            **The best grouping by these ratios**: {grouping_text(results.best_grouping)}. Of all ways of dividing the tasks it has the
            least mean ratio of its pairs, weighted by the size of the groups; a task alone counts as 1. The Trinity groups are
            {grouping_text(results.aggregations["trinity"].groups)}.
        """),
        results.made.text(),
    )  # fmt: skip


def grouping_text(groups: Sequence[Sequence[str]]) -> str:
    """Groups of tasks in a sentence."""
    return "; ".join(tasks_text(list(group)) for group in groups)


def _verdict(results: Table3Results) -> str:
    printed = {name: bpp / paper.TABLE_3_BPP["customized"] for name, bpp in paper.TABLE_3_BPP.items()}
    return prose(f"""
        **Total rate at equal mean performance, over the whole curves: Trinity {ratio(results.rate_ratio["trinity / customized"])}
        Customized's, Hex {ratio(results.rate_ratio["hex / customized"])}**; the paper's table has {printed["trinity"]:.2f} x and
        {printed["hex"]:.2f} x.
    """)


def _table(results: Table3Results) -> str:
    points = {name: entry.at(results.level) for name, entry in results.aggregations.items()}
    names = [AGGREGATIONS[name] for name in points]
    header = ["task", "figure", "original", *names, *(f"*paper: {name}*" for name in ("original", *names))]
    rows = []
    for task, figure in results.figures.items():
        shown = quantity(task, figure)
        better = arrow(results.higher_is_better[task])
        ours = [
            shown.text(results.original[task]),
            *(shown.text(point.total.figures[task]) for point in points.values()),
        ]
        rows.append([task_name(task), f"{shown.name} {better}", *ours, *_paper_cells(task, list(points))])
    empty = [NONE] * (1 + len(points))
    rows.append(
        ["mean performance", "relative to original ↑", "100.0 %", *(RELATIVE.text(p.total.relative) for p in points.values()), *empty]
    )  # fmt: skip
    printed = [paper.TABLE_3_BPP[name] for name in points]
    rows.append(
        ["**total rate**", "bpp ↓", NONE, *(BPP.text(p.total.bpp) for p in points.values()), NONE, *(f"*{bpp:.3f}*" for bpp in printed)]
    )  # fmt: skip
    sizes = [BYTES.text(point.total.bpp * BYTES_OF_BPP) for point in points.values()]
    rows.append(
        ["**total rate**", "bytes a frame ↓", NONE, *sizes, NONE, *(f"*{bpp * BYTES_OF_BPP:.1f}*" for bpp in printed)]
    )
    return table(header, rows)


def _paper_cells(task: str, names: Sequence[str]) -> list[str]:
    row = paper.TABLE_3.get(task)
    if row is None:
        return [NONE] * (1 + len(names))
    shown = quantity(task, row.metric)
    shown = shown.printed(2 if shown.factor > 1 else 3)
    return [f"*{shown.text(getattr(row, name))}*" for name in ("original", *names)]


def _notes(results: Table3Results) -> str:
    limit = RELATIVE.text(results.level)
    lines = [
        prose(f"""
            Each aggregation where its mean performance relative to the original networks first reaches {limit} on validation frames, read
            between operating points in the logarithm of the rate; figures and rates are of test frames, rates coded. Mean performance is
            the mean over the tasks of figure / original's, or its inverse where lower is better. All codecs share one table of prices of
            a bit, so an operating point is the same trade in each of them. The paper's figures are of its validation frames, normals as L1.
        """)
    ]
    plateau = 1 - results.tolerance
    if results.level < plateau:
        missing = [AGGREGATIONS[name] for name, entry in results.aggregations.items() if not entry.at(plateau).reached]
        verb = "does" if len(missing) == 1 else "do"
        lines.append(
            f"{' and '.join(missing)} {verb} not reach {RELATIVE.text(plateau)} on validation frames, so the table is read at {limit}, "
            "which all three reach."
        )
    for name, entry in results.aggregations.items():
        point = entry.at(results.level)
        if not point.position:
            lines.append(
                f"{AGGREGATIONS[name]} reaches {limit} at its cheapest operating point already: less might have been enough."
            )
    return "\n\n".join(lines)


def _pair_table(results: Table3Results) -> str:
    rows = []
    for i, a in enumerate(results.tasks[1:], start=1):
        cells = [ratio(results.pair(b, a)) if j < i else "" for j, b in enumerate(results.tasks[:-1])]
        rows.append([task_name(a), *cells])
    return table(["", *map(task_name, results.tasks[:-1])], rows)


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """table3 (the three curves) and table3_pairs (the heat map), each as PNG and SVG."""
    results = Table3Results.of(found)
    return [*_curves_figure(results, folder), *pairs_figure(results, grouping_text(results.best_grouping), folder)]


def _curves_figure(results: Table3Results, folder: Path) -> list[Path]:
    with drawing(6.6, 4.2) as figure:
        axes = figure.subplots()
        lines = [_line(name, entry) for name, entry in results.aggregations.items()]
        levels = [
            Level(1.0, "original networks", COLOURS["original"]),
            Level(1 - results.tolerance, f"{100 * results.tolerance:g} % less", QUIET),
        ]
        points = {name: entry.at(results.level) for name, entry in results.aggregations.items()}
        marks = [
            Mark(point.total.bpp, point.total.relative, COLOURS[name])
            for name, point in points.items()
            if point.reached
        ]
        draw_panel(axes, RELATIVE, True, lines, levels, marks)
        axes.set_xlabel("total bits per pixel of all tasks (0.01 = 82 bytes a frame)")
        axes.set_ylabel("mean performance (%, original = 100)")
        name_lines(axes, RELATIVE, lines, levels)
        return save(figure, folder, NAME)


def _line(name: str, entry: Aggregation) -> Line:
    return Line([(total.bpp, total.relative) for total in entry.test], COLOURS[name], AGGREGATIONS[name])
