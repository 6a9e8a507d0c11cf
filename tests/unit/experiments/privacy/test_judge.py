"""PSNR and SSIM as their definitions have them."""

from __future__ import annotations

import pytest
import torch

from experiments.privacy.judge import correlation, enlarged, likeness, likenesses, psnr_db


def test_a_difference_of_a_tenth_is_twenty_decibels() -> None:
    dark = torch.full((2, 3, 32, 32), 51 / 255)
    assert psnr_db(dark + 0.1, dark).tolist() == pytest.approx([20.0, 20.0], abs=1e-3)


def test_the_same_picture_is_as_like_as_can_be() -> None:
    picture = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(1)) / 255
    found = likeness(picture, picture)
    assert found.psnr_db >= 99
    assert found.ssim == pytest.approx(1.0)


def test_structure_counts_where_the_mean_is_right() -> None:
    generator = torch.Generator().manual_seed(2)
    picture = torch.rand(1, 3, 64, 64, generator=generator)
    noise = torch.rand(1, 3, 64, 64, generator=generator)
    assert likeness(noise, picture).ssim < 0.2


def test_correlation_knows_layout_and_no_brightness() -> None:
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    assert correlation(0.2 * picture + 0.6, picture).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert correlation(1 - picture, picture).tolist() == pytest.approx([-1, -1], abs=1e-4)
    assert correlation(torch.full_like(picture, 0.5), picture).tolist() == pytest.approx([0, 0], abs=1e-4)


def test_means_are_over_frames() -> None:
    picture = torch.zeros(2, 3, 16, 16)
    made = picture.clone()
    made[1] += 0.5
    each = likenesses(made, picture)
    assert likeness(made, picture).psnr_db == pytest.approx(float(each[:, 0].mean()))
    assert each[0, 0] > each[1, 0]


def test_pictures_are_enlarged_and_in_whole_levels() -> None:
    large = enlarged(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3)), 32)
    assert large.shape == (1, 3, 32, 32)
    assert torch.equal((large * 255).round(), large * 255)
    assert 0 <= large.min() <= large.max() <= 1
