"""Controls that give the attack's figures a meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.privacy.attack import as_pictures
from experiments.privacy.collection import Collection
from experiments.privacy.controls import mean_picture, others, small_picture
from experiments.privacy.equal_bytes import Fitted
from experiments.privacy.judge import likeness


@pytest.mark.parametrize("count", [2, 5, 327])
def test_every_frame_gets_another_ones_bits(count: int) -> None:
    found = others(count)
    assert sorted(found) == list(range(count))
    assert (found != np.arange(count)).all()


def test_the_mean_is_of_whole_pictures_alone(fit: Collection) -> None:
    whole = as_pictures(fit.take("small", np.arange(0, 40, 2)))
    assert torch.allclose(mean_picture(fit), whole.mean(0), atol=1e-6)


def test_where_no_file_fits_the_mean_picture_stands_in() -> None:
    wanted = torch.full((2, 3, 16, 16), 100 / 255)
    grey = Fitted(90, 4, True, 1, np.full((4, 4), 100, np.uint8))
    instead = torch.full((3, 8, 8), 151 / 255)
    half = small_picture([grey, None], wanted, instead)
    assert (half.fits, half.bytes_, half.side_px) == (0.5, 90, 4)
    assert half.likeness is not None
    made = torch.stack([wanted[0], torch.full((3, 16, 16), 151 / 255)])
    assert half.likeness.psnr_db == pytest.approx(likeness(made, wanted).psnr_db, abs=1e-3)
    assert small_picture([None, None], wanted, instead).likeness is None
