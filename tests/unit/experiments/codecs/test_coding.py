"""Real bytes of every scheme."""

from __future__ import annotations

import pytest
import torch

from experiments.codecs.coding import CodebookCoder, HyperpriorCoder, coder_of, element_bits, optimised_rounding
from experiments.codecs.schemes import HyperpriorCodec, build_tables, make_codec
from training.networks.codec import GroupCodec
from training.networks.codec_spec import CodecSpec
from training.networks.task import SCENE_FEATURES

SPEC = CodecSpec(("class_scene", "segment_semantic"), channels=8, side_information=6, vector_scene=16, rates=2)
FRAMES = 3
MOST_OVERHEAD_BYTES = 2.0
# means are rounded to sixteenths and scales to the grid of the tables, which for an untrained model may be better or worse
SHARE_OF_THE_GRID = 0.08


def codec_and_latent(scheme: str, rate: float) -> tuple[GroupCodec | HyperpriorCodec, torch.Tensor, torch.Tensor]:
    """A fresh codec with its output layers stirred, so that means and scales differ from symbol to symbol."""
    torch.manual_seed(6)
    codec = make_codec(scheme, SPEC).eval()
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name.endswith(("output.weight", "second.weight")):
                parameter.normal_(0, 0.05)
    features = {"class_scene": torch.randn(FRAMES, SCENE_FEATURES), "segment_semantic": torch.randn(FRAMES, 8, 16, 16)}
    rates = torch.full((FRAMES,), rate) if rate % 1 else torch.full((FRAMES,), int(rate))
    assert isinstance(codec, GroupCodec | HyperpriorCodec)
    with torch.inference_mode():
        return codec, codec.scaled(features, rates), rates


@pytest.mark.parametrize("scheme", ["codebook", "positions", "channels", "context"])
@pytest.mark.parametrize("rate", [0, 0.4, 1])
def test_a_codebook_latent_takes_what_the_model_says_and_comes_back(scheme: str, rate: float) -> None:
    codec, scaled, rates = codec_and_latent(scheme, rate)
    assert isinstance(codec, GroupCodec)
    coder = coder_of(codec, rate)
    assert isinstance(coder, CodebookCoder)
    with torch.inference_mode():
        z = scaled.round()
        v = codec.side_information(z, rates)
        bits, _ = codec.bits(scaled, z, rates)
    for i in range(FRAMES):
        coded = coder.code(z[i], v[i])
        assert torch.equal(coded.z, z[i]), "no scale here is small enough for a symbol to be certain"
        assert coded.payload_bytes == pytest.approx(float(bits[i]) / 8, rel=SHARE_OF_THE_GRID, abs=MOST_OVERHEAD_BYTES)


@pytest.mark.parametrize("scheme", ["hyperprior", "scale"])
def test_a_hyperprior_latent_comes_back_from_compressais_coder(scheme: str) -> None:
    codec, scaled, _ = codec_and_latent(scheme, 1)
    assert isinstance(codec, HyperpriorCodec)
    build_tables(codec)
    coder = coder_of(codec, 1)
    assert isinstance(coder, HyperpriorCoder)
    for row in scaled:
        coded = coder.code(row)
        assert coded.side_bytes is not None
        assert 0 < coded.side_bytes < coded.payload_bytes
        assert (coded.z - row).abs().max() <= 0.5 + 1e-4


def test_optimised_rounding_moves_towards_the_mean_and_saves_bits() -> None:
    codec, scaled, rates = codec_and_latent("codebook", 0)
    assert isinstance(codec, GroupCodec)
    plain = scaled.round()
    z, v = optimised_rounding(codec, scaled, rates)
    with torch.inference_mode():
        mean, index = codec.prediction(v, plain, rates)
        scale = codec.scale(index)
        saved = element_bits(codec, plain, scale, mean).sum() - element_bits(codec, z, scale, mean).sum()
    moved = z != plain
    assert moved.any()
    assert ((z - plain).abs() <= 1).all()
    assert ((z - mean.round()).abs() <= (plain - mean.round()).abs()).all()
    assert saved > 0
