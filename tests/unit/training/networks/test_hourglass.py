"""Taskonomy's published networks: their files' names, shapes and digests, and the very numbers that the authors' code gives.

Files of the published layout are written with patterned weights. EXPECTED_* were computed by PyPI's visualpriors 0.3.5 from the same
weights.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.taskonomy import (
    CLASS_DECODER_OF_63_SCENES,
    DECODER_OF_THREE_CHANNELS,
    ENCODER,
    Shapes,
    noise,
    patterned,
    save,
    shapes_of,
)
from training.datasets.frame import DataError
from training.networks.hourglass import (
    PUBLISHED,
    HourglassClassDecoder,
    HourglassDecoder,
    HourglassEncoder,
    load_encoder,
    load_network,
    load_task_decoder,
    network_files,
)
from training.networks.task import DENSE_CHANNELS

EXPECTED_FEATURE = {
    (2, 1): [641.96, 611.2, 600.35, 0.0, 4731.06, 373.4, 0.0, 2061.36],
    (0, 3): [0.0, 167.93, 0.0, 0.0, 0.0, 270.09, 0.0, 0.0],
}
EXPECTED_DECODED = {
    (0, 0, 0): 0.11638, (0, 63, 63): 0.1347, (1, 0, 63): -0.05009, (1, 31, 17): 0.3305, (2, 40, 5): -0.2729, (2, 5, 40): -0.28114,
}  # fmt: skip
EXPECTED_LOGITS = {0: -0.52859, 1: 1.23729, 30: 0.20729, 61: -2.31889, 62: -1.16257}


def picture(side: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    channels = [(3 * columns + rows) % 256, (columns * rows) % 256, (5 * rows + 40) % 256]
    return torch.stack(channels, -1)[None].to(torch.uint8)


def feature(side: int) -> Tensor:
    return torch.from_numpy(noise(8 * side * side, 99)).reshape(1, 8, side, side)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as large as the published ones: normals whole, scenes whole."""
    folder = tmp_path_factory.mktemp("weights")
    encoder = patterned(shapes_of(ENCODER))
    save(folder, "normal_encoder", {"state_dict": encoder})
    save(folder, "normal_decoder", {"state_dict": patterned(shapes_of(DECODER_OF_THREE_CHANNELS))})
    save(folder, "class_scene_decoder", {"state_dict": patterned(shapes_of(CLASS_DECODER_OF_63_SCENES))})
    return folder


def only(folder: Path, stem: str) -> Path:
    (path,) = folder.glob(f"{stem}-*.pth")
    return path


@pytest.fixture(scope="module")
def encoder(weights: Path) -> HourglassEncoder:
    return load_encoder(only(weights, "normal_encoder"))


@pytest.fixture(scope="module")
def decoder(weights: Path) -> HourglassDecoder:
    return load_network(lambda: HourglassDecoder(3), only(weights, "normal_decoder"))


@pytest.fixture(scope="module")
def class_decoder(weights: Path) -> HourglassClassDecoder:
    return load_network(lambda: HourglassClassDecoder(63), only(weights, "class_scene_decoder"))


def shapes_in(network: torch.nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_parameters_have_the_published_names_and_shapes(
    encoder: HourglassEncoder, decoder: HourglassDecoder, class_decoder: HourglassClassDecoder
) -> None:
    assert shapes_in(encoder) == shapes_of(ENCODER)
    assert shapes_in(decoder) == shapes_of(DECODER_OF_THREE_CHANNELS)
    assert shapes_in(class_decoder) == shapes_of(CLASS_DECODER_OF_63_SCENES)


def test_the_encoder_computes_what_the_authors_code_does(encoder: HourglassEncoder) -> None:
    got = encoder(picture(64))
    assert got.shape == (1, 8, 4, 4)
    for (row, column), expected in EXPECTED_FEATURE.items():
        assert got[0, :, row, column].tolist() == pytest.approx(expected, rel=1e-3, abs=0.1)


def test_the_decoder_computes_what_the_authors_code_does(decoder: HourglassDecoder) -> None:
    got = decoder(feature(4))
    assert got.shape == (1, 3, 64, 64)
    assert {place: float(got[0][place]) for place in EXPECTED_DECODED} == pytest.approx(EXPECTED_DECODED, abs=1e-4)


def test_the_class_decoder_computes_what_the_authors_code_does(class_decoder: HourglassClassDecoder) -> None:
    got = class_decoder(feature(16))
    assert got.shape == (1, 63)
    assert {place: float(got[0, place]) for place in EXPECTED_LOGITS} == pytest.approx(EXPECTED_LOGITS, abs=1e-4)


def test_a_frame_becomes_a_feature_that_the_codec_takes(encoder: HourglassEncoder) -> None:
    got = encoder(picture(256))
    assert got.shape == (1, DENSE_CHANNELS, 16, 16)
    assert bool((got >= 0).all())
    assert bool((got > 0).any())


def test_without_the_tanh_the_result_is_logits(weights: Path, decoder: HourglassDecoder) -> None:
    logits = load_network(lambda: HourglassDecoder(3, tanh=False), only(weights, "normal_decoder"))(feature(4))
    assert torch.allclose(logits.tanh(), decoder(feature(4)))
    assert not PUBLISHED["segment_semantic"].tanh


def test_training_leaves_published_networks_as_they_are(class_decoder: HourglassClassDecoder) -> None:
    before = class_decoder(feature(16))
    holder = torch.nn.Sequential(class_decoder).train()
    assert not class_decoder.bn0.training
    input_feature = feature(16).requires_grad_()
    holder(input_feature).sum().backward()
    assert input_feature.grad is not None
    assert all(parameter.grad is None for parameter in class_decoder.parameters())
    assert torch.equal(class_decoder(feature(16)), before)


def test_a_task_is_loaded_from_a_folder_by_the_published_names(weights: Path) -> None:
    encoder, decoder = network_files(weights, "normal")
    load_encoder(encoder)
    assert load_task_decoder(decoder, "normal")(feature(4)).shape == (1, 3, 64, 64)
    with pytest.raises(DataError, match=r"exactly one file curvature_encoder-DIGEST\.pth, found none"):
        network_files(weights, "principal_curvature")
    with pytest.raises(DataError, match=r"exactly one file depth_zbuffer_encoder-DIGEST\.pth, found none"):
        network_files(weights, "depth")


def test_a_decoder_is_of_its_tasks_kind(weights: Path, class_decoder: HourglassClassDecoder) -> None:
    path = only(weights, "class_scene_decoder")
    assert torch.equal(load_task_decoder(path, "class_scene")(feature(16)), class_decoder(feature(16)))
    with pytest.raises(DataError, match=r"has no parameter conv2\.0\.weight"):
        load_task_decoder(path, "depth")


def test_two_files_of_one_network_are_refused(weights: Path, tmp_path: Path) -> None:
    for name in ("normal_encoder-00000000.pth", "normal_encoder-11111111.pth"):
        os.link(only(weights, "normal_encoder"), tmp_path / name)
    with pytest.raises(DataError, match=r"normal_encoder-00000000\.pth, normal_encoder-11111111\.pth"):
        network_files(tmp_path, "normal")


def test_a_file_that_is_not_what_its_name_says_is_refused(weights: Path, tmp_path: Path) -> None:
    path = only(weights, "normal_encoder")
    wrong = tmp_path / f"normal_encoder-{'0' * 64}.pth"
    os.link(path, wrong)
    digest = path.stem.split("-")[1]
    with pytest.raises(DataError, match=f"has the SHA-256 {digest}, not the one in its name"):
        load_encoder(wrong)


def test_the_first_digits_of_the_digest_are_enough_but_some_are_needed(weights: Path, tmp_path: Path) -> None:
    path = only(weights, "class_scene_decoder")
    short, none = tmp_path / f"{path.stem[:28]}.pth", tmp_path / "class_scene_decoder.pth"
    os.link(path, short)
    os.link(path, none)
    assert short.name == f"class_scene_decoder-{path.stem.split('-')[1][:8]}.pth"
    assert load_network(lambda: HourglassClassDecoder(63), short).fc2.out_features == 63
    with pytest.raises(DataError, match="keep the published name"):
        load_network(lambda: HourglassClassDecoder(63), none)


class Touch:
    """Unpickled, it makes a file: what a checkpoint must never be able to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("digest_is_right", [False, True])
def test_nothing_of_a_checkpoint_is_run(tmp_path: Path, digest_is_right: bool) -> None:
    made = tmp_path / "made"
    path = save(tmp_path, "normal_encoder", {"state_dict": {}, "trap": Touch(made)})
    if not digest_is_right:
        path = path.rename(tmp_path / f"normal_encoder-{'f' * 64}.pth")
    with pytest.raises(DataError, match="tensors alone" if digest_is_right else "not the one in its name"):
        load_encoder(path)
    assert not made.exists()


def test_the_trap_would_have_worked(tmp_path: Path) -> None:
    made = tmp_path / "made"
    pickle.loads(pickle.dumps(Touch(made)))
    assert made.exists()


def test_parameters_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    whole = patterned(shapes_of(CLASS_DECODER_OF_63_SCENES))
    missing = {name: value for name, value in whole.items() if name != "bn0.running_mean"}
    with pytest.raises(DataError, match=r"has no parameter bn0\.running_mean"):
        load_network(lambda: HourglassClassDecoder(63), save(tmp_path, "class_scene_decoder", {"state_dict": missing}))
    unknown = whole | {"fc9.weight": torch.zeros(1)}
    with pytest.raises(DataError, match=r"has the parameter fc9\.weight, which this network does not"):
        load_network(lambda: HourglassClassDecoder(63), save(tmp_path, "class_scene_decoder", {"state_dict": unknown}))
    with pytest.raises(DataError, match=r"fc2\.weight has the shape \[63, 2048\] instead of \[1000, 2048\]"):
        load_network(lambda: HourglassClassDecoder(1000), save(tmp_path, "class_scene_decoder", {"state_dict": whole}))


def test_a_file_without_the_counters_of_batches_is_whole(tmp_path: Path) -> None:
    parameters = patterned(shapes_of(CLASS_DECODER_OF_63_SCENES))
    del parameters["bn0.num_batches_tracked"]
    path = save(tmp_path, "class_scene_decoder", {"state_dict": parameters})
    assert torch.equal(load_network(lambda: HourglassClassDecoder(63), path).fc2.bias, parameters["fc2.bias"])


@pytest.mark.parametrize("checkpoint", [{"weights": {}}, {"state_dict": [1, 2]}, torch.zeros(3)])
def test_a_checkpoint_of_another_form_is_refused(tmp_path: Path, checkpoint: Any) -> None:
    with pytest.raises(DataError, match="no entry state_dict of tensors"):
        load_encoder(save(tmp_path, "normal_encoder", checkpoint))


def test_bytes_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    content = b"<html>404</html>"
    path = tmp_path / f"normal_encoder-{hashlib.sha256(content).hexdigest()}.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no checkpoint of tensors alone"):
        load_encoder(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_encoder(tmp_path / "normal_encoder-0123456789.pth")
