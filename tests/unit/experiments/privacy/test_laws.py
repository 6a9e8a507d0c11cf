"""What a results file may not say: an attack that has learned nothing, or figures of another bundle."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from experiments.privacy.command import BROKEN, conclude
from experiments.privacy.experiment import broken_laws
from shared.model.bundle import Bundle

BAD, BETTER, GOOD = {"psnr_db": 11.0, "ssim": 0.2}, {"psnr_db": 11.5, "ssim": 0.25}, {"psnr_db": 14.0, "ssim": 0.4}


@pytest.fixture
def bundle(wide_bundle: Path) -> Bundle:
    return Bundle.load(wide_bundle)


@pytest.fixture
def found(bundle: Bundle) -> dict[str, Any]:
    points = [
        {"rate": rate, "operating_point": name, "bytes": 40.0, "bpp": 0.01, "attack": dict(GOOD), "another": dict(BAD)}
        for rate, name in enumerate(("lowest", "low", "middle"))
    ]
    split = {"no_bits": dict(BETTER), "unrounded": dict(GOOD), "points": points, "small_pictures": {}}
    return {
        "bundle": {"name": "tiny", "version": "1", "digest": bundle.digest.hex()},
        "frames": {"test": 8},
        "splits": {name: copy.deepcopy(split) for name in ("validation", "test", "samples")},
    }


def test_an_attack_that_beats_every_control_breaks_nothing(
    found: dict[str, Any], bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert broken_laws(found, bundle) == []
    assert conclude(found, bundle) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("privacy: ok; ")
    assert "14.00 dB" in last


@pytest.mark.parametrize("control", ["no_bits", "another"])
@pytest.mark.parametrize("figure", ["psnr_db", "ssim"])
def test_a_control_as_good_as_the_attack_is_told(
    found: dict[str, Any], bundle: Bundle, control: str, figure: str
) -> None:
    validation = found["splits"]["validation"]
    (validation if control == "no_bits" else validation["points"][1])[control][figure] = GOOD[figure]
    broken = broken_laws(found, bundle)
    assert len(broken) == (3 if control == "no_bits" else 1)
    assert figure in broken[0]
    assert "at low " in broken[-1] or control == "no_bits"


def test_test_frames_decide_nothing(found: dict[str, Any], bundle: Bundle) -> None:
    for point in found["splits"]["test"]["points"]:
        point["attack"] = dict(BAD)
    assert broken_laws(found, bundle) == []


def test_results_of_another_bundle_are_told(
    found: dict[str, Any], bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    found["bundle"]["digest"] = "00" * 32
    assert conclude(found, bundle) == BROKEN
    out = capsys.readouterr().out
    assert "broken: the results are of a bundle with the digest 000000000000" in out
    assert out.splitlines()[-1].startswith("privacy: BROKEN; ")
