"""`taxon train` and `taxon export` refuse in one line what they cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("compressai")

from taxon.main import REFUSED, main
from training import commands
from training.stages.pipeline import Recipe


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line on stderr."""
    assert main([str(argument) for argument in arguments]) == REFUSED
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("taxon: ")
    return line


def test_training_without_data_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nyuv2/index.csv" in refusal(capsys, "train", "--data", tmp_path, "--work", tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_an_existing_bundle_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "exists" in refusal(capsys, "export", "-o", tmp_path, "--work", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_before_training_names_the_missing_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--stage tasks" in refusal(
        capsys, "export", "-o", tmp_path / "new", "--work", tmp_path, "--geometry", "codec"
    )
    assert not (tmp_path / "new").exists()


def test_each_stage_can_be_trained_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []
    monkeypatch.setattr(commands, "run", lambda data, work, stage, recipe, device: recipes.append(recipe))
    for name in commands.NEEDED:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert main(["train", "--data", str(tmp_path), "--tasks-steps", "7", "--joint-steps", "9", "--device", "cpu"]) == 0
    (recipe,) = recipes
    assert (recipe.tasks.steps, recipe.codec.steps, recipe.joint.steps) == (7, Recipe().codec.steps, 9)
    assert recipe.joint.joint, "nothing else of a stage changes"
