"""Raw results of the published decoders: a network without error gives the label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.datasets.taskonomy import encodings
from training.networks.hourglass import CURVATURE_DEVIATION, CURVATURE_MEAN, published_result

pixels = arrays(np.uint8, (4, 4, 3), elements=st.integers(0, 255))


@given(pixels)
def test_a_perfect_normal_network_gives_the_label(stored: np.ndarray) -> None:
    label, known = encodings.normal(stored)
    raw = torch.from_numpy(stored).permute(2, 0, 1)[None].float() / 127.5 - 1
    # the sign of z is decided by the pixels that have a direction, in a network's result by all: they agree where there are no holes
    assume(known.all() and abs(float(raw[0, 2].mean())) > 1e-3)
    assert np.abs(published_result("normal", raw)[0].numpy() - label).max() < 1e-5


@given(pixels)
def test_a_perfect_curvature_network_gives_the_label(stored: np.ndarray) -> None:
    raw = (stored[..., :2].astype(np.float64) - CURVATURE_MEAN) / CURVATURE_DEVIATION
    got = published_result("principal_curvature", torch.from_numpy(raw).permute(2, 0, 1)[None].float())[0]
    assert np.abs(got.numpy() - encodings.principal_curvature(stored)).max() < 1e-5


def test_published_results_have_their_axes_and_ranges() -> None:
    floor = torch.tensor([0.0, -0.95, -0.3])[None, :, None, None].expand(1, 3, 2, 2)
    up = published_result("normal", floor)[0, :, 0, 0]
    assert up.tolist() == pytest.approx([0.0, 0.9536, 0.3011], abs=1e-3)
    towards = published_result("normal", -floor * torch.tensor([1, -1, 1])[:, None, None])[0, :, 0, 0]
    assert towards.tolist() == pytest.approx([0.0, 0.9536, 0.3011], abs=1e-3)
    shading = published_result("reshading", torch.tensor([-1.2, -1.0, 0.0, 1.0])[None, None, None])
    assert shading.flatten().tolist() == [0.0, 0.0, 0.5, 1.0]
    logits = torch.randn(1, 17, 2, 2)
    assert published_result("segment_semantic", logits) is logits


@given(arrays(np.uint16, (4, 4), elements=st.integers(0, encodings.FIRST_HOLE - 1)))
def test_a_perfect_depth_network_gives_the_label(stored: np.ndarray) -> None:
    raw = np.log(1.0 + stored.astype(np.float64)) / np.log(2.0**16)
    got = published_result("depth", torch.from_numpy(raw)[None, None])[0, 0].numpy()
    assert got == pytest.approx(encodings.depth_metres(stored), abs=1e-6)


def test_depth_is_bounded_by_what_sixteen_bits_can_say() -> None:
    got = published_result("depth", torch.tensor([-1.0, 0.0, 1.0])[None, None, None])
    assert got.flatten().tolist() == pytest.approx([0.0, 0.0, 65535 / 512])
