"""Every experiment from training to report, on a small suite: real training steps, real coders, real x265, few frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from tests.small_suite import OpenSmallSuite
from training.experiments import rd, runs, table1, table2, table4
from training.experiments.commands import EXPERIMENTS, report
from training.experiments.picture_codecs import HevcIntra, Jpeg
from training.experiments.setup import Setup
from training.experiments.summary import write_claims

STEPS = 3


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    opener = OpenSmallSuite(tmp_path_factory.mktemp("suite"))
    return Setup(opener(), opener, "cpu", seeds=2, steps=STEPS, workers=1)


@pytest.fixture(scope="module")
def results(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of every experiment, as the command leaves them; few qualities of two picture codecs (the others are the same code)."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        for module in (table1, rd):
            patch.setattr(module, "IDFC_QPS", (51, 26))
        patch.setattr(table4, "PICTURE_CODECS", ((HevcIntra(), (51, 30)), (Jpeg(), (5, 60))))
        patch.setattr(rd, "SIZES", {"codebook_size": (2,)})
        for name, experiment in EXPERIMENTS.items():
            found = {"experiment": name, "command": f"taxon experiment {name}", **experiment.collect(setup)}
            (folder / f"{name}.json").write_text(json.dumps(found))
    return folder


def test_a_run_that_was_stopped_goes_on_and_one_that_is_done_is_read(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.Run.of("codebook", "class_scene", steps=STEPS)
    [first] = setup.results([run])
    monkeypatch.setattr(runs, "train_run", lambda *_: pytest.fail("trained again"))
    [again] = setup.results([run])
    assert again == first
    assert len(first.validation) == len(first.test) == len(runs.PRICES)
    assert all(point.coded_bytes is not None for point in first.test)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_ends_in_a_table_and_pictures(results: Path, name: str) -> None:
    written = report(name, results / f"{name}.json")
    kinds = {path.suffix for path in written}
    assert {".json", ".md", ".png", ".svg"} <= kinds
    text = (results / f"{name}.md").read_text()
    assert f"taxon experiment {name}" in text
    assert "nan" not in text.lower().split()
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width >= 800
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_the_claims_follow_from_the_results(results: Path) -> None:
    claims = write_claims(results)
    assert len(claims) == 4
    assert all(claim.holds == (claim.ours is not None and claim.ours <= claim.at_least) for claim in claims)


def test_test_frames_are_never_chosen_by(setup: Setup, results: Path) -> None:
    assert (results / "table3.json").exists()
    chosen_by = list((setup.suite.folder / "runs").glob("*_validation_*.json"))
    assert chosen_by, "pairs are a choice"
    assert all(not json.loads(path.read_text())["test"] for path in chosen_by)


def test_the_plateau_of_idfc_is_its_coarsest_setting_where_the_limit_is_low(setup: Setup) -> None:
    _, idfc = table2.plateau_search(setup, "segment_semantic", 1e-6)
    assert idfc.setting == table2.COARSEST_QP


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    def taxon(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "TAXON_DATA"}
        return subprocess.run(
            [sys.executable, "-m", "taxon", "experiment", *words], capture_output=True, text=True, env=environment, timeout=240, check=False
        )  # fmt: skip

    refused = taxon("summary", "--output", str(tmp_path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "run taxon experiment table1 first" in refused.stderr
    refused = taxon("table1", "--output", str(tmp_path), "--report-only")
    assert refused.returncode == 1
    assert "run taxon experiment table1 first" in refused.stderr
    refused = taxon("table1", "--output", str(tmp_path), "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.startswith("taxon: ")
    assert "nyuv2" in refused.stderr
    assert taxon("table9").returncode == 2
