"""What each codec stage trains, and that averaged weights of one stage can be trained on by the next."""

from __future__ import annotations

import pytest
import torch

from training.data.batches import Batch
from training.export.graphs import FEATURES
from training.networks.backbone import pretrained_lite0
from training.networks.task_networks import CodedNetworks, TaskNetworks
from training.stages.codec import CodecTraining, fresh_networks, parameter_groups


@pytest.fixture(scope="module")
def networks() -> CodedNetworks:
    torch.manual_seed(3)
    return CodedNetworks(TaskNetworks(pretrained_lite0()))


@pytest.mark.parametrize("joint", [False, True])
def test_a_stage_trains_what_it_says(networks: CodedNetworks, joint: bool) -> None:
    # as a moving average hands it on
    networks.requires_grad_(False)
    groups = parameter_groups(networks, CodecTraining(joint=joint))
    trained = [parameter for group in groups for parameter in group["params"]]
    assert all(parameter.requires_grad for parameter in trained)
    ids = {id(parameter) for parameter in trained}
    assert {id(p) for p in networks.codecs.parameters()} <= ids
    assert not {id(p) for p in networks.tasks.branch.parameters()} & ids
    neck = {id(p) for p in networks.tasks.necks.parameters()}
    assert neck <= ids if joint else not neck & ids


def test_fresh_codecs_begin_as_the_principal_components_of_the_rooms(networks: CodedNetworks) -> None:
    """What they let through is nearly the feature, which untrained networks alone would not."""
    features = {name: torch.rand(12, *shape) for name, shape in FEATURES.items()}
    nothing = torch.zeros(12, 0)
    batch = Batch(
        **features, pooled=torch.rand(12, 1280), segmentation=nothing, geometry=nothing, mosaic=nothing, teacher=nothing,
        scene=nothing, object_class=torch.full((12,), -1), has_segmentation=nothing, has_geometry=nothing, has_mosaic=nothing,
        has_teacher=nothing,
    )  # fmt: skip
    fresh = fresh_networks(networks.tasks, [batch])
    codec = fresh.codec("geometry").eval()
    with torch.inference_mode():
        wanted, _ = fresh.tasks.group_features("geometry", batch.f8, batch.f16, batch.f32, batch.pooled)
        spatial, vector = codec.encoder(wanted)
        found = codec.decoder(spatial, vector, torch.zeros(12, dtype=torch.int64))
    for task, feature in wanted.items():
        assert (found[task] - feature).square().mean() < 0.5 * feature.var(), task
