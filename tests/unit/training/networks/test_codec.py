"""The trained codec and its integer twin agree; gains, codebook and gradients do what the paper says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from shared.codec.hyper_synthesis import HyperSynthesis as IntegerHyperSynthesis
from shared.codec.hyper_synthesis import LatentShape, resample_codebook
from training.export.quantise import integer_arrays
from training.networks.codec import GroupCodec
from training.networks.codec_spec import SPECS, CodecSpec
from training.networks.hyperprior import SCALES
from training.networks.task import DENSE_CHANNELS, OBJECT_FEATURES, SCENE_FEATURES
from training.networks.transform import GroupDecoder, GroupEncoder, set_to_principal_components


def features_of(codec: GroupCodec, frames: int) -> dict[str, torch.Tensor]:
    shapes = {"class_scene": (SCENE_FEATURES,), "class_object": (OBJECT_FEATURES,)}
    return {task: torch.randn(frames, *shapes.get(task, (DENSE_CHANNELS, 16, 16))) for task in codec.spec.tasks}


@pytest.fixture(params=sorted(SPECS))
def codec(request: pytest.FixtureRequest) -> GroupCodec:
    torch.manual_seed(7)
    made = GroupCodec(SPECS[request.param])
    # biases start at zero; trained ones are not
    for layer in made.hyper_synthesis.modules():
        if hasattr(layer, "bias") and isinstance(layer.bias, torch.nn.Parameter):
            layer.bias.data += 0.3 * torch.randn_like(layer.bias)
    return made.eval()


def test_the_integer_hyper_synthesis_is_the_trained_one(codec: GroupCodec) -> None:
    spec = codec.spec
    shape = LatentShape(spec.channels, spec.height, spec.width, spec.vector)
    arrays = {name: array.astype(np.int64) for name, array in integer_arrays(codec).items()}
    integer = IntegerHyperSynthesis(arrays, shape, spec.side_information)
    v = np.random.default_rng(3).integers(-6, 7, (12, spec.side_information))
    rate = np.arange(12) % spec.rates
    prediction = integer.predict(v, rate, SCALES)
    with torch.no_grad():
        mean, index = codec.hyper_synthesis(
            torch.from_numpy(v).float(), torch.from_numpy(rate), spec.height, spec.width
        )
    # a sixteenth for the rounding of the mean, as much again for the fixed point of the layers before it
    assert np.abs(prediction.mean / 16 - mean.numpy()).max() < 2 / 16
    expected = index.numpy().clip(0, SCALES - 1)
    assert np.abs(prediction.scale - expected).max() < 0.75


def test_the_codebook_is_resampled_alike_in_floats_and_integers(codec: GroupCodec) -> None:
    arrays = integer_arrays(codec)
    integer = resample_codebook(arrays["codebook"].astype(np.int64), 12, 6) / 4096
    trained = codec.hyper_synthesis.resampled_codebook(12, 6).detach().numpy()
    assert np.abs(integer - trained).max() < 1 / 2048


def test_latents_are_integers_and_later_rates_are_finer(codec: GroupCodec) -> None:
    features = features_of(codec, 4)
    energy = []
    # as large as trained features are after the transform
    last = codec.encoder.transform[-1]
    assert isinstance(last, torch.nn.Conv2d)
    last.weight.data *= 20
    for rate in range(codec.spec.rates):
        _, z, v = codec.quantised(features, torch.full((4,), rate))
        assert torch.equal(z, z.round())
        assert torch.equal(v, v.round())
        assert z.shape == (4, codec.spec.channels * 64 + codec.spec.vector)
        assert v.shape == (4, codec.spec.side_information)
        energy.append(float(z.detach().abs().mean()))
    assert energy == sorted(energy)
    assert energy[0] < energy[-1]


def test_a_frame_may_have_its_own_rate(codec: GroupCodec) -> None:
    features = features_of(codec, 2)
    _, together, _ = codec.quantised(features, torch.tensor([0, 3]))
    _, alone, _ = codec.quantised({task: feature[1:] for task, feature in features.items()}, torch.tensor([3]))
    assert (together[1:] - alone).abs().max() <= 1
    assert (together[1:] != alone).float().mean() < 0.01


def test_rate_and_distortion_reach_every_trained_parameter(codec: GroupCodec) -> None:
    codec.train()
    coded = codec(features_of(codec, 8), torch.arange(8) % codec.spec.rates)
    (coded.bits.mean() + sum(feature.square().mean() for feature in coded.features.values())).backward()
    silent = [name for name, parameter in codec.named_parameters() if parameter.grad is None]
    assert silent == []


def test_bits_are_what_the_gaussian_model_says(codec: GroupCodec) -> None:
    features = features_of(codec, 3)
    rate = torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        coded = codec(features, rate)
        _, z, v = codec.quantised(features, rate)
        mean, index = codec.hyper_synthesis(v, rate, codec.spec.height, codec.spec.width)
        normal = torch.distributions.Normal(mean.double(), codec.scale(index).double())
        probability = normal.cdf(z.double() + 0.5) - normal.cdf(z.double() - 0.5)
    expected = -probability.clamp_min(1e-9).log2().sum(1)
    assert torch.allclose((coded.bits - coded.side_bits).double(), expected, rtol=1e-3)


def test_another_input_size_needs_another_codebook_size() -> None:
    spec = dataclasses.replace(SPECS["geometry"], height=8, width=12)
    codec = GroupCodec(spec).eval()
    features = {task: torch.randn(1, DENSE_CHANNELS, 16, 24) for task in spec.tasks}
    coded = codec(features, torch.zeros(1, dtype=torch.int64))
    assert coded.features["normal"].shape == (1, DENSE_CHANNELS, 16, 24)


def test_a_linear_path_with_room_enough_lets_everything_through() -> None:
    torch.manual_seed(8)
    spec = CodecSpec(("normal",), channels=32, side_information=4, linear=1)
    analysis, synthesis = GroupEncoder(spec).linear, GroupDecoder(spec).linear
    assert analysis is not None
    assert synthesis is not None
    features = torch.randn(6, 8, 16, 16) + torch.arange(8.0).view(1, 8, 1, 1)
    set_to_principal_components(analysis, synthesis, features)
    y = analysis(features)
    assert y.shape == (6, 32, 8, 8)
    assert y.mean((0, 2, 3)).abs().max() < 0.1, "the features' mean is not worth bits"
    assert (synthesis(y) - features).square().mean() < 0.01


def test_a_codec_with_a_linear_path_starts_as_that_path_alone() -> None:
    torch.manual_seed(9)
    codec = GroupCodec(CodecSpec(("normal", "reshading"), channels=24, side_information=4, linear=1)).eval()
    features = {
        task: F.interpolate(torch.randn(4, 8, 4, 4), size=(16, 16), mode="bilinear") for task in codec.spec.tasks
    }
    codec.initialise(features)
    with torch.inference_mode():
        spatial, _ = codec.encoder(features)
        decoded = codec.decoder(spatial, spatial.flatten(1)[:, :0], torch.zeros(4, dtype=torch.int64))
    for task, feature in features.items():
        assert (decoded[task] - feature).square().mean() < 0.05 * feature.square().mean()
