"""Table 3's report: where each aggregation is read, what is said of one that stays below, and the pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.table3 import report
from experiments.table3.results import Table3Results as Parsed
from experiments.table3.results import Total, between
from training.datasets.frame import DataError

Table3Results = dict[str, Any]
Make = Callable[..., Table3Results]
DrawTwice = Callable[[Callable[[Path], list[Path]]], list[str]]


def row(text: str, *cells: str) -> list[str]:
    """The cells of the first table row that begins with `cells`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return next(row for row in rows if row[: len(cells)] == list(cells))


@given(st.integers(0, 5))
def test_between_is_the_operating_point_itself_at_a_whole_number(position: int) -> None:
    totals = [Total(0.01 * 1.5**i, 0.9 + 0.01 * i, {"normal": 30.0 - i}) for i in range(6)]
    found = between(totals, position)
    assert found.bpp == pytest.approx(totals[position].bpp)
    assert found.relative == pytest.approx(totals[position].relative)
    assert found.figures["normal"] == pytest.approx(totals[position].figures["normal"])


def test_the_curve_is_read_where_validation_first_reaches_the_tolerance(table3: Make) -> None:
    found = table3()
    validation = found["aggregations"]["hex"]["curve"]["validation"]
    for entry, relative in zip(validation, (0.90, 0.94, 0.98, 0.97, 0.985, 0.99), strict=True):
        entry["relative"] = relative
    point = Parsed.of(found).aggregations["hex"].at(0.98)
    assert point.reached
    assert point.position == pytest.approx(2.0)
    # 0.7 of six times 370 bits
    assert row(report.markdown(found), "**total rate**", "bytes a frame ↓")[5] == "194.2"


def test_total_rates_stand_beside_the_papers(table3: Make) -> None:
    cells = row(report.markdown(table3()), "**total rate**", "bpp ↓")
    assert cells[6:] == ["–", "*0.059*", "*0.049*", "*0.053*"]
    ours = [float(cell) for cell in cells[3:6]]
    assert ours[1] / ours[0] == pytest.approx(0.8, abs=0.002)


def test_a_tasks_row_has_the_papers_figures_as_printed(table3: Make) -> None:
    cells = row(report.markdown(table3()), "object class")
    assert cells[1:3] == ["top-1 accuracy ↑", "61.0 %"]
    assert cells[6:] == ["*60.17 %*", "*61.55 %*", "*64.19 %*", "*59.75 %*"]


def test_where_one_stays_below_the_tolerance_all_are_read_where_it_ends(table3: Make) -> None:
    found = table3(short=("hex",))
    text = report.markdown(found)
    assert "Hex does not reach 98.0 % on validation frames" in text
    best = max(entry["relative"] for entry in found["aggregations"]["hex"]["curve"]["validation"])
    assert f"read at {100 * best:.1f} %" in text
    # 0.7 of six times 1090 bits
    assert float(row(text, "**total rate**", "bytes a frame ↓")[5]) == pytest.approx(572.2, abs=0.1)
    assert "does not reach" not in report.markdown(table3())


def test_an_aggregation_that_is_good_enough_at_once_is_said(table3: Make) -> None:
    found = table3()
    for entry in found["aggregations"]["trinity"]["curve"]["validation"]:
        entry["relative"] = 0.99
    assert "Trinity reaches 98.0 % at its cheapest operating point already" in report.markdown(found)


def test_a_mean_ratio_that_cannot_be_had_is_said(table3: Make) -> None:
    assert "Hex no common range" in report.markdown(table3())


def test_pairs_and_the_best_grouping_are_in_the_text(table3: Make) -> None:
    text = report.markdown(table3(unknown=("class_scene+normal",)))
    assert row(text, "object class", "0.80 x")
    assert row(text, "surface normals", "no common range", "0.98 x")
    best = " ".join(text.split("**The best grouping")[1].split())
    assert "reshading + principal curvature" in best


def test_a_file_of_another_version_is_refused(table3: Make) -> None:
    found = table3()
    del found["pairs"]["rate_ratio"]["class_scene+normal"]
    with pytest.raises(DataError, match="run taxon experiment table3 again"):
        report.markdown(found)


def test_figures_are_the_same_bytes_every_time(table3: Make, drawn_twice: DrawTwice) -> None:
    settings = {"short": ("hex",), "unknown": ("class_scene+normal",)}
    names = drawn_twice(lambda folder: report.figures(table3(**settings), folder))
    assert names == ["table3.png", "table3.svg", "table3_pairs.png", "table3_pairs.svg"]


def test_a_pair_without_a_ratio_is_drawn_differently(table3: Make, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    unknown = report.figures(table3(unknown=("class_scene+normal",)), tmp_path)[2]
    known = report.figures(table3(), tmp_path / "known")[2]
    assert unknown.read_bytes() != known.read_bytes()
