"""Table 1 for readers: one task's feature under every scheme, at the plateau and along the whole curve (paper 4.2)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.report import paper
from experiments.report.names import SCHEMES, line_name, quantity, task_name
from experiments.report.panels import Level, Line, Mark, draw_panel, mean_point, name_lines
from experiments.report.results import (
    Made,
    coded_bpp,
    coded_bytes,
    model_bpp,
    plateau_of,
    points_of,
    reading,
    tolerance_text,
)
from experiments.report.style import COLOURS, byte_axis, drawing, save
from experiments.report.tables import BPP, BYTES, NONE, italic, paragraphs, prose, rate, ratio, spread, table
from experiments.runs.curves import mean_rate_ratio
from experiments.runs.measure import Point, curve_of
from experiments.runs.plateau import Plateau
from experiments.summary import geometric_mean

NAME = "table1"
ORDER = ("scale", "hyperprior", "channels", "positions", "codebook", "context", "linear")
FIGURES = ("cross_entropy", "pixel_accuracy", "non_background_accuracy", "miou")
HEADER = (
    "scheme", "bytes a frame ↓", "coded bpp ↓", "cross-entropy ↓", "accuracy ↑", "non-background accuracy ↑", "mIoU ↑",
)  # fmt: skip
SHOWN_QPS = (51, 43)


@dataclass(frozen=True)
class SeedResult:
    """One trained codec: its operating points on test frames, and its plateau."""

    test: tuple[Point, ...]
    plateau: Plateau


@dataclass(frozen=True)
class Table1Results:
    """The results file, of test frames.

    limit: the plateau's threshold on validation frames, and control_validation the control group's figure there that it comes from.
    idfc: (validation, test) for each QP, from the coarsest.
    """

    made: Made
    task: str
    figure: str
    limit: float
    control_validation: float
    original: Mapping[str, float]
    control: tuple[Point, ...]
    schemes: Mapping[str, tuple[SeedResult, ...]]
    idfc: tuple[tuple[Point, Point], ...]
    rate_ratio: Mapping[str, tuple[float | None, ...]]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Table1Results:
        """From table1.json."""
        return cls(
            Made.of(found, NAME),
            found["task"],
            found["figure"],
            found["plateau_threshold"],
            statistics.fmean(e["validation"]["figures"][found["task"]][found["figure"]] for e in found["control"]),
            found["original"]["test"],
            tuple(Point(**entry["test"]) for entry in found["control"]),
            {
                scheme: tuple(SeedResult(points_of(e["test"]), plateau_of(e["plateau"])) for e in entries)
                for scheme, entries in found["schemes"].items()
            },
            tuple((Point(**entry["validation"]), Point(**entry["test"])) for entry in found["idfc"]),
            {name: tuple(values) for name, values in found["rate_ratio"].items()},
        )

    @property
    def order(self) -> list[str]:
        """The schemes of this file, in the order in which they are shown."""
        return [scheme for scheme in ORDER if scheme in self.schemes]

    @property
    def idfc_plateau(self) -> tuple[Point, bool]:
        """IDFC on test frames at the cheapest QP that is at the plateau on validation frames, else at the best one there; whether it is."""

        def figure(point: Point) -> float:
            return point.figures[self.task][self.figure]

        good = [pair for pair in self.idfc if figure(pair[0]) >= self.limit]
        if good:
            return min(good, key=lambda pair: coded_bytes(pair[0]))[1], True
        return max(self.idfc, key=lambda pair: figure(pair[0]))[1], False


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """The text of table1.md; raises DataError for a results file of another version."""
    results = Table1Results.of(found)
    return paragraphs(
        f"# Table 1: {task_name(results.task)} under every compression scheme",
        prose(f"""
            A camera computes a feature of its picture, sends the compressed feature in the picture's place, and the other side
            finishes the network's work. How many bytes does the answer need, and which way of compressing needs the fewest? All
            trained schemes are one transform around one frozen network and differ only in how they estimate the probability of what is
            sent. *IDFC* packs the feature into a grey picture and codes that by HEVC intra. The *control group* is the transform
            without any rate: the best that can be had through it. (Paper, section 4.2; here on {results.made.where}.)
        """),
        _verdict(results),
        "![Performance over rate, every scheme](table1.png)",
        "Thick: mean of the seeds; thin: each seed; ring: the plateau.",
        "## At the plateau",
        table(HEADER, _rows(results)),
        _notes(results),
        "## Rates compared along the whole curves",
        prose("""
            Ratio of two schemes' rates at equal mIoU: the geometric mean over all mIoU that both reach (Bjontegaard's measure). Less
            than 1 means that the first needs fewer bits. The last column leaves the coder out and compares what the models say the
            symbols cost.
        """),
        _ratio_table(results),
        "## What the coder adds",
        prose("""
            Bytes of the real bitstream beyond the model's cross-entropy, mean of a frame. Both hyperpriors are coded by CompressAI's
            rANS, which ends in whole 32-bit words and makes two strings, the others by this project's range coder in one string.
        """),
        _coder_table(results),
        results.made.text(),
    )


def _verdict(results: Table1Results) -> str:
    coded = [ratio(geometric_mean(results.rate_ratio[f"codebook / {other}"])) for other in ("hyperprior", "scale")]
    alone = [ratio(geometric_mean(uncoded_ratios(results, "codebook", other))) for other in ("hyperprior", "scale")]
    return prose(f"""
        **The codebook hyperprior's rate at equal {quantity(results.task, results.figure).name}: {coded[0]} the mean-and-scale
        hyperprior's and {coded[1]} the scale-only one's in real bytes, {alone[0]} and {alone[1]} by cross-entropy alone**, which leaves
        each scheme's coder out. The paper's table has {paper.TABLE_1_RATIO:.2f} x of the scale-only one's.
    """)


def uncoded_ratios(results: Table1Results, ours: str, theirs: str) -> list[float | None]:
    """Mean rate ratios of two schemes by the models' cross-entropy, seed by seed."""
    return [
        mean_rate_ratio(*(curve_of(entry.test, results.task, results.figure, rate=model_bpp) for entry in pair))
        for pair in zip(results.schemes[ours], results.schemes[theirs], strict=False)
    ]


def _rows(results: Table1Results) -> list[list[str]]:
    rows = [["Original", NONE, NONE, *(quantity(results.task, name).text(results.original[name]) for name in FIGURES)]]
    rows.append(_paper_row("original"))
    rows.append([SCHEMES["control"], NONE, NONE, *_figures(results.control, results.task)])
    rows.append(_paper_row("control"))
    by_qp = {round(test.rate): test for _, test in results.idfc}
    for qp in SHOWN_QPS:
        rows += [_row(f"IDFC, QP {qp}", [by_qp[qp]], results.task), _paper_row(f"idfc {qp}")]
    best, reached = results.idfc_plateau
    rows.append(
        _row(f"IDFC, {'at the plateau' if reached else 'at its best'} (QP {best.rate:.0f})", [best], results.task)
    )
    for scheme in results.order:
        entries = results.schemes[scheme]
        star = "" if all(entry.plateau.reached for entry in entries) else " \\*"
        rows.append(_row(SCHEMES[scheme] + star, [entry.plateau.test for entry in entries], results.task))
        if scheme in paper.TABLE_1:
            rows.append(_paper_row(scheme))
    return rows


def _row(name: str, points: Sequence[Point], task: str) -> list[str]:
    return [
        name,
        spread([*map(coded_bytes, points)], BYTES),
        spread([*map(coded_bpp, points)], BPP),
        *_figures(points, task),
    ]


def _figures(points: Sequence[Point], task: str) -> list[str]:
    return [spread([point.figures[task][name] for point in points], quantity(task, name)) for name in FIGURES]


def _paper_row(method: str) -> list[str]:
    row = paper.TABLE_1[method]
    figures = [quantity("", name).printed(2).text(getattr(row, name)) for name in FIGURES]
    return italic(["the paper", *rate(row.bpp, 3), *figures])


def _notes(results: Table1Results) -> str:
    shown = quantity(results.task, results.figure)
    counts = sorted({len(entries) for entries in results.schemes.values()})
    seeds = "one seed" if counts == [1] else f"mean ± standard deviation over {counts[-1]} seeds"
    seeds += ", one seed where no deviation is given" if len(counts) > 1 else ""
    lines = [
        prose(f"""
            Trained schemes: {seeds}, read between two operating points where {shown.name} on validation frames first comes within
            {tolerance_text(results.limit, results.control_validation)} of the control group's (at least {shown.text(results.limit)}). Bytes
            and bpp are coded, not estimated.
            Cross-entropy is the segmentation's loss in nats a pixel, accuracy that of all pixels, non-background accuracy that of the
            pixels of all classes but the background.
        """)
    ]
    for scheme in results.order:
        missed = sum(not entry.plateau.reached for entry in results.schemes[scheme])
        if missed:
            lines.append(
                f"\\* {SCHEMES[scheme]}: {missed} of {len(results.schemes[scheme])} seeds do not reach the plateau; "
                "their dearest operating point stands in the table."
            )
    return "\n\n".join(lines)


def _ratio_table(results: Table1Results) -> str:
    count = max(len(values) for values in results.rate_ratio.values())
    rows = []
    for name, values in results.rate_ratio.items():
        ours, theirs = name.split(" / ")
        alone = geometric_mean(uncoded_ratios(results, ours, theirs))
        absent = [NONE] * (count - len(values))
        title = f"{line_name(ours)} / {line_name(theirs)}"
        rows.append([title, *map(ratio, values), *absent, ratio(geometric_mean(values)), ratio(alone)])
    header = ["rates of", *(f"seed {i + 1}" for i in range(count)), "mean, coded", "mean, cross-entropy alone"]
    return table(header, rows)


def _coder_table(results: Table1Results) -> str:
    rows = []
    for scheme in results.order:
        entries = results.schemes[scheme]
        at = [entry.plateau.test for entry in entries]
        added = [[coded_bytes(point) - point.bits / 8 for point in entry.test] for entry in entries]
        rows.append(
            [
                SCHEMES[scheme],
                spread([point.bits / 8 for point in at], BYTES),
                spread([coded_bytes(point) for point in at], BYTES),
                spread([coded_bytes(point) - point.bits / 8 for point in at], BYTES),
                spread([of_seed[0] for of_seed in added], BYTES),
                spread([of_seed[-1] for of_seed in added], BYTES),
            ]
        )
    header = (
        "scheme",
        "cross-entropy, bytes",
        "coded, bytes",
        "added",
        "added, cheapest point",
        "added, dearest point",
    )
    return table(header, rows)


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """table1.png and table1.svg: real bytes to the left, the models' cross-entropy to the right."""
    results = Table1Results.of(found)
    shown = quantity(results.task, results.figure)
    control = statistics.fmean(point.figures[results.task][results.figure] for point in results.control)
    levels = [
        Level(results.original[results.figure], "original", COLOURS["original"]),
        Level(control, "control group", COLOURS["control"]),
    ]
    points = [(test.bpp, test.figures[results.task][results.figure]) for _, test in results.idfc]
    idfc = Line(points, COLOURS["idfc"], "IDFC", focus=False)
    with drawing(height_inches=4.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        # the left panel last: it holds IDFC too, and sets the range that both share
        drawn = [
            (panels[1], "Cross-entropy alone, no coder", _lines(results, model_bpp), _marks(results, model_bpp)),
            (panels[0], "Real bytes", [*_lines(results, coded_bpp), idfc], _marks(results, coded_bpp)),
        ]
        for axes, title, lines, marks in drawn:
            draw_panel(axes, shown, True, lines, levels, marks)
            axes.set_title(title)
            byte_axis(axes)
        panels[1].set_ylabel("")
        for axes, _, lines, _ in drawn:
            name_lines(axes, shown, lines, levels)
        return save(figure, folder, NAME)


def _lines(results: Table1Results, of: Callable[[Point], float]) -> list[Line]:
    """Every seed thin, their mean thick: point by point, in the logarithm of the rate."""
    lines = []
    for scheme in results.order:
        curves = [
            [(of(point), point.figures[results.task][results.figure]) for point in entry.test]
            for entry in results.schemes[scheme]
        ]
        if len(curves) > 1:
            lines += [Line(curve, COLOURS[scheme], None) for curve in curves]
        lines.append(
            Line([mean_point(points) for points in zip(*curves, strict=True)], COLOURS[scheme], line_name(scheme))
        )
    return lines


def _marks(results: Table1Results, of: Callable[[Point], float]) -> list[Mark]:
    marks = []
    for scheme in results.order:
        at = [entry.plateau.test for entry in results.schemes[scheme] if entry.plateau.reached]
        if at:
            mean = mean_point([(of(point), point.figures[results.task][results.figure]) for point in at])
            marks.append(Mark(*mean, COLOURS[scheme]))
    return marks
