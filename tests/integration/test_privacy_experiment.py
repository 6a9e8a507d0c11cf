"""`taxon experiment privacy` from pictures to its law, on a tiny bundle: real bytes, real training steps, real picture codecs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.privacy import attack, equal_bytes, pictures
from experiments.privacy.collection import collect_split
from experiments.privacy.network import AttackSizes
from taxon.main import REFUSED, main
from tests.support.bundles import write_tiny_bundle
from tests.support.experiments import RUN_FRAMES, TEST, sources, write_data, write_samples
from training.datasets import nyuv2

pytestmark = pytest.mark.starts_training

STEPS = 150


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "tiny" / "1"
    write_tiny_bundle(directory, scale=8)
    return directory


@pytest.fixture
def words(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line on a small data folder, with a smaller network, fewer views and a coarser search than the real ones."""
    monkeypatch.setattr(nyuv2, "VALIDATION_RUN_FRAMES", RUN_FRAMES)
    monkeypatch.setattr(pictures, "ROOM_VIEWS", 3)
    monkeypatch.setattr(attack, "AttackSizes", partial(AttackSizes, widths=(48, 24, 12), blocks=(2, 1, 1)))
    monkeypatch.setattr(equal_bytes, "QUALITIES", dict.fromkeys(equal_bytes.QUALITIES, (1, 60)))
    monkeypatch.setattr(equal_bytes, "SIDES", dict.fromkeys(equal_bytes.SIDES, (8, 16)))
    data, samples = write_data(tmp_path / "data"), write_samples(tmp_path / "samples")
    named = {
        "data": data,
        "samples": samples,
        "bundle": bundle,
        "work": tmp_path / "work",
        "output": tmp_path / "results",
    }
    return ["experiment", "privacy", *(word for name, value in named.items() for word in (f"--{name}", str(value)))]


def test_the_experiment_ends_in_figures_and_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--steps", str(STEPS)]) == 0, (
        "the attack must beat its controls: the tiny bundle sends patches of colour"
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("privacy: ok; tiny/1")
    results = tmp_path / "results"
    found = json.loads((results / "privacy.json").read_text())
    assert found["frames"]["test"] == TEST
    assert found["splits"]["test"]["unrounded"]["psnr_db"] > found["splits"]["test"]["no_bits"]["psnr_db"]
    assert found["fingerprint"]["the same pixels"][0]["first"] == 1.0
    for name in ("privacy.md", "privacy.png", "privacy.svg", "privacy_sheet.jpg"):
        assert (results / name).stat().st_size > 0
    with Image.open(results / "privacy_sheet.jpg") as sheet:
        assert sheet.width > 1000
    [kept] = (tmp_path / "work" / "experiments").glob("privacy-*/privacy_sheet_test.jpg")
    assert kept.is_file()

    assert main([*words, "--report-only"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_what_is_missing_is_said(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(*more: str) -> str:
        assert main([*words, *more]) == REFUSED
        return capsys.readouterr().err

    assert "run taxon experiment privacy first" in refusal("--report-only")
    assert "--samples" in refusal("--samples", str(tmp_path / "nothing"))
    assert "--suite taskonomy" in refusal("--suite", "taskonomy")


@pytest.mark.starts_process
def test_processes_steal_the_same(bundle: Path, tmp_path: Path) -> None:
    alone, together = (
        collect_split(tmp_path / name, bundle, sources(20, 1, 500), True, workers, name)
        for name, workers in (("alone", 1), ("together", 2))
    )
    every = np.arange(20)
    assert np.array_equal(alone.take("picture", every), together.take("picture", every))
    for stage in range(4):
        assert np.array_equal(alone.seen(stage, every).vector, together.seen(stage, every).vector)
