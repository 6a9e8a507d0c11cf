"""Table 2's report: plateaus of both methods, what does not reach its own, and the figure at which rates are compared then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.table2 import report
from training.datasets.frame import DataError

Results = dict[str, Any]
Make = Callable[..., Results]
DrawTwice = Callable[[Callable[[Path], list[Path]]], list[str]]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def of_task(text: str, task: str) -> dict[str, list[str]]:
    """The four rows of a task, by method."""
    found = rows(text)
    first = next(i for i, row in enumerate(found) if row[0].startswith(f"{task}, "))
    return {row[1]: row[2:] for row in found[first : first + 4]}


def compared(text: str, task: str) -> list[str]:
    """A task's row of the second table."""
    return next(row for row in rows(text) if row[0] == task)


def test_every_method_has_its_row_with_the_papers_beside_it(table2: Make) -> None:
    found = of_task(report.markdown(table2()), "reshading")
    assert list(found) == ["Original", "Control group", "IDFC", "Codebook hyperprior"]
    # the fifth task: 400 bits
    assert found["Codebook hyperprior"][:5] == ["0.1326", "0.0061", "0.1326", "0.0061", "50.0"]
    assert found["Codebook hyperprior"][5:] == ["*0.1713*", "*0.0130*", "*0.2411*", "*0.0134*"]
    assert found["Original"] == ["0.1300", "–", "0.1300", "–", "–", "*0.2209*", "–", "*0.2836*", "–"]


def test_a_task_that_the_paper_has_not_measured_has_dashes(table2: Make) -> None:
    text = report.markdown(table2())
    assert of_task(text, "principal curvature")["IDFC"][5:] == ["–"] * 4
    assert compared(text, "principal curvature")[-1] == "–"


def test_a_method_that_never_reaches_its_plateau_is_compared_where_both_come_to(table2: Make) -> None:
    text = report.markdown(table2(missed=("normal",)))
    assert "IDFC \\*" in of_task(text, "surface normals")
    assert "IDFC on surface normals" in text
    cells = compared(text, "surface normals")
    assert cells[1].endswith("short of the plateau")
    # half of 320 bits, against six times 320
    assert cells[2:5] == ["20.0", "240.0", "0.08 x"]
    assert "Does not reach" not in report.markdown(table2())


def test_the_ratio_of_all_tasks_is_their_geometric_mean(table2: Make) -> None:
    found = table2()
    for i, entry in enumerate(found["tasks"].values()):
        entry["rate_ratio"] = 0.25 if i % 2 else 1.0
    assert "geometric mean over the tasks: 0.50 x" in report.markdown(found)


def test_the_papers_ratio_is_of_its_test_rates(table2: Make) -> None:
    # 0.0131 / 0.0261
    assert compared(report.markdown(table2()), "semantic segmentation")[-1] == "*0.50 x*"


def test_normals_in_l1_are_shown_as_such(table2: Make) -> None:
    text = report.markdown(table2(suite="taskonomy", l1_normals=True))
    assert of_task(text, "surface normals")["Codebook hyperprior"][0] == "0.1224"
    assert "surface normals, L1 error ↓" in text
    assert "test frames of Taskonomy" in text


def test_the_tolerance_is_the_files_own(table2: Make) -> None:
    found = table2()
    assert "within 2 % of the *control group's*" in report.markdown(found)
    found["tasks"]["class_scene"]["plateau_threshold"] = 0.95 * found["tasks"]["class_scene"]["control"]["validation"]
    assert "within 5 % of the *control group's*" in report.markdown(found)


def test_a_file_of_another_version_is_refused(table2: Make) -> None:
    found = table2()
    del found["tasks"]["normal"]["compared"]
    with pytest.raises(DataError, match="run taxon experiment table2 again"):
        report.markdown(found)


def test_figures_are_the_same_bytes_every_time(table2: Make, drawn_twice: DrawTwice) -> None:
    names = drawn_twice(lambda folder: report.figures(table2(missed=("normal",)), folder))
    assert names == ["table2.png", "table2.svg"]
