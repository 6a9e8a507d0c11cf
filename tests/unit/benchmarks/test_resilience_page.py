"""The page of measured resilience has a place for each run, and takes what the runs write."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.load.report import Load, Served
from benchmarks.resilience_page import MISSING, PAGE, filled
from taxon.client import Outcome, Receipt
from tests.support.services import Signs
from tests.trials.chaos.memory import Growth
from tests.trials.chaos.report import Report
from tests.trials.soak.report import Point, Soak

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_takes_all_three(tmp_path: Path) -> None:
    report = Report(848, growths={"edge": Growth(3, 130e6, 1e6, 2e6)})
    for taken in (report.steady, report.returning):
        taken["left"].append(5)
    report.note_receipt(Receipt("left", Outcome.CODED, 0, 5))
    report.faults["uplink cut"] = 2
    report.recoveries["uplink cut"] = [1.0, 3.25]
    (tmp_path / "chaos.json").write_text(json.dumps(report.document()))
    row = Served(10, 2.0, 15.0, 40.0, 20.0, 80.0, 300.0, 500.0, 2.0, {"coded": 300, "superseded": 300}, 0, 0, 0)
    (tmp_path / "load.json").write_text(json.dumps(asdict(Load(480.0, 20.0, (row,), (row,)))))
    signs = Signs(350_000_000, 40, 20)
    soak = Soak(7, 10.0, [Point(float(second), signs, signs, second, second, 0) for second in range(600)])
    (tmp_path / "soak.json").write_text(json.dumps(soak.document()))
    page = filled((ROOT / PAGE).read_text(), tmp_path)
    assert "| uplink cut | 2 | 2.1 | 3.2 |" in page
    assert "| 10 | 2 | 40.0 | 20.0 | 80 | 300 | 500 | 300 coded, 300 superseded |" in page
    assert "| edge | 350 | +0.0 | +0.0 | 40 +0.0 | 20 +0.0 |" in page
    assert MISSING not in page
    assert filled(page, tmp_path) == page


def test_what_was_not_measured_is_said_and_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    assert filled((ROOT / PAGE).read_text(), tmp_path).count(MISSING) == 3
    with pytest.raises(ValueError, match="no place for chaos"):
        filled("# Another page", tmp_path)
