from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec.hyper_synthesis import HyperSynthesis, LatentShape, resample_codebook, shift_and_clip
from shared.errors import BundleError
from tests.support.fixed_models import RATES, SHAPE, SIDE, IntArray, arrays, scattered_array
from tests.trials.crossarch.rounding import MODES, rounded

SCALES = 8
side_information = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=SIDE, max_size=SIDE)


def layer(weight: IntArray, bias: IntArray, x: list[int], relu: bool) -> list[int]:
    """The format page's layer, in Python's integers."""
    made = []
    for row, b in zip(weight.tolist(), bias.tolist(), strict=True):
        y = (sum(w * value for w, value in zip(row, x, strict=True)) + b + 2048) >> 12
        made.append(min(max(y, 0 if relu else -(2**20)), 2**20))
    return made


def predicted_in_integers(a: dict[str, IntArray], v: list[int], rate: int) -> tuple[list[int], list[int]]:
    x = layer(a["trunk_weight"], a["trunk_bias"][rate], [min(max(256 * value, -(2**20)), 2**20) for value in v], True)
    coefficients = layer(a["coefficients_weight"], a["coefficients_bias"][rate], x, False)
    tau, h, w = a["codebook"].shape
    mean = np.zeros((SHAPE.channels, h, w), int)
    scale = np.zeros_like(mean)
    for y in range(h):
        for c in range(w):
            bases = a["codebook"][None, :, y, c]
            zero = np.zeros(1, np.int64)
            z = [layer(bases, zero, coefficients[i : i + tau], False)[0] for i in range(0, len(coefficients), tau)]
            hidden = layer(a["hidden_weight"], a["hidden_bias"][rate], z, True)
            out = layer(a["output_weight"], a["output_bias"][rate], hidden, False)
            mean[:, y, c], scale[:, y, c] = out[: SHAPE.channels], out[SHAPE.channels :]
    hidden = layer(a["vector_hidden_weight"], a["vector_hidden_bias"][rate], x, True)
    out = layer(a["vector_output_weight"], a["vector_output_bias"][rate], hidden, False)
    means = mean.ravel().tolist() + out[: SHAPE.vector]
    scales = scale.ravel().tolist() + out[SHAPE.vector :]
    return (
        [min(max((m + 8) >> 4, -4096), 4096) for m in means],
        [min(max((s + 128) >> 8, 0), SCALES - 1) for s in scales],
    )


@given(side_information, st.integers(0, RATES - 1), st.integers(1, 5))
def test_float64_equals_pythons_integers(v: list[int], rate: int, seed: int) -> None:
    a = arrays(seed=seed)
    made = HyperSynthesis(a, SHAPE, SIDE).predict(np.array([v]), np.array([rate]), SCALES)
    mean, scale = predicted_in_integers(a, v, rate)
    assert made.mean[0].tolist() == mean
    assert made.scale[0].tolist() == scale


@given(side_information, st.integers(0, RATES - 1), st.integers(1, 5), st.sampled_from(MODES))
def test_the_processors_rounding_mode_changes_nothing(v: list[int], rate: int, seed: int, mode: str) -> None:
    """A library that sets it and forgets to set it back must not make bitstreams undecodable."""
    synthesis = HyperSynthesis(arrays(seed=seed), SHAPE, SIDE)
    usual = synthesis.predict(np.array([v]), np.array([rate]), SCALES)
    with rounded(mode):
        other = synthesis.predict(np.array([v]), np.array([rate]), SCALES)
    assert (usual.mean == other.mean).all()
    assert (usual.scale == other.scale).all()


def test_halves_are_rounded_alike_in_every_mode() -> None:
    """Where numpy's floor is not: sums whose shifted value is whole."""
    sums = np.arange(-5000, 5000, dtype=np.float64)[None, :, None] * 2048
    usual = shift_and_clip(sums)
    assert usual.ravel().tolist() == [(one * 2048 + 2048) >> 12 for one in range(-5000, 5000)]
    for mode in MODES:
        with rounded(mode):
            assert (shift_and_clip(sums) == usual).all(), mode


def test_the_model_of_the_tests_uses_certain_and_uncertain_symbols() -> None:
    made = HyperSynthesis(arrays(), SHAPE, SIDE).predict(scattered_array((50, SIDE), 1, 3), np.zeros(50, int), SCALES)
    certain = float((made.scale == 0).mean())
    assert 0.05 < certain < 0.95
    assert np.unique(made.scale).size >= 4


def test_a_frame_alone_equals_itself_in_any_batch() -> None:
    synthesis = HyperSynthesis(arrays(), SHAPE, SIDE)
    v, rate = scattered_array((33, SIDE), 5, 4000), np.arange(33) % RATES
    together = synthesis.predict(v, rate, SCALES)
    for i in range(33):
        alone = synthesis.predict(v[i : i + 1], rate[i : i + 1], SCALES)
        assert np.array_equal(alone.mean[0], together.mean[i])
        assert np.array_equal(alone.scale[0], together.scale[i])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9))
def test_resampling_to_the_same_size_changes_nothing(height: int, width: int, seed: int) -> None:
    codebook = scattered_array((2, height, width), seed, 10**6)
    assert np.array_equal(resample_codebook(codebook, height, width), codebook)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 30), st.integers(-9999, 9999))
def test_a_constant_stays_constant(h: int, w: int, height: int, width: int, value: int) -> None:
    made = resample_codebook(np.full((1, h, w), value, np.int64), height, width)
    assert np.array_equal(made, np.full((1, height, width), value))


def test_resampling_is_bilinear_with_half_pixel_centres() -> None:
    row = np.array([[[0, 100]]], np.int64)
    assert resample_codebook(row, 1, 4).tolist() == [[[0, 25, 75, 100]]]
    assert resample_codebook(np.array([[[0], [3]]], np.int64), 1, 1).tolist() == [[[2]]], "half is rounded up"
    assert resample_codebook(np.array([[[0], [-3]]], np.int64), 1, 1).tolist() == [[[-1]]], "half is rounded up"


def test_the_bundles_own_size_needs_no_resampling() -> None:
    synthesis = HyperSynthesis(arrays(), SHAPE, SIDE)
    v, rate = scattered_array((2, SIDE), 5, 30), np.zeros(2, int)
    own, asked = synthesis.predict(v, rate, SCALES), synthesis.predict(v, rate, SCALES, SHAPE.resized(4, 4))
    assert np.array_equal(own.mean, asked.mean)
    larger = SHAPE.resized(6, 9)
    assert synthesis.predict(v, rate, SCALES, larger).mean.shape == (2, larger.size)


@pytest.mark.parametrize("name", ["trunk_weight", "output_weight", "hidden_bias", "codebook"])
def test_sums_beyond_2_to_53_are_refused(name: str) -> None:
    a = arrays()
    a[name] = a[name].copy()
    a[name].flat[0] = 2**53 if name == "hidden_bias" else 2**33
    with pytest.raises(BundleError, match=r"(hidden_weight|" + name + ").*not be exact"):
        HyperSynthesis(a, SHAPE, SIDE)


def test_sums_just_below_2_to_53_are_exact() -> None:
    a = arrays()
    a["trunk_weight"] = np.zeros_like(a["trunk_weight"])
    a["trunk_weight"][0, 0] = (2**53 - 2**21 - 2**11) // 2**20 - 1
    a["trunk_bias"] = np.zeros_like(a["trunk_bias"])
    v = [4095, *[0] * (SIDE - 1)]
    made = HyperSynthesis(a, SHAPE, SIDE).predict(np.array([v]), np.array([0]), SCALES)
    assert (made.mean[0].tolist(), made.scale[0].tolist()) == predicted_in_integers(a, v, 0)


def test_an_array_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"array codebook has shape \(4, 4, 4\)"):
        HyperSynthesis(arrays(), replace(SHAPE, height=8), SIDE)
    with pytest.raises(BundleError, match="array output_weight"):
        HyperSynthesis(arrays(), replace(SHAPE, channels=5), SIDE)
    with pytest.raises(BundleError, match="array side_scale_index"):
        HyperSynthesis(arrays(), SHAPE, SIDE + 1)


def test_a_group_without_a_vector_latent_needs_no_vector_layers() -> None:
    shape = LatentShape(3, 2, 5, 0)
    made = HyperSynthesis(arrays(shape), shape, SIDE).predict(
        scattered_array((2, SIDE), 1, 3), np.zeros(2, int), SCALES
    )
    assert made.mean.shape == made.scale.shape == (2, 30)
