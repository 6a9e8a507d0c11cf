"""Table 4's report: which operating point is shown, what a picture needs for the same, and what is never reached."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.table4 import report
from training.datasets.frame import DataError

Results = dict[str, Any]
Make = Callable[..., Results]
DrawTwice = Callable[[Callable[[Path], list[Path]]], list[str]]


def block(text: str, title: str) -> list[list[str]]:
    """The cells of every table row under a heading."""
    part = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]


def first(rows: list[list[str]], name: str) -> list[str]:
    """The first of the rows that begins with `name`."""
    return next(row for row in rows if row[0] == name)


def test_every_unseen_task_has_its_block(table4: Make) -> None:
    text = report.markdown(table4())
    for title in ("Object class", "Reshading", "Depth", "Segmentation, 40 classes"):
        assert block(text, title)
    assert "## Depth" not in report.markdown(table4(beyond=False))


def test_the_operating_point_is_the_cheapest_at_the_plateau_on_validation(table4: Make) -> None:
    found = table4()
    points = found["unseen"]["class_object"]["representations"]["binary"]["validation"]
    for point, value in zip(points, (0.40, 0.50, 0.595, 0.59, 0.60, 0.60), strict=True):
        point["figures"]["class_object"]["top1"] = value
    # 0.595 is within the tolerance of 0.60, 0.50 is not: the third one, 2 x 370 bits and 0.4 bytes of the coder
    row = first(block(report.markdown(found), "Object class"), "Binary")
    assert row[2:4] == ["92.9", "0.0113"]


def test_where_lower_is_better_the_plateau_is_from_above(table4: Make) -> None:
    found = table4()
    points = found["unseen"]["reshading"]["representations"]["binary"]["validation"]
    for point, value in zip(points, (0.20, 0.1315, 0.14, 0.13, 0.13, 0.13), strict=True):
        point["figures"]["reshading"]["l1"] = value
    assert first(block(report.markdown(found), "Reshading"), "Binary")[2] == "65.4"


def test_a_picture_of_the_same_figure_is_read_between_two_qualities(table4: Make) -> None:
    found = table4()
    task = report.unseen_tasks(found)[0]
    low, high = (task.value(point) for point in task.pictures["hevc-intra"][1:3])
    between = task.picture_bytes("hevc-intra", (low + high) / 2)
    assert float(between) == pytest.approx(math.sqrt(600 * 1100), abs=0.1)


def test_pictures_that_never_do_as_well_and_those_that_always_do_are_told_apart(table4: Make) -> None:
    tasks = {task.name: task for task in report.unseen_tasks(table4())}
    assert tasks["class_object"].picture_bytes("jpeg", 0.99) == "not reached"
    assert tasks["reshading"].picture_bytes("jpeg", 0.001) == "not reached"
    assert tasks["class_object"].picture_bytes("hevc-intra", 0.01) == "at most 350.0"
    assert tasks["reshading"].picture_bytes("hevc-intra", 0.9) == "at most 350.0"


def test_a_missing_ratio_says_so(table4: Make) -> None:
    rows = block(report.markdown(table4()), "Object class")
    ratios = [row for row in rows if row[0] == "Binary+"][1]
    assert ratios[1:] == ["0.20 x", "0.10 x", "0.15 x", "no common range"]


def test_the_papers_rows_are_as_printed(table4: Make) -> None:
    rows = block(report.markdown(table4()), "Reshading")
    assert first(rows, "*the paper: BPG picture*")[2:5] == ["*303.9*", "*0.0371*", "*0.222*"]
    assert not any("paper" in row[0] for row in block(report.markdown(table4()), "Depth"))


def test_what_rides_along_is_named(table4: Make) -> None:
    rows = block(report.markdown(table4()), "Object class")
    assert first(rows, "Binary+")[1] == "scene class + semantic segmentation (object class rides along)"
    assert first(rows, "Binary")[1] == "scene class + semantic segmentation"


def test_a_file_of_another_version_is_refused(table4: Make) -> None:
    found = table4()
    del found["pictures"]
    with pytest.raises(DataError, match="run taxon experiment table4 again"):
        report.markdown(found)


@pytest.mark.parametrize("beyond", [True, False])
def test_figures_are_the_same_bytes_every_time(table4: Make, drawn_twice: DrawTwice, beyond: bool) -> None:
    names = drawn_twice(lambda folder: report.figures(table4(beyond=beyond), folder))
    assert names == ["table4.png", "table4.svg"]
