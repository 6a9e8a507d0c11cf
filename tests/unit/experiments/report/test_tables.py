"""Markdown tables hold together, and numbers are rounded as they say."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.names import METRES, Quantity, quantity, task_name
from experiments.report.tables import BPP, BYTES, italic, paragraphs, rate, ratio, spread, table

cells = st.text("ab |\\*", max_size=6)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_every_line_has_as_many_columns_whatever_the_cells_hold(rows: list[list[str]]) -> None:
    lines = table(["h"] * len(rows[0]), rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(rows[0]) + 1}


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        table(["a", "b"], [["1"]])


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=5))
def test_spread_is_mean_and_standard_deviation(values: list[float]) -> None:
    assert spread(values, BYTES) == f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


def test_spread_of_one_and_of_none() -> None:
    share = Quantity("share", " %", 100.0, 1)
    assert spread([0.25], share) == "25.0 %"
    assert spread([0.25, 0.35], share) == "30.0 ± 7.1 %"
    assert spread([], share) == "–"


def test_a_rate_is_bytes_and_bits_per_pixel_of_256x256() -> None:
    assert rate(0.0128) == ["104.9", "0.0128"]
    assert rate(0.013, 3) == ["106.5", "0.013"]
    assert rate(None) == ["–", "–"]
    assert BPP.text(0.0128) == "0.0128"


def test_a_ratio_that_cannot_be_had_says_why() -> None:
    assert ratio(None) == "no common range"
    assert ratio(0.515) == "0.52 x"


def test_italics_leave_dashes_alone() -> None:
    assert italic(["the paper", "–", ""]) == ["*the paper*", "–", ""]


def test_paragraphs_keep_a_code_blocks_indentation() -> None:
    assert paragraphs("a\n", "", "    code") == "a\n\n    code\n"


def test_figures_are_shown_in_their_units() -> None:
    assert quantity("normal", "mean_angular_error_degrees").text(28.456) == "28.46°"
    assert quantity("depth", "l1") is METRES
    assert quantity("reshading", "l1").text(0.12345) == "0.1235"
    assert quantity("class_scene", "top1").axis == "top-1 accuracy (%)"


def test_a_task_or_figure_that_is_new_has_a_readable_name() -> None:
    assert task_name("edge_texture") == "edge texture"
    assert quantity("edge_texture", "mean_error").axis == "mean error"
