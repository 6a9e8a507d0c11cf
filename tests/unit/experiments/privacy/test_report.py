"""The report of the privacy experiment: every figure of the file is in it, and the same file gives the same bytes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from experiments.privacy.report import figures, markdown
from experiments.report.results import report
from training.datasets.frame import DataError

NEAR, FAR = (
    {"psnr_db": 15.125, "ssim": 0.4375, "correlation": 0.75},
    {"psnr_db": 10.5, "ssim": 0.25, "correlation": 0.25},
)
FILE = {
    "fits": 0.5,
    "bytes_": 91.0,
    "side_px": 16.0,
    "likeness": {"psnr_db": 17.75, "ssim": 0.5625, "correlation": 0.875},
}
NONE_FITS = {"fits": 0.0, "bytes_": None, "side_px": None, "likeness": None}


@pytest.fixture
def found() -> dict[str, Any]:
    split = {
        "no_bits": FAR,
        "unrounded": {"psnr_db": 16.5, "ssim": 0.475, "correlation": 0.8125},
        "points": [
            {"rate": 0, "operating_point": "low", "bytes": 123.04, "bpp": 0.015, "attack": NEAR, "another": FAR},
            {"rate": 1, "operating_point": "high", "bytes": 357.6, "bpp": 0.0437, "attack": NEAR, "another": FAR},
        ],
        "small_pictures": {"jpeg": [NONE_FITS, FILE], "webp": [NONE_FITS, NONE_FITS]},
    }
    shares = [{"first": 0.75, "among_ten": 0.9, "gallery": 1745}] * 2
    return {
        "command": "taxon experiment privacy",
        "bundle": {"name": "indoor", "version": "2", "digest": "ab" * 32},
        "seeds": {"views": 1, "attack": 2},
        "training": {"parameters": 4_000_000, "steps": 100, "batch": 16, "chosen_step": 80},
        "frames": {"fit": 900, "validation": 95, "test": 327, "samples": 180},
        "sources": {"fit": 100},
        "input_px": 256,
        "splits": {name: copy.deepcopy(split) for name in ("validation", "test", "samples")},
        "fingerprint": {"the same pixels": shares},
    }


def test_every_figure_is_in_the_text(found: dict[str, Any]) -> None:
    text = markdown(found)
    for wanted in (
        "15.12 dB",
        "0.438",
        "123.0",
        "| high | 357.6",
        "16.50 dB",
        "| JPEG at high (358 bytes) | 50 % | 91 | 16 | 17.75 dB | 0.562 | 0.88 |",
    ):
        assert wanted in text
    assert "| JPEG at low (123 bytes) | 0 % | – | – | none fits | – | – |" in text
    assert "75.0 % (90.0 %)" in text
    assert "1745" in text
    assert "    taxon experiment privacy\n" in text


def test_the_same_file_gives_the_same_bytes(found: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "privacy.json").write_text(json.dumps(found))
    written = report("privacy", tmp_path / "privacy.json")
    first = [path.read_bytes() for path in written[1:]]
    report("privacy", tmp_path / "privacy.json")
    assert first == [path.read_bytes() for path in written[1:]]
    assert {path.suffix for path in written} == {".json", ".md", ".png", ".svg"}


def test_an_old_file_is_refused_with_the_command(found: dict[str, Any], tmp_path: Path) -> None:
    del found["splits"]["test"]["points"][0]["attack"]
    with pytest.raises(DataError, match="run taxon experiment privacy again"):
        markdown(found)
    with pytest.raises(DataError, match="run taxon experiment privacy again"):
        figures(found, tmp_path)
