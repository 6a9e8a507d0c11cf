"""Every experiment from training to report, on a small suite: real training steps, real coders, real x265, few frames."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from experiments.codecs.picture_codecs import HevcIntra, Jpeg
from experiments.commands import EXPERIMENTS
from experiments.rd import collect as rd
from experiments.report.results import report
from experiments.runs import runs
from experiments.runs.setup import Setup
from experiments.summary import write_claims
from experiments.table1 import collect as table1
from experiments.table2 import collect as table2
from experiments.table4 import collect as table4
from taxon.main import REFUSED, USAGE, main
from tests.support.experiments import OpenSmallSuite

STEPS = 3
PRICES = (4e-3, 3.5e-4, 7e-5)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """Half of the usual operating points."""
    opener = OpenSmallSuite(tmp_path_factory.mktemp("suite"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PRICES", PRICES)
        yield Setup(opener(), opener, "cpu", seeds=2, steps=STEPS, workers=1)


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


@pytest.mark.starts_training
def test_a_run_that_was_stopped_goes_on_and_one_that_is_done_is_read(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.Run.of("codebook", "class_scene", steps=STEPS)
    [first] = setup.results([run])
    monkeypatch.setattr(runs, "train_run", lambda *_: pytest.fail("trained again"))
    [again] = setup.results([run])
    assert again == first
    assert len(first.validation) == len(first.test) == len(PRICES)
    assert all(point.coded_bytes is not None for point in first.test)


@pytest.mark.starts_training
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


@pytest.mark.starts_training
def test_the_claims_follow_from_the_results(results: Path) -> None:
    claims = write_claims(results)
    assert len(claims) == 4
    assert all(claim.holds == (claim.ours is not None and claim.ours <= claim.at_least) for claim in claims)


@pytest.mark.starts_training
def test_test_frames_are_never_chosen_by(setup: Setup, results: Path) -> None:
    assert (results / "table3.json").exists()
    chosen_by = list((setup.suite.folder / "runs").glob("*_validation_*.json"))
    assert chosen_by, "pairs are a choice"
    assert all(not json.loads(path.read_text())["test"] for path in chosen_by)


@pytest.mark.starts_training
def test_the_plateau_of_idfc_is_its_coarsest_setting_where_the_limit_is_low(setup: Setup) -> None:
    _, idfc = table2.plateau_search(setup, "segment_semantic", 1e-6)
    assert idfc.setting == table2.COARSEST_QP


@pytest.mark.starts_training
def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAXON_DATA", raising=False)

    def refusal(*words: str) -> str:
        assert main(["experiment", *words, "--output", str(tmp_path)]) == REFUSED
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("taxon: ")
        return printed.err

    assert "run taxon experiment table1 first" in refusal("summary")
    assert "run taxon experiment table1 first" in refusal("table1", "--report-only")
    assert "nyuv2" in refusal("table1", "--data", str(tmp_path))


@pytest.mark.starts_process
def test_there_are_no_other_experiments() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "taxon", "experiment", "table9"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == USAGE
    assert all(name in done.stderr for name in EXPERIMENTS)
