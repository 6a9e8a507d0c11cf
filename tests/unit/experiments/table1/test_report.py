"""Table 1's report says what the results file says, also of what was missed, and draws the same bytes twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.table1 import report
from training.datasets.frame import DataError

Results = dict[str, Any]
Make = Callable[..., Results]
DrawTwice = Callable[[Callable[[Path], list[Path]]], list[str]]


def row(text: str, name: str, which: int = 0) -> list[str]:
    """The cells of the `which`-th table row that begins with `name`."""
    rows = [line for line in text.splitlines() if line.startswith(f"| {name}")]
    assert rows, f"no row begins with {name!r}"
    return [cell.strip() for cell in rows[which].strip("|").split("|")]


def test_one_seed_has_values_without_a_spread(table1: Make) -> None:
    text = report.markdown(table1(seeds=1))
    cells = row(text, "Codebook hyperprior (the paper's)")
    # fourth operating point: 550 bits and 0.4 bytes of the coder
    assert cells[1:3] == ["69.2", "0.0084"]
    assert "±" not in text


def test_three_seeds_have_mean_and_standard_deviation(table1: Make) -> None:
    cells = row(report.markdown(table1(seeds=3)), "Codebook hyperprior (the paper's)")
    # 550 bits x 1.0, 1.1, 1.2 / 8 and 0.4: mean 76.025, deviation 6.875
    assert cells[1] == "76.0 ± 6.9"
    assert cells[6].endswith(" %")
    assert " ± 0.1" in cells[6]


def test_the_papers_rows_stand_below_ours_as_they_are_printed(table1: Make) -> None:
    text = report.markdown(table1())
    lines = text.splitlines()
    below = lines[next(i for i, line in enumerate(lines) if line.startswith("| Codebook hyperprior (the paper")) + 1]
    assert below == "| *the paper* | *106.5* | *0.013* | *0.77* | *93.58 %* | *81.35 %* | *29.35 %* |"


def test_a_scheme_that_never_reaches_its_plateau_is_marked_and_said(table1: Make) -> None:
    text = report.markdown(table1(missed=("scale",)))
    assert row(text, "Hyperprior, scale only (Ballé 2018) \\*")[1]
    assert "3 of 3 seeds do not reach the plateau" in text
    assert "do not reach" not in report.markdown(table1())


def test_curves_without_a_common_range_have_no_ratio(table1: Make) -> None:
    cells = row(report.markdown(table1(apart=True)), "codebook / mean and scale")
    assert cells[1:5] == ["no common range"] * 4


def test_the_coders_own_bytes_are_what_was_coded_beyond_the_cross_entropy(table1: Make) -> None:
    text = report.markdown(table1(seeds=1))
    assert row(text, "Hyperprior, mean and scale", 1)[1:] == ["137.5", "143.5", "6.0", "6.0", "6.0"]


def test_ratios_of_cross_entropy_alone_leave_the_coder_out(table1: Make) -> None:
    cells = row(report.markdown(table1(seeds=1)), "codebook / mean and scale")
    # the coded ratio is the file's; the models' bits are 1 : 2 at every figure
    assert cells[1:] == ["0.40 x", "0.40 x", "0.50 x"]


def test_the_verdict_says_what_is_the_coders_and_what_the_models(table1: Make) -> None:
    text = " ".join(report.markdown(table1(seeds=1)).split())
    assert "0.40 x the mean-and-scale hyperprior's and 0.38 x the scale-only one's in real bytes" in text
    assert "0.50 x and 0.45 x by cross-entropy alone" in text


def test_idfc_is_shown_at_the_cheapest_qp_that_is_good_enough_on_validation(table1: Make) -> None:
    found = table1()
    assert row(report.markdown(found), "IDFC, at the plateau")[0] == "IDFC, at the plateau (QP 31)"
    found["plateau_threshold"] = 0.9
    assert row(report.markdown(found), "IDFC, at its best")[0] == "IDFC, at its best (QP 16)"


def test_a_scheme_that_the_paper_does_not_know_takes_part(table1: Make) -> None:
    found = table1()
    found["schemes"]["positions"] = found["schemes"]["codebook"]
    assert row(report.markdown(found), "No side information: one Gaussian a position")


def test_schemes_may_have_different_numbers_of_seeds(table1: Make, tmp_path: Path) -> None:
    found = table1(seeds=3)
    found["schemes"]["scale"] = found["schemes"]["scale"][:1]
    found["rate_ratio"]["codebook / scale"] = [0.5]
    text = report.markdown(found)
    assert row(text, "Hyperprior, scale only")[1] == "156.2"
    assert "one seed where no deviation is given" in text
    # of 1.0 and 2.2 times as many bits
    assert row(text, "codebook / scale only")[1:] == ["0.50 x", "–", "–", "0.50 x", "0.45 x"]
    assert len(report.figures(found, tmp_path)) == 2


def test_the_data_set_is_the_files_own(table1: Make) -> None:
    text = report.markdown(table1(suite="taskonomy"))
    assert "327 test frames of Taskonomy" in text
    assert "NYU" not in text


def test_a_file_of_another_version_is_refused(table1: Make) -> None:
    found = table1()
    del found["schemes"]
    with pytest.raises(DataError, match="run taxon experiment table1 again"):
        report.markdown(found)


@pytest.mark.parametrize("seeds", [1, 3])
def test_figures_are_the_same_bytes_every_time(table1: Make, drawn_twice: DrawTwice, seeds: int) -> None:
    names = drawn_twice(lambda folder: report.figures(table1(seeds=seeds, missed=("scale",)), folder))
    assert names == ["table1.png", "table1.svg"]
