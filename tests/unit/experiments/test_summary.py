"""The claims, from results files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.summary import CLAIMS_FILE, geometric_mean, table, write_claims
from training.datasets.frame import DataError

RESULTS = {
    "table1": {"rate_ratio": {"codebook / scale": [0.5, 0.6, 0.55], "linear / scale": [0.4, None, 0.5]}},
    "table2": {"tasks": {"normal": {"rate_ratio": 0.3}, "reshading": {"rate_ratio": 0.6}}},
    "table3": {"rate_ratio": {"trinity / customized": None, "hex / customized": 0.8}},
    "table4": {
        "unseen": {
            "class_object": {
                "representations": {
                    "binary": {"rate_ratio": {"hevc-intra": 0.1}},
                    "binary+": {"rate_ratio": {"hevc-intra": 0.2}},
                }
            },
            "reshading": {"representations": {"binary+": {"rate_ratio": {"hevc-intra": None}}}},
        }
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, found in RESULTS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    return tmp_path


def test_every_claim_has_its_figure_and_whether_it_holds(folder: Path) -> None:
    hyperprior, idfc, trinity, pictures = write_claims(folder)
    assert hyperprior.ours == pytest.approx((0.5 * 0.6 * 0.55) ** (1 / 3))
    assert hyperprior.holds
    assert idfc.ours == pytest.approx((0.3 * 0.6) ** 0.5)
    assert not idfc.holds
    assert (trinity.ours, trinity.holds) == (None, False)
    assert pictures.ours == pytest.approx(0.2)
    assert pictures.holds


def test_they_are_printed_and_written(folder: Path) -> None:
    lines = table(write_claims(folder)).splitlines()
    assert sum(line.endswith("| yes |") for line in lines) == 2
    assert sum(line.endswith("| no |") for line in lines) == 2
    written = json.loads((folder / CLAIMS_FILE).read_text())
    assert [entry["holds"] for entry in written] == [True, False, False, True]


def test_a_missing_table_is_named_with_the_command_that_makes_it(folder: Path) -> None:
    (folder / "table3.json").unlink()
    with pytest.raises(DataError, match="taxon experiment table3"):
        write_claims(folder)


def test_a_mean_leaves_out_what_is_not_there() -> None:
    assert geometric_mean([4.0, None, 1.0]) == pytest.approx(2.0)
    assert geometric_mean([None]) is None
