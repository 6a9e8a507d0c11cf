"""The graphs of a bundle say what the networks say, for another number of frames than they were traced with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
import torch

from shared.model.tasks import TASKS_OF_GROUP
from training.export.graphs import FEATURES, DecoderGraph, EncoderGraph, export_graphs
from training.networks.backbone import ImageNetBranch, Trunk, pretrained_lite0
from training.networks.task_networks import CodedNetworks, TaskNetworks

COUNTS = (1, 3)


@pytest.fixture(scope="module")
def networks() -> CodedNetworks:
    torch.manual_seed(5)
    return CodedNetworks(TaskNetworks(pretrained_lite0())).eval()


@pytest.fixture(scope="module")
def imagenet() -> ImageNetBranch:
    return ImageNetBranch(pretrained_lite0())


@pytest.fixture(scope="module")
def folder(networks: CodedNetworks, imagenet: ImageNetBranch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("graphs")
    export_graphs(networks, networks.tasks, Trunk(pretrained_lite0()), imagenet, directory)
    return directory


def answers(path: Path, inputs: dict[str, torch.Tensor]) -> list[npt.NDArray[np.float32]]:
    """What ONNX Runtime says; a graph takes only the inputs that it declares."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    declared = {entry.name for entry in session.get_inputs()}
    return list(session.run(None, {name: value.numpy() for name, value in inputs.items() if name in declared}))


@pytest.mark.parametrize("frames", COUNTS)
@pytest.mark.parametrize("group", TASKS_OF_GROUP)
def test_the_encoder_codes_any_number_of_frames(
    folder: Path, networks: CodedNetworks, imagenet: ImageNetBranch, group: str, frames: int
) -> None:
    rate = torch.arange(frames) % networks.codec(group).spec.rates
    features = {name: torch.rand(frames, *shape) for name, shape in FEATURES.items()}
    found = answers(folder / group / "encoder.onnx", features | {"rate": rate})
    with torch.inference_mode():
        z, v, *_ = EncoderGraph(networks, group, imagenet)(*features.values(), rate)
    # a value that lies between two whole numbers may be rounded to either, and v sums over all of them
    assert (found[0] != z.numpy()).mean() < 0.001
    assert np.abs(found[0] - z.numpy()).max() <= 1
    assert np.abs(found[1] - v.numpy()).max() <= 1


@pytest.mark.parametrize("frames", COUNTS)
@pytest.mark.parametrize("group", TASKS_OF_GROUP)
def test_the_decoder_decodes_any_number_of_frames(
    folder: Path, networks: CodedNetworks, group: str, frames: int
) -> None:
    spec = networks.codec(group).spec
    rate = torch.arange(frames) % spec.rates
    z = torch.randint(-3, 4, (frames, spec.channels * spec.height * spec.width + spec.vector), dtype=torch.int32)
    found = answers(folder / group / "decoder.onnx", {"z": z, "rate": rate})
    with torch.inference_mode():
        expected = DecoderGraph(networks, group)(z, rate)
    for one, wanted in zip(found, expected, strict=True):
        assert one == pytest.approx(wanted.numpy(), abs=1e-3)
