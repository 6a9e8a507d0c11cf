"""IDFC: the tiling's laws, and the trade of the real HEVC stream on features that look like a network's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from experiments.codecs.idfc import FeatureRange, code_feature, grid, tile, untile
from training.datasets.frame import DataError

FloatArray = NDArray[np.float32]

SHAPES = ((8, 16, 16), (32,), (48,))

seeds = st.integers(0, 2**32 - 1)
shapes = st.one_of(
    st.sampled_from(SHAPES),
    st.tuples(st.integers(1, 40)),
    st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9)),
)
ranges = st.tuples(st.floats(-1e3, 1e3), st.floats(1e-2, 1e3)).map(lambda ends: FeatureRange(ends[0], sum(ends)))


def smooth_feature(seed: int, shape: tuple[int, ...] = (8, 16, 16)) -> FloatArray:
    """A feature that looks like a trained network's: smooth in space, each channel about a mean of its own; a vector is plain noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    if len(shape) == 1:
        return noise.astype(np.float32)
    smooth = gaussian_filter(noise, (0, 2, 2))
    return (3 * smooth / smooth.std() + rng.normal(size=(shape[0], 1, 1))).astype(np.float32)


@given(shapes, ranges, seeds)
def test_tiling_is_within_half_a_step_inside_the_range(shape: tuple[int, ...], span: FeatureRange, seed: int) -> None:
    feature = np.random.default_rng(seed).uniform(span.lowest, span.highest, shape).astype(np.float32)
    found = untile(tile(feature, span), shape, span)
    assert found.shape == shape
    assert found.dtype == np.float32
    # float32 itself is this coarse at the range's ends.
    rounding = 2 * float(np.spacing(np.float32(max(abs(span.lowest), abs(span.highest)))))
    assert np.abs(found.astype(np.float64) - feature).max() <= span.step / 2 + rounding


@given(shapes, seeds)
def test_tiling_the_untiled_changes_nothing(shape: tuple[int, ...], seed: int) -> None:
    span = FeatureRange(-3.0, 5.0)
    picture = tile(np.random.default_rng(seed).uniform(-3, 5, shape).astype(np.float32), span)
    assert np.array_equal(tile(untile(picture, shape, span), span), picture)


def test_values_outside_the_range_get_its_end() -> None:
    span = FeatureRange(-1.0, 2.0)
    feature = np.array([-1e30, -1.5, 2.5, 1e30], np.float32)
    assert untile(tile(feature, span), (4,), span).tolist() == [-1.0, -1.0, 2.0, 2.0]


@given(st.integers(1, 500))
def test_a_grid_holds_its_cells_and_is_at_most_twice_as_wide_as_high(cells: int) -> None:
    rows, columns = grid(cells)
    assert rows <= columns <= 2 * rows
    assert cells <= rows * columns
    assert rows * columns - cells < rows, "a whole empty row"


def test_the_tasks_features_fill_their_pictures() -> None:
    span = FeatureRange(0.0, 1.0)
    assert [tile(np.zeros(shape, np.float32), span).shape for shape in SHAPES] == [(32, 64), (4, 8), (6, 8)]


def test_channels_lie_row_by_row_and_the_last_one_fills_the_grid() -> None:
    feature = np.broadcast_to(np.arange(7, dtype=np.float32)[:, None, None], (7, 2, 3))
    picture = tile(feature, FeatureRange(0.0, 255.0))
    assert picture.shape == (4, 12)
    assert picture[::2, ::3].tolist() == [[0, 1, 2, 3], [4, 5, 6, 6]]


def test_a_range_is_the_training_features_extremes() -> None:
    features = np.stack([smooth_feature(seed) for seed in range(4)])
    span = FeatureRange.of(features)
    assert (span.lowest, span.highest) == (features.min(), features.max())
    assert span.step == pytest.approx((features.max() - features.min()) / 255)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, shape=st.sampled_from(SHAPES))
def test_a_lower_qp_costs_bytes_and_buys_accuracy(seed: int, shape: tuple[int, ...]) -> None:
    feature = smooth_feature(seed, shape)
    span = FeatureRange.of(feature)
    coded = [code_feature(feature, span, qp) for qp in (51, 39, 27, 15, 3)]
    bytes_ = [each.payload_bytes for each in coded]
    errors = [float(np.mean((each.reconstruction - feature) ** 2)) for each in coded]
    assert all(each.reconstruction.shape == shape for each in coded)
    assert bytes_ == sorted(bytes_)
    assert errors == sorted(errors, reverse=True)
    assert bytes_[0] < bytes_[-1]
    assert errors[-1] < (2 * span.step) ** 2, "at QP 3 little but the eight bits is lost"


def test_a_smooth_feature_is_cheaper_than_noise() -> None:
    smooth = smooth_feature(1)
    noise = np.random.default_rng(1).permuted(smooth.ravel()).reshape(smooth.shape)
    span = FeatureRange.of(smooth)
    assert code_feature(smooth, span, 30).payload_bytes < 0.7 * code_feature(noise, span, 30).payload_bytes


@pytest.mark.parametrize(
    "features", [np.empty((0, 8), np.float32), np.ones((3, 8), np.float32), np.array([[0, np.nan]])]
)
def test_features_without_a_range_are_refused(features: FloatArray) -> None:
    with pytest.raises(DataError, match="range"):
        FeatureRange.of(features)


def test_features_that_cannot_be_tiled_are_refused() -> None:
    span = FeatureRange(0.0, 1.0)
    with pytest.raises(DataError, match="finite"):
        tile(np.array([np.inf], np.float32), span)
    for shape in ((2, 2), (0,), ()):
        with pytest.raises(DataError, match="at least one number"):
            tile(np.zeros(shape, np.float32), span)
    with pytest.raises(DataError, match="give the shape that was tiled"):
        untile(np.zeros((4, 8), np.uint8), (48,), span)
