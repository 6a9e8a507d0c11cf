"""The best file within a budget: never longer, and never worse than a shorter one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.codecs.picture_codecs import PictureCodec
from experiments.privacy import equal_bytes
from experiments.privacy.equal_bytes import CODECS, as_shown, best_within, candidates_of, fitted_files
from tests.support.experiments import patches


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_no_file_is_longer_than_its_budget_and_more_bytes_show_more(codec: PictureCodec, tmp_path: Path) -> None:
    picture = np.asarray(Image.fromarray(patches(5)).resize((96, 96)))
    budgets = (60, 400, 700)
    [[tiny, small, large]] = fitted_files(tmp_path, [picture], [budgets], codec, 1)
    assert small is not None
    assert large is not None
    assert small.bytes_ <= 400
    assert large.bytes_ <= 700
    if codec.name != "webp":
        assert tiny is None, "headers alone are longer"
    wanted = torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255
    errors = [float((as_shown(one.picture, 96) - wanted).square().mean()) for one in (small, large)]
    assert errors[1] <= errors[0]


def test_a_search_is_made_once_for_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [patches(seed, 64) for seed in (1, 2)]
    budgets = [(100, 400), (100, 500)]
    first = fitted_files(tmp_path, pictures, budgets, CODECS[0], 1)
    searched: list[np.ndarray] = []

    def nothing_found(picture: np.ndarray, *_: object) -> list[object]:
        searched.append(picture)
        return []

    monkeypatch.setattr(equal_bytes, "candidates_of", nothing_found)
    again = fitted_files(tmp_path, pictures, budgets, CODECS[0], 1)
    assert not searched
    assert [[one and (one.bytes_, one.quality) for one in of] for of in again] == [
        [one and (one.bytes_, one.quality) for one in of] for of in first
    ]
    assert first[1][1] is not None
    assert again[1][1] is not None
    assert np.array_equal(first[1][1].picture, again[1][1].picture)
    fitted_files(tmp_path, pictures, [(100, 401), (100, 500)], CODECS[0], 1)
    assert len(searched) == 2, "another budget is another search"


def test_the_nearest_is_taken_not_the_longest() -> None:
    candidates = candidates_of(patches(5, 64), CODECS[0], 600)
    best = best_within(candidates, 600)
    assert best is not None
    assert min(candidates, key=lambda one: one.error).fitted is best
    assert best_within(candidates, 20) is None


def test_a_grey_file_is_shown_as_grey() -> None:
    shown = as_shown(np.full((4, 4), 102, np.uint8), 16)
    assert shown.shape == (3, 16, 16)
    assert torch.allclose(shown, torch.full((3, 16, 16), 0.4))
