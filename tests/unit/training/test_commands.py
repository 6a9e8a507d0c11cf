"""`taxon train` and `taxon export` refuse in one line what they cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("compressai")

from taxon.main import REFUSED, main


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
