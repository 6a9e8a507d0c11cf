"""The scale of published features: a change of unit, and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.codecs.idfc import FeatureRange, tile
from experiments.suites.published import FeatureScale, PublishedHead
from training.datasets.frame import DataError
from training.networks.hourglass import HourglassClassDecoder


@given(st.integers(-3, 3), st.integers(-50, 50), st.integers(0, 99))
def test_features_get_mean_zero_and_deviation_one_and_come_back(size: int, offset: int, seed: int) -> None:
    h = 10.0**size * (torch.randn(4, 8, 16, 16, generator=torch.Generator().manual_seed(seed)) + offset)
    scale = FeatureScale.of("normal", h)
    feature = scale.apply(h)
    assert float(feature.mean()) == pytest.approx(0.0, abs=1e-3)
    assert float(feature.std()) == pytest.approx(1.0, abs=1e-3)
    assert float((scale.undo(feature) - h).abs().max()) < 1e-4 * float(h.abs().max())


def test_the_grey_levels_of_idfc_stay_the_same() -> None:
    h = torch.rand(8, 16, 16, generator=torch.Generator().manual_seed(3)).relu() * 40
    feature = FeatureScale.of("normal", h).apply(h)
    of_h, of_feature = (tile(x.numpy(), FeatureRange.of(x.numpy())).astype(int) for x in (h, feature))
    # a value in the middle between two levels may fall to either
    assert abs(of_h - of_feature).max() <= 1
    assert (of_h == of_feature).mean() > 0.99


@pytest.mark.parametrize("features", [torch.full((2, 8, 16, 16), 3.0), torch.full((2, 8, 16, 16), float("nan"))])
def test_features_that_tell_nothing_are_refused(features: torch.Tensor) -> None:
    with pytest.raises(DataError, match="features of reshading have the mean"):
        FeatureScale.of("reshading", features)


def test_a_head_gives_the_decoders_result_of_the_published_feature() -> None:
    torch.manual_seed(5)
    decoder = HourglassClassDecoder(7)
    h = 3 * torch.rand(2, 8, 16, 16)
    scale = FeatureScale.of("class_scene", h)
    assert torch.allclose(PublishedHead(decoder, scale)(scale.apply(h)), decoder(h), atol=1e-4)
