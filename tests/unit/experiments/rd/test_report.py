"""The curves' report: every task's row, shares of side information, ablations by readable names, and what is left out where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.rd import report
from tests.unit.experiments.conftest import same_figures
from training.datasets.frame import DataError

Results = dict[str, Any]
Make = Callable[..., Results]


@pytest.fixture(scope="module")
def drawn(rd: Make, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The figures of one set of results, drawn once: that takes seconds."""
    return report.figures(rd(), tmp_path_factory.mktemp("figures"))


def row(text: str, *cells: str) -> list[str]:
    """The cells of the first table row that begins with `cells`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return next(row for row in rows if row[: len(cells)] == list(cells))


def test_a_tasks_row_says_where_its_curve_begins_and_ends(rd: Make) -> None:
    cells = row(report.markdown(rd()), "surface normals")
    # 2 x 200 and 2 x 1090 bits, and 0.4 bytes of the coder
    assert cells[1] == "mean angular error ↓"
    assert cells[2] == "28.00°"
    assert cells[4].startswith("50.4 B: ")
    assert cells[5].startswith("272.9 B: ")
    assert cells[6] == "0.60 x"


def test_the_last_row_is_the_geometric_mean_of_the_tasks(rd: Make) -> None:
    text = report.markdown(rd())
    names = (
        "scene class",
        "object class",
        "semantic segmentation",
        "surface normals",
        "reshading",
        "principal curvature",
    )
    for column in (6, 7, 8):
        ratios = [float(row(text, name)[column].removesuffix(" x")) for name in names]
        mean = float(row(text, "geometric mean")[column].removesuffix(" x"))
        assert mean == pytest.approx(math.exp(sum(map(math.log, ratios)) / len(ratios)), abs=0.01)


def test_curves_without_a_common_range_have_no_ratio(rd: Make) -> None:
    found = rd(apart=True)
    for points in (found["tasks"]["reshading"]["idfc"], found["tasks"]["reshading"]["curves"]["hyperprior"]):
        for point in points:
            point["figures"]["reshading"]["l1"] = 3.0
    assert row(report.markdown(found), "reshading")[6:] == ["no common range"] * 3


def test_side_information_is_a_share_of_all_bits(rd: Make) -> None:
    text = report.markdown(rd())
    assert row(text, "semantic segmentation", "codebook")[2:] == ["400", "10 %", "2180", "10 %"]
    assert row(text, "semantic segmentation", "mean and scale")[2:] == ["640", "25 %", "3488", "25 %"]


def test_ablations_have_readable_names_and_ratios(rd: Make) -> None:
    text = report.markdown(rd())
    assert row(text, "as it is")[-1] == "–"
    assert row(text, "codebook of 64, not 16")[-1] == "0.97 x"
    assert row(text, "v of 4 numbers")[-1] == "1.30 x"
    assert row(text, "no v: one Gaussian a position")[-1] == "no common range"
    assert report.change_name("another_change") == "another change"


def test_vector_and_spatial_features_are_compared_where_there_are_both(rd: Make, tmp_path: Path) -> None:
    text = report.markdown(rd())
    assert row(text, "scene class, vector")[1:4] == ["50,000", "66.0 %", "cheapest"]
    assert row(text, "scene class, spatial")[1:4] == ["700,000", "64.0 %", "cheapest"]
    without = report.markdown(rd(spatial=False, suite="taskonomy"))
    assert "spatial dimensions" not in without
    assert "rd_spatial" not in without
    assert "rd_spatial.png" not in [path.name for path in report.figures(rd(spatial=False), tmp_path)]


def test_a_file_of_another_version_is_refused(rd: Make) -> None:
    found = rd()
    del found["tasks"]["normal"]["curves"]
    with pytest.raises(DataError, match="run taxon experiment rd again"):
        report.markdown(found)


def test_figures_are_the_same_bytes_every_time(rd: Make, drawn: list[Path], tmp_path: Path) -> None:
    names = same_figures(drawn, report.figures(rd(), tmp_path))
    assert names == [
        f"{name}.{kind}" for name in ("rd", "rd_bits", "rd_ablations", "rd_spatial") for kind in ("png", "svg")
    ]


def test_every_picture_that_the_text_shows_is_drawn(rd: Make, drawn: list[Path]) -> None:
    shown = {line.split("](")[1].rstrip(")") for line in report.markdown(rd()).splitlines() if line.startswith("![")}
    assert shown == {path.name for path in drawn if path.suffix == ".png"}
