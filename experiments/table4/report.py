"""Table 4 for readers: unseen tasks from a bitstream that was not made for them, against pictures at equal performance (paper 4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.report import paper
from experiments.report.names import BYTES_OF_BPP, PICTURES, REPRESENTATIONS, arrow, task_name, tasks_text
from experiments.report.panels import Level, Line, Mark, draw_panel, name_lines
from experiments.report.results import JudgedTask, Made, points_of, reading
from experiments.report.style import COLOURS, WIDTH_INCHES, drawing, save
from experiments.report.tables import BYTES, NONE, italic, paragraphs, prose, rate, ratio, table
from experiments.runs.measure import Point
from experiments.runs.plateau import TOLERANCE

NAME = "table4"
COLUMNS, PANEL_INCHES = 2, 3.5
PAPER_ROWS = {"binary": "Binary", "binary+": "Binary+", "bpg": "BPG picture"}


@dataclass(frozen=True)
class Representation:
    """The use of one bitstream for the unseen task. coded: tasks whose features are in it; supervised: those it was trained for."""

    coded: tuple[str, ...]
    supervised: tuple[str, ...]
    validation: tuple[Point, ...]
    test: tuple[Point, ...]
    rate_ratio: Mapping[str, float | None]


@dataclass(frozen=True)
class UnseenTask(JudgedTask):
    """One unseen task: its representations, and the same figure from pictures."""

    original: float
    representations: Mapping[str, Representation]
    pictures: Mapping[str, tuple[Point, ...]]

    def chosen(self, representation: Representation) -> Point:
        """On test frames, the cheapest operating point that is within TOLERANCE of the best one, both on validation frames."""
        values = [self.value(point) for point in representation.validation]
        if self.higher_is_better:
            at = next(i for i, value in enumerate(values) if value >= max(values) * (1 - TOLERANCE))
        else:
            at = next(i for i, value in enumerate(values) if value <= min(values) * (1 + TOLERANCE))
        return representation.test[at]

    def picture_bytes(self, codec: str, value: float) -> str:
        """Bytes of a picture from which the original network reaches `value`, as a cell."""
        curve = self.curve(self.pictures[codec])
        score = value if self.higher_is_better else -value
        bpp = curve.rate_at(score)
        if bpp is None:
            return "not reached"
        return ("at most " if score <= curve.score[0] else "") + BYTES.text(bpp * BYTES_OF_BPP)


def unseen_tasks(found: Mapping[str, Any]) -> tuple[UnseenTask, ...]:
    """Read the tasks of table4.json."""
    pictures = {codec: points_of(points) for codec, points in found["pictures"].items()}
    tasks = []
    for name, entry in found["unseen"].items():
        representations = {
            which: Representation(
                tuple(part["coded_tasks"]),
                tuple(part["supervised_tasks"]),
                points_of(part["validation"]),
                points_of(part["test"]),
                part["rate_ratio"],
            )
            for which, part in entry["representations"].items()
        }
        original = entry["original"][entry["figure"]]
        tasks.append(UnseenTask(name, entry["figure"], entry["higher_is_better"], original, representations, pictures))
    return tuple(tasks)


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """The text of table4.md; raises DataError for a results file of another version."""
    made = Made.of(found, NAME)
    return paragraphs(
        "# Table 4: tasks that the bitstream was not made for",
        prose(f"""
            A camera's bitstream is fixed; later somebody wants a task of it that nobody had thought of. A decoder for that task is
            trained on the frozen bitstream and compared with the usual way out, sending a compressed picture and running the task's
            network on it: how many bytes does a picture need for the same answer? *Binary* was trained for two other tasks of the
            group. In *Binary+* the unseen task's feature goes in as well, without its loss. *Trinity* was trained for the
            three tasks of a group, and the unseen task is none of them. (Paper, section 4.5; here on {made.where}.)
        """),
        "![Performance over rate of every unseen task](table4.png)",
        prose(f"""
            Ring: the operating point in the tables below, the cheapest that on validation frames comes within {100 * TOLERANCE:g} %
            of the best that its representation reaches there. Picture columns: bytes of a picture with the same figure, read between
            the codec's qualities in the logarithm of the rate; "at most" where its coarsest quality does better already. HEVC is
            counted without parameter sets, the other formats as whole files. BPG, the paper's codec, is HEVC intra.
        """),
        prose("""
            The second table of each task compares the rates at equal figures along the whole curves: the geometric mean of ours /
            the picture's over all figures that both reach (Bjontegaard's measure). Less than 1 means that the bitstream is smaller.
        """),
        *(_block(task) for task in unseen_tasks(found)),
        made.text(),
    )


def _block(task: UnseenTask) -> str:
    return paragraphs(
        f"## {task_name(task.name).capitalize()}",
        table(_header(task), _rows(task)),
        "Rate against a picture's:",
        table(
            ["representation", *(f"/ {PICTURES.get(codec, codec)}" for codec in task.pictures)],
            [
                [_title(name), *(ratio(part.rate_ratio.get(codec)) for codec in task.pictures)]
                for name, part in task.representations.items()
            ],
        ),
        "Every operating point:",
        _all_points(task),
    )


def _title(name: str) -> str:
    return REPRESENTATIONS.get(name, name)


def _header(task: UnseenTask) -> list[str]:
    figure = f"{task.shown.name} {arrow(task.higher_is_better)}"
    return ["representation", "made for", "bytes a frame ↓", "bpp ↓", figure, *(
        f"{PICTURES.get(codec, codec)}, bytes" for codec in task.pictures
    )]  # fmt: skip


def _rows(task: UnseenTask) -> list[list[str]]:
    none = [NONE] * len(task.pictures)
    rows = [["Original", NONE, NONE, NONE, task.shown.text(task.original), *none]]
    printed = paper.TABLE_4.get(task.name, {})
    if printed:
        rows.append(_paper_row(task, "the paper: Original", printed["original"], none))
    for name, part in task.representations.items():
        point = task.chosen(part)
        value = task.value(point)
        pictures = [task.picture_bytes(codec, value) for codec in task.pictures]
        unsupervised = [other for other in part.coded if other not in part.supervised]
        purpose = tasks_text(part.supervised) + (f" ({tasks_text(unsupervised)} rides along)" if unsupervised else "")
        rows.append([_title(name), purpose, *rate(point.bpp), task.shown.text(value), *pictures])
    rows += [
        _paper_row(task, f"the paper: {title}", printed[method], none)
        for method, title in PAPER_ROWS.items()
        if method in printed
    ]
    return rows


def _paper_row(task: UnseenTask, title: str, row: paper.Unseen, pictures: list[str]) -> list[str]:
    decimals = 2 if task.shown.factor > 1 else 3
    return italic([title, "", *rate(row.bpp), task.shown.printed(decimals).text(row.figure), *pictures])


def _all_points(task: UnseenTask) -> str:
    count = max(len(part.test) for part in task.representations.values())
    rows = [[_title(name), *(task.cell(point) for point in part.test)] for name, part in task.representations.items()]
    return table(["representation", *(str(i) for i in range(count))], rows)


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """table4.png and table4.svg: a panel a task."""
    tasks = unseen_tasks(found)
    rows = -(-len(tasks) // COLUMNS)
    with drawing(WIDTH_INCHES, rows * PANEL_INCHES) as figure:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes in panels[len(tasks) :]:
            axes.remove()
        drawn = [
            (axes, task, _lines(task), Level(task.original, "original", COLOURS["original"]))
            for axes, task in zip(panels, tasks, strict=False)
        ]
        for axes, task, lines, level in drawn:
            chosen = [(name, task.chosen(part)) for name, part in task.representations.items()]
            marks = [Mark(point.bpp, task.value(point), COLOURS.get(name, "k")) for name, point in chosen]
            draw_panel(axes, task.shown, task.higher_is_better, lines, [level], marks)
            axes.set_title(task_name(task.name).capitalize())
        for axes, task, lines, level in drawn:
            name_lines(axes, task.shown, lines, [level])
        return save(figure, folder, NAME)


def _lines(task: UnseenTask) -> list[Line]:
    lines = [
        Line([(point.bpp, task.value(point)) for point in part.test], COLOURS.get(name, "k"), _title(name))
        for name, part in task.representations.items()
    ]
    return lines + [
        Line(
            [(point.bpp, task.value(point)) for point in points],
            COLOURS.get(codec, "k"),
            PICTURES.get(codec, codec),
            focus=False,
            dashed=True,
        )
        for codec, points in task.pictures.items()
    ]
