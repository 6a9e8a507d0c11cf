"""What each codec stage trains, and that averaged weights of one stage can be trained on by the next."""

from __future__ import annotations

import pytest
import torch

from training.networks.backbone import pretrained_lite0
from training.networks.rooms import TaskNetworks
from training.train_codec import CodecTraining, CodedNetworks, parameter_groups


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
