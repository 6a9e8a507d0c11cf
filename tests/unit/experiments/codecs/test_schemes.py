"""The schemes: what each may see, and what its bits are."""

from __future__ import annotations

import pytest
import torch

from experiments.codecs.schemes import CONTEXT_GROUPS, ChannelContext, make_codec
from training.networks.codec import CodedFeatures, GroupCodec
from training.networks.codec_spec import CodecSpec
from training.networks.task import OBJECT_FEATURES, SCENE_FEATURES

SPATIAL = CodecSpec(("segment_semantic",), channels=24, side_information=8, rates=3)
MIXED = CodecSpec(
    ("class_scene", "class_object", "segment_semantic"), channels=16, side_information=8, vector_scene=16, vector_object=48, rates=3
)  # fmt: skip
VECTOR = CodecSpec(("class_scene",), channels=0, side_information=8, vector_scene=16, rates=3)
FEATURES = {"class_scene": (SCENE_FEATURES,), "class_object": (OBJECT_FEATURES,), "segment_semantic": (8, 16, 16)}
RATES = torch.tensor([0, 2])


def features(spec: CodecSpec) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {task: torch.randn(2, *FEATURES[task]) for task in spec.tasks}


@pytest.mark.parametrize("scheme", ["control", "codebook", "positions", "channels", "context", "hyperprior", "scale"])
@pytest.mark.parametrize("spec", [SPATIAL, MIXED, VECTOR], ids=["spatial", "mixed", "vector"])
def test_every_scheme_gives_every_feature_back_in_its_shape_and_learns(scheme: str, spec: CodecSpec) -> None:
    torch.manual_seed(4)
    codec = make_codec(scheme, spec).train()
    given = features(spec)
    coded: CodedFeatures = codec(given, RATES)
    assert {task: value.shape for task, value in coded.features.items()} == {t: v.shape for t, v in given.items()}
    assert (coded.bits > 0).all() == (scheme != "control")
    assert (coded.side_bits <= coded.bits).all()
    loss = sum((value.square().mean() for value in coded.features.values()), coded.bits.mean())
    loss.backward()
    untouched = {
        name for name, p in codec.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum())
    }
    always_idle = {"encoder", "decoder"} & {name.split(".")[0] for name in untouched}
    assert not always_idle or scheme == "control"


def test_channel_context_sees_earlier_groups_only() -> None:
    torch.manual_seed(5)
    context = ChannelContext(SPATIAL)
    torch.nn.init.normal_(context.second.weight)
    z, mean, rate = torch.randn(1, 24, 8, 8), torch.zeros(1, 24, 8, 8), torch.tensor([1])
    before = context(z, mean, rate)
    size = SPATIAL.channels // CONTEXT_GROUPS
    for group in range(CONTEXT_GROUPS):
        changed = z.clone()
        changed[:, group * size :] += 5.0
        after = context(changed, mean, rate)
        for part in (slice(0, (group + 1) * size), slice(24, 24 + (group + 1) * size)):
            assert torch.equal(before[:, part], after[:, part]), "a group saw itself or a later one"
        if group + 1 < CONTEXT_GROUPS:
            later = slice((group + 1) * size, 24)
            assert not torch.allclose(before[:, later], after[:, later])


@pytest.mark.parametrize("scheme", ["positions", "channels"])
def test_without_side_information_every_frame_is_predicted_alike(scheme: str) -> None:
    codec = make_codec(scheme, MIXED).eval()
    assert isinstance(codec, GroupCodec)
    rate = torch.tensor([1, 1])
    z = codec.scaled(features(MIXED), rate).round()
    v = codec.side_information(z, rate)
    assert not v.any()
    mean, index = codec.prediction(v, z, rate)
    assert torch.equal(mean[0], mean[1])
    spatial = index[0, : 16 * 64].view(16, 64)
    assert (spatial.std(1) > 0).any() == (scheme == "positions")


def test_the_scale_hyperprior_has_no_mean() -> None:
    codec = make_codec("scale", MIXED).eval()
    y = codec.scaled(features(MIXED), RATES)
    mean, scale = codec.synthesise(*codec.analyse(*codec.split(y), RATES), RATES)  # type: ignore[operator]
    assert not mean.any()
    assert (scale > 0).all()


def test_rates_between_operating_points_lie_between() -> None:
    codec = make_codec("codebook", SPATIAL).eval()
    with torch.inference_mode():
        low, middle, high = (
            codec.scaled(features(SPATIAL), torch.tensor([rate, rate])).abs().mean() for rate in (0, 0.5, 1)
        )
    assert low < middle < high
